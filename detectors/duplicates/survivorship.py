"""Which value survives when records are merged: eleven named rules, each a pure function that gives its reason.

A field's rule comes from its role (`DEFAULT_RULES`) unless an admin chose another. Parts of one address always come
from one record: a street of one and a town of another would make an address that does not exist.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from detectors.contract import RecordId
from detectors.roles import Role


class Rule(StrEnum):
    """How one value is chosen among those of the merged records."""

    MOST_RECENT = "most recent"
    MOST_COMPLETE = "most complete"
    LONGEST = "longest"
    MOST_FREQUENT = "most frequent"
    MOST_TRUSTED = "most trusted source"
    EARLIEST = "earliest"
    UNION = "union"
    FURTHEST_STAGE = "furthest stage"
    MOST_RESTRICTIVE = "most restrictive"
    KEEP_MASTER = "keep master"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One record's value of a field.

    updated: yyyymmdd of the record's last change, 0 if unknown. filled: how many of its fields hold a value.
    trust: rank of its source, 0 = most trusted. when: the value itself as yyyymmdd where it is a date, else 0.
    refuses: whether the value says that the person does not want it (`refuses`).
    """

    record: RecordId
    value: str
    updated: int = 0
    filled: int = 0
    trust: int = 0
    when: int = 0
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The value of one field of the golden record.

    value: None where no record has one. record: whose value it is; None for a union or none. conflict: the
    records disagree and the rule cannot settle it, a person should.
    """

    value: str | None
    rule: Rule
    reason: str
    record: RecordId | None = None
    conflict: bool = False


_STAGE_WORDS = """
    new lead open prospect prospecting qualification qualified analysis needs proposal quote quoted quotation
    presentation negotiation contract review verbal commit closing lost cancelled won closed
"""
STAGES = _STAGE_WORDS.split()
"""Words of sales stages from first to last; a stage's place is that of its last known word."""

_NO = frozenset(["no", "n", "false", "0", "f", "nein", "non", "não", "nao", "nie", "nee", "nej", "none"])
_REFUSALS = frozenset(
    ["opt out", "opted out", "opt-out", "optout", "unsubscribed", "denied", "refused", "withdrawn", "revoked"]
)
_OBJECTIONS = re.compile(
    r"opt(?:ed)?out|donot|dont|unsubscri|blacklist|blocked|suppress|objecti|no(?:e?mail|call|contact|phone|fax|sms|market)"
    r"|widersp|sperre|gesperrt|oppos"
)
"""Names, without case and signs, of columns in which "yes" means that the person does not want it."""


def _by(
    rule: Rule, key: Callable[[Candidate], object], reason: str
) -> Callable[[Sequence[Candidate], RecordId], Choice]:
    def choose(candidates: Sequence[Candidate], master: RecordId) -> Choice:
        best = max(candidates, key=lambda one: (key(one), one.record == master, -one.record))
        return Choice(best.value, rule, reason.format(best=best), best.record)

    return choose


def most_recent(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """The value of the record that changed last; the master's where no record says when it changed."""
    best = max(candidates, key=lambda one: (one.updated, one.when, one.record == master, one.filled, -one.record))
    known = best.updated or best.when
    return Choice(
        best.value,
        Rule.MOST_RECENT,
        f"changed last ({_day(known)})" if known else "no date known, master's value",
        best.record,
    )


def most_frequent(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """The value most records hold, whatever its case; the longest of those that tie."""
    votes = Counter(one.value.casefold() for one in candidates)
    best = max(
        candidates, key=lambda one: (votes[one.value.casefold()], len(one.value), one.record == master, -one.record)
    )
    count = votes[best.value.casefold()]
    tied = sum(vote == count for vote in votes.values()) > 1
    reason = f"held by {count} of {len(candidates)}{', and the longest of those' if tied else ''}"
    if len(votes) == 1:
        reason = "all agree"
    elif count == 1:
        reason = "no majority, the longest"
    return Choice(best.value, Rule.MOST_FREQUENT, reason, best.record)


def agreed_or_ask(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """The value most records hold; where two values tie, a person is asked and the master's value stays."""
    votes = Counter(one.value.casefold() for one in candidates).most_common(2)
    if len(votes) > 1 and votes[0][1] == votes[1][1]:
        return ask(candidates, master)
    return most_frequent(candidates, master)


def union(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """Every different text once, the master's first, joined by "; "."""
    ordered = sorted(candidates, key=lambda one: (one.record != master, one.record))
    parts = {one.value.casefold(): one.value for one in reversed(ordered)}
    kept = [parts.pop(one.value.casefold()) for one in ordered if one.value.casefold() in parts]
    return Choice("; ".join(kept), Rule.UNION, f"{len(kept)} texts joined" if len(kept) > 1 else "all agree")


def furthest_stage(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """The value that is furthest along `STAGES`."""
    return _by(Rule.FURTHEST_STAGE, lambda one: place_of_stage(one.value), "furthest along")(candidates, master)


def most_restrictive(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """A refusal wherever any record holds one (consent may be withdrawn in one system only)."""
    return _by(Rule.MOST_RESTRICTIVE, lambda one: one.refuses, "the most careful answer")(candidates, master)


def keep_master(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """The survivor's own value, or the first other one where it has none."""
    own = next((one for one in candidates if one.record == master), None)
    chosen = own or min(candidates, key=lambda one: one.record)
    return Choice(
        chosen.value, Rule.KEEP_MASTER, "the survivor's own" if own else "the survivor has none", chosen.record
    )


def ask(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """The master's value stays, and a person is asked where the records disagree."""
    kept = keep_master(candidates, master)
    differ = len({one.value.casefold() for one in candidates}) > 1
    return Choice(kept.value, Rule.ASK, "the records disagree" if differ else "all agree", kept.record, conflict=differ)


def earliest(candidates: Sequence[Candidate], master: RecordId) -> Choice:
    """The earliest date."""
    best = min(candidates, key=lambda one: (one.when or 99999999, one.record != master, one.record))
    return Choice(best.value, Rule.EARLIEST, "the earliest date", best.record)


RULES: Mapping[Rule, Callable[[Sequence[Candidate], RecordId], Choice]] = {
    Rule.MOST_RECENT: most_recent,
    Rule.MOST_COMPLETE: _by(Rule.MOST_COMPLETE, lambda one: one.filled, "from the most complete record"),
    Rule.LONGEST: _by(Rule.LONGEST, lambda one: len(one.value), "the longest"),
    Rule.MOST_FREQUENT: most_frequent,
    Rule.MOST_TRUSTED: _by(Rule.MOST_TRUSTED, lambda one: -one.trust, "from the most trusted source"),
    Rule.EARLIEST: earliest,
    Rule.UNION: union,
    Rule.FURTHEST_STAGE: furthest_stage,
    Rule.MOST_RESTRICTIVE: most_restrictive,
    Rule.KEEP_MASTER: keep_master,
    Rule.ASK: ask,
}

ADDRESS = (
    *(Role.ADDRESS, Role.HOUSE_NUMBER, Role.STREET, Role.UNIT, Role.CITY),
    *(Role.COUNTY, Role.REGION, Role.POSTCODE, Role.COUNTRY),
)
"""Parts of one address."""

DEFAULT_RULES: Mapping[Role, Rule] = (
    dict.fromkeys(
        [Role.NAME, Role.GIVEN_NAME, Role.FAMILY_NAME, Role.COMPANY, Role.CATEGORY, Role.INDUSTRY], Rule.MOST_FREQUENT
    )
    | dict.fromkeys([Role.GENDER, Role.DATE_OF_BIRTH, Role.NATIONAL_ID, Role.TAX_ID, Role.BANK_ACCOUNT], Rule.ASK)
    | dict.fromkeys([Role.ID, Role.OWNER, Role.SOURCE_SYSTEM, Role.ACCOUNT_REF, Role.CONTACT_REF], Rule.KEEP_MASTER)
    | dict.fromkeys([Role.OPPORTUNITY_REF, Role.QUOTATION_REF, Role.CURRENCY], Rule.KEEP_MASTER)
    | {Role.MIDDLE_NAME: Rule.LONGEST, Role.CREATED_AT: Rule.EARLIEST, Role.TEXT: Rule.UNION}
    | {Role.STAGE: Rule.FURTHEST_STAGE, Role.CONSENT: Rule.MOST_RESTRICTIVE}
    | dict.fromkeys(ADDRESS, Rule.MOST_RECENT)
)
"""The rule of each role; any other role takes the most recent value."""


def choose(role: Role, candidates: Sequence[Candidate], master: RecordId, rule: Rule | None = None) -> Choice:
    """The value of a field of this role, from the records that hold one.

    rule: an admin's choice; by default the role's. Identifying values (date of birth, tax number) are settled by a
    majority before a person is asked.
    """
    if not candidates:
        return Choice(None, rule or Rule.KEEP_MASTER, "no record has a value")
    rule = rule or DEFAULT_RULES.get(role, Rule.MOST_RECENT)
    if rule is Rule.ASK and len(candidates) > 2:
        return agreed_or_ask(candidates, master)
    return RULES[rule](candidates, master)


def survivor(candidates: Sequence[Candidate]) -> RecordId:
    """The record that stays: the most complete one, then the one changed last, then the lowest id."""
    return max(candidates, key=lambda one: (one.filled, one.updated, -one.record)).record


def address_record(records: Sequence[Candidate], filled: Mapping[RecordId, int]) -> RecordId:
    """The record whose whole address survives: nearly the most complete one, changed last.

    filled: record -> how many parts of the address it holds.
    """
    most = max(filled.values(), default=0)
    full = [one for one in records if filled.get(one.record, 0) >= max(most - 1, 1)] or list(records)
    return max(full, key=lambda one: (one.updated, filled.get(one.record, 0), one.filled, -one.record)).record


def place_of_stage(value: str) -> int:
    """How far along a sale a stage is, by the known words in its name; -1 if it has none."""
    places = [
        STAGES.index(word) for word in value.casefold().replace("-", " ").replace("/", " ").split() if word in STAGES
    ]
    return max(places, default=-1)


def refuses(column: str, value: str) -> bool:
    """Whether a cell of consent says no: "false" in "Newsletter", but "true", or a date, in "Email Opt Out"."""
    value = value.strip().casefold()
    if _OBJECTIONS.search(re.sub(r"[\W_]", "", column.casefold())):
        return bool(value) and value not in _NO
    return value in _NO or value in _REFUSALS


def _day(value: int) -> str:
    return f"{value // 10000:04d}-{value // 100 % 100:02d}-{value % 100:02d}"
