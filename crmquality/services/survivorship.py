"""Which value of each field survives a merge, and why: an admin's rules, the detector's proposal, a person's choice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from django.db import transaction

from crmquality.models import Record, Run, Source, SurvivorshipRules
from crmquality.services import merging
from crmquality.services.collisions import Collision, find_collisions
from crmquality.services.errors import Refused
from crmquality.services.publishing import publish
from detectors.contract import Batch
from detectors.duplicates.golden import Merger
from detectors.duplicates.survivorship import DEFAULT_RULES, Choice, Rule
from detectors.roles import Role

CHOSEN = "your choice"
"""Stands where a rule's name would, for a value that a person chose."""


class Unanswered(Refused):
    """Fields that a person must choose a value for, before these records are merged."""


class Collides(Refused):
    """The merge would put a value where only one record may hold it; nothing was written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a merge.

    values: what each record holds, the surviving one first. after: what the golden record will hold. rule: by which
    rule, "" where the detector proposed it otherwise. whose: the record that the value comes from, None for none of
    them. ask: a person must choose first.
    """

    name: str
    role: str
    values: tuple[str | None, ...]
    after: str | None
    rule: str = ""
    reason: str = ""
    whose: int | None = None
    ask: bool = False

    @property
    def differs(self) -> bool:
        """Whether the records disagree."""
        return len({value or "" for value in self.values}) > 1

    @property
    def moves(self) -> bool:
        """Whether the surviving record's own value changes."""
        return (self.values[0] or "") != (self.after or "")


@dataclass(frozen=True)
class Plan:
    """A merge as it would be done now: who survives, every field, what moves with it, and what stands in the way.

    records: the surviving one first. left_out: records of the claim that a person ticked off.
    children: record id -> how many records refer to it.
    """

    records: list[Record]
    rows: list[Row]
    left_out: list[Record] = field(default_factory=list)
    collisions: list[Collision] = field(default_factory=list)
    children: Mapping[int, int] = field(default_factory=dict)

    @property
    def survivor(self) -> Record:
        """The record that stays."""
        return self.records[0]

    @property
    def changes(self) -> dict[str, str | None]:
        """What is written into the surviving record."""
        return {row.name: row.after for row in self.rows if row.moves}

    @property
    def unanswered(self) -> list[str]:
        """The fields that a person must choose a value for."""
        return [row.name for row in self.rows if row.ask]

    @property
    def blocking(self) -> list[Collision]:
        """Collisions that the merge itself would bring about."""
        return [one for one in self.collisions if one.is_new]

    @property
    def proposal(self) -> dict[str, Any]:
        """As `proposals.proposal_to_json` writes a merge."""
        return {
            "action": "merge",
            "survivor": self.survivor.pk,
            "members": [record.pk for record in self.records[1:]],
            "changes": self.changes,
        }

    @property
    def digest(self) -> str:
        """Tells whether what is done is what a person saw."""
        text = json.dumps([self.proposal, self.unanswered], sort_keys=True, ensure_ascii=False)
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def plan_merge(
    records: Sequence[Record],
    *,
    proposal: Mapping[str, Any],
    run: Run | None = None,
    survivor: int | None = None,
    members: Sequence[int] | None = None,
    chosen: Mapping[str, str | None] | None = None,
) -> Plan:
    """What merging these records would do now.

    proposal: the detector's, from `run`. Its values stand, but where an admin's rule names the field or the rules
        changed since that run; and where a person ticks off records or lets another one survive, the rules choose.
    survivor, members, chosen: a person's, in place of the proposal's.
    Raises Refused if fewer than two of the records are to be merged.
    """
    source = records[0].source
    unknown = sorted(set(chosen or {}) - set(source.columns))
    if unknown:
        raise Refused(f"No field {', '.join(map(repr, unknown))} in source {source.name!r}.")
    rules = SurvivorshipRules.in_force(source)
    stays = proposal["survivor"] if survivor is None else survivor
    wanted = set(proposal["members"] if members is None else members) - {stays}
    taken = [record for record in records if record.pk == stays] + [one for one in records if one.pk in wanted]
    if len(taken) < 2 or taken[0].pk != stays or not wanted <= {record.pk for record in records}:
        raise Refused("A merge takes two or more of the claim's own records, one of which survives.")
    as_proposed = stays == proposal["survivor"] and wanted == set(proposal["members"])
    outdated = rules.pk is not None and run is not None and rules.at > run.created_at
    base = dict(proposal["changes"]) if as_proposed and not outdated else None
    choices = merger(source, taken, rules).golden(range(len(taken)), master=stays).choices
    rows = [_row(name, taken, choices.get(name), base, rules, chosen or {}) for name in source.columns]
    rows = _without_self(taken, rows)
    children = merging.children_counts(source, [record.pk for record in taken])
    plan = Plan(taken, rows, [one for one in records if one not in taken], [], children)
    moves_children = any(children.get(record.pk) for record in taken[1:])
    values = {row.name: row.after for row in rows}
    return replace(plan, collisions=find_collisions(taken, values, rules.unique, moves_children=moves_children))


def merger(source: Source, records: Sequence[Record], rules: SurvivorshipRules) -> Merger:
    """Chooses among the values of these records, each at its place in the sequence."""
    roles = source.column_roles
    frame = pd.DataFrame(
        {name: pd.Series([record.fields.get(name) for record in records], dtype=object) for name in roles},
        columns=list(roles),
        dtype=object,
    ).set_axis(pd.Index([record.pk for record in records], dtype="int64"), axis=0)
    chosen = {name: Rule(rule) for name, rule in rules.rules.items()}
    return Merger(Batch(frame, roles, kind=source.kind), chosen, rules.trusted)


def default_rule(role: Role) -> Rule:
    """The rule of a role where no admin chose another."""
    return DEFAULT_RULES.get(role, Rule.MOST_RECENT)


@transaction.atomic
def set_rules(
    *,
    source: Source,
    rules: Mapping[str, str],
    unique: Sequence[str],
    trusted: Sequence[str],
    user: Any,
    reason: str = "",
) -> SurvivorshipRules:
    """Add a version; the next run uses it, and so do the cards that are open.

    A rule that is the default of its column's role need not be named; "" means the default.
    Raises Refused if a column or a rule does not exist.
    """
    roles = source.column_roles
    unknown = sorted((set(rules) | set(unique)) - set(roles))
    if unknown:
        raise Refused(f"No mapped column {', '.join(map(repr, unknown))} in source {source.name!r}.")
    wrong = sorted({rule for rule in rules.values() if rule and rule not in list(Rule)})
    if wrong:
        raise Refused(f"No rule {', '.join(map(repr, wrong))}: choose one of {', '.join(Rule)}.")
    Source.objects.select_for_update().get(pk=source.pk)
    version = SurvivorshipRules.objects.create(
        source=source,
        number=SurvivorshipRules.in_force(source).number + 1,
        rules={name: rule for name, rule in rules.items() if rule},
        unique=list(dict.fromkeys(unique)),
        trusted=[one for one in dict.fromkeys(map(str.strip, trusted)) if one],
        reason=reason[:300],
        by=user,
    )
    publish("crmquality.tasks.index_unique_columns", source.pk)
    return version


def _row(
    name: str,
    records: Sequence[Record],
    choice: Choice | None,
    base: Mapping[str, str | None] | None,
    rules: SurvivorshipRules,
    chosen: Mapping[str, str | None],
) -> Row:
    values = tuple(record.fields.get(name) for record in records)
    row = Row(name, records[0].source.roles.get(name, ""), values, values[0])
    if name in chosen:
        value = chosen[name] or None
        return replace(row, after=value, rule=CHOSEN, whose=_whose(value, records, name))
    own = values[0]
    by_rule = own if choice is None or choice.value is None else choice.value
    if choice is not None and (base is None or name in rules.rules or (choice.conflict and name not in base)):
        row = replace(row, after=by_rule, rule=choice.rule, reason=choice.reason, ask=choice.conflict)
    elif base is not None and base.get(name, own) != by_rule:
        row = replace(row, after=base.get(name, own), reason="as the detector proposes")
    elif choice is not None:
        row = replace(row, after=by_rule, rule=choice.rule, reason=choice.reason)
    return replace(row, whose=_whose(row.after, records, name))


def _whose(value: str | None, records: Sequence[Record], name: str) -> int | None:
    return next((record.pk for record in records if value and record.fields.get(name) == value), None)


def _without_self(records: Sequence[Record], rows: Sequence[Row]) -> list[Row]:
    """The rows as the merge writes them: no reference of the golden record to itself."""
    lost = {record.external_id for record in records[1:]}
    if not merging.own_references(records[0].source):
        return list(rows)
    written = merging.golden_values(records[0], {row.name: row.after for row in rows}, lost)
    return [
        replace(row, after=None, rule="", reason=merging.ITSELF, whose=None, ask=False)
        if row.after and written[row.name] is None
        else row
        for row in rows
    ]
