"""Series of readings, how each is watched, and the alarms that were raised."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models.jobs import Job, JobState
from crmquality.models.records import Source
from detectors.anomalies.series_feedback import Repeats
from detectors.anomalies.series_watching import Watch


class Series(models.Model):
    """One quantity over time: readings at even distances, in a unit.

    key: what the API calls it. interval: from one reading to the next; a derived series has one a whole interval.
    origin: where readings come from; `definition` says what is computed, see `services.series_deriving`.
    rejudge_from: a reading before this was added or changed after it had been judged: judge from there again.
    outlook: [[k, alarms, excess], ...] of the watch in force on the history, so that a slider need not compute it.
    """

    class Origin(models.TextChoices):
        """Where the readings come from."""

        SENT = "sent", "sent by API"
        RECORDS = "records", "computed from records"
        METRIC = "metric", "a quality metric"
        OPERATIONS = "operations", "our own work"

    key = models.SlugField(max_length=120, unique=True)
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=40, blank=True)
    interval = models.DurationField()
    origin = models.CharField(max_length=12, choices=Origin.choices, default=Origin.SENT)
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.CASCADE, related_name="series")
    definition = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    derived_upto = models.DateTimeField(null=True, blank=True)
    rejudge_from = models.DateTimeField(null=True, blank=True)
    outlook = models.JSONField(default=list, blank=True)
    outlook_upto = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True, help_text="Why it cannot be computed or judged.")
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["name", "id"]
        verbose_name_plural = "series"
        constraints = [
            models.CheckConstraint(
                condition=Q(origin__in=["sent", "operations"]) | Q(source__isnull=False),
                name="what_is_computed_names_its_source",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Observation(models.Model):
    """One reading of a series. value: null where it is known that none could be taken.

    expected, lower, upper, score: what it was held against and how far off it was, in the method's unit.
    is_alarm: null until it was judged. is_expected: people expect it to be odd, so it raised nothing.
    """

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="observations", db_index=False)
    at = models.DateTimeField()
    value = models.FloatField(null=True)
    expected = models.FloatField(null=True)
    lower = models.FloatField(null=True)
    upper = models.FloatField(null=True)
    score = models.FloatField(null=True)
    is_alarm = models.BooleanField(null=True)
    is_expected = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["series", "at"], name="one_reading_at_a_time")]
        indexes = [
            models.Index(fields=["series", "at"], name="readings_to_judge", condition=Q(is_alarm__isnull=True)),
            models.Index(fields=["series", "at"], name="readings_that_alarm", condition=Q(is_alarm=True)),
        ]

    def __str__(self) -> str:
        return f"{self.series_id} at {self.at:%Y-%m-%d %H:%M}"


class AlarmRule(models.Model):
    """How a series is watched, as it stood at a time; the newest is in force, none is edited.

    chosen_k: the threshold that a person chose; `k`, the one in force, is never below it. learns: whether answers
    move it. by: null for a version that was learned; `reason` says from what.
    alerts_from: readings before this are judged and drawn, and raise nothing.
    """

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="rules")
    number = models.PositiveIntegerField()
    method = models.CharField(max_length=20)
    k = models.FloatField()
    chosen_k = models.FloatField()
    side = models.SmallIntegerField(default=0)
    refractory = models.PositiveIntegerField()
    learn = models.PositiveIntegerField()
    alpha = models.FloatField(default=0.02)
    load = models.ForeignKey(Series, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reference_from = models.DateTimeField(null=True, blank=True)
    reference_to = models.DateTimeField(null=True, blank=True)
    learns = models.BooleanField(default=True)
    alerts_from = models.DateTimeField()
    reason = models.CharField(max_length=400, blank=True)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["series", "number"], name="one_rule_per_number"),
            models.CheckConstraint(
                condition=Q(k__gte=models.F("chosen_k"), chosen_k__gt=0), name="k_at_least_as_chosen"
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.number} of series {self.series_id}"

    @property
    def watch(self) -> Watch:
        """The rule as the detectors take it."""
        return Watch(
            self.method,
            self.k,
            self.side,
            self.refractory,
            self.learn,
            self.alpha,
            _period(self.reference_from, self.reference_to),
        )


class EmaProfile(models.Model):
    """What the moving average of a series remembers; read and written by PostgreSQL itself, see `series_functions`."""

    series = models.OneToOneField(Series, on_delete=models.CASCADE, primary_key=True, related_name="ema")
    alpha = models.FloatField()
    k = models.FloatField()
    refractory = models.IntegerField()
    warmup = models.IntegerField()
    side = models.IntegerField()
    mean = models.FloatField(default=0)
    variance = models.FloatField(default=0)
    seen = models.BigIntegerField(default=0)
    quiet = models.BigIntegerField(default=0)
    alarm = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"moving average of series {self.series_id}"


class ExpectedPeriod(models.Model):
    """When a series is expected to be odd, and how that comes again. first, last: the first occasion, both counted.

    alarm: the answer it came from. is_learned: several answers made it, nobody wrote it.
    """

    REPEATS: ClassVar[list[tuple[str, str]]] = [
        (Repeats.NEVER, "does not repeat"),
        (Repeats.WEEKLY, "every week"),
        (Repeats.MONTHLY, "every month, same day"),
        (Repeats.MONTH_END, "every month, counted from its end"),
        (Repeats.YEARLY, "every year"),
    ]

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="expected_periods")
    first = models.DateTimeField()
    last = models.DateTimeField()
    repeats = models.CharField(max_length=10, choices=REPEATS, default=Repeats.NEVER)
    reason = models.CharField(max_length=300)
    alarm = models.ForeignKey("Alarm", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    is_learned = models.BooleanField(default=False)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-first", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(last__gte=models.F("first")), name="expected_period_in_order")
        ]

    def __str__(self) -> str:
        return f"{self.reason} ({self.series_id})"


class Alarm(models.Model):
    """A disturbance of a series, and what became of it.

    at, value, expected, lower, upper, score, rule: as it was raised; never changed. last_at, readings: it goes on
    while further readings are alarms, and one alarm stands for all of them.
    state: what people said last; who said what and when stands in `review.AlarmNote`.
    """

    class State(models.TextChoices):
        """Open until somebody takes it up; the last three end it."""

        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        EXPECTED = "expected"
        FALSE_POSITIVE = "false_positive", "false positive"
        CLOSED = "closed"

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="alarms")
    rule = models.ForeignKey(AlarmRule, on_delete=models.RESTRICT, related_name="alarms")
    at = models.DateTimeField()
    last_at = models.DateTimeField()
    readings = models.PositiveIntegerField(default=1)
    value = models.FloatField()
    expected = models.FloatField(null=True)
    lower = models.FloatField(null=True)
    upper = models.FloatField(null=True)
    score = models.FloatField()
    state = models.CharField(max_length=14, choices=State.choices, default=State.OPEN)
    is_withdrawn = models.BooleanField(default=False, db_default=False, help_text="Closed: its reading was corrected.")
    raised_at = models.DateTimeField(db_default=Now())
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [models.UniqueConstraint(fields=["series", "at"], name="one_alarm_at_a_time")]
        indexes = [
            models.Index(fields=["state", "-at"], name="alarm_by_state"),
            models.Index(fields=["-raised_at"], name="alarm_by_time"),
        ]

    def __str__(self) -> str:
        return f"alarm of series {self.series_id} at {self.at:%Y-%m-%d %H:%M}"

    @property
    def is_over(self) -> bool:
        """Whether nobody need look at it any more."""
        return self.state not in (self.State.OPEN, self.State.ACKNOWLEDGED)


class SeriesUpdate(Job):
    """Computing a source's derived series anew and judging them."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="series_updates")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING]),
                name="one_active_series_update_per_source",
            )
        ]

    def __str__(self) -> str:
        return f"series of {self.source_id}"


class BakeOff(Job):
    """Every method on the user's own series or rows, by one scoring. result: see `services.comparing`.

    about: "series" or "rows". source: whose rows; null for series. subjects: ids of the series. networks: whether
    the sequence networks take part, which takes minutes. seeds: copies with planted anomalies.
    """

    class About(models.TextChoices):
        """What the methods are compared on."""

        SERIES = "series"
        ROWS = "rows"

    about = models.CharField(max_length=10, choices=About.choices)
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.CASCADE, related_name="bake_offs")
    subjects = models.JSONField(default=list)
    networks = models.BooleanField(default=True)
    seeds = models.PositiveSmallIntegerField(default=3)
    result = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"bake-off {self.pk}"


def _period(first: datetime | None, last: datetime | None) -> tuple[float, float] | None:
    return (first.timestamp(), last.timestamp()) if first and last else None
