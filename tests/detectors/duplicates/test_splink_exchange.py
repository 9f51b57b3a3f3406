"""A fitted model as Splink settings: Splink finds the same pairs at the same weights, on DuckDB and on Spark."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from detectors.contract import Batch, RunContext
from detectors.duplicates import blocking, linking
from detectors.duplicates.comparisons import plan as plan_of
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.exchange.blocks import memberships
from detectors.duplicates.exchange.dialects import Dialect
from detectors.duplicates.exchange.prepared import prepare
from detectors.duplicates.exchange.running import CannotRun, export, run
from detectors.duplicates.exchange.settings import TOLERANCE, settings
from detectors.roles import Role

PEOPLE = {"first": Role.GIVEN_NAME, "last": Role.FAMILY_NAME, "born": Role.DATE_OF_BIRTH, "mail": Role.EMAIL}
COMPANIES = {"name": Role.COMPANY, "tel": Role.PHONE, "tel2": Role.PHONE}


def _people(rows: int) -> Batch:
    """Copies with slips, namesakes and couples among strangers."""
    rng = np.random.default_rng(5)
    first = ["anna", "robert", "maria", "stefan", "lucia", "peter", "ioana", "william"]
    last = ["smith", "przybylski", "lopez", "vandermeer", "okafor", "lindqvist"]
    made = []
    for number in range(rows // 2):
        given, family = first[number % 8], last[(number * 7) % 6]
        born = f"19{50 + number % 40}-0{1 + number % 9}-1{number % 10}"
        mail = f"{given}.{family}{number % 5}@mail{number % 3}.com"
        made.append((given, family, born, mail))
        slip = {
            0: (family, given, born, mail),
            1: (given[:-1], family, born, None),
            2: ("bob" if given == "robert" else given[0], family, born, mail.replace("a", "e", 1)),
            3: (given, family[:2] + family[3:], f"{born[:8]}{born[9]}{born[8]}", None),
            4: (given, None, born, f"info{number}@shop.de"),
        }[int(rng.integers(0, 5))]
        made.append(slip)
    return Batch(pd.DataFrame(made, columns=list(PEOPLE)), PEOPLE)


def _companies() -> Batch:
    rows = [
        ("Acme Widgets GmbH", "030 123456", None),
        ("Acme Widget", None, "030-123456"),
        ("ACME Widgets Berlin", "030 123457", "0171 555444"),
        ("Happy Day Care Center 12", "555 0101", None),
        ("Happy Daycare Centre", "555 0101", None),
        ("Center of Happy Days 14", None, "555 0110"),
        ("Northwind Traders", "206 999", "206 998"),
        ("North Wind Traders Ltd", "206 998", None),
        ("M. Okafor and Sons", "44 20 7946", None),
        ("Martin Okafor & Sons", "44 20 7964", None),
        ("Okafor", None, None),
    ]
    return Batch(pd.DataFrame(rows, columns=list(COMPANIES)), COMPANIES)


def _weights_agree(batch: Batch, directory, engine: str) -> None:
    ((linkage, part),) = DuplicateDetector().link(batch, RunContext(device="cpu"))
    export(part, linkage.plan.entity, linkage.model, directory)
    found = run(directory, engine)
    left, right = found["record_id_l"].to_numpy(), found["record_id_r"].to_numpy()
    assert blocking.pack(left, right).tolist() == blocking.block(linkage.plan).pairs.tolist()
    levels = linking.compare(linkage.plan, left, right)
    ours = linking.score(linkage.model, linkage.plan, left, right, levels, linkage.rare)
    off = np.abs(found["match_weight"].to_numpy() - ours)
    assert off.max() <= TOLERANCE, (off.max(), levels[:, off.argmax()])
    assert len(np.unique(levels, axis=1).T) > 8


def test_splink_on_duckdb_gives_people_our_weights(tmp_path):
    _weights_agree(_people(40), tmp_path, "duckdb")


def test_splink_on_duckdb_gives_our_weights_where_one_comparison_follows_from_another(tmp_path):
    people = _people(40)
    years = pd.to_numeric(people.frame["born"].str[:4])
    age = (2020 - years + np.arange(len(years)) % 3).astype(str).where(np.arange(len(years)) % 5 > 0, None)
    sex = ["m" if number % 7 < 3 else "f" for number in range(len(years))]
    roles = people.roles | {"age": Role.AGE, "sex": Role.GENDER}
    _weights_agree(Batch(people.frame.assign(age=age, sex=sex), roles), tmp_path, "duckdb")


def test_splink_on_duckdb_gives_companies_our_weights(tmp_path):
    _weights_agree(_companies(), tmp_path, "duckdb")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17: apt-get install openjdk-17-jre-headless")
def test_splink_on_a_local_spark_gives_people_our_weights(tmp_path):
    _weights_agree(_people(24), tmp_path, "spark")


def test_two_records_share_a_block_exactly_where_blocking_pairs_them():
    rows = 1500
    frame = pd.DataFrame(
        {
            "first": [f"name{row % 40}" for row in range(rows)],
            "last": [f"family{row % 11}" for row in range(rows)],
            "born": [f"19{50 + row % 50}-01-0{1 + row % 9}" for row in range(rows)],
            "mail": [None] * rows,
        }
    )
    plan = plan_of(Batch(frame, PEOPLE), "people")
    own, numbers, keys = memberships(plan)
    assert any(key.oversized for key in keys)
    order = np.argsort(numbers, kind="stable")
    bounds = np.append(np.flatnonzero(np.diff(numbers[order], prepend=-1)), len(order))
    shared = blocking.distinct([blocking.all_pairs(own[order], bounds)])
    assert shared.tolist() == blocking.block(plan).pairs.tolist()


def test_the_settings_name_levels_in_words_and_hold_m_and_u(tmp_path):
    ((linkage, part),) = DuplicateDetector().link(_people(40), RunContext(device="cpu"))
    written = settings(prepare(part, "people"), linkage.model, Dialect("spark"))
    given = written["comparisons"][0]
    assert given["output_column_name"] == "given"
    labels = {level["label_for_charts"]: level for level in given["comparison_levels"]}
    assert {"equal", "nearly equal", "different", "missing"} <= set(labels)
    assert labels["equal"]["m_probability"] == pytest.approx(linkage.model.chances[0, 0, 6])
    assert labels["equal"]["tf_adjustment_column"] == "given"
    assert json.loads(json.dumps(written)) == written


def test_a_model_of_other_comparisons_is_refused():
    ((linkage, _),) = DuplicateDetector().link(_people(40), RunContext(device="cpu"))
    with pytest.raises(ValueError, match="another list of comparisons"):
        settings(prepare(_companies(), "organisations"), linkage.model, Dialect("duckdb"))


def test_a_folder_without_an_export_is_named(tmp_path):
    with pytest.raises(CannotRun, match="holds no export"):
        run(tmp_path, "duckdb")
