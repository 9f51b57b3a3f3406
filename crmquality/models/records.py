"""Where records come from, what they hold, and every change ever made to them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from crmquality.models.jobs import Job, JobState
from detectors.roles import Role


class Kind(models.TextChoices):
    """What a source's records are."""

    CONTACTS = "contacts"
    ACCOUNTS = "accounts"
    LEADS = "leads"
    OPPORTUNITIES = "opportunities"
    QUOTATIONS = "quotations"
    ORDERS = "orders"
    ACTIVITIES = "activities"


REFERENCES: dict[Role, Kind] = {
    Role.ACCOUNT_REF: Kind.ACCOUNTS,
    Role.CONTACT_REF: Kind.CONTACTS,
    Role.OPPORTUNITY_REF: Kind.OPPORTUNITIES,
    Role.QUOTATION_REF: Kind.QUOTATIONS,
}
"""The kind of record that a reference role points at, by external id, within the same system."""


class Source(models.Model):
    """One table of one system: the contacts of a CRM, a CSV file of leads.

    columns: the names of the columns, in the order of the source.
    roles: column -> role; a person's word once `roles_confirmed`.
    """

    name = models.CharField(max_length=120, unique=True)
    system = models.CharField(
        max_length=120,
        default="default",
        help_text="Sources of one system refer to each other by external id.",
    )
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.CONTACTS)
    columns = models.JSONField(default=list)
    roles = models.JSONField(default=dict)
    role_guesses = models.JSONField(default=dict, help_text="Column -> {role, confidence, why}, as guessed.")
    roles_confirmed = models.BooleanField(default=False)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166 code assumed where a record has none.")
    segment_column = models.TextField(
        blank=True, default="", db_default="", help_text="Metrics are kept by its values too."
    )
    sensitive_allowed = models.JSONField(
        default=list,
        db_default=[],
        help_text="Columns of sensitive attributes (gender, age ...) whose blanks an admin lets detectors fill.",
    )
    deduplicated = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It holds nobody twice, an admin says: a record of another source is linked to one of it at most.",
    )
    run_every = models.DurationField(null=True, blank=True, help_text="Run all detectors at this interval.")
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def column_roles(self) -> dict[str, Role]:
        """Column -> role, in the order of the columns, without those to be ignored."""
        known = {column: Role(self.roles[column]) for column in self.columns if column in self.roles}
        return {column: role for column, role in known.items() if role is not Role.IGNORE}

    def columns_of(self, *roles: Role) -> list[str]:
        """The columns that hold any of these roles."""
        return [column for column, role in self.column_roles.items() if role in roles]


class RecordQuerySet(models.QuerySet["Record"]):
    """The verbs of records."""

    def live(self) -> Self:
        """Records that stand for themselves: not merged into another, not gone from the source."""
        return self.filter(golden__isnull=True, gone_at__isnull=True)


class Record(models.Model):
    """One row of a source.

    raw: the row exactly as it was read (the text of the CSV line or, for typed files, a JSON array of its cells).
    fields: column -> text or null: today's values, after corrections. Text is kept as the source gave it; what
        type it has is said by the column's role.
    digest: XXH3 (128 bits) of the imported cells: tells a changed row from an equal one on re-import.
    refs: "kind:external id" of what it refers to, for finding the children of a merge.
    golden: the golden record this one was merged into; null while it stands for itself.
    """

    # The unique key below begins with the source, and a partial index holds the merged ones: two indexes less to fill.
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="records", db_index=False)
    external_id = models.TextField()
    line = models.PositiveBigIntegerField(default=0, help_text="Line of the file it was last read from.")
    raw = models.TextField(blank=True)
    fields = models.JSONField(default=dict)
    digest = models.CharField(max_length=32, blank=True)
    refs = ArrayField(models.TextField(), null=True)
    golden = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged", db_index=False
    )
    version = models.PositiveIntegerField(default=1, db_default=1)
    gone_at = models.DateTimeField(null=True, help_text="When a full import no longer held it.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = RecordQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="one_record_per_external_id"),
            models.CheckConstraint(
                condition=Q(golden__isnull=True) | ~Q(golden=F("id")),
                name="a_record_is_not_its_own_golden_record",
            ),
        ]
        indexes = [
            GinIndex(fields=["refs"], name="record_refs", condition=Q(refs__isnull=False)),
            models.Index(fields=["golden"], name="record_golden", condition=Q(golden__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.source_id}:{self.external_id}"

    def value(self, role: Role) -> str | None:
        """The value of the first column of this role; None if blank or there is none."""
        column = next(iter(self.source.columns_of(role)), None)
        return None if column is None else self.fields.get(column)


class ChangeSet(models.Model):
    """Changes made together, for one reason, in one transaction; undone together.

    cause: what led to it, for a person ("decision 17", "import 3", "automatic: formats").
    run: whose finding led to it, so that all that came of a run can be undone.
    """

    class Action(models.TextChoices):
        """What was done."""

        SET = "set"
        MERGE = "merge"
        EDIT = "edit"
        IMPORT = "import"
        UNDO = "undo"

    action = models.CharField(max_length=10, choices=Action.choices)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="change_sets")
    cause = models.CharField(max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Null: no person, an automatic change.",
    )
    at = models.DateTimeField(db_default=Now())
    run = models.ForeignKey(
        "crmquality.Run", null=True, blank=True, on_delete=models.SET_NULL, related_name="change_sets"
    )
    undoes = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")

    touched: Collection[int] | None = None
    """The records written into, where they were written just now; not stored."""

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["source", "-at"], name="change_set_by_time")]

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"

    @property
    def is_undone(self) -> bool:
        """Whether a later change set undid this one."""
        return ChangeSet.objects.filter(undoes=self).exists()


class Change(models.Model):
    """One value before and after. Never updated, never deleted.

    field: the record's column; "golden" with `is_pointer` for the pointer to the golden record, whose before and
    after are record ids as text.
    """

    change_set = models.ForeignKey(ChangeSet, on_delete=models.CASCADE, related_name="changes")
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="changes")
    field = models.TextField()
    is_pointer = models.BooleanField(default=False, db_default=False)
    before = models.TextField(null=True)  # noqa: DJ001 - null is a value here: the field was blank
    after = models.TextField(null=True)  # noqa: DJ001
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["record", "-id"], name="change_by_record")]

    def __str__(self) -> str:
        return f"{self.field} of record {self.record_id}"


class Import(Job):
    """One file read into a source, or rows pulled from a connected system.

    options: encoding, delimiter, sheet and the like, as detected or given.
    feed: where rows are pulled from; null for a file. Then `complete` says that everything is pulled.
    A dry run counts and checks, and writes no record.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="imports")
    feed = models.ForeignKey("crmquality.Feed", null=True, on_delete=models.CASCADE, related_name="pulls")
    file_name = models.CharField(max_length=255)
    path = models.TextField(blank=True, help_text="Where the file is kept, under CRMQUALITY_HOME.")
    size = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    options = models.JSONField(default=dict)
    dry_run = models.BooleanField(default=False)
    complete = models.BooleanField(
        default=False, help_text="The file holds every record of the source: others are marked as gone."
    )
    rows_read = models.PositiveBigIntegerField(default=0)
    rows_new = models.PositiveBigIntegerField(default=0)
    rows_changed = models.PositiveBigIntegerField(default=0)
    rows_same = models.PositiveBigIntegerField(default=0)
    rows_quarantined = models.PositiveBigIntegerField(default=0)
    run_after_import = models.BooleanField(default=False)
    gated = models.BooleanField(
        default=True, db_default=True, help_text="Rows that break a blocking rule go to quarantine."
    )
    broken = models.JSONField(default=dict, db_default={}, help_text="Blocking rule -> rows that broke it.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING]),
                name="one_active_import_per_source",
            )
        ]

    def __str__(self) -> str:
        return f"{self.file_name} -> {self.source_id}"


class QuarantinedRow(models.Model):
    """A row that could not become a record: kept exactly, with its line and the reason."""

    job = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="quarantined")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="quarantined")
    line = models.PositiveBigIntegerField()
    raw = models.BinaryField(help_text="The bytes of the row as they stood in the file.")
    reason = models.TextField()
    resolved_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        ordering = ["line", "id"]
        indexes = [models.Index(fields=["source", "line"], name="quarantine_by_line")]

    def __str__(self) -> str:
        return f"line {self.line}"
