"""The sample CRM: believable, repeatable, and with every defect known."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pandas as pd
import phonenumbers
import pytest
import zipcodes

from crmquality.demo import people
from crmquality.sample import KINDS, MODELS, blocks, generate, read_truth, score, vocabulary
from crmquality.sample.scoring import CLEAN_CELL
from crmquality.services.access import UserRole


@pytest.fixture(scope="module", params=MODELS)
def sample(request, tmp_path_factory):
    """Two thousand contacts of each model, and all that belongs to them."""
    return generate(tmp_path_factory.mktemp(request.param), contacts=2_000, seed=5, corruption=request.param)


def read(path: Path) -> pd.DataFrame:
    """A generated CSV, indexed by its key."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, index_col=0)


def digest(directory: Path) -> dict[str, str]:
    """What is in the files of a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def clean_copy(sample, kind: str) -> pd.DataFrame:
    """The table as it was before it was spoiled, by the truth file."""
    table, truth = read(sample.files[kind]), read_truth(sample.truth)
    rows = table.to_dict("index")
    for (key, field), cell in truth.cells.items():
        if key in rows:
            rows[key][field] = cell.clean
    return pd.DataFrame.from_dict(rows, orient="index")


def test_every_kind_is_written_with_its_own_unique_keys(sample):
    assert set(sample.files) == set(KINDS)
    for kind, path in sample.files.items():
        table = read(path)
        assert len(table) == sample.rows[kind] > 0
        assert table.index.is_unique
    assert sample.rows["contacts"] == 2_000


def test_the_truth_holds_for_every_dirty_cell(sample):
    truth = read_truth(sample.truth)
    tables = {key: row for path in sample.files.values() for key, row in read(path).to_dict("index").items()}
    for (key, field), cell in truth.cells.items():
        assert tables[key][field] == cell.dirty != cell.clean


def test_no_cell_is_spoiled_twice(sample):
    assert not read(sample.truth).reset_index().duplicated(["external_id", "field"]).any()


def test_what_the_truth_does_not_name_is_equal_in_all_records_of_an_entity(sample):
    clean = clean_copy(sample, "contacts")
    entities = read_truth(sample.truth).entities
    entity = clean.index.map(entities)
    for field in ("First Name", "Last Name", "Email", "Phone", "Birthdate", "Mailing Street", "Mailing City"):
        assert clean.groupby(entity)[field].nunique().max() == 1
    assert sample.duplicates["contacts"] == len(clean) - entity.nunique() == 160


def test_keys_point_to_records_that_exist(sample):
    tables = {kind: read(path) for kind, path in sample.files.items()}
    for kind in ("contacts", "opportunities", "quotations", "orders", "activities"):
        for column, target in (("Account ID", "accounts"), ("Contact ID", "contacts"), ("Quote ID", "quotations")):
            if column in tables[kind]:
                assert set(tables[kind][column]) - {""} <= set(tables[target].index)
    assert set(tables["accounts"]["Parent Account ID"]) - {""} <= set(tables["accounts"].index)


def test_clean_american_addresses_are_real_triples_and_phones_are_valid(sample):
    clean = clean_copy(sample, "contacts")
    real = {(row["city"], row["state"], row["zip_code"]) for row in zipcodes.list_all()}
    americans = clean[clean["Mailing Country"] == "United States"]
    assert len(americans) > 1_000
    triples = americans[["Mailing City", "Mailing State", "Mailing Postal Code"]].itertuples(index=False, name=None)
    assert set(triples) <= real
    phones = clean.loc[clean["Phone"] != "", "Phone"].head(500)
    valid = [phonenumbers.is_valid_number(phonenumbers.parse(phone)) for phone in phones]
    assert sum(valid) >= 0.99 * len(valid)


def test_there_are_households_namesakes_and_branches(sample):
    clean, accounts = clean_copy(sample, "contacts"), clean_copy(sample, "accounts")
    entity = clean.index.map(read_truth(sample.truth).entities)
    people = clean[~entity.duplicated()]
    assert people.duplicated(["Last Name", "Mailing Street", "Mailing Postal Code"]).sum() > 100
    same_name = people.groupby(["First Name", "Last Name", "Mailing Country"])["Mailing City"].nunique()
    assert (same_name > 1).sum() > 10
    assert (accounts["Parent Account ID"] != "").mean() > 0.1


def test_clean_deals_are_coherent(sample):
    deals, orders = clean_copy(sample, "opportunities"), clean_copy(sample, "orders")
    assert (deals["Close Date"] >= deals["Created Date"]).all()
    assert ((deals["Stage"] == "Closed Lost") == (deals["Loss Reason"] != "")).all()
    totals = orders["Quantity"].astype(float) * orders["Unit Price"].astype(float)
    assert (totals - orders["Total"].astype(float)).abs().max() < 0.02 * orders["Quantity"].astype(float).max()


def test_every_class_of_the_brief_is_planted(sample):
    planted = Counter(sample.defects)
    for name in ("swap-names", "blank", "stale-address", "odd-amount", "odd-duration", "odd-currency", "skipped-stage"):
        assert planted[name] > 0
    assert any("typo" in name or "misheard" in name for name in planted)
    assert any("format" in name for name in planted)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / name, contacts=300, seed=seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a")["contacts.csv"] != digest(tmp_path / "c")["contacts.csv"]


def test_a_larger_sample_starts_with_the_blocks_of_a_smaller_one(tmp_path, monkeypatch):
    monkeypatch.setattr("crmquality.sample.BLOCK", 200)
    monkeypatch.setattr(blocks, "BLOCK", 200)
    small = generate(tmp_path / "small", contacts=400, seed=3)
    large = generate(tmp_path / "large", contacts=700, seed=3)
    assert large.files["contacts"].read_text().startswith(small.files["contacts"].read_text())
    for kind, path in large.files.items():
        assert read(path).index.is_unique, kind


def test_parquet_holds_what_csv_holds(tmp_path):
    as_csv = generate(tmp_path / "csv", contacts=200, kinds=["contacts"])
    as_parquet = generate(tmp_path / "parquet", contacts=200, kinds=["contacts"], format="parquet")
    table = pd.read_parquet(as_parquet.files["contacts"]).fillna("")
    pd.testing.assert_frame_equal(table, read(as_csv.files["contacts"]).reset_index(), check_dtype=False)
    assert read_truth(as_csv.truth) == read_truth(as_parquet.truth)
    assert list(as_csv.files) == ["contacts"]


@pytest.mark.parametrize(
    "wrong", [{"contacts": 0}, {"format": "xls"}, {"corruption": "none"}, {"kinds": ["contacts", "invoices"]}]
)
def test_a_wrong_request_is_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"one"):
        generate(tmp_path / "x", **{"contacts": 10, **wrong})
    assert not (tmp_path / "x").exists()


# Scoring


def test_a_perfect_answer_scores_one_and_no_answer_finds_nothing(sample):
    truth = read_truth(sample.truth)
    members: dict[str, list[str]] = {}
    for key, entity in truth.entities.items():
        members.setdefault(entity, []).append(key)
    wrong = truth.wrong_cells()
    perfect = score(
        truth,
        corrections=[(key, field, cell.clean) for (key, field), cell in wrong.items()],
        flags=list(wrong),
        clusters=members.values(),
    )
    for tally in (perfect.corrections, perfect.flags, perfect.duplicates):
        assert (tally.precision, tally.recall, tally.f1) == (1, 1, 1)
    nothing = score(truth)
    assert (nothing.corrections.claimed, nothing.corrections.recall, nothing.duplicates.recall) == (0, 0, 0)


def test_wrong_claims_cost_precision_in_their_class(sample):
    truth = read_truth(sample.truth)
    (key, field), cell = next(iter(truth.wrong_cells().items()))
    scores = score(
        truth,
        corrections=[(key, field, f"{cell.clean} no"), (key, "Job Title", "Boss")],
        clusters=[list(truth.entities)[:3]],
    )
    assert scores.corrections.precision == 0
    assert scores.corrections_by_defect[cell.defect].claimed == 1
    assert scores.corrections_by_defect[CLEAN_CELL].claimed == 1
    assert scores.duplicates.claimed == 3


def test_a_variant_written_as_the_first_record_has_it_counts_neither_way(sample):
    truth = read_truth(sample.truth)
    (key, field), cell = next((place, cell) for place, cell in truth.cells.items() if cell.is_variant and cell.clean)
    assert score(truth, corrections=[(key, field, cell.clean)]).corrections.claimed == 0
    assert score(truth, corrections=[(key, field, f"{cell.clean} no")]).corrections.precision == 0


def test_a_phone_number_is_right_however_it_is_written(sample):
    truth = read_truth(sample.truth)
    (key, field), cell = next(x for x in truth.wrong_cells().items() if x[1].defect == "phone-format")
    spaced = f"{cell.clean[:3]} {cell.clean[3:]}"
    assert score(truth, corrections=[(key, field, spaced)]).corrections.precision == 1


def test_to_empty_a_placeholder_is_right_and_to_empty_anything_else_is_not(sample):
    truth = read_truth(sample.truth, kinds=["contacts", "leads"])
    by_defect = {cell.defect: place for place, cell in truth.wrong_cells().items()}
    scores = score(truth, corrections=[(*by_defect["placeholder"], None), (*by_defect["mail-broken"], None)])
    assert scores.corrections_by_defect["placeholder"].precision == 1
    assert scores.corrections_by_defect["mail-broken"].precision == 0


def test_the_truth_can_be_read_of_some_kinds_only(sample):
    contacts = read_truth(sample.truth, kinds=["contacts"])
    assert len(contacts.entities) == 2_000
    assert {key[0] for key, _ in contacts.cells} == {"C"}


def test_the_demos_sales_person_owns_records_of_the_sample():
    assert set(people.FULL_NAMES.values()) <= set(vocabulary.OWNERS)
    assert people.PEOPLE[next(iter(people.FULL_NAMES))] is UserRole.SALES
