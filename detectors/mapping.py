"""Which role does a column hold? Decided by its name, a near name, and what its cells look like.

Name and cells are two witnesses. What they say of a role is united as if they were independent,
1 - (1 - name)(1 - cells), after the name was discounted by how many of the cells could be of its role at
all: a column "phone" full of e-mail addresses is an e-mail column, and "field_7" is known by its cells alone.

Tried and rejected: a trained classifier (column-type models need a corpus of labelled columns that we may not
ship, and cannot say why); cells first and name second (cities, family names and companies look alike).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from detectors.mapping_contents import Contents, fits_role, read_contents, summarise
from detectors.mapping_names import EXACT, LAST_WORD, NameHint, read_name, words
from detectors.roles import Role, ValueType

_OWN_KEYS = {
    Role.ACCOUNT_REF: "accounts",
    Role.CONTACT_REF: "contacts",
    Role.OPPORTUNITY_REF: "opportunities",
    Role.QUOTATION_REF: "quotations",
}
_DEALS = frozenset(["opportunities", "quotations", "orders", "activities"])
_SINGLE = frozenset(
    [
        Role.NAME,
        Role.GIVEN_NAME,
        Role.FAMILY_NAME,
        Role.COMPANY,
        Role.CITY,
        Role.REGION,
        Role.POSTCODE,
        Role.GENDER,
    ]
)
_PLACE_ROLES = frozenset([Role.CITY, Role.REGION, Role.STREET, Role.ADDRESS])


@dataclass(frozen=True, slots=True)
class Guess:
    """A column's most likely role; confidence in [0, 1]; why, in words a person reads."""

    role: Role
    confidence: float
    why: str


def guess_roles(frame: pd.DataFrame, *, kind: str = "") -> dict[str, Guess]:
    """The likely role of every column of a frame of text cells (missing: None or NaN), in the frame's order.

    kind: contacts, accounts, ...; "" if unknown. It settles what "Name" and "Account ID" mean.

    A column of no special role is a category, number, date or text; `Role.IGNORE` means it is empty. Several
    columns may hold one role (phone, mobile), but only one is the ID. Looks at about 1,000 values a column.
    """
    summaries = {str(name): summarise(frame[name]) for name in frame.columns}
    guesses = {name: _guess(name, contents, kind) for name, contents in summaries.items()}
    _yield_to_named(guesses, summaries)
    _weigh_neighbours(guesses, summaries)
    _choose_id(guesses, summaries, frame, kind)
    return guesses


def guess_kind(frame: pd.DataFrame) -> tuple[str, float]:
    """What the rows are, by the columns' names: (kind, confidence); ("contacts", 0) if nothing speaks."""
    headers = [words(str(name)) for name in frame.columns]
    roles = [hint.role for name in frame.columns if (hint := read_name(str(name)))]
    points = {kind: _points(kind, headers, roles) for kind in _KIND_WORDS}
    best = max(points, key=lambda kind: points[kind])
    total = sum(points.values())
    return (best, round(points[best] / total, 3)) if total else ("contacts", 0.0)


# One column


def _guess(name: str, contents: Contents, kind: str) -> Guess:
    hint = _in_context(read_name(name), contents, kind)
    if contents.blank:
        return Guess(Role.IGNORE, 1.0, "the column is empty")
    trust: dict[Role, float] = {}
    reasons: dict[Role, list[str]] = {}
    if hint is not None:
        trust[hint.role] = hint.trust * _plausible(contents, hint.role)
        reasons[hint.role] = [hint.why]
    for clue in read_contents(contents):
        role = _finer(clue.role, hint)
        trust[role] = 1 - (1 - trust.get(role, 0.0)) * (1 - clue.trust)
        reasons.setdefault(role, []).append(clue.why)
    best = max(trust, key=lambda role: trust[role])
    return Guess(best, round(min(trust[best], 0.99), 3), "; ".join(reasons[best]))


def _in_context(hint: NameHint | None, contents: Contents, kind: str) -> NameHint | None:
    """What the name means in this kind of record."""
    if hint is None:
        return None
    if hint.role is Role.TEXT and contents.repeats:
        return NameHint(Role.CATEGORY, hint.trust, f"{hint.why}, but of few values")
    if hint.role is Role.NAME and kind in _DEALS:
        return NameHint(Role.TEXT, hint.trust, f"the name of one of the {kind}")
    if hint.role is Role.NAME and kind == "accounts":
        return NameHint(Role.COMPANY, hint.trust, "the name of an account")
    if hint.role is Role.REGION and kind in _DEALS and hint.trust == EXACT and contents.repeats:
        return NameHint(Role.STATUS, hint.trust, f"the state of one of the {kind}")
    return hint


def _plausible(contents: Contents, role: Role) -> float:
    """Discount for a name that its cells do not bear out: none above 70 %, nine tenths at nothing."""
    return 0.1 + 0.9 * min(1.0, fits_role(contents, role) / 0.7)


def _finer(role: Role, hint: NameHint | None) -> Role:
    """Cells show "a date", "a number"; the name may say which. A finer name is backed by coarse cells."""
    if hint is None or hint.role is role:
        return role
    named = hint.role
    coarse = {Role.DATE: ValueType.DATE, Role.NUMBER: ValueType.NUMBER, Role.CATEGORY: ValueType.CATEGORY}
    if role in coarse and named.value_type is coarse[role]:
        return named
    backed = {
        Role.DATE_OF_BIRTH: _DATES,
        Role.PHONE: {Role.FAX},
        Role.STREET: {Role.ADDRESS, Role.UNIT},
        Role.CITY: {Role.COUNTY},
        Role.TEXT: {named} if named.value_type is ValueType.TEXT else set(),
        Role.NUMBER: {Role.HOUSE_NUMBER, Role.NATIONAL_ID, Role.POSTCODE, Role.ID},
        Role.NAME: {Role.OWNER, Role.COMPANY},
        Role.AMOUNT: {Role.NUMBER},
    }
    return named if named in backed.get(role, set()) else role


_DATES = {role for role in Role if role.value_type is ValueType.DATE}


# All columns together


def _weigh_neighbours(guesses: dict[str, Guess], summaries: Mapping[str, Contents]) -> None:
    """A one-line "address" beside city and postcode columns is a street; four digits there a postcode."""
    held = {guess.role for guess in guesses.values()}
    if Role.CITY in held and Role.POSTCODE in held and Role.STREET not in held:
        for name, guess in guesses.items():
            if guess.role is Role.ADDRESS and not _is_whole_address(summaries[name]):
                guesses[name] = Guess(
                    Role.STREET, guess.confidence, f"{guess.why}; city and postcode have their own columns"
                )
                break
    if held & _PLACE_ROLES and Role.POSTCODE not in held:
        for name, guess in guesses.items():
            if guess.role is Role.NUMBER and read_name(name) is None and _four_digits(summaries[name]):
                guesses[name] = Guess(Role.POSTCODE, 0.5, "four digits each, beside a place")
                break


def _yield_to_named(guesses: dict[str, Guess], summaries: Mapping[str, Contents]) -> None:
    """A column that only its cells make a city, company or name yields to one that is named so."""
    named = {
        hint.role
        for name in guesses
        if (hint := read_name(name)) and hint.trust > LAST_WORD and guesses[name].role is hint.role
    }
    for name, guess in guesses.items():
        hint = read_name(name)
        if guess.role in named & _SINGLE and (hint is None or hint.role is not guess.role):
            role = Role.CATEGORY if summaries[name].repeats else Role.TEXT
            guesses[name] = Guess(role, 0.5, f"{guess.why}; but another column is named so")


def _is_whole_address(contents: Contents) -> bool:
    return any(hint.role is Role.ADDRESS and hint.trust > 0.5 for hint in read_contents(contents))


def _four_digits(contents: Contents) -> bool:
    years = contents.share(lambda value: value[:2] in {"19", "20"})
    return years < 0.5 and contents.distinct >= 20 and contents.share(lambda v: v.isdigit() and len(v) == 4) >= 0.95


def _choose_id(guesses: dict[str, Guess], summaries: Mapping[str, Contents], frame: pd.DataFrame, kind: str) -> None:
    """Keep one ID: the best named key that is (nearly) unique, else the first column of unique codes."""
    for name, guess in guesses.items():
        if guess.role in _OWN_KEYS and _OWN_KEYS[guess.role] == kind:
            guesses[name] = Guess(Role.ID, guess.confidence, f"the key of {kind}")
    named = [name for name, guess in guesses.items() if guess.role is Role.ID]
    keys = [name for name in named if _unique_share(frame[name]) >= 0.9]
    refs = [name for name, guess in guesses.items() if guess.role in _OWN_KEYS and not kind]
    unnamed = [name for name, guess in guesses.items() if _may_be_key(name, guess, summaries[name], frame)]
    chosen = max(keys, key=lambda name: guesses[name].confidence) if keys else _first_unique(refs + unnamed, frame)
    if chosen is not None and chosen not in keys:
        guesses[chosen] = Guess(Role.ID, 0.75, "every value occurs once, and all are codes")
    for name in named:
        if name != chosen:
            guesses[name] = _not_the_id(name, summaries[name], kind)


def _first_unique(names: Iterable[str], frame: pd.DataFrame) -> str | None:
    order = {name: place for place, name in enumerate(frame.columns)}
    unique = (name for name in sorted(names, key=order.__getitem__) if _unique_share(frame[name]) == 1.0)
    return next(unique, None)


def _unique_share(column: pd.Series) -> float:
    filled = column.dropna()
    return filled.nunique() / len(column) if len(column) else 0.0


def _may_be_key(name: str, guess: Guess, contents: Contents, frame: pd.DataFrame) -> bool:
    """Codes under a name that does not gainsay it; bare numbers only if they count up or are coded alike in front.

    Otherwise a measurement that happens never to repeat would be taken for the key, and lost to the detectors.
    """
    said = words(name)
    silent = read_name(name) is None or (said and said[-1] in {"number", "num", "no", "nr", "code"})
    if not silent or guess.role not in {Role.TEXT, Role.NUMBER, Role.CATEGORY} or not _is_code(contents):
        return False
    if contents.share(str.isdigit) < 1:
        return True
    lengths = {len(value) for value in contents.values}
    return _counts_up(frame[name]) or (name == str(frame.columns[0]) and len(lengths) == 1)


def _counts_up(column: pd.Series) -> bool:
    numbers = pd.to_numeric(column, errors="coerce").dropna()
    return len(numbers) > 1 and bool(numbers.max() - numbers.min() < 2 * len(numbers))


def _is_code(contents: Contents) -> bool:
    """Short codes, mostly with digits; no decimals, no words."""
    return contents.distinct == contents.rows > 1 and contents.share(_is_short_code) >= 0.98


def _is_short_code(value: str) -> bool:
    compact = value.replace("-", "").replace("_", "")
    return len(value) <= 40 and compact.isalnum() and any(map(str.isdigit, value)) and not value.startswith("-")


def _not_the_id(name: str, contents: Contents, kind: str) -> Guess:
    """The role of a key column that is not the record's own."""
    if kind in _DEALS and not {"customer", "client", "person", "cust"}.isdisjoint(words(name)):
        return Guess(Role.CONTACT_REF, 0.8, f"the customer's key in {kind}")
    if fits_role(contents, Role.NUMBER) >= 0.8:
        return Guess(Role.NUMBER, 0.4, "a number, but not the record's key")
    role = Role.CATEGORY if contents.repeats else Role.TEXT
    return Guess(role, 0.4, "a code, but not the record's key")


# Kinds

_KIND_WORDS: dict[str, frozenset[str]] = {
    "contacts": frozenset(["contact", "contacts", "person", "birthdate", "dob", "patient"]),
    "accounts": frozenset(["account", "industry", "employees", "website", "company", "organization"]),
    "leads": frozenset(["lead", "leads", "converted", "prospect"]),
    "opportunities": frozenset(["opportunity", "deal", "probability", "stage", "pipeline", "forecast"]),
    "quotations": frozenset(["quote", "quotation", "quotes", "offer", "validity", "valid"]),
    "orders": frozenset(["order", "orders", "invoice", "shipped", "delivery", "delivered"]),
    "activities": frozenset(["activity", "task", "call", "meeting", "due", "subject", "event"]),
}
_KIND_ROLES: dict[str, frozenset[Role]] = {
    "contacts": frozenset(
        [Role.GIVEN_NAME, Role.FAMILY_NAME, Role.DATE_OF_BIRTH, Role.EMAIL, Role.CONTACT_REF, Role.NAME]
    ),
    "accounts": frozenset([Role.COMPANY, Role.INDUSTRY, Role.WEBSITE, Role.TAX_ID]),
    "leads": frozenset([Role.GIVEN_NAME, Role.FAMILY_NAME, Role.COMPANY, Role.STATUS]),
    "opportunities": frozenset([Role.STAGE, Role.PROBABILITY, Role.AMOUNT, Role.CLOSED_AT, Role.OPPORTUNITY_REF]),
    "quotations": frozenset([Role.QUOTATION_REF, Role.OPPORTUNITY_REF, Role.AMOUNT]),
    "orders": frozenset([Role.QUOTATION_REF, Role.AMOUNT, Role.QUANTITY]),
    "activities": frozenset([Role.CONTACT_REF, Role.OPPORTUNITY_REF]),
}


def _points(kind: str, headers: list[tuple[str, ...]], roles: list[Role]) -> float:
    """Headers with a word of the kind, the first most (a table starts with its own key), and its roles."""
    said = sum(1.0 for header in headers if not _KIND_WORDS[kind].isdisjoint(header))
    first = 3.0 if headers and not _KIND_WORDS[kind].isdisjoint(headers[0]) else 0.0
    return first + min(said, 4.0) + len(_KIND_ROLES[kind] & set(roles))
