"""A record while it is typed: what is wrong with its values, how they are better written, and is it there already?

Nothing here reads the table: values are held against the rules, addresses and duplicates are asked of the process of
the resident index (`resident`), and the few records that it names are read by their ids. What that process cannot say
is left out, and said to be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from crmquality.masking import is_masked
from crmquality.models import Record, Source
from crmquality.selectors.naming import title
from crmquality.services import access, masking, resident, sensitive, validating
from crmquality.services.checking import broken_rules, check_values, require_columns
from crmquality.services.resident import Like
from crmquality.services.resident_completing import CUSTOMERS, PLACES

LIKELY = 0.2
"""Probability from which a record is named as a possible duplicate."""
MOST = 5
COMPLETIONS = 3
"""Completions of one value."""
REASONS = 6
UNSEEN = "A record you may not see"

Values = Mapping[str, str | None]


@dataclass(frozen=True)
class Said:
    """What the rules say of one value. words: for a person, "" where there is nothing to say."""

    column: str
    is_valid: bool
    words: str


@dataclass(frozen=True)
class Suggestion:
    """A value that a column should rather hold.

    by: "formats" for the same value better written, "addresses" for what a gazetteer knows, "records" for what many
    records of the source hold. completes: the column is blank, or holds the beginning of the value. probability: that
    the value is right; None where the rule has none.
    """

    column: str
    value: str
    words: str
    by: str
    probability: float | None = None
    completes: bool = False


@dataclass(frozen=True)
class Broken:
    """A rule of an admin's that the record breaks as a whole."""

    rule: str
    words: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """Why a record may be the same. weight: bits of log2 odds. words: "" where they would quote what is not shown."""

    feature: str
    weight: float
    words: str = ""


@dataclass(frozen=True)
class Possible:
    """A record that may be the one being typed.

    record: None where whoever asks may not see it; then nothing is said of it but that it is there, and what agrees.
    probability: that both are one; of an unseen record to the nearest tenth.
    """

    title: str
    probability: float
    reasons: list[Reason]
    record: Record | None = None


@dataclass(frozen=True)
class Entry:
    """What is said of a record being typed. no_duplicates, no_addresses: why nobody looked; "" if somebody did."""

    fields: list[Said]
    broken: list[Broken]
    suggestions: list[Suggestion]
    duplicates: list[Possible] = field(default_factory=list)
    no_duplicates: str = ""
    no_addresses: str = ""


def check_entry(*, source: Source, values: Values, user: Any, record: Record | None = None) -> Entry:
    """What the rules, the gazetteers and the other records say of values that are being typed; writes nothing.

    values: column -> text, of the columns that the form has. record: the one being edited, which the person may see;
    its other values count too. A value in its masked form is taken for not given.

    Raises Refused if the source has no such column, or a value is too long for a cell.
    """
    require_columns(source, values)
    mask = masking.current()
    hidden = mask.hidden(source) if record is None else mask.hides(record)
    typed = {name: value for name, value in values.items() if not (name in hidden and is_masked(value))}
    held = record.fields if record is not None else {}
    known = {name: held[name] for name in source.columns if name in held and name not in hidden} | typed
    rules = [rule for rule in validating.readable_rules(source) if not typed.keys().isdisjoint(rule.columns)]
    broken = broken_rules(known, rules)
    checks = check_values(source, known, list(typed), [rule for rule in broken if len(rule.columns) == 1])
    suggestions = [
        Suggestion(name, check.suggestion, check.words, "formats") for name, check in checks.items() if check.suggestion
    ]
    addresses, no_addresses = _addresses(source, known, typed)
    duplicates, no_duplicates = _duplicates(source, known, user, record)
    return Entry(
        [Said(name, check.is_valid, check.words) for name, check in checks.items()],
        [Broken(rule.name, rule.words(), rule.columns) for rule in broken if len(rule.columns) > 1],
        suggestions + addresses + _completions(source, typed, hidden, user, suggestions + addresses),
        duplicates,
        no_duplicates,
        no_addresses,
    )


def _addresses(source: Source, known: Values, typed: Values) -> tuple[list[Suggestion], str]:
    kept = set(sensitive.sensitive_columns(source)) - sensitive.allowed_columns(source)
    try:
        found = resident.corrections(source, known)
    except resident.NotReady as why:
        return [], str(why)
    given = {name: (value or "").strip() for name, value in typed.items() if name not in kept}
    return [
        Suggestion(one.column, one.value, one.words, "addresses", one.probability, not given[one.column])
        for one in found
        if one.column in given and one.value != given[one.column]
    ], ""


def _completions(
    source: Source, typed: Values, hidden: Collection[str], user: Any, made: Collection[Suggestion]
) -> list[Suggestion]:
    """How values go on that were begun: none that is masked, sensitive, or says whom colleagues deal with."""
    roles = PLACES | CUSTOMERS if access.sees_everything(user) else PLACES
    kept = set(hidden) | (set(sensitive.sensitive_columns(source)) - sensitive.allowed_columns(source))
    begun = {
        name: value
        for name, value in typed.items()
        if source.column_roles.get(name) in roles and name not in kept and (value or "").strip()
    }
    try:
        found = resident.completions(source, begun, most=COMPLETIONS)
    except resident.NotReady:
        return []
    known = {(one.column, one.value) for one in made}
    return [
        Suggestion(name, value, "As other records have it.", "records", completes=True)
        for name, values in found.items()
        for value in values
        if (name, value) not in known
    ]


def _duplicates(source: Source, known: Values, user: Any, record: Record | None) -> tuple[list[Possible], str]:
    asked = {name: value for name, value in known.items() if (value or "").strip()}
    if not asked:
        return [], ""
    without = record.pk if record is not None else None
    try:
        found = resident.find_like(None, asked, source=source, others=True, limit=MOST, least=LIKELY, without=without)
    except resident.NotReady as why:
        return [], str(why)
    ids = [like.record for like in found]
    records = {one.pk: one for one in Record.objects.live().filter(pk__in=ids).select_related("source")}
    seen = set(access.visible_records(user, Record.objects.filter(pk__in=ids)).values_list("pk", flat=True))
    return [_possible(like, records[like.record], like.record in seen) for like in found if like.record in records], ""


def _possible(like: Like, record: Record, is_seen: bool) -> Possible:
    strongest = sorted(like.reasons, key=lambda reason: -abs(reason.weight))[:REASONS]
    if not is_seen:
        agree = [Reason(reason.feature, round(reason.weight)) for reason in strongest if reason.weight > 0]
        return Possible(UNSEEN, round(like.probability, 1), agree)
    masked = masking.current().reasons(record, [asdict(reason) for reason in strongest])
    reasons = [Reason(one["feature"], one["weight"], one["detail"]) for one in masked]
    return Possible(title(record), like.probability, reasons, record)
