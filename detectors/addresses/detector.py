"""Addresses: wrong, misspelt or missing city, region, postcode and street type, against a gazetteer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cached_property
from typing import ClassVar

import pandas as pd

from detectors.addresses.abroad import judge_abroad
from detectors.addresses.calibration import Calibration, shipped_calibration
from detectors.addresses.correction import Corrector
from detectors.addresses.gazetteer import Gazetteer
from detectors.addresses.gazetteers import installed
from detectors.addresses.lines import correct_line
from detectors.addresses.parsing import AddressParser
from detectors.addresses.proposing import Correction
from detectors.addresses.records import Records, countries_told
from detectors.addresses.regions import exchanged, rewritten
from detectors.addresses.splitting import split
from detectors.addresses.standardising import like, plain
from detectors.addresses.streets import correct_street, probability
from detectors.addresses.triples import Triple
from detectors.addresses.worldwide import country_code
from detectors.contract import Batch, Detector, Evidence, Finding, RunContext, SetFields
from detectors.roles import Role

_ROLES = {"city": Role.CITY, "region": Role.REGION, "postcode": Role.POSTCODE}
_US_AREAS = {"PR", "VI", "GU", "AS", "MP", "FM", "MH", "PW", "UM"}
_LEAST = 0.25
_SURE = 0.9
"""Confidence of the reading from which a line is taken apart."""
_MOST = 0.99
_SWAPPED = 0.97
_STEP = 2_000


class AddressDetector(Detector):
    """Proposes a value for each address part that the rest of the record and the gazetteer speak against.

    A score is the calibrated probability that the proposed value is right. Places the gazetteer does not know are
    left alone; rows of other countries are held only against their country's postcode rule and cities.

    gazetteers: tables by country, tried for the rows of their country; by default the US table and those that are
        installed or set (`gazetteers.installed`). The first is the home table: rows without a country belong to it if
        most such rows agree with it.
    """

    name: ClassVar[str] = "addresses"
    version: ClassVar[str] = "1"

    def __init__(self, gazetteers: Sequence[Gazetteer] | None = None, calibration: Calibration | None = None) -> None:
        self._given = list(gazetteers) if gazetteers is not None else None
        self._calibration = calibration or shipped_calibration()

    @cached_property
    def _correctors(self) -> dict[str, Corrector]:
        tables = self._given if self._given is not None else installed()
        return {table.country: Corrector(table) for table in tables}

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(word for one in self._correctors.values() for word in one.table.name_words())

    def detect(self, batch: Batch, context: RunContext) -> Iterable[Finding]:
        """City, region and postcode a record; then street types; a single address column only without those."""
        context.report(0, len(batch), "addresses")
        structured = [role for role in _ROLES.values() if batch.column(role)]
        if len(structured) >= 2:
            yield from self._places(batch, context)
        elif column := batch.column(Role.ADDRESS):
            yield from self._lines(batch, column, context)
        if column := batch.column(Role.STREET):
            moved: set[int] = set()
            if len(structured) >= 2:
                moved = yield from self._splits(batch, column, context)
            yield from self._streets(batch, column, context, moved)

    def _places(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        columns = {part: batch.column(role) for part, role in _ROLES.items()}
        triples = _triples(batch)
        countries = self._countries(batch, triples)
        styles = {part: _style(_cells(batch, column)) for part, column in columns.items() if column}
        records = Records(triples, countries, home=self._correctors.keys())
        told: set[int] = set()
        for at, (record, triple, country) in enumerate(zip(batch.frame.index, triples, countries, strict=True)):
            if at % _STEP == 0:
                context.report(at, len(batch), "places")
            corrector = self._correctors.get(country)
            city, region = columns["city"], columns["region"]
            table = corrector.table if corrector else None
            if city and region and (exchanged(triple, country, table) or records.exchanged(triple, country)):
                yield _exchange(int(record), city, region, triple)
                continue
            found = corrector.judge(triple) if corrector else judge_abroad(triple, country)
            found = found or records.postcode(triple, country)
            for correction in found:
                column, given = columns[correction.part], getattr(triple, correction.part)
                p = self._calibration(correction.curve, correction.raw)
                if column and p >= _LEAST:
                    told |= {at} if correction.part == "region" else set()
                    value = self._written(correction, triple, styles[correction.part], country)
                    if correction.part == "city" and not corrector:
                        value = records.city(value, country)
                    yield from _finding(int(record), column, value, given, p, correction.rule, correction.reason)

        if column := columns["region"]:
            yield from self._regions(batch, column, triples, countries, told)

    def _regions(
        self, batch: Batch, column: str, triples: Sequence[Triple], countries: Sequence[str], told: set[int]
    ) -> Iterator[Finding]:
        """Regions in the form of their column; told: rows whose region is wrong, not only written otherwise."""
        tables = {country: corrector.table for country, corrector in self._correctors.items()}
        for one in rewritten(triples, countries, tables):
            if one.row not in told:
                record, score = int(batch.frame.index[one.row]), 0.5 + 0.45 * one.share
                reason = f"{one.share:.0%} of this country's records write the region in this form"
                yield from _finding(record, column, one.value, triples[one.row].region, score, "region-style", reason)

    def _countries(self, batch: Batch, triples: Sequence[Triple]) -> list[str]:
        """Each row's country; "" where nobody says and the blank rows do not agree with the home table.

        A blank one is first what the rows of the same region, or of the same city, say: "Niedersachsen" is no place
        in the US, though its postcode may be one.
        """
        given = countries_told(triples, [_country(text) for text in _cells(batch, batch.column(Role.COUNTRY))])
        home = next(iter(self._correctors), "")
        if not home or "" not in given:
            return given
        unsaid = Counter(triple for triple, country in zip(triples, given, strict=True) if not country)
        filled = {triple: count for triple, count in unsaid.items() if sum(map(bool, _parts(triple))) >= 2}
        agree = sum(count for triple, count in filled.items() if self._correctors[home].fits(triple))
        default = home if 2 * agree >= sum(filled.values()) else ""
        return [country or default for country in given]

    def _written(self, correction: Correction, triple: Triple, style: str, country: str) -> str:
        """The correction in the letter case, and the region in the form, that the record or its column uses."""
        given = getattr(triple, correction.part).strip()
        if correction.part == "postcode":
            _, dash, further = given.partition("-")
            return correction.value + dash + further if country in self._correctors else correction.value
        if correction.part == "region" and country in self._correctors and len(given or style) > 3:
            names = self._correctors[country].table.region_names()
            return like(names.get(correction.value, correction.value), given or style)
        return like(correction.value, given or style)

    def _splits(self, batch: Batch, column: str, context: RunContext) -> Generator[Finding, None, set[int]]:
        """Whole addresses in the street column of records without a place; returns the rows they stand in."""
        home = next(iter(self._correctors.values()), None)
        columns = {part: name for part, role in _ROLES.items() if (name := batch.column(role))}
        triples = _triples(batch)
        country = batch.column(Role.COUNTRY)
        lines, countries = _cells(batch, column), _cells(batch, country)
        rows = [at for at, line in enumerate(lines) if len(line.split()) > 1 and not all(_parts(triples[at])[::2])]
        moved: set[int] = set()
        if home is None:
            return moved
        parser = AddressParser(home.table, tag=False)
        for done, (at, parsed) in enumerate(zip(rows, parser.parse_many(lines[at] for at in rows), strict=True)):
            if done % 500 == 0:
                context.report(done, len(rows), "addresses in the street")
            if {_country(countries[at]), parsed.country} - {"", home.table.country}:
                continue
            found = split(parsed, triples[at], home)
            if found is None or found.score < _SURE or not found.parts.keys() <= columns.keys():
                continue
            changes = {column: found.street or None} | {columns[part]: text for part, text in found.parts.items()}
            if parsed.country and not countries[at].strip():
                if country is None:
                    continue  # what the line says of the country would be lost
                changes[country] = parsed.country
            moved.add(at)
            reason = f"{', '.join(found.parts.values())} stands in {column}; the record lacks it elsewhere"
            evidence = _evidence("address-split", found.score, reason, (column,))
            record = int(batch.frame.index[at])
            yield Finding((record,), SetFields(changes), min(round(found.score, 4), _MOST), evidence, "address-split")
        return moved

    def _streets(self, batch: Batch, column: str, context: RunContext, moved: set[int]) -> Iterator[Finding]:
        cells = _cells(batch, column)
        countries = [_country(text) for text in _cells(batch, batch.column(Role.COUNTRY))]
        names = self._names | _frequent_words(cells)
        for at, (record, text, country) in enumerate(zip(batch.frame.index, cells, countries, strict=True)):
            if at % _STEP == 0:
                context.report(at, len(batch), "streets")
            mine = country in {"", "US", "CA", "GB", "AU"} and text and at not in moved
            mended = correct_street(text, names) if mine else None
            if mended:
                p = probability(mended, self._calibration)
                reason = f"{mended.given} is no street type; {mended.proper} is, and is spelt nearly so"
                if p >= _LEAST:
                    yield from _finding(int(record), column, mended.value, text, p, "street-type", reason)

    def _lines(self, batch: Batch, column: str, context: RunContext) -> Iterator[Finding]:
        cells = _cells(batch, column)
        home = next(iter(self._correctors.values()), None)
        if home is None:
            return
        parser = AddressParser(home.table, tag=False)
        for at, (record, text) in enumerate(zip(batch.frame.index, cells, strict=True)):
            if at % 500 == 0:
                context.report(at, len(batch), "address lines")
            line = correct_line(text, parser, home, self._names, self._calibration) if text.strip() else None
            if line and line.score >= _LEAST:
                yield from _finding(int(record), column, line.value, text, line.score, "address-text", line.reason)


def _exchange(record: int, city: str, region: str, triple: Triple) -> Finding:
    reason = f"{triple.city} is a region, and {triple.region} a city of it: they changed places"
    evidence = _evidence("city-region-swap", _SWAPPED, reason, (city, region))
    changes = {city: triple.region, region: triple.city}
    return Finding((record,), SetFields(changes), _SWAPPED, evidence, "city-region-swap")


def _finding(
    record: int, column: str, value: str, given: str, score: float, rule: str, reason: str
) -> Iterator[Finding]:
    if not value or "\0" in value or value == given:
        return
    evidence = _evidence(rule, score, reason, (column,))
    yield Finding((record,), SetFields({column: value}), round(min(max(score, 0.0), 1.0), 4), evidence, rule)


def _evidence(rule: str, score: float, reason: str, columns: tuple[str, ...]) -> tuple[Evidence, ...]:
    """The one reason of a finding; its weight: log2 of the score's odds."""
    odds = math.log2(max(score, 1e-6) / max(1.0 - score, 1e-6))
    return (Evidence(rule, round(odds, 3), reason, columns),)


def _triples(batch: Batch) -> list[Triple]:
    """City, region and postcode of every record; "" where blank or without a column."""
    return [Triple(*row) for row in zip(*(_cells(batch, batch.column(role)) for role in _ROLES.values()), strict=True)]


def _cells(batch: Batch, column: str | None) -> list[str]:
    if column is None:
        return [""] * len(batch)
    return [value if isinstance(value, str) else "" for value in batch.frame[column].tolist()]


def _country(text: str) -> str:
    """ISO code, "" if blank, "?" if it is no country we know; the US areas count as the US."""
    if not text.strip():
        return ""
    code = country_code(text[:80]) or "?"
    return "US" if code in _US_AREAS else code


def _parts(triple: Triple) -> tuple[str, str, str]:
    return triple.city.strip(), triple.region.strip(), triple.postcode.strip()


def _style(cells: Sequence[str]) -> str:
    """A typical value of the column: what a blank one should look like."""
    return next(iter(pd.Series([cell for cell in cells if cell.strip()], dtype=object).mode()), "")


def _frequent_words(cells: Sequence[str]) -> frozenset[str]:
    """Words that stand in at least 1 % of the street lines, and in three: no typing error comes that often."""
    counts = Counter(word for cell in cells for word in set(plain(cell[:200]).replace(".", "").split()))
    return frozenset(word for word, count in counts.items() if count >= max(3, len(cells) / 100))
