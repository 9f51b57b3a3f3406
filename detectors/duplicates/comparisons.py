"""What is compared, by role: one list of comparisons for people, one for organisations.

A comparison gives every candidate pair a level (`levels`); columns that say the same thing (postcode, town, state)
make one comparison, so that evidence is not counted twice.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from detectors.compiling import compiled
from detectors.contract import Batch
from detectors.duplicates import fills, preparing
from detectors.duplicates import text as kernels
from detectors.duplicates.cores import ahead
from detectors.duplicates.encoding import ALNUM, DIGITS, EMAIL, WORDS, Column, encode, encode_values
from detectors.duplicates.plan import Comparison, Plan
from detectors.duplicates.preparing import Floats, Name, Words
from detectors.duplicates.scales import (
    CODE,
    DATE,
    FEW,
    LINE,
    NAME,
    NUMBER,
    PEOPLE,
    PLACE,
    SEVERAL,
    SHARED,
    Scale,
    Shared,
)
from detectors.duplicates.scales import EMAIL as EMAIL_SCALE
from detectors.duplicates.spread import Feature, Spread, combine, hashes_of
from detectors.duplicates.text import Codes, Hashes, Ints
from detectors.duplicates.vocabulary import LEGAL_FORMS
from detectors.roles import Role

_MODES = dict.fromkeys((Role.GIVEN_NAME, Role.FAMILY_NAME, Role.MIDDLE_NAME, Role.GENDER), WORDS)
_MODES |= dict.fromkeys((Role.STREET, Role.CITY, Role.DATE_OF_BIRTH), WORDS)
_MODES |= {Role.EMAIL: EMAIL, Role.PHONE: DIGITS, Role.POSTCODE: ALNUM, Role.NATIONAL_ID: ALNUM}
"""How the columns that are always read are cleaned."""


def _exact(column: Column) -> Spread:
    return column.by_row(column.hashes)


class Planner:
    """Builds the plan of one kind of entity from a batch, one role after the other."""

    def __init__(self, batch: Batch, entity: str) -> None:
        self.batch, self.entity = batch, entity
        self.plan = Plan(entity, len(batch))
        self.names: list[Column | None] = [None, None]
        self._read: dict[tuple[str, int], Column] = {}
        self._filled: dict[str, bool] = {}

    def _shared(self, key: str) -> Shared:
        return SHARED[self.entity].get(key, (None, None))

    def _empty(self) -> Column:
        return Column(
            np.full(self.plan.rows, -1, np.int32), np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.uint64)
        )

    def columns(self, *roles: Role) -> list[str]:
        """The batch's columns of these roles that hold anything."""
        names = self.batch.columns(*roles)
        for name in names:
            if name not in self._filled:
                self._filled[name] = bool(self.batch.frame[name].notna().any())
        return [name for name in names if self._filled[name]]

    def encoded(self, name: str, mode: int) -> Column:
        """The batch's column, cleaned by `mode` and dictionary-encoded."""
        if (name, mode) not in self._read:
            self._read[name, mode] = encode(self.batch.frame[name], mode)
        return self._read[name, mode]

    def read(self) -> None:
        """Read the columns whose way of cleaning is known from their role, on all cores."""
        wanted = [(name, mode) for role, mode in _MODES.items() for name in self.columns(role)[:3]]
        made = ahead(lambda one: encode(self.batch.frame[one[0]], one[1]), wanted)
        self._read.update(zip(wanted, made, strict=True))

    def build(self) -> Plan:
        self.read()
        if self.entity == PEOPLE:
            self.person()
        else:
            self.organisation()
        self.dates()
        self.keys()
        self.contact()
        self.address()
        self.place()
        self.others()
        return self.plan

    def _comparison(
        self, key: str, label: str, fields: list[str], scale: Scale, exact: Feature, trust: float = 1.0
    ) -> Comparison:
        family = key.split(":")[0]
        return Comparison(key, label, tuple(fields), scale, exact, self._shared(family), trust)

    # -- names -----------------------------------------------------------------------------------------------

    def person(self) -> None:
        frame = self.batch.frame
        given, family = self.columns(Role.GIVEN_NAME), self.columns(Role.FAMILY_NAME)
        middle, whole = self.columns(Role.MIDDLE_NAME), self.columns(Role.NAME)
        if given or family:
            fields = (given[:1], middle[:1], family[:1])
            parts = [self.encoded(names[0], WORDS) if names else None for names in fields]
        elif whole:
            fields = (whole[:1],) * 3
            parts = list(preparing.split_names(frame[whole[0]]))
        else:
            return
        rows: dict[str, tuple[int, Name]] = {}
        for key, label, names, column in zip(
            ("given", "middle", "family"), ("given name", "middle name", "family name"), fields, parts, strict=True
        ):
            if column is not None and column.filled:
                prepared = preparing.name(column)
                comparison = self._comparison(key, label, names, NAME, _exact(column))
                rows[key] = self.plan.add(comparison, partial(fills.fill_name, prepared)), prepared
                self.plan.features[key] = _exact(column)
                self.plan.features[f"{key}~"] = column.by_row(prepared.sounds)
        if "given" in rows and "family" in rows:
            self.plan.steps.append(partial(fills.swap, rows["given"], rows["family"]))
            first, second = self.plan.features["given~"], self.plan.features["family~"]
            self.plan.features["names~"] = combine(np.minimum(first, second), np.maximum(first, second))
        for key in ("family", "given"):
            if key in rows:
                column = rows[key][1].column
                self.plan.sort_by.append(column)
                self.plan.features[f"{key}^"] = column.by_row(_prefix(column, 3))
                self.plan.features[f"{key}1"] = column.by_row(_prefix(column, 1))
        self.names = [rows[key][1].column if key in rows else None for key in ("given", "family")]

    def organisation(self) -> None:
        names = self.columns(Role.COMPANY, Role.NAME)
        for place, name in enumerate(names[:2]):
            first = place == 0
            key, trust = ("name", 1.0) if first else (f"other:{name}", 0.4)
            prepared = self._several(key, name, [name], LEGAL_FORMS, trust)
            if first:
                self.plan.sort_by.append(prepared.column)

    def _several(
        self, key: str, label: str, fields: list[str], drop: frozenset[str] = frozenset(), trust: float = 1.0
    ) -> Words:
        prepared = preparing.words(self.encoded(fields[0], WORDS), drop=drop)
        column = prepared.column
        comparison = self._comparison(key, label, fields, SEVERAL, _exact(column), trust)
        self.plan.add(comparison, partial(fills.fill_words, prepared))
        if trust == 1.0:
            self.plan.features[key] = column.by_row(prepared.joined)
            for place, rare in enumerate(_rarest(prepared)):
                self.plan.features[f"{key}#{place}"] = column.by_row(rare)
        return prepared

    # -- dates, numbers, identifiers ---------------------------------------------------------------------------

    def dates(self) -> None:
        for name in self.columns(Role.DATE_OF_BIRTH)[:1]:
            prepared = preparing.dates(self.encoded(name, WORDS))
            column = prepared.column
            self.plan.add(
                self._comparison("birth", "date of birth", [name], DATE, _exact(column)),
                partial(fills.fill_date, prepared),
            )
            spread = column.by_row
            self.plan.features["birth"] = _exact(column)
            self.plan.features["birth.y"] = spread(_hashed(prepared.years))
            self.plan.features["birth.md"] = spread(_hashed(prepared.months * 100 + prepared.days))
            swapped = np.minimum(prepared.months, prepared.days) * 100 + np.maximum(prepared.months, prepared.days)
            self.plan.features["birth~"] = spread(_hashed(prepared.years * 10000 + swapped))
            self.plan.sort_by.append(column)
        born = len(self.plan.comparisons) - 1 if "birth" in self.plan.features else None
        for name in self.columns(Role.AGE)[:1]:
            values = preparing.number(self.batch.frame[name])
            exact = np.where(np.isnan(values), np.uint64(0), _hashed(np.nan_to_num(values * 16).astype(np.int64)))
            row = self.plan.add(
                self._comparison("age", "age", [name], NUMBER, exact), partial(fills.fill_number, values)
            )
            self.plan.features["age"] = exact
            if born is not None:
                self.plan.steps.append(partial(fills.implied, born, 4, row))

    def keys(self) -> None:
        for key, role in (("national", Role.NATIONAL_ID), ("tax", Role.TAX_ID), ("bank", Role.BANK_ACCOUNT)):
            for name in self.columns(role)[:2]:
                self._short(f"{key}:{name}", name, [name], CODE, ALNUM, feature=True)
        for name in self.columns(Role.GENDER)[:1]:
            column = self.encoded(name, WORDS)
            column = encode_values([value[:1] for value in column.values()], column.codes)
            self._short("gender", "gender", [name], FEW, ALNUM, columns=[column])
            keys = [one.key for one in self.plan.comparisons]
            if "given" in keys:
                self.plan.steps.append(partial(fills.implied, keys.index("given"), 4, len(keys) - 1))

    def _short(
        self,
        key: str,
        label: str,
        fields: list[str],
        scale: Scale,
        mode: int,
        *,
        columns: list[Column] | None = None,
        feature: bool = False,
        trust: float = 1.0,
    ) -> None:
        if columns is None:
            columns = preparing.united([self.encoded(name, mode) for name in fields])
        exact: Feature = _exact(columns[0])
        for column in columns[1:]:
            known = hashes_of(exact)
            exact = np.where(known == 0, _exact(column).rows(), known)
        self.plan.add(self._comparison(key, label, fields, scale, exact, trust), partial(fills.fill_short, columns))
        if feature:
            for place, column in enumerate(columns[:3]):
                self.plan.features[key.split(":")[0] + "'" * place] = _exact(column)

    # -- ways to reach -------------------------------------------------------------------------------------------

    def contact(self) -> None:
        frame = self.batch.frame
        mails = self.columns(Role.EMAIL)[:3]
        if mails:
            columns = preparing.united([self.encoded(name, EMAIL) for name in mails])
            ats = preparing.find(columns[0], "@")
            signed = kernels.signatures(columns[0].text, columns[0].starts[:-1], ats, False)
            exact = _exact(columns[0])
            self.plan.add(
                self._comparison("email", "e-mail", mails, EMAIL_SCALE, exact),
                partial(fills.fill_email, columns, (ats, signed), [name or self._empty() for name in self.names]),
            )
            for place, column in enumerate(columns):
                mark = "'" * place
                local = kernels.hash_parts(column.text, column.starts[:-1], ats)
                local[ats - column.starts[:-1] < 4] = 0
                self.plan.features["email" + mark] = _exact(column)
                self.plan.features["local" + mark] = column.by_row(local)
        phones = self.columns(Role.PHONE)[:4]
        if phones:
            columns = preparing.united([preparing.phone(self.encoded(name, DIGITS)) for name in phones])
            self._short("phone", "telephone", phones, CODE, DIGITS, columns=columns, feature=True)
            tail = _suffix(columns[0], 4)
            self.plan.features["phone4"] = columns[0].by_row(tail)
        faxes = self.columns(Role.FAX)[:1]
        if faxes:
            self._short(
                "fax",
                "fax",
                faxes,
                CODE,
                DIGITS,
                columns=[preparing.phone(self.encoded(faxes[0], DIGITS))],
                feature=True,
            )
        sites = self.columns(Role.WEBSITE)[:1]
        if sites:
            self._short(
                "website", "website", sites, CODE, WORDS, columns=[preparing.website(frame[sites[0]])], feature=True
            )

    # -- where ---------------------------------------------------------------------------------------------------

    def address(self) -> None:
        frame = self.batch.frame
        lines = self.columns(Role.STREET) or self.columns(Role.ADDRESS)
        numbers = self.columns(Role.HOUSE_NUMBER)[:1]
        if not lines:
            return
        whole = self.encoded(lines[0], WORDS)
        number, street = preparing.street_line(whole)
        if numbers:
            own = self.encoded(numbers[0], WORDS)
            if own.filled >= 0.5 * len(frame):
                number, street = preparing.street_line(own)[0], whole
        prepared = preparing.words(street)
        exact = combine(_exact(prepared.column).rows(), _exact(number).rows())
        self.plan.add(
            self._comparison("address", "address", [*numbers, lines[0]], LINE, exact),
            partial(fills.fill_line, prepared, number),
        )
        self.plan.features["street"] = prepared.column.by_row(prepared.joined)
        self.plan.features["house"] = _exact(number)
        rare = _rarest(prepared)
        self.plan.features["street#"] = prepared.column.by_row(rare[0])
        for name in (self.columns(Role.UNIT) + lines[1:])[:2]:
            row = len(self.plan.comparisons)
            second = self._several(f"unit:{name}", name, [name])
            other = second.column.by_row(second.joined).rows()
            self.plan.steps.append(partial(fills.swap_lines, row - 1, row, self.plan.features["street"], other))

    def place(self) -> None:
        codes, towns = self.columns(Role.POSTCODE)[:1], self.columns(Role.CITY)[:1]
        regions = (self.columns(Role.REGION) + self.columns(Role.COUNTY) + self.columns(Role.COUNTRY))[:1]
        if not (codes or towns or regions):
            return
        empty = self._empty()
        code = self.encoded(codes[0], ALNUM) if codes else empty
        town = self.encoded(towns[0], WORDS) if towns else empty
        region = self.encoded(regions[0], WORDS) if regions else empty
        both: Feature = (
            combine(_exact(code).rows(), _exact(town).rows())
            if codes and towns
            else _exact(code if codes else town if towns else region)
        )
        self.plan.add(
            self._comparison("place", "place", [*codes, *towns, *regions], PLACE, both),
            partial(fills.fill_place, code, town, region),
        )
        if codes:
            self.plan.features["postcode"] = _exact(code)
        if towns:
            self.plan.features["town"] = _exact(town)

    # -- the rest ----------------------------------------------------------------------------------------------

    def others(self) -> None:
        if self.entity == PEOPLE:
            for name in self.columns(Role.COMPANY)[:1]:
                self._several("company", name, [name], LEGAL_FORMS)
        for role, key in ((Role.JOB_TITLE, "title"), (Role.INDUSTRY, "industry")):
            for name in self.columns(role)[:1]:
                self._several(f"{key}:{name}", name, [name], trust=0.5)
        for name in self._informative(self.columns(Role.TEXT, Role.CATEGORY))[:5]:
            self._several(f"other:{name}", name, [name], trust=0.4)

    def _informative(self, names: list[str]) -> list[str]:
        """The columns of unknown meaning that can tell records apart, the most informative first."""
        worth = []
        for name in names:
            counts = self.batch.frame[name].value_counts().to_numpy(np.float64)
            rows = counts.sum()
            if rows < max(2.0, 0.05 * self.plan.rows) or len(counts) < 2:
                continue
            share = counts / rows
            worth.append((-float(rows / self.plan.rows * -(share * np.log2(share)).sum()), name))
        return [name for _, name in sorted(worth)]


def _hashed(values: Ints) -> Hashes:
    mixed = (values.astype(np.uint64) + np.uint64(11)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    return mixed * np.uint64(0xBF58476D1CE4E5B9) | np.uint64(1)


def _prefix(column: Column, length: int) -> Hashes:
    firsts = column.starts[:-1]
    hashes = kernels.hash_parts(column.text, firsts, np.minimum(column.starts[1:], firsts + length))
    return np.asarray(hashes)


def _suffix(column: Column, length: int) -> Hashes:
    lasts = column.starts[1:]
    return np.asarray(kernels.hash_parts(column.text, np.maximum(column.starts[:-1], lasts - length), lasts))


def _rarest(prepared: Words, count: int = 3) -> list[Hashes]:
    """The hashes of each value's `count` heaviest words by sound (typing errors keep it), heaviest first."""
    vocabulary = prepared.vocabulary
    sound = kernels.sounds(vocabulary.text, vocabulary.starts[:-1], vocabulary.starts[1:])
    found = np.zeros((count, len(prepared.column)), np.uint64)
    _pick(prepared.bounds, prepared.tokens, prepared.weights, sound, found)
    return list(found)


@compiled
def _pick(bounds: Ints, tokens: Codes, weights: Floats, sound: Hashes, found: Hashes) -> None:
    for value in range(len(bounds) - 1):
        taken = np.uint64(0)
        for rank in range(found.shape[0]):
            best, at = 0.0, -1
            for place in range(bounds[value], min(bounds[value + 1], bounds[value] + 64)):
                if taken >> np.uint64(place - bounds[value]) & np.uint64(1):
                    continue
                if weights[tokens[place]] > best:
                    best, at = weights[tokens[place]], place
            if at < 0:
                break
            taken |= np.uint64(1) << np.uint64(at - bounds[value])
            found[rank, value] = sound[tokens[at]]


def plan(batch: Batch, entity: str) -> Plan:
    """What to compare in this batch, taken for people or for organisations."""
    return Planner(batch, entity).build()
