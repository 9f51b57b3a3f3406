"""Peers of record linkage, each set by role and never to a data set: a batch in, a label a row out.

splink, tutorial: the comparisons, two loose blocking rules and EM passes of Splink's deduplication tutorial.
splink, expert: a comparison for every role with term frequencies, narrow blocking rules of two fields and more, EM on
    blocks of rare values (e-mail, telephone, date of birth). Blocked on common names its EM takes four times the CPU.
goldenmatch: as it sets itself, given the same columns.
dedupe, 400 answers: it cannot run unlabelled, so it is told 200 pairs that are one and 200 that are not; compared as
    strings with its own blocking, at its threshold of .5.
recordlinkage ECM: the package's unsupervised classifier on exact and Jaro-Winkler features, blocked on the same
    rules; its matches are closed to components.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from detectors.contract import Batch
from detectors.roles import Role

Labels = np.ndarray
Scored = tuple[Labels, Mapping[float, Labels]]
"""Labels at the method's own threshold, and at others."""

TAUGHT = 400
"""Pairs whose answer dedupe is given."""
THRESHOLDS = (0.05, 0.2, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999)
_COMPARED = {
    Role.GIVEN_NAME: "name",
    Role.FAMILY_NAME: "name",
    Role.NAME: "text",
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
_TUTORIAL_RULES = ("given_name city", "family_name", "company")
_EXPERT_RULES = """national_id|email|phone|date_of_birth family_name|date_of_birth given_name|date_of_birth postcode|
    given_name family_name postcode|given_name family_name substr(date_of_birth,1,4)|street given_name|
    postcode family_name substr(given_name,1,1)|company|street postcode|name""".replace("\n", "").replace("    ", "")


def splink_expert(batch: Batch, truth: Labels, thresholds: bool) -> Callable[[], Scored]:
    """Splink in a careful setting; what is timed is the returned function."""
    frame = _by_role(batch)
    return lambda: _splink(frame, _EXPERT_RULES.split("|"), ("email", "phone", "date_of_birth"), thresholds)


def splink_tutorial(batch: Batch, truth: Labels, thresholds: bool) -> Callable[[], Scored]:
    """Splink as its tutorial has it."""
    frame = _by_role(batch)
    training = ("given_name family_name", "date_of_birth", "postcode")
    return lambda: _splink(frame, _TUTORIAL_RULES, training, thresholds, frequencies=False)


def _splink(
    frame: pd.DataFrame, rules: Any, training: tuple[str, ...], thresholds: bool, *, frequencies: bool = True
) -> Scored:
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    cleaned = frame.apply(lambda cells: cells.str.lower().str.strip()).assign(row=np.arange(len(frame)))
    fits = [rule.split() for rule in rules if _fits(rule, frame)] or [[frame.columns[0]]]
    blocked = [block_on(*parts) for parts in fits]
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="row",
        comparisons=[_splink_comparison(name, frequencies) for name in frame],
        blocking_rules_to_generate_predictions=blocked,
    )
    linker = Linker(DuckDBAPI().register(cleaned), settings, log_level=50)
    linker.training.estimate_probability_two_random_records_match(blocked[:2], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    passes = [rule for rule in training if _fits(rule, frame)] or [" ".join(fits[0])]
    for rule in passes:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule.split()))
    predicted = linker.inference.predict(threshold_match_probability=0.01)

    def labels(threshold: float) -> Labels:
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold)
        found = clusters.as_pandas_dataframe().set_index("row")["cluster_id"]
        return np.asarray(pd.factorize(found.reindex(cleaned["row"]))[0], dtype=np.int64)

    return labels(0.5), {threshold: labels(threshold) for threshold in (THRESHOLDS if thresholds else ())}


def _splink_comparison(name: str, frequencies: bool) -> Any:
    import splink.comparison_library as library

    kind = _COMPARED[Role(name)]
    if kind == "name":
        return library.NameComparison(name).configure(term_frequency_adjustments=frequencies)
    if kind == "date":
        return library.LevenshteinAtThresholds(name, [1, 2])
    if kind == "email":
        return library.EmailComparison(name)
    if kind == "exact":
        return library.ExactMatch(name).configure(term_frequency_adjustments=frequencies)
    return library.JaroWinklerAtThresholds(name, [0.92, 0.8]).configure(term_frequency_adjustments=frequencies)


def ecm(batch: Batch, truth: Labels, thresholds: bool) -> Callable[[], Scored]:
    """recordlinkage's ECM classifier; it has no threshold of its own choosing."""
    return lambda: (_ecm(_by_role(batch)), {})


def _ecm(frame: pd.DataFrame) -> Labels:
    import recordlinkage

    cleaned = frame.apply(lambda cells: cells.str.lower().str.strip())
    cleaned["year"] = cleaned["date_of_birth"].str[:4] if "date_of_birth" in cleaned else None
    index = recordlinkage.Index()
    for rule in _EXPERT_RULES.split("|"):
        fields = [part for part in rule.split() if "(" not in part]
        if len(fields) == len(rule.split()) and _fits(rule, frame):
            index.block(fields)
    pairs = index.index(cleaned)
    compare = recordlinkage.Compare()
    for name in frame:
        if _COMPARED[Role(name)] in ("name", "text"):
            compare.string(name, name, method="jarowinkler", threshold=0.88, label=name)
        else:
            compare.exact(name, name, label=name)
    features = compare.compute(pairs, cleaned)
    matches = recordlinkage.ECMClassifier().fit_predict(features)
    ends = [matches.get_level_values(side).to_numpy(np.int64) for side in (0, 1)]
    graph = coo_array((np.ones(len(matches)), (ends[0], ends[1])), shape=(len(frame), len(frame)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def goldenmatch(batch: Batch, truth: Labels, thresholds: bool) -> Callable[[], Scored]:
    """goldenmatch without configuration."""
    import goldenmatch as package
    import polars

    frame = _by_role(batch)
    table = polars.DataFrame({name: _cells(frame[name]) for name in frame})

    def linked() -> Scored:
        labels = np.arange(len(frame))
        for cluster in package.dedupe_df(table).clusters.values():
            labels[cluster["members"]] = cluster["members"][0]
        return labels, {}

    return linked


def dedupe(batch: Batch, truth: Labels, thresholds: bool) -> Callable[[], Scored]:
    """dedupe, taught by pairs drawn at random (seed 1)."""
    import dedupe as package
    from dedupe import variables
    from joblib.externals.loky import get_reusable_executor

    cleaned = _by_role(batch).apply(lambda cells: cells.str.lower().str.strip())
    names = list(cleaned)
    records = [
        dict(zip(names, row, strict=True)) for row in zip(*(_cells(cleaned[name]) for name in names), strict=True)
    ]
    taught = {
        kind: [[records[one], records[two]] for one, two in pairs]
        for kind, pairs in _taught(truth, TAUGHT // 2).items()
    }

    def linked() -> Scored:
        model = package.Dedupe([variables.String(name, has_missing=True) for name in names], num_cores=1)
        data = dict(enumerate(records))
        model.prepare_training(data, training_file=io.StringIO(json.dumps(taught)), sample_size=1500)
        model.train(recall=0.95, index_predicates=False)
        labels = np.arange(len(records))
        for members, _ in model.partition(data, 0.5):
            labels[list(members)] = members[0]
        get_reusable_executor().shutdown(kill_workers=True)  # joblib's, which else keep this process from its end
        return labels, {}

    return linked


def _taught(truth: Labels, many: int) -> dict[str, list[tuple[int, int]]]:
    """Pairs of rows that are one thing, and that are not: `many` of each, or all there are."""
    random = np.random.default_rng(1)
    order = np.argsort(truth, kind="stable")
    same = [(int(one), int(two)) for one, two in pairwise(order) if truth[one] == truth[two]]
    drawn = random.integers(0, len(truth), (4 * many, 2)).tolist()
    return {
        "match": [same[place] for place in random.permutation(len(same))[:many]],
        "distinct": [(one, two) for one, two in drawn if truth[one] != truth[two]][:many],
    }


def _cells(column: pd.Series) -> list[str | None]:
    return [cell if isinstance(cell, str) and cell else None for cell in column]


def _by_role(batch: Batch) -> pd.DataFrame:
    """The first column of every role that is compared, under the role's name."""
    names = {}
    for role in _COMPARED:
        column = batch.column(role)
        if column is not None and batch.frame[column].notna().any():
            names[column] = role.value
    return batch.frame[list(names)].rename(columns=names).reset_index(drop=True)


def _fits(rule: str, frame: pd.DataFrame) -> bool:
    """Whether the frame has every field of a rule."""
    fields = (part.removeprefix("substr(").split(",")[0] for part in rule.split())
    return all(field in frame for field in fields)


METHODS: Mapping[str, tuple[str, Callable[[Batch, Labels, bool], Callable[[], Scored]], int]] = {
    "splink, expert": ("splink", splink_expert, 2_000_000),
    "splink, tutorial": ("splink", splink_tutorial, 30_000),
    "recordlinkage ECM": ("recordlinkage", ecm, 30_000),
    "goldenmatch": ("goldenmatch", goldenmatch, 30_000),
    f"dedupe, {TAUGHT} answers": ("dedupe", dedupe, 1_000),
}
"""Name -> (package, what makes the timed function, rows beyond which it is not run: minutes, or out of memory)."""
