"""A model from Splink settings: levels find their equivalent, and what has none is named."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from detectors.contract import Batch, RunContext
from detectors.duplicates import comparisons
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.exchange.dialects import Dialect
from detectors.duplicates.exchange.prepared import prepare
from detectors.duplicates.exchange.reading import NoEquivalent, model_of
from detectors.duplicates.exchange.settings import settings
from detectors.roles import Role

ROLES = {"first_name": Role.GIVEN_NAME, "surname": Role.FAMILY_NAME, "email": Role.EMAIL}
ROWS = [
    ("anna", "smith", "anna.smith@mail.com"),
    ("ana", "smith", "anna.smith@mail.com"),
    ("robert", "lopez", "rlopez@mail.com"),
    ("bob", "lopez", "rlopez@mail.com"),
    ("lucia", "okafor", None),
    ("peter", "lindqvist", "pl@shop.de"),
]


@pytest.fixture
def batch():
    return Batch(pd.DataFrame(ROWS, columns=list(ROLES)), ROLES)


def _trained(column="first_name", **other):
    levels = [
        {"sql_condition": f'"{column}_l" IS NULL OR "{column}_r" IS NULL', "is_null_level": True},
        {"sql_condition": f'"{column}_l" = "{column}_r"', "m_probability": 0.7, "u_probability": 0.01},
        {
            "sql_condition": f'jaro_winkler_similarity("{column}_l", "{column}_r") >= 0.92',
            "m_probability": 0.2,
            "u_probability": 0.02,
        },
        {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.97},
    ]
    return {"output_column_name": column, "comparison_levels": levels} | other


def _text(*given, prior=0.01):
    return json.dumps({"probability_two_random_records_match": prior, "comparisons": list(given)})


def test_levels_find_their_equivalent(batch):
    plan = comparisons.plan(batch, "people")
    read = model_of(_text(_trained(), _trained("email")), plan)
    assert read.used == {"first_name": "given", "email": "email"}
    match, strangers = read.model.chances[0, 0], read.model.chances[0, 3]
    assert match[6] == pytest.approx(0.7)
    assert match[5] == pytest.approx(0.2)
    assert match[1:5].sum() == pytest.approx(0.1)
    assert strangers[6] == pytest.approx(0.01)
    assert read.model.priors[0] == pytest.approx(0.01)


def test_what_the_settings_do_not_compare_says_nothing(batch):
    plan = comparisons.plan(batch, "people")
    model = model_of(_text(_trained("email")), plan).model
    assert np.all(model.logs[0] == 0)
    assert np.all(model.by_chance[0] == 0)


def test_the_imported_model_links(batch):
    plan = comparisons.plan(batch, "people")
    model = model_of(_text(_trained(), _trained("surname"), _trained("email")), plan).model
    ((linkage, _),) = DuplicateDetector(models={"people": model}).link(batch, RunContext(device="cpu"))
    assert linkage.model.chances is model.chances
    assert linkage.model.lifts is not None  # what Splink does not know is learned
    assert linkage.labels[0] == linkage.labels[1]
    assert linkage.labels[4] != linkage.labels[5]


def test_an_export_of_ours_comes_back_with_its_m_and_u(batch):
    ((linkage, part),) = DuplicateDetector().link(batch, RunContext(device="cpu"))
    text = json.dumps(settings(prepare(part, "people"), linkage.model, Dialect("duckdb")))
    model = model_of(text, linkage.plan).model
    for place in (0, 3):
        assert np.allclose(model.chances[:, place], linkage.model.chances[:, place], atol=1e-6)


def test_a_settings_file_that_splink_itself_trained_is_read(batch, tmp_path):
    import splink
    import splink.comparison_library as library

    database = splink.DuckDBAPI()
    frame = batch.frame.assign(unique_id=range(len(batch.frame)))
    wanted = splink.SettingsCreator(
        link_type="dedupe_only",
        comparisons=[library.JaroWinklerAtThresholds("first_name", [0.9]), library.ExactMatch("surname")],
        blocking_rules_to_generate_predictions=[splink.block_on("surname")],
    )
    linker = splink.Linker(database.register(frame), wanted, log_level=50)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e4, seed=1)
    path = tmp_path / "settings.json"
    linker.misc.save_model_to_json(str(path), overwrite=True)
    saved = json.loads(path.read_text())
    for comparison in saved["comparisons"]:  # so few records train no level: as if they had
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                level |= {"m_probability": 0.3, "u_probability": 0.1}
    read = model_of(json.dumps(saved), comparisons.plan(batch, "people"))
    assert set(read.used.values()) == {"given", "family"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sql_condition": "ST_Distance(first_name_l, first_name_r) < 5"}, "ST_Distance"),
        ({"m_probability": None}, "train it in Splink first"),
    ],
)
def test_a_level_without_an_equivalent_is_named(batch, change, named):
    comparison = _trained()
    comparison["comparison_levels"][2] |= change
    plan = comparisons.plan(batch, "people")
    with pytest.raises(NoEquivalent, match=named):
        model_of(_text(comparison), plan)
    read = model_of(_text(comparison, _trained("email")), plan, skip=True)
    assert read.used == {"email": "email"}
    assert named in read.left_out[0]


def test_a_column_that_is_not_here_is_named(batch):
    with pytest.raises(NoEquivalent, match=r"dob.*the columns compared here are email, first_name, surname"):
        model_of(_text(_trained("dob")), comparisons.plan(batch, "people"))


@pytest.mark.parametrize("text", ["{", "[]", '{"comparisons": 3}', '{"comparisons": [{}]}'])
def test_other_files_are_refused_in_a_sentence(batch, text):
    with pytest.raises(NoEquivalent, match=r"This is no JSON|no Splink settings"):
        model_of(text, comparisons.plan(batch, "people"))
