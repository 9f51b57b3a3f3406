"""Series and alarms as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from crmquality.models import Alarm, AlarmRule, ExpectedPeriod, Observation, Series
from crmquality.services import alarms
from detectors.anomalies.series_feedback import Repeats, said
from detectors.anomalies.series_watching import UNITS
from review.charts_bands import BandChart, Reading, band_chart

SPANS: list[tuple[str, timedelta]] = [
    ("6 h", timedelta(hours=6)),
    ("1 day", timedelta(days=1)),
    ("1 week", timedelta(days=7)),
    ("30 days", timedelta(days=30)),
    ("90 days", timedelta(days=90)),
    ("1 year", timedelta(days=365)),
]
FEWEST = 8
"""A chart of fewer readings shows nothing."""

MOST_DRAWN = 20_000
LISTED = 200


@dataclass(frozen=True)
class SeriesRow:
    """One series of the list. active: alarms that somebody should look at."""

    series: Series
    rule: AlarmRule | None
    value: float | None
    at: datetime | None
    active: int
    is_odd: bool


@dataclass(frozen=True)
class Window:
    """The part of a series shown. spans: (words, query, is this one); earlier, later: queries, "" at the ends."""

    first: datetime | None
    last: datetime | None
    spans: list[tuple[str, str, bool]]
    earlier: str
    later: str


@dataclass(frozen=True)
class Expectation:
    """An expected period in words."""

    period: ExpectedPeriod
    words: str


def series_rows(query: str = "") -> list[SeriesRow]:
    """Every series with its latest reading and its standing alarms; those with alarms first."""
    latest = Observation.objects.filter(series=OuterRef("pk"), value__isnull=False).order_by("-at")
    found = Series.objects.select_related("source").annotate(
        last_value=Subquery(latest.values("value")[:1]),
        last_at=Subquery(latest.values("at")[:1]),
        last_odd=Subquery(latest.values("is_alarm")[:1]),
        active=Count("alarms", filter=Q(alarms__state__in=alarms.ACTIVE)),
    )
    if query:
        found = found.filter(Q(name__icontains=query) | Q(key__icontains=query))
    newest = AlarmRule.objects.order_by("series_id", "-number").distinct("series_id")
    rules = {rule.series_id: rule for rule in newest}
    rows = [
        SeriesRow(one, rules.get(one.pk), one.last_value, one.last_at, one.active, bool(one.last_odd)) for one in found
    ]
    return sorted(rows, key=lambda row: (-row.active, row.series.name.lower()))


def window(series: Series, *, span: str, until: str, first: str = "", last: str = "") -> Window:
    """What part of a series a query asks for: a span that ends at a time, or from one day to another."""
    ends = _ends(series)
    if ends is None:
        return Window(None, None, [], "", "")
    begin, end = ends
    names = dict(_fitting(series, begin, end))
    chosen = names.get(span) or (None if span == "all" else _usual(names))
    upto = _moment(last, end_of_day=True) or _moment(until) or end
    since = _moment(first) or (upto - chosen if chosen else begin)
    if since >= upto:
        since, upto = begin, end
    step = upto - since
    label = span if span in names or span == "all" else next((name for name in names if names[name] == chosen), "all")
    spans = [(name, urlencode({"span": name}), name == label and not first) for name in names]
    spans.append(("all", "span=all", label == "all" and not first))
    return Window(
        since,
        upto,
        spans,
        _moved(label, upto - step / 2) if since > begin and label != "all" else "",
        _moved(label, upto + step / 2) if upto < end and label != "all" else "",
    )


def chart(series: Series, shown: Window, *, mark: datetime | None = None) -> BandChart | None:
    """The readings of a window with the interval they were held against."""
    return band_chart(readings(series, shown.first, shown.last), mark=mark)


def readings(series: Series, first: datetime | None, last: datetime | None) -> list[Reading]:
    """The readings between two times, at most MOST_DRAWN, in time order."""
    rows = Observation.objects.filter(series=series)
    if first:
        rows = rows.filter(at__gte=first)
    if last:
        rows = rows.filter(at__lte=last)
    names = ("at", "value", "expected", "lower", "upper", "score", "is_alarm", "is_expected")
    found = rows.order_by("-at").values_list(*names)[:MOST_DRAWN]
    return [
        Reading(at, value, expected, lower, upper, score, bool(is_alarm), is_expected)
        for at, value, expected, lower, upper, score, is_alarm, is_expected in reversed(found)
    ]


def at_threshold(drawn: Sequence[Reading], k: float, refractory: int) -> list[Reading]:
    """The same readings as another threshold would have judged them; the band is left as it was."""
    kept, free_from = [], 0
    for place, one in enumerate(drawn):
        is_alarm = (one.score or 0.0) > k and place >= free_from and not one.is_expected
        free_from = place + refractory + 1 if is_alarm else free_from
        kept.append(
            Reading(one.at, one.value, one.expected, one.lower, one.upper, one.score, is_alarm, one.is_expected)
        )
    return kept


def around(alarm: Alarm) -> Window:
    """A window about an alarm: what came before, mostly, and what came after."""
    step = alarm.series.interval
    return Window(alarm.at - 90 * step, alarm.last_at + 30 * step, [], "", "")


def alarm_rows(*, state: str = "active", series: int | None = None) -> QuerySet[Alarm]:
    """Alarms of a state ("active": open or acknowledged; "all"), the latest first."""
    rows = Alarm.objects.select_related("series", "rule").order_by("-at", "-id")
    if state == "active":
        rows = rows.filter(state__in=alarms.ACTIVE)
    elif state in Alarm.State.values:
        rows = rows.filter(state=state)
    return rows.filter(series=series) if series else rows


def counts() -> dict[str, int]:
    """State -> number of alarms, and "active" and "all"."""
    found = dict.fromkeys(Alarm.State.values, 0) | dict(
        Alarm.objects.order_by().values_list("state").annotate(count=Count("pk"))
    )
    active = sum(found[state] for state in alarms.ACTIVE)
    return {"active": active, **found, "all": sum(found.values())}


def expectations(series: Series) -> list[Expectation]:
    """When a series is expected to be odd, in words."""
    return [Expectation(one, _words(one)) for one in ExpectedPeriod.objects.filter(series=series).select_related("by")]


def deviation(alarm: Alarm) -> str:
    """How far off an alarm is, in words."""
    return f"{alarm.score:,.1f} {UNITS[alarm.rule.method].split(':')[0]}"


def table(drawn: Sequence[Reading]) -> list[Reading]:
    """The readings a table lists: the latest first, alarms among them."""
    return list(reversed(drawn))[:LISTED]


def _words(period: ExpectedPeriod) -> str:
    if period.repeats == Repeats.NEVER:
        last = "" if period.last.date() == period.first.date() else f" to {period.last:%-d %b %Y}"
        return f"{period.first:%-d %b %Y}{last}"
    begins = said(Repeats(period.repeats), period.first.date())
    days = (period.last.date() - period.first.date()).days
    return f"{begins}, for {days + 1} days" if days else begins


def _ends(series: Series) -> tuple[datetime, datetime] | None:
    rows = Observation.objects.filter(series=series).order_by("at").values_list("at", flat=True)
    first, last = rows.first(), rows.last()
    return (first, last) if first and last else None


def _fitting(series: Series, begin: datetime, end: datetime) -> list[tuple[str, timedelta]]:
    """The spans that hold enough readings and are shorter than the whole."""
    return [(name, span) for name, span in SPANS if FEWEST * series.interval <= span < end - begin]


def _usual(names: dict[str, timedelta]) -> timedelta | None:
    """The span shown at first: a month, or what is next to it."""
    return min(names.values(), key=lambda span: abs(span - timedelta(days=60)), default=None)


def _moment(text: str, *, end_of_day: bool = False) -> datetime | None:
    """A time from a query ("2026-06-01" or with a time of day, UTC); None if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if end_of_day and len(text) <= len("2026-06-01"):
        found += timedelta(days=1)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _moved(span: str, until: datetime) -> str:
    return urlencode({"span": span, "until": until.isoformat(timespec="seconds")})
