"""Features, members, forest, similarity, feedback, rules and drift of record-level anomalies."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from detectors.anomalies import detector, discovery, drift, encoding, evaluation, members, sites, strategies
from detectors.anomalies.cells import dates, numbers
from detectors.anomalies.detector import AnomalyDetector
from detectors.anomalies.discovery import Answer, Discovery, unlabelled
from detectors.anomalies.features import Feature, Features, features
from detectors.anomalies.forest import grow
from detectors.anomalies.rules import Condition, describe
from detectors.anomalies.similarity import Similarity, normal_scores, standardised
from detectors.anomalies.unlike import unlike
from detectors.contract import Batch, Finding, Flag, Label, ModelFileError, RunContext
from detectors.evaluation import DoesNotFit
from detectors.roles import Role

RNG = np.random.default_rng(5)


def _features(values):
    columns = tuple(Feature(f"x{place}", "number", (f"x{place}",)) for place in range(values.shape[1]))
    return Features(columns, values, np.ones(values.shape, bool))


@pytest.fixture(scope="module")
def blob():
    """600 usual rows; 30 anomalies in a corner that is not the farthest out; 20 far rows that nobody minds."""
    usual = RNG.normal(size=(600, 4))
    wanted = RNG.normal(size=(30, 4)) * 0.2 + [2.5, -2.5, 0, 0]
    far = RNG.normal(size=(20, 4)) * 3 + [0, 0, 9, 9]
    truth = np.repeat([False, True, False], [600, 30, 20])
    return _features(np.vstack([usual, wanted, far])), truth


@pytest.fixture(scope="module")
def table(blob):
    return unlabelled(blob[0], seed=1)


@pytest.fixture(scope="module")
def deals():
    rows = 400
    amount = RNG.lognormal(8, 0.4, rows)
    amount[7] = 9e7
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 300, rows), unit="D")
    closed = created + pd.to_timedelta(RNG.integers(5, 60, rows), unit="D")
    frame = pd.DataFrame(
        {
            "Deal": [f"Deal {row}" for row in range(rows)],
            "Amount": [f"{value:,.2f}" for value in amount],
            "Created": created.strftime("%d/%m/%Y"),
            "Closed": closed.strftime("%Y-%m-%d"),
            "Stage": RNG.choice(["won", "lost", "open"], rows),
        },
        dtype=object,
    )
    frame.loc[11, "Closed"] = "2031-01-01"
    roles = {
        "Deal": Role.NAME,
        "Amount": Role.AMOUNT,
        "Created": Role.CREATED_AT,
        "Closed": Role.CLOSED_AT,
        "Stage": Role.STAGE,
    }
    return Batch(frame, roles, kind="opportunities")


def test_numbers_are_read_in_common_formats():
    assert numbers(pd.Series(["1,234.50", "$ 5", "(12)", "12 %", "1e3", "n/a", None])).tolist()[:5] == [
        1234.5,
        5,
        -12,
        12,
        1000,
    ]
    assert numbers(pd.Series(["1.234,50 €", "7,25", "1.000"])).tolist()[:2] == [1234.5, 7.25]


def test_what_is_no_number_stays_unknown():
    assert np.isnan(numbers(pd.Series(["call me", "", None, "-", "x" * 500, "\u0661\u0662x"])[:5])).all()


def test_day_or_month_first_is_decided_by_the_column():
    day_first = dates(pd.Series(["03/04/2024", "25/04/2024"]))
    month_first = dates(pd.Series(["03/04/2024", "04/25/2024"]))
    assert pd.Timestamp(0) + pd.Timedelta(days=day_first[0]) == pd.Timestamp("2024-04-03")
    assert pd.Timestamp(0) + pd.Timedelta(days=month_first[0]) == pd.Timestamp("2024-03-04")


def test_every_feature_has_a_name_a_steward_understands(deals):
    names = [feature.name for feature in features(deals.frame, deals.roles).columns]
    assert {"Amount", "days from Created to Closed", "Amount for its Stage", "Stage is won", "length of Deal"} <= set(
        names
    )


def test_names_enter_by_their_shape_alone(deals):
    made = features(deals.frame, deals.roles)
    assert {feature.kind for feature in made.columns if feature.fields == ("Deal",)} <= {"shape", "blank"}


def test_a_wild_amount_and_a_long_deal_are_flagged_with_the_value_and_what_is_usual(deals):
    found = {finding.subjects[0]: finding for finding in AnomalyDetector().detect(deals, RunContext(seed=1))}
    assert {7, 11} <= set(found)
    reason = found[7].evidence[0]
    assert reason.feature == "Amount"
    assert reason.fields == ("Amount",)
    assert "90,000,000" in reason.detail
    assert "usual" in reason.detail
    assert found[7].score > 0.98
    assert any("days from Created to Closed" in reason.detail for reason in found[11].evidence)
    assert len(found) < 40


def test_a_table_of_clean_contacts_gives_few_flags():
    rows = 500
    names = RNG.choice(["Anna", "Bob", "Carla", "Dieter", "Eve"], rows)
    frame = pd.DataFrame(
        {"Name": names, "Mail": [f"{name}{place}@x.org" for place, name in enumerate(names)]}, dtype=object
    )
    found = list(AnomalyDetector().detect(Batch(frame, {"Name": Role.NAME, "Mail": Role.EMAIL}), RunContext()))
    assert len(found) <= 5


def test_a_verdict_moves_the_queue_at_once_and_leaves_the_old_model_alone(deals):
    detector, context = AnomalyDetector(), RunContext(seed=1)
    found = list(detector.detect(deals, context))
    first, *rest = found
    fitted = detector.fit(deals, [Label(finding, False) for finding in rest[:5]], context)
    before = fitted.rescore(found)
    sunk, lifted = fitted.reweight([Label(first, False)]), fitted.reweight([Label(first, True)])
    assert sunk.rescore([first]) < fitted.rescore([first]) <= lifted.rescore([first])
    assert fitted.rescore(found) == before


def test_a_distrusted_verdict_moves_less(table):
    def lift(trust):
        discovery = Discovery(table)
        before = discovery.scores()[5]
        discovery.answer(Answer(5, True, trust))
        return discovery.scores()[5] - before

    assert lift(1.0) > lift(0.3) > 0


def test_a_saved_model_goes_on_where_it_was(deals, tmp_path):
    context = RunContext(seed=1)
    found = list(AnomalyDetector().detect(deals, context))
    fitted = AnomalyDetector().fit(deals, [Label(f, i % 2 == 0) for i, f in enumerate(found[:6])], context)
    fitted.save(tmp_path)
    loaded = AnomalyDetector.load(tmp_path)
    assert np.allclose(loaded.rescore(found), fitted.rescore(found))
    further = [Label(found[-1], True)]
    assert np.allclose(loaded.reweight(further).rescore(found), fitted.reweight(further).rescore(found))
    assert loaded.metrics().keys() == fitted.metrics().keys() >= {"labels", "auc", "log_loss", "held_out_gain"}


def test_a_flipped_bit_or_a_foreign_format_is_refused(deals, tmp_path):
    AnomalyDetector().fit(deals, [], RunContext()).save(tmp_path)
    arrays, described = tmp_path / "arrays.safetensors", tmp_path / "model.json"
    data = bytearray(arrays.read_bytes())
    data[len(data) // 2] ^= 1
    arrays.write_bytes(bytes(data))
    with pytest.raises(ModelFileError, match="digest"):
        AnomalyDetector.load(tmp_path)
    body = json.loads(described.read_text())
    body["body"]["format"] = 99
    described.write_text(json.dumps(body))
    with pytest.raises(ModelFileError):
        AnomalyDetector.load(tmp_path)


def test_leaves_of_a_forest_hold_the_rows_they_were_grown_on():
    values = RNG.normal(size=(256, 3)).astype(np.float32)
    forest = grow(values, 0)
    leaves = forest.leaves(values)
    assert leaves.dtype == np.uint16
    assert leaves.max() < len(forest.depth)
    assert len(np.unique(leaves[:, 0])) == 256, "each row alone in its leaf"
    assert (forest.tree_of_leaf()[leaves] == np.arange(forest.trees)).all()


def _similarity(values):
    """A model over rows that every member finds equally odd."""
    return Similarity(values, np.zeros((len(values), 2), np.float32))


def _chance(values, answered, targets, noise):
    """The textbook posterior of rows (n, d), given real-valued targets with normal noise, as a probability."""

    def kernel(rows, others):
        return 4 * np.exp(-np.abs(rows[:, None] - others[None]).sum(axis=2) / np.sqrt(values.shape[1]))

    link = kernel(values, values[answered])
    inverse = np.linalg.inv(link[answered] + np.diag(noise))
    mean = -2 + link @ inverse @ (targets + 2)
    return norm.cdf(mean / np.sqrt(1 + 4 - np.einsum("nk,kj,nj->n", link, inverse, link)))


def test_the_similarity_equals_the_textbook_posterior_of_what_the_answers_say():
    values = standardised(RNG.normal(size=(80, 3)))
    model, rows = _similarity(values), np.array([3, 10, 44, 60])
    for row, verdict in zip(rows, (True, False, False, True), strict=True):
        model.answer(int(row), verdict, 0.1)
    expected = _chance(values, rows, model.sites.targets, 1 / model.sites.precision)
    assert np.allclose(model.expected, expected, atol=1e-4)
    assert np.allclose(model.expected_of(values, model.members), expected, atol=1e-4)
    model.learn(rows, np.array([True, False, False, True]), np.full(4, 0.1))
    expected = _chance(values, rows, model.sites.targets, 1 / model.sites.precision)
    assert np.allclose(model.expected, expected, atol=1e-4)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=12))
@settings(deadline=None)
def test_answers_that_replace_others_equal_the_textbook_posterior_of_what_stands(given_answers):
    values = standardised(np.random.default_rng(4).normal(size=(40, 3)))
    model = _similarity(values)
    for row, verdict in given_answers:
        model.answer(row, verdict, 0.1)
    rows, verdicts = model.answered
    assert dict(zip(rows.tolist(), verdicts.tolist(), strict=True)) == dict(given_answers)
    expected = _chance(values, rows, model.sites.targets, 1 / model.sites.precision)
    assert np.allclose(model.expected, expected, atol=1e-3)
    assert np.allclose(model.expected_of(values, model.members), expected, atol=1e-3)


@given(st.booleans(), st.integers(1, 5))
@settings(deadline=None)
def test_a_verdict_changed_many_times_says_what_the_last_says(last, times):
    values = standardised(np.random.default_rng(4).normal(size=(40, 3)))
    once, often = _similarity(values), _similarity(values)
    once.answer(7, last, 0.1)
    for turn in range(times):
        often.answer(7, last if turn % 2 else not last, 0.1)
    often.answer(7, last, 0.1)
    assert np.allclose(once.expected, often.expected, atol=1e-3)


def test_what_answers_say_together_is_close_to_the_exact_integral():
    covariance, prior = np.array([[4.0, 3.6], [3.6, 4.0]]), np.array([-2.0, -2.0])
    grid = np.linspace(-12, 12, 600)
    latent = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    away = latent - prior
    weight = np.exp(-0.5 * np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away))
    for confirmed in ([True, True], [True, False], [False, False]):
        likely = np.where(confirmed, 0.2 + 0.6 * norm.cdf(latent), 0.8 - 0.6 * norm.cdf(latent)).prod(axis=1)
        exact = (weight * likely * norm.cdf(latent[:, 0])).sum() / (weight * likely).sum()
        found = sites.fit(covariance, prior, np.array(confirmed), np.full(2, 0.2))
        inverse = np.linalg.inv(covariance + np.diag(1 / found.precision))
        mean = prior[0] + covariance[0] @ inverse @ (found.targets - prior)
        variance = covariance[0, 0] - covariance[0] @ inverse @ covariance[0]
        assert norm.cdf(mean / np.sqrt(1 + variance)) == pytest.approx(exact, abs=0.05)


def test_a_confirmation_amid_dismissed_rows_is_believed_less_than_one_amid_confirmed_ones(table):
    def belief(neighbours):
        given = [Answer(row, neighbours, 0.6) for row in range(601, 612)]
        discovery = Discovery(table, [*given, Answer(600, True, 0.6)])
        return discovery.beliefs[600]

    assert belief(False) < 0.4 < 0.9 < belief(True)


def test_two_models_that_go_on_from_one_do_not_disturb_each_other():
    values = standardised(RNG.normal(size=(50, 2)))
    first = _similarity(values)
    first.answer(1, True, 0.01)
    left, right = first.fork(), first.fork()
    left.answer(2, True, 0.01)
    right.answer(3, False, 0.01)
    alone = _similarity(values)
    alone.answer(1, True, 0.01)
    alone.answer(3, False, 0.01)
    assert np.allclose(right.mean, alone.mean)
    assert first.known == 1


def test_feedback_finds_what_the_forest_alone_does_not(blob, table):
    truth = blob[1]
    curve, _ = evaluation.simulate(table, truth, 60, seed=1)
    plain = evaluation.discovery_curve(np.argsort(-table.isolation)[:60], truth)
    assert curve[-1] >= 25
    assert curve[-1] > plain[-1] + 10


@pytest.mark.parametrize("page", [1, 10])
def test_the_varied_order_finds_anomalies_too(blob, table, page):
    found = [
        evaluation.simulate(table, blob[1], 100, seed=1, page=page, strategy=strategies.Strategy.DIVERSE)[0][-1]
        for _ in range(2)
    ]
    assert found[0] >= 20
    assert found[0] == found[1]


def test_a_large_table_moves_its_pool_and_waits_with_the_rest(blob, table, monkeypatch):
    monkeypatch.setattr("detectors.anomalies.discovery.POOL", 200)
    truth = blob[1]
    curve, _ = evaluation.simulate(table, truth, 60, seed=1)
    assert curve[-1] >= 25


def test_many_verdicts_at_once_say_what_they_say_after_a_refit_of_the_same(table):
    given_answers = [Answer(row, row % 3 == 0) for row in range(discovery.ONE_BY_ONE + 1)]
    at_once, fitted = Discovery(table), Discovery(table, given_answers)
    at_once.take(given_answers)
    assert np.allclose(at_once.expected, fitted.expected, atol=1e-4)


def test_the_oldest_of_very_many_verdicts_are_dropped_and_an_older_state_stays_as_it_was(table, monkeypatch):
    monkeypatch.setattr(discovery, "MOST_ANSWERS", 10)
    monkeypatch.setattr(discovery, "ROOM", 3)
    state, known = Discovery(table), []
    for row in range(30):
        before, scores = state, state.scores()
        state = state.fork()
        state.answer(Answer(row, row % 2 == 0))
        known.append(state.similarity.known)
        assert np.array_equal(before.scores(), scores)
    assert max(known) == 13
    rows, verdicts = state.similarity.answered
    assert set(rows[-5:]) == set(range(25, 30))
    assert all(verdict == (row % 2 == 0) for row, verdict in zip(rows, verdicts, strict=True))
    assert len(state.answers) == 30
    fresh = Discovery(table)
    fresh.take([Answer(int(row), bool(verdict)) for row, verdict in zip(rows, verdicts, strict=True)])
    assert np.corrcoef(state.expected, fresh.expected)[0, 1] > 0.9


def test_a_second_verdict_on_a_row_replaces_the_first(table):
    once, twice = Discovery(table), Discovery(table)
    once.answer(Answer(4, False))
    twice.answer(Answer(4, True))
    twice.answer(Answer(4, False))
    assert np.allclose(once.scores(), twice.scores())


@pytest.mark.parametrize("strategy", list(strategies.Strategy))
def test_every_strategy_asks_each_row_once(table, strategy):
    discovery = Discovery(table, [Answer(0, False), Answer(605, True)])
    picked = strategies.pick(discovery, 10, strategy)
    assert len(set(picked)) == 10
    assert not {0, 605} & set(picked)


def _alike(table, rows):
    """Mean share of the kernel's height between each two of these rows."""
    features = table.similar[rows]
    distance = np.abs(features[:, None] - features[None]).sum(axis=2) / np.sqrt(features.shape[1])
    return np.exp(-distance)[np.triu_indices(len(rows), 1)].mean()


def test_rows_of_a_diverse_page_are_less_alike_than_those_of_the_top_one(table):
    state = Discovery(table, [Answer(605, True), Answer(606, True), Answer(1, False)])
    assert _alike(table, strategies.pick(state, 8, strategies.Strategy.DIVERSE)) < _alike(table, state.next(8))


def test_a_page_after_one_that_found_nothing_looks_around_and_one_after_a_find_goes_on(table):
    state = Discovery(table)
    shown = state.next(8)
    assert shown == state.best(8)
    for row in shown:
        state.answer(Answer(row, False))
    assert _alike(table, state.next(8)) < _alike(table, state.best(8))
    assert len(set(state.next(8)) - set(shown)) == 8
    assert state.next(8) == state.next(8)
    assert state.next(1) == state.best(1)
    state.answer(Answer(605, True))
    assert state.next(8) == state.best(8)


def test_a_page_may_be_as_long_as_the_table(table):
    state = Discovery(table, [Answer(0, False)])
    assert sorted(state.next(len(table))) == list(range(1, len(table)))


def test_picking_unlike_rows_leaves_the_doubt_that_answers_on_them_leave():
    rng = np.random.default_rng(3)
    similar, scores = (
        standardised(rng.normal(size=(40, 3))),
        normal_scores(rng.uniform(0.1, 0.9, 40), np.full((40, 1), 0.5)),
    )
    model = Similarity(similar, scores)
    model.learn(np.array([3, 9]), np.array([True, False]), np.array([0.1, 0.1]))
    rows = np.arange(10, 40)
    prior = model.covariance_now(rows)
    assert np.allclose(prior.diagonal(), model.variance[rows], atol=1e-3)
    first = unlike(model, rows, np.ones(30), 1)[0]
    left = [prior[at, at] - prior[first, at] ** 2 / (prior[first, first] + 1) for at in range(30)]
    share = np.array(left) / prior.diagonal()
    share[first] = -1
    assert unlike(model, rows, np.ones(30), 2) == [first, int(share.argmax())]


def test_a_varied_order_begins_away_from_what_was_answered(table):
    state = Discovery(table, [Answer(605, True), Answer(606, True)])
    best = np.array(state.best(50), np.int64)
    fresh = best[state.varied(best, 5)]
    near = [_alike(table, [606, int(row)]) for row in best]
    assert _alike(table, [606, int(fresh[0])]) < np.mean(near)


def test_a_verdict_on_a_row_among_answered_ones_teaches_less_than_one_nobody_has_looked_at(table):
    asked = [Answer(row, False) for row in range(40)]
    discovery = Discovery(table, [*asked, Answer(605, True)])
    taught = strategies.worth(discovery, np.arange(len(table)))
    assert ((taught >= 0) & (taught <= 0.5)).all()
    assert taught[:40].mean() < taught[40:600].mean() < taught[630:].mean()
    first, *_ = strategies.pick(discovery, 1, strategies.Strategy.INFORMATIVE)
    open_rows = np.setdiff1d(np.arange(len(table)), list(discovery.answers))
    assert taught[first] == taught[open_rows].max()


def test_the_detector_orders_findings_by_what_a_verdict_teaches_and_by_unlikeness(deals):
    findings = [Finding((row,), Flag(), 0.9, (), "unusual-record") for row in range(30)]
    fitted = AnomalyDetector().fit(deals, [], RunContext(seed=1)).reweight([Label(findings[0], True, 1.0)])
    stranger = Finding((10_000,), Flag(), 0.9, (), "unusual-record")
    assert fitted.worth([*findings, stranger])[-1] is None
    assert all(0 <= value <= 0.5 for value in fitted.worth(findings))
    assert sorted(fitted.varied(findings, 30)) == list(range(30))
    assert fitted.varied(findings, 10) != list(range(10))
    assert fitted.varied([*findings, stranger], 3) == [0, 1, 2]


def test_confirmed_anomalies_become_a_rule_that_leaves_dismissed_ones_out(blob, table):
    rows = np.r_[600:612, 630:640, 0:20]
    confirmed = blob[1][rows]
    names = [feature.name for feature in blob[0].columns]
    rules = describe(table.forest, table.leaves, table.values, names, rows, confirmed)
    inside = np.any([rule.holds(table.values, names) for rule in rules], axis=0)
    assert inside[rows[confirmed]].mean() > 0.8
    assert not inside[rows[~confirmed]].any()
    assert all(1 <= len(rule.conditions) <= 4 for rule in rules)
    assert "x0 > " in str(rules[0]) or "x1 <= " in str(rules[0])


def test_a_condition_reads_as_a_person_says_it():
    assert str(Condition("Amount", 50_000, np.inf)) == "Amount > 50,000"
    assert str(Condition("days open", -np.inf, 1)) == "days open <= 1"
    assert str(Condition("Stage is won", 0.4, np.inf, yes_or_no=True)) == "Stage is won"


def test_a_stream_like_the_reference_keeps_its_trees_and_a_changed_one_loses_some():
    together = RNG.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], 2000).astype(np.float32)
    apart = RNG.normal(size=(1000, 2)).astype(np.float32)
    forest = grow(together[:1000], 3)
    reference = forest.leaves(together[:1000])
    same, calm = drift.adapt(forest, reference, together[1000:])
    changed, drifted = drift.adapt(forest, reference, apart)
    assert not calm.drifted
    assert same is forest
    assert drifted.drifted
    assert changed.trees == forest.trees
    kept = np.setdiff1d(np.arange(forest.trees), drifted.trees)
    if len(kept):
        alike = forest.path[forest.leaves(apart[:9])[:, kept]] == changed.path[changed.leaves(apart[:9])[:, kept]]
        assert alike.mean() > 0.9


def test_fitting_anew_replaces_the_trees_that_drifted_and_keeps_the_labels():
    roles, context = {"a": Role.NUMBER, "b": Role.NUMBER}, RunContext(seed=1)

    def batch(correlation):
        values = RNG.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 1000)
        frame = pd.DataFrame({"a": [f"{x:.4f}" for x in values[:, 0]], "b": [f"{x:.4f}" for x in values[:, 1]]})
        return Batch(frame.astype(object), roles)

    before = batch(0.95)
    labels = [Label(Finding((row,), Flag(), 0.9, (), "unusual-record"), row % 2 == 0) for row in range(6)]
    fitted = AnomalyDetector().fit(before, labels, context)
    calm, moved = fitted.fit(before, labels, context), fitted.fit(batch(0.0), labels, context)
    assert calm.metrics()["drifted_trees"] == 0
    assert moved.metrics()["drifted_trees"] == len(moved.drift.trees) > 10
    assert moved.metrics()["labels"] == 6
    assert len(moved.discovery.answers) == 6


def test_members_put_the_far_row_first():
    values = RNG.normal(size=(300, 3))
    values[17] = 40
    for scores in (members.ecod(values), members.quantile_hbos(values), members.robust_z(values).max(axis=1)):
        assert scores.argmax() == 17
    assert members.iqr_fences(values)[17].min() > 5
    assert members.combined([members.ecod(values), members.quantile_hbos(values)], []).argmax() == 17


def test_a_value_that_does_not_fit_its_row_has_the_largest_residual():
    quantity = RNG.normal(size=400)
    values = np.column_stack([quantity, quantity * 2 + RNG.normal(size=400) * 0.05])
    values[9] = [1.5, -3.0]
    assert members.regression_residual(values).max(axis=1).argmax() == 9


def test_a_special_member_speaks_only_where_it_is_sure():
    whole, special = np.arange(100.0), np.zeros(100)
    special[3] = 9.0
    order = members.combined([whole], [special])
    assert order.argmax() == 99
    assert order[3] > 0.8


def test_one_member_alone_neither_lifts_nor_buries_a_row():
    raving, blind, others = np.arange(100.0), np.arange(100.0), [np.arange(100.0) for _ in range(3)]
    raving[3], blind[98] = 1000.0, -1.0
    order = members.combined([raving, blind, *others], [])
    assert order[3] < 0.1
    assert order[98] > 0.95


def test_a_rare_pair_of_common_words_stands_out():
    first, second = np.repeat([0, 1], 200), np.repeat([0, 1], 200)
    second[5] = 1
    assert members.pair_surprise(first, second).argmax() == 5


def test_encodings_name_their_columns():
    cells = pd.Series(["won", "lost", None, "won"], dtype=object)
    assert encoding.one_hot("Stage", cells).names == ("Stage is lost", "Stage is won")
    assert encoding.ordinal("Stage", cells, ("lost", "won")).values[:2, 0].tolist() == [1, 0]
    assert encoding.binary("Stage", cells).values.shape == (4, 2)
    assert encoding.frequency("Stage", cells).values[:, 0].tolist() == [0.5, 0.25, 0, 0.5]
    wide = encoding.Encoded(("a", "b"), RNG.normal(size=(50, 2)) * [10, 1])
    assert encoding.principal_components(wide, 1).names[0].lstrip("+-").startswith("a")
    parted = encoding.discriminants(encoding.robust_scaled(wide), (wide.values[:, 1] > 0).astype(int))
    assert parted.names[0].lstrip("+-").startswith("b")


def _options(path, **more):
    return argparse.Namespace(
        **{"file": str(path), "truth": "label", "budget": 30, "seeds": 1, "noise": 0.0, "page": 1} | more
    )


def test_an_evaluation_reads_words_blanks_and_categories(tmp_path):
    rows = 120
    frame = pd.DataFrame(
        {"colour": RNG.choice(["red", "blue"], rows), "size": RNG.normal(size=rows), "label": "nominal"}, dtype=object
    )
    frame.loc[:5, ["size", "label"]] = [8.5, "anomaly"]
    frame.loc[40:50, "size"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = evaluation.evaluate(_options(tmp_path / "t.csv"))
    assert result["area"] > 0.8
    assert len(result["curve"]) == 30
    assert {"baseline_area", "ms_per_answer", "rows", "anomalies"} <= set(result)


def test_a_budget_above_the_rows_is_cut_and_a_bad_label_is_named(tmp_path):
    path = Path(tmp_path / "t.csv")
    path.write_text("a,label\n" + "".join(f"{place},{int(place > 8)}\n" for place in range(10)))
    assert len(evaluation.evaluate(_options(path, budget=500))["curve"]) == 10
    path.write_text("a,label\n1,maybe\n2,0\n")
    with pytest.raises(DoesNotFit, match="maybe"):
        evaluation.evaluate(_options(path))
    with pytest.raises(DoesNotFit, match="columns there: a, label"):
        evaluation.evaluate(_options(path, truth="nothing"))


def _shares(order):
    return (order[:, None] > order[None, :]).mean(axis=1)


@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=60))
def test_records_that_are_odd_for_sure_push_no_other_down(rows):
    rows = sorted(rows, key=lambda row: -row[0])
    order, odd = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    scores = detector._odder_than(order, odd)
    assert ((scores >= 0) & (scores < 1)).all()
    usual = ~odd
    below = _shares(order) * len(rows)
    for place in np.flatnonzero(usual):
        odd_above = odd[order >= order[place]].sum()
        assert scores[place] == pytest.approx((below[place] + odd_above) / len(rows))
    assert (np.diff(scores[odd]) < 0).all()
    assert detector._odder_than(order, np.zeros(len(rows), bool)) == pytest.approx(_shares(order))


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=60), st.data())
def test_the_share_of_some_rows_is_what_it_is_among_all(values, data):
    order = np.array(values, float)
    rows = np.array(data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=10)), np.int64)
    assert discovery._shares_at(order, rows).tolist() == _shares(order)[rows].tolist()


def test_the_shares_of_some_rows_after_answers_are_those_of_the_whole_order():
    state = Discovery(unlabelled(_features(np.random.default_rng(7).standard_t(4, size=(300, 3))), 0))
    rows = np.arange(0, 300, 7)
    assert state.shares(rows).tolist() == _shares(state.table.outlyingness)[rows].tolist()
    for row, confirmed in ((3, True), (9, False), (200, True)):
        state.answer(Answer(row, confirmed))
    assert state.shares(rows).tolist() == _shares(state.scores())[rows].tolist()
    state.refit()
    assert state.shares(rows).tolist() == _shares(state.scores())[rows].tolist()
    assert state.shares(rows[:0]).tolist() == []
