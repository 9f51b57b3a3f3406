"""The resident index answers as a run would, and follows changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, ModelFileError, RunContext
from detectors.duplicates import asking, blocking, comparisons, keyindex, residentfile
from detectors.duplicates.detector import ordered
from detectors.duplicates.encoding import encode
from detectors.duplicates.resident import ResidentIndex
from detectors.duplicates.text import ALNUM, DIGITS, EMAIL, WORDS
from detectors.roles import Role
from detectors.testing import sample_batch

CONTEXT = RunContext(seed=1, device="cpu")

COMPANY_ROLES = {
    "company": Role.COMPANY,
    "other": Role.NAME,
    "site": Role.WEBSITE,
    "tel": Role.PHONE,
    "tel2": Role.PHONE,
    "fax": Role.FAX,
    "number": Role.HOUSE_NUMBER,
    "street": Role.STREET,
    "unit": Role.UNIT,
    "zip": Role.POSTCODE,
    "town": Role.CITY,
    "tax": Role.TAX_ID,
    "trade": Role.INDUSTRY,
    "note": Role.TEXT,
}


def companies(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    words = [
        "Nord",
        "Süd",
        "O'Brien",
        "Bau",
        "St.",
        "Street",
        "Day Care",
        "daycare",
        "Łódź",
        "Smith & Sons",
        "n/a",
        "7",
    ]
    made = [
        [
            f"{rng.choice(words)} {rng.choice(words)} {rng.choice(['GmbH', 'Ltd.', 'Inc', ''])}",
            rng.choice(["", "Acme", None, "The Acme Company"]),
            rng.choice(["https://www.acme.org/x", "acme.org", "HTTP://Acme.ORG", None, "lake.net"]),
            rng.choice(["+49 (30) 1234-567", "0301234567", "12", None, "555 0102030"]),
            rng.choice(["0301234567", None]),
            rng.choice(["1", None, "0049 30 1234568"]),
            rng.choice(["12", "12a", "3-5", None]),
            f"{rng.choice(words)} {rng.choice(['St', 'street', 'Straße', 'Ave'])}",
            rng.choice(["Apt 4", "4", None]),
            rng.choice(["10115", "SW1A 1AA", "sw1a1aa", None]),
            rng.choice(["Berlin", "BERLIN ", "München", "unknown"]),
            rng.choice(["DE 123", "de123", "-", None]),
            rng.choice(["Building", "bldg.", None]),
            rng.choice(["a", "b c", "d"]),
        ]
        for _ in range(rows)
    ]
    return pd.DataFrame(made, columns=list(COMPANY_ROLES), dtype=object)


def people(rows: int = 400) -> Batch:
    return Batch(generate(rows, seed=4)[0], ROLES)


def whole_names() -> Batch:
    frame, _ = generate(300, seed=6)
    age = pd.Series([str(n % 90) if n % 7 else None for n in range(len(frame))], dtype=object)
    name = frame["last"].fillna("") + ", Dr. " + frame["first"].fillna("")
    made = pd.DataFrame(
        {"name": name, "age": age, "mail": frame["mail"], "mail2": frame["mail"].shift(1), "town": frame["town"]}
    )
    made = made.astype(object).where(made.notna(), None)
    roles = {"name": Role.NAME, "age": Role.AGE, "mail": Role.EMAIL, "mail2": Role.EMAIL, "town": Role.CITY}
    return Batch(made, roles)


BATCHES = {
    "people": lambda: (people(), "people"),
    "companies": lambda: (Batch(companies(), COMPANY_ROLES), "organisations"),
    "house numbers rarely filled": lambda: (
        Batch(companies().assign(number=[None] * 250 + ["4"] * 50), COMPANY_ROLES),
        "organisations",
    ),
    "whole names": lambda: (whole_names(), "people"),
    "sample": lambda: (sample_batch(300), "people"),
}


@pytest.mark.parametrize("name", list(BATCHES))
def test_one_record_is_read_as_a_run_reads_its_column(name):
    batch, entity = BATCHES[name]()
    batch = ordered(batch)
    plan = comparisons.plan(batch, entity)
    ranks = blocking.ranks(plan)
    index = ResidentIndex(batch, entity, context=CONTEXT)
    size = len(batch)
    everyone = np.arange(size)
    for row in range(0, size, 7):
        values = batch.frame.iloc[row].to_dict()
        features, rank = index._place(values, size)
        assert {key: features.get(key, 0) for key in plan.features} == {
            key: int(hashes[row]) for key, hashes in plan.features.items()
        }
        expected = plan.compare(np.full(size, row), everyone)
        assert (index.compare(np.full(size, size), everyone) == expected).all()
        if not name.startswith(("companies", "house")):  # their text is kept in one of its spellings
            assert rank == ranks[row]


def test_texts_are_cleaned_as_by_the_kernels():
    cells = [
        "Müller-Lüdenscheidt",
        " O'Brien`s  ",
        "N/A",
        "na",
        "Ω℡ x",
        "Ёлка",
        "a – b",
        "+49 (0)30/12",
        "A.B@C.de ",
        "-",
        "東京",
    ]
    for mode in (WORDS, ALNUM, DIGITS, EMAIL):
        for cell in cells:
            column = encode(pd.Series([cell], dtype=object), mode)
            expected = column.values()[column.codes[0]] if column.codes[0] >= 0 else ""
            assert asking.clean(cell, mode).decode() == expected, (cell, mode)


def fitted_elsewhere():
    """A model as a run leaves it: fitted to people among whom there are copies."""
    frame, _ = generate(3000, seed=4)
    return ResidentIndex(Batch(frame, ROLES), "people", context=CONTEXT).model


def test_a_spoilt_copy_is_found_with_its_reasons():
    frame, truth = generate(3000, seed=9)
    copies = pd.Series(truth).duplicated()
    index = ResidentIndex(Batch(frame[~copies], ROLES), "people", model=fitted_elsewhere(), context=CONTEXT)
    first = {int(person): int(record) for person, record in zip(truth[~copies], frame.index[~copies], strict=True)}
    asked = np.flatnonzero(copies)[:300]
    hits = 0
    for row in asked.tolist():
        matches = index.find(frame.iloc[row].to_dict())
        hits += bool(matches) and matches[0].record == first[int(truth[row])]
        if matches:
            assert sum(reason.weight for reason in matches[0].evidence) == pytest.approx(matches[0].bits, abs=0.2)
    assert hits / len(asked) >= 0.95


def test_records_added_replaced_and_removed_are_followed():
    frame, _ = generate(1500, share=0.0, seed=2)
    index = ResidentIndex(Batch(frame, ROLES), "people", context=CONTEXT)
    ann = dict.fromkeys(ROLES) | {"first": "Ann", "last": "Przybylski", "mail": "ann@lake.org", "born": "1970-02-03"}
    assert not index.find(ann, least=0.5)
    index.add(10_001, ann)
    assert [match.record for match in index.find(ann, least=0.5)] == [10_001]
    assert not index.find(ann, least=0.5, without=10_001)
    bob = ann | {"first": "Bob", "last": "Quux", "mail": "bob@sea.org", "born": "1981-05-06"}
    index.replace(10_001, bob)
    assert not index.find(ann, least=0.5)
    assert [match.record for match in index.find(bob, least=0.5)] == [10_001]
    assert index.values(10_001)["first"] == "Bob"
    with pytest.raises(ValueError, match="there is a record"):
        index.add(10_001, ann)
    assert index.remove(10_001)
    assert not index.remove(10_001)
    assert not index.find(bob, least=0.5)
    assert len(index) == len(frame)


def test_a_question_leaves_nothing_behind():
    batch, entity = people(), "people"
    index = ResidentIndex(batch, entity, context=CONTEXT)
    before = [len(dictionary) for dictionary in index._dictionaries]
    first = index.find(batch.frame.iloc[3].to_dict())
    index.find({"first": "Zaphod", "last": "Beeblebrox", "mail": "z@b.org", "street": "9 New New Road"})
    assert [len(dictionary) for dictionary in index._dictionaries] == before
    assert index.find(batch.frame.iloc[3].to_dict()) == first


def test_many_additions_make_a_segment_of_their_own(monkeypatch):
    monkeypatch.setattr(keyindex, "FRESH", 50)
    frame, _ = generate(1400, share=0.0, seed=2)
    index = ResidentIndex(Batch(frame.iloc[:1200], ROLES), "people", model=fitted_elsewhere(), context=CONTEXT)
    later = frame.iloc[1200:1400]
    for record, row in later.iterrows():
        index.add(int(record), row.to_dict())
    assert len(index._keys.segments) > 3
    hits = [index.find(row.to_dict())[0].record == record for record, row in later.iterrows()]
    assert np.mean(hits) > 0.98


def test_a_saved_index_answers_as_before(tmp_path):
    batch = people(1300)
    index = ResidentIndex(batch, "people", context=CONTEXT)
    index.remove(int(batch.frame.index[0]))
    index.add(9_999_999, batch.frame.iloc[5].to_dict())
    residentfile.save(index, tmp_path)
    again = residentfile.load(tmp_path)
    assert len(again) == len(index)
    asked = [batch.frame.iloc[row].to_dict() for row in range(0, 100, 5)]
    assert [one.record for values in asked for one in again.find(values)] == [
        one.record for values in asked for one in index.find(values)
    ]


def test_a_damaged_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be read"):
        residentfile.load(tmp_path)
    residentfile.save(ResidentIndex(people(200), "people", context=CONTEXT), tmp_path)
    whole = bytearray((tmp_path / residentfile.TABLE).read_bytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / residentfile.TABLE).write_bytes(whole)
    with pytest.raises(ModelFileError, match="damaged"):
        residentfile.load(tmp_path)


def test_a_household_is_a_relation_and_not_a_match():
    frame, _ = generate(1500, share=0.1, seed=2)
    home = {"last": "Przybylski", "tel": "2025550142", "street": "9 Elm Road", "town": "Lakeville", "zip": "54321"}
    ann = dict.fromkeys(ROLES) | home | {"first": "Ann", "sex": "F", "born": "1970-02-03", "mail": "ann@lake.org"}
    paul = dict.fromkeys(ROLES) | home | {"first": "Paul", "sex": "M", "born": "1968-11-20", "mail": "p99@sea.org"}
    rows = [*frame.to_dict("records"), ann, paul]
    index = ResidentIndex(Batch(pd.DataFrame(rows, dtype=object), ROLES), "people", context=CONTEXT)
    last = len(rows) - 1
    assert [record for record, _ in index.related(ann, without=last - 1)] == [last]
    assert not index.find(ann, least=0.5, without=last - 1)
    assert last not in [record for record, _ in index.related(paul, without=last)]


def test_a_batch_without_anything_to_compare_is_refused():
    batch = Batch(pd.DataFrame({"x": ["1", "2"]}, dtype=object), {"x": Role.AMOUNT})
    with pytest.raises(ValueError, match="no column"):
        ResidentIndex(batch, "people", context=CONTEXT)
