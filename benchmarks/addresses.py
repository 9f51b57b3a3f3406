"""Addresses: split, corrected, and the misspellings that real data holds by itself.

Development data: street lines, cities and states of `physicians_dev.csv`. The corrections are calibrated on one
generator of errors (`detectors.addresses.composing`); the figures here come from another (keyboard neighbours, doubled
and dropped letters, keypad neighbours) over real cities.
"""

from __future__ import annotations

import random
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from detectors.addresses.composing import typo
from detectors.addresses.detector import AddressDetector
from detectors.addresses.gazetteer import us_gazetteer
from detectors.addresses.parsing import PARTS, AddressParser
from detectors.addresses.recipe import same_part
from detectors.addresses.standardising import folded, place_key
from detectors.addresses.triples import Triple
from detectors.contract import Batch, Finding, RunContext, SetFields
from detectors.roles import Role

TITLE = "Addresses: parsing beside usaddress, correction of planted errors, natural misspellings"
PEERS = ["usaddress==0.5.16"]
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "imputation" / "physicians_dev.csv"
LAYOUTS = ("{0}, {1}, {2} {3}", "{0} {1} {2} {3}", "{0}, {1} {2} {3}", "{0}\n{1}, {2} {3}")
Row = dict[str, Any]


def add_arguments(parser: ArgumentParser) -> None:
    """Sizes, seed and the development table."""
    parser.add_argument("--lines", type=int, default=3_000, help="address lines to split")
    parser.add_argument("--records", type=int, default=10_000, help="triples to correct")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--data", type=Path, default=DATA, help="table with street, city and state columns")
    parser.add_argument("--list", action="store_true", help="list every natural misspelling and its proposal")


def run(options: Namespace) -> list[Row]:
    """Rows: parsing by reader and condition; correction by generator; natural misspellings."""
    people = pd.read_csv(options.data, dtype=str).dropna(subset=["Line 1 Street Address", "City", "State"])
    rows = [*_parsing(people, options), *_in_the_street(people, options), *_correction(people, options)]
    return [*rows, *_natural(people, options.list)]


# --- splitting ------------------------------------------------------------------------------------------------------


def _parsing(people: pd.DataFrame, options: Namespace) -> Iterator[Row]:
    for condition, mistyped in (("as is", False), ("one typo", True)):
        rng = random.Random(options.seed)
        wanted = list(_composed(people, options.lines, rng, mistyped))
        texts = [rng.choice(LAYOUTS).format(*parts) for parts in wanted]
        for reader, read in _readers():
            read(texts[:1])
            started = time.process_time()
            found = read(texts)
            seconds = time.process_time() - started
            right = [
                tuple(map(folded, one)) == tuple(map(folded, parts)) for one, parts in zip(found, wanted, strict=True)
            ]
            yield {
                "what": "parsing", "which": reader, "on": condition, "whole": sum(right) / len(right),
                "per core second": round(len(texts) / seconds),
            }  # fmt: skip


def _composed(people: pd.DataFrame, count: int, rng: random.Random, mistyped: bool) -> Iterator[list[str]]:
    table = us_gazetteer()
    drawn = people.sample(count, replace=count > len(people), random_state=rng.randrange(2**31))
    columns = (drawn["Line 1 Street Address"], drawn["City"], drawn["State"])
    for street, city, state in zip(*columns, strict=True):
        codes = table.postcodes(place_key(city), state) or [a.postcode for a in table.areas() if a.region == state]
        plus = f"-{rng.randrange(10_000):04d}" if rng.random() < 0.3 else ""
        parts = [street, city, state, rng.choice(codes) + plus]
        if mistyped:
            at = rng.choices(range(4), weights=[len(part) for part in parts])[0]
            parts[at] = typo(parts[at], rng)
        yield parts


def _readers() -> Iterator[tuple[str, Callable[[Sequence[str]], list[tuple[str, ...]]]]]:
    both, alone = AddressParser(), AddressParser(tag=False)
    for name, parser in (("table and tagger", both), ("table alone", alone)):
        yield (
            name,
            lambda texts, parser=parser: [
                tuple(getattr(one, part) for part in PARTS) for one in parser.parse_many(texts)
            ],
        )
    try:
        import usaddress
    except ImportError:
        return
    yield "usaddress", lambda texts: [_by_peer(usaddress, text) for text in texts]


def _by_peer(usaddress: Any, text: str) -> tuple[str, ...]:
    """usaddress' words gathered by label; `parse`, as its `tag` raises on a repeated label."""
    names = {"PlaceName": "place", "StateName": "region", "ZipCode": "postcode", "ZipPlus4": "postcode"}
    words: dict[str, list[str]] = {part: [] for part in PARTS}
    for word, label in usaddress.parse(text):
        words[names.get(label, "street")].append(word.strip(","))
    return tuple(" ".join(words[part]) for part in PARTS)


# --- whole addresses in the street column ---------------------------------------------------------------------------


def _in_the_street(people: pd.DataFrame, options: Namespace) -> Iterator[Row]:
    """Records without a place: half hold the whole address in the street column, half a street line alone."""
    rng = random.Random(options.seed + 1)
    wanted = list(_composed(people, options.lines, rng, mistyped=False))
    whole = [rng.random() < 0.5 for _ in wanted]
    streets = [
        rng.choice(LAYOUTS).format(*parts) if held else parts[0] for parts, held in zip(wanted, whole, strict=True)
    ]
    frame = pd.DataFrame({"street": streets, "city": None, "region": None, "postcode": None}, dtype=object)
    roles = {"street": Role.STREET, "city": Role.CITY, "region": Role.REGION, "postcode": Role.POSTCODE}
    detector = AddressDetector()
    list(detector.detect(Batch(frame[:500], roles), RunContext()))
    started = time.process_time()
    findings = [one for one in detector.detect(Batch(frame, roles), RunContext()) if one.rule == "address-split"]
    seconds = time.process_time() - started
    touched = {finding.subjects[0] for finding in findings}
    right = sum(_put_right(finding, wanted[finding.subjects[0]]) for finding in findings)
    yield {
        "what": "splitting", "which": "whole addresses in the street column", "on": "half of the records",
        "precision": right / max(len(findings), 1), "recall": right / max(sum(whole), 1),
        "clean touched": sum(not whole[at] for at in touched) / max(whole.count(False), 1),
        "per core second": round(len(frame) / seconds),
    }  # fmt: skip


def _put_right(finding: Finding, parts: Sequence[str]) -> bool:
    assert isinstance(finding.proposal, SetFields)
    changes = finding.proposal.changes
    proposed = [changes.get(part) or "" for part in ("street", "city", "region", "postcode")]
    return list(map(folded, proposed)) == list(map(folded, parts))


# --- correcting -----------------------------------------------------------------------------------------------------

_NEIGHBOURS = dict(zip("QWERTYUIOPASDFGHJKLZXCVBNM", "WERTYUIOPOSDFGHJKLKXCVBNMN", strict=True))
_KEYPAD = dict(zip("0123456789", "1258541256", strict=True))


def _correction(people: pd.DataFrame, options: Namespace) -> Iterator[Row]:
    rng = random.Random(options.seed)
    meant = list(_real_triples(people, options.records, rng))
    typed = [_mistyped(one, meant, rng) if rng.random() < 0.39 else one for one in meant]
    frame = pd.DataFrame(
        [(one.city, one.region, one.postcode) for one in typed], columns=["city", "region", "postcode"]
    )
    batch = Batch(frame, {"city": Role.CITY, "region": Role.REGION, "postcode": Role.POSTCODE})
    detector = AddressDetector()
    list(detector.detect(Batch(frame[:500], batch.roles), RunContext()))
    started = time.process_time()
    findings = list(detector.detect(batch, RunContext()))
    seconds = time.process_time() - started
    for least in (0.9, 0.95):
        sure = [finding for finding in findings if finding.score >= least]
        yield {
            "what": "correction", "which": f"p >= {least}", "on": "real triples, 39 % broken",
            **_scores(sure, typed, meant), "per core second": round(len(frame) / seconds),
        }  # fmt: skip


def _real_triples(people: pd.DataFrame, count: int, rng: random.Random) -> Iterator[Triple]:
    """City and state of real records with one of the city's postcodes; cities the table does not list are left out."""
    table = us_gazetteer()
    known = [
        (city, state) for city, state in zip(people["City"], people["State"], strict=True)
        if table.postcodes(place_key(city), state)
    ]  # fmt: skip
    for city, state in rng.choices(known, k=count):
        yield Triple(city, state, rng.choice(list(table.postcodes(place_key(city), state))))


def _mistyped(one: Triple, others: Sequence[Triple], rng: random.Random) -> Triple:
    """The record with one error in one part, by other habits than those the calibration was learned on."""
    kind = rng.random()
    if kind < 0.5:
        return Triple(_slip(one.city, _NEIGHBOURS, rng), one.region, one.postcode)
    if kind < 0.7:
        region = rng.choice(others).region if rng.random() < 0.6 else _slip(one.region, _NEIGHBOURS, rng)
        return Triple(one.city, region, one.postcode)
    if one.postcode.startswith("0") and rng.random() < 0.7:
        return Triple(one.city, one.region, one.postcode.lstrip("0"))
    return Triple(one.city, one.region, _slip(one.postcode, _KEYPAD, rng))


def _slip(text: str, beside: dict[str, str], rng: random.Random) -> str:
    at = rng.choice([at for at, mark in enumerate(text) if mark.isalnum()])
    ways = (
        text[:at] + text[at] + text[at:],
        text[:at] + text[at + 1 :],
        text[:at] + beside.get(text[at], text[at]) + text[at + 1 :],
        text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :],
    )
    return rng.choice(ways)


def _scores(findings: Sequence[Finding], typed: Sequence[Triple], meant: Sequence[Triple]) -> Row:
    right, repaired, touched = 0, set(), set()
    for finding in findings:
        at = finding.subjects[0]
        assert isinstance(finding.proposal, SetFields)
        touched.add(at)
        for part, value in finding.proposal.changes.items():
            if same_part(part, value or "", meant[at]):
                right += 1
                repaired.add(at)
    wrong = {at for at, (one, other) in enumerate(zip(typed, meant, strict=True)) if one != other}
    clean = len(meant) - len(wrong)
    return {
        "precision": right / max(len(findings), 1),
        "recall": len(repaired & wrong) / max(len(wrong), 1),
        "clean touched": len(touched - wrong) / max(clean, 1),
    }


# --- what real data holds -------------------------------------------------------------------------------------------


def _natural(people: pd.DataFrame, every: bool) -> Iterator[Row]:
    """Cities of the table that no postcode of their state knows, with what we propose."""
    table, detector = us_gazetteer(), AddressDetector()
    pairs = people[["City", "State"]].drop_duplicates()
    odd = pairs[[not table.postcodes(place_key(city), state) for city, state in pairs.itertuples(index=False)]]
    batch = Batch(pairs, {"City": Role.CITY, "State": Role.REGION})
    found = {one.subjects[0]: one for one in detector.detect(batch, RunContext()) if one.subjects[0] in odd.index}
    sure = sum(finding.score >= 0.9 for finding in found.values())
    yield {
        "what": "natural misspellings", "which": f"{len(odd)} of {len(pairs)} places are in no list",
        "on": f"{len(found)} with a proposal, {sure} at p >= .9; the rest left alone",
    }  # fmt: skip
    for at, city, state in odd.itertuples() if every else ():
        finding = found.get(at)
        changes = finding.proposal.changes if finding and isinstance(finding.proposal, SetFields) else {}
        yield {
            "what": "", "which": f"{city}, {state}", "on": ", ".join(map(str, changes.values())) or "left alone",
            "whole": finding.score if finding else None,
        }  # fmt: skip
