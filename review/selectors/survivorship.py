"""Which survivorship rule agrees with what people chose: counted over merges, offered, not applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crmquality.metrics import wilson
from crmquality.models import Record, Source, SurvivorshipRules
from crmquality.services.collisions import UNIQUE_ROLES
from crmquality.services.survivorship import default_rule, merger
from detectors.duplicates.survivorship import RULES, Rule
from detectors.roles import Role
from review.models import Decision

LATEST = 500
"""So many of the newest merges are counted."""

ENOUGH = 10
"""Choices of a column from which a rule is suggested."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a rule gives the value that stood after people's merges; low and high: 95 % Wilson interval."""

    rule: Rule
    agreed: int
    choices: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the choices, how many it agrees with."""
        return self.agreed / self.choices


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """One column of a source: the rule in force, and what people's choices say of it.

    current: how often the rule in force agrees; None while nobody chose. suggestion: a rule that agrees more often,
    beyond chance; None if there is none.
    """

    name: str
    role: Role
    default: Rule
    chosen: str
    unique: bool
    current: Agreement | None = None
    suggestion: Agreement | None = None

    @property
    def unique_by_role(self) -> bool:
        """Whether its role alone makes it unique."""
        return self.role in UNIQUE_ROLES

    @property
    def rule(self) -> Rule:
        """The rule in force."""
        return Rule(self.chosen) if self.chosen else self.default


def column_rules(source: Source) -> list[ColumnRule]:
    """Every mapped column with its rule, and the suggestion learned from decisions."""
    version = SurvivorshipRules.in_force(source)
    counts = _agreements(source, version)
    found = []
    for name, role in source.column_roles.items():
        row = ColumnRule(name, role, default_rule(role), version.rules.get(name, ""), name in version.unique)
        choices, agreed = counts.get(name, (0, Counter()))
        if choices:
            every = [_agreement(rule, agreed[rule], choices) for rule in RULES if rule is not Rule.ASK]
            current = next((one for one in every if one.rule is row.rule), None)
            row = ColumnRule(
                name, role, row.default, row.chosen, row.unique, current, _suggestion(every, row.rule, current)
            )
        found.append(row)
    return found


def systems(source: Source) -> list[str]:
    """The source systems that records of this source name, the most frequent first; none without such a column."""
    columns = source.columns_of(Role.SOURCE_SYSTEM)
    if not columns:
        return []
    values = Record.objects.filter(source=source).order_by("id").values_list("fields", flat=True)[:20_000]
    counted = Counter(value for fields in values.iterator() if (value := fields.get(columns[0])))
    return [value for value, _ in counted.most_common(50)]


def _suggestion(every: Sequence[Agreement], rule: Rule, current: Agreement | None) -> Agreement | None:
    """The rule that agrees most, if even the low end of its interval lies above what the rule in force reaches."""
    best = max(every, key=lambda one: (one.agreed, one.rule is Rule.KEEP_MASTER))  # the plainest of those that tie
    if best.choices < ENOUGH or best.rule is rule:
        return None
    reached = current.share if current else 0.5  # to ask is right by itself: only a rule that is mostly right spares it
    return best if best.low > reached else None


def _agreement(rule: Rule, agreed: int, choices: int) -> Agreement:
    low, high = wilson(agreed, choices)
    return Agreement(rule, agreed, choices, low or 0.0, high or 0.0)


def _agreements(source: Source, version: SurvivorshipRules) -> dict[str, tuple[int, Counter[Rule]]]:
    """Column -> how many choices, and how many of them each rule agrees with."""
    merges = list(_merges(source))
    records: list[Record] = []
    for _, rows in merges:
        for place, fields in enumerate(rows.values(), len(records)):
            records.append(Record(pk=place + 1, source=source, fields=fields))
    if not records:
        return {}
    made = merger(source, records, version)
    counts: dict[str, tuple[int, Counter[Rule]]] = {}
    first = 0
    for done, rows in merges:
        ids = list(rows)
        places = list(range(first, first + len(ids)))
        first += len(ids)
        master = first - len(ids) + ids.index(done["survivor"]) + 1
        for name in source.column_roles:
            values = {rows[one].get(name) for one in ids if rows[one].get(name)}
            if len(values) < 2:
                continue  # where the records agree, or one fills another's blank, every rule does
            stood = done["changes"].get(name, rows[done["survivor"]].get(name))
            count, agreed = counts.get(name, (0, Counter()))
            candidates = made.candidates(places, name)
            hits = [rule for rule, choose in RULES.items() if candidates and choose(candidates, master).value == stood]
            counts[name] = (count + 1, agreed + Counter(hits))
    return counts


def _merges(source: Source) -> Iterator[tuple[Mapping[str, Any], dict[int, Mapping[str, str | None]]]]:
    """What people's standing merges did, and record id -> the values they saw."""
    rows = Decision.objects.filter(
        item__source=source,
        item__action="merge",
        by__isnull=False,
        undone_at__isnull=True,
        verdict__in=[Decision.Verdict.ACCEPT, Decision.Verdict.EDIT],
        changes__action="merge",
    ).order_by("-id")
    for changes, seen in rows.values_list("changes", "seen")[:LATEST]:
        ids = [changes["survivor"], *changes["members"]]
        values = {one: seen["values"][str(one)] for one in ids if str(one) in seen["values"]}
        if len(values) == len(ids):
            yield changes, values
