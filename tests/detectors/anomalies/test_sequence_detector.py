import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from detectors.anomalies.sequence_detector import SequenceDetector
from detectors.anomalies.sequence_features import GAP, Encoding, parse_dates, parse_numbers, process_of
from detectors.anomalies.sequence_judging import fit_model
from detectors.anomalies.sequence_levels import Shifts
from detectors.anomalies.sequence_scoring import (
    Scaling,
    Tail,
    Whitening,
    area_under_curve,
    average_precision,
    likelihood,
)
from detectors.anomalies.sequence_synthetic import FEATURES, KINDS, process_stream
from detectors.contract import Batch, Label, ModelFileError, RunContext
from detectors.roles import Role
from detectors.testing import sample_batch

ROLES = {
    "Account": Role.ACCOUNT_REF,
    "Created": Role.CREATED_AT,
    "Stage": Role.STAGE,
    "Amount": Role.AMOUNT,
    "Probability": Role.PROBABILITY,
    "Currency": Role.CURRENCY,
    "Reason": Role.REASON,
    "Quantity": Role.QUANTITY,
}
CPU = RunContext(device="cpu")


@pytest.fixture(scope="module")
def stream():
    return process_stream(12_000, seed=4)


@pytest.fixture(scope="module")
def batch(stream):
    return Batch(stream.frame(), ROLES, "orders")


@pytest.fixture(scope="module")
def detector(batch):
    return SequenceDetector(network="").fit(batch, [], CPU)


@pytest.fixture(scope="module")
def findings(detector, batch):
    return list(detector.detect(batch, CPU))


def test_planted_rows_are_found_far_more_often_than_by_chance(stream, findings):
    local = np.isin(stream.kind, [KINDS.index(name) for name in KINDS if name != "price creep"])
    found = [finding.subjects[0] for finding in findings]
    assert local[found].mean() > 10 * local.mean()
    assert local[found].sum() > 0.4 * local.sum()


def test_a_customer_whose_prices_creep_up_is_found_once_with_both_levels():
    creeping = process_stream(12_000, seed=9, share=0.0)
    frame = creeping.frame()
    rows = np.flatnonzero(creeping.customer == 150)[20:45]
    raised = creeping.values[rows, 1] * 1.06 ** np.arange(1, len(rows) + 1)
    frame.loc[rows, "Amount"] = [f"{value:.2f}" for value in raised]
    raised_batch = Batch(frame, ROLES, "orders")
    fitted = SequenceDetector(network="").fit(raised_batch, [], CPU)
    levels = [finding for finding in fitted.detect(raised_batch, CPU) if finding.rule == "sequence-level"]
    about = [finding for finding in levels if finding.subjects[0] in rows]
    assert len(about) == 1
    assert about[0].evidence[0].feature == "level of Amount"
    assert "over the last 8 rows; this customer's rows before average" in about[0].evidence[0].detail


def test_a_shift_is_held_against_the_customer_s_own_rows_alone():
    numbers = np.concatenate([np.full(20, 1.0), np.full(20, 5.0)])[:, None]
    starts = np.arange(40) % 20 == 0
    apart = Shifts.of(numbers, starts).apart
    assert not apart.any()
    one = Shifts.of(numbers, np.arange(40) == 0)
    assert one.apart[27, 0] == pytest.approx(4 / np.sqrt(1 / 8 + 1 / 20))
    assert (one.recent[27, 0], one.before[27, 0]) == pytest.approx((5.0, 1.0))


def test_the_reasons_name_the_column_and_sum_to_the_rarity(findings):
    jump = max(
        (finding for finding in findings if finding.rule == "sequence-currency"), key=lambda finding: finding.score
    )
    assert jump.evidence[0].feature == "Currency"
    assert "was expected most after the rows before it" in jump.evidence[0].detail
    rarity = sum(reason.weight for reason in jump.evidence) / np.log2(10)
    assert jump.score == pytest.approx(rarity / (rarity + 2))
    stalled = next(reason for finding in findings for reason in finding.evidence if reason.feature == GAP)
    assert "days" in stalled.detail


def test_a_judge_is_used_only_where_it_beats_the_control(detector):
    quality = detector.metrics()
    assert quality["planted_ap_linear"] > quality["planted_ap_control"]
    rng = np.random.default_rng(1)
    dates = pd.date_range("2020-01-01", periods=600, freq="h").strftime("%Y-%m-%d %H:%M")
    noise = pd.DataFrame({"Created": dates, "Amount": rng.lognormal(5, 1, 600).astype(str)}, dtype=object)
    process = process_of(Batch(noise, {"Created": Role.CREATED_AT, "Amount": Role.AMOUNT}))
    assert fit_model(process, ("control", "linear")).member.name == "control"


def test_a_network_is_tried_on_a_long_process_and_survives_saving(stream, tmp_path):
    batch = Batch(stream.frame().iloc[:2500], ROLES, "orders")
    fitted = SequenceDetector().fit(batch, [], CPU)
    assert "planted_ap_cnn" in fitted.metrics()
    fitted.save(tmp_path)
    again = SequenceDetector.load(tmp_path)
    assert [one.fingerprint for one in again.detect(batch, CPU)] == [
        one.fingerprint for one in fitted.detect(batch, CPU)
    ]


def test_rejected_reasons_rank_lower_at_once_and_confirmed_ones_do_not(detector, findings):
    chosen = [finding for finding in findings if finding.rule == "sequence-currency"][:10]
    rejected = detector.reweight([Label(finding, is_defect=False) for finding in chosen])
    confirmed = detector.reweight([Label(finding, is_defect=True) for finding in chosen])
    before = detector.rescore(chosen)
    assert all(new < old for new, old in zip(rejected.rescore(chosen), before, strict=True))
    assert confirmed.rescore(chosen) == before
    assert [finding.score for finding in chosen] == before


def test_every_flipped_byte_of_a_saved_model_is_noticed(detector, tmp_path):
    detector.save(tmp_path)
    path = tmp_path / "sequence.safetensors"
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 25).astype(int):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            SequenceDetector.load(tmp_path)
    path.write_bytes(whole)
    settings = json.loads((tmp_path / "sequences.json").read_text())
    (tmp_path / "sequences.json").write_text(json.dumps(settings | {"format": "another"}))
    with pytest.raises(ModelFileError, match="another"):
        SequenceDetector.load(tmp_path)


def test_fewer_than_200_dated_rows_give_no_finding():
    assert not list(SequenceDetector().detect(sample_batch(rows=150), CPU))
    undated = sample_batch()
    roles = {name: role for name, role in undated.roles.items() if role is not Role.CREATED_AT}
    roles.pop("Birth")
    assert not list(SequenceDetector().detect(Batch(undated.frame, roles), CPU))


def test_torch_is_not_loaded_for_a_small_batch():
    code = (
        "import sys; from detectors.testing import sample_batch; from detectors.contract import RunContext\n"
        "from detectors.anomalies.sequence_detector import SequenceDetector\n"
        "list(SequenceDetector().detect(sample_batch(), RunContext()))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_customers_rows_are_ordered_by_date_and_a_process_without_customers_by_date_alone(batch):
    process = process_of(batch)
    assert process.starts.sum() == batch.frame["Account"].nunique()
    assert (process.days[~process.starts] >= 0).all()
    alone = process_of(Batch(batch.frame, {name: role for name, role in ROLES.items() if name != "Account"}))
    assert alone.starts.sum() == 1
    assert (np.diff(alone.dates["Created"]) >= 0).all()


def test_an_encoding_reads_a_batch_that_lacks_its_columns(batch):
    encoding = Encoding.of(process_of(batch))
    assert Encoding.from_json(json.loads(json.dumps(encoding.to_json()))) == encoding
    short = process_of(Batch(batch.frame[["Created"]], {"Created": Role.CREATED_AT}))
    assert encoding.encode(short).shape == (len(short), encoding.blocks()[-1].stop)
    assert np.isfinite(encoding.encode(short)).all()


def test_numbers_and_dates_are_read_as_people_write_them():
    cells = pd.Series(["1,234.50", "1.234,50 EUR", "$12", "12,5", "1,234", "-3e2", "none", None, "9" * 400])
    np.testing.assert_array_equal(parse_numbers(cells), [1234.5, 1234.5, 12, 12.5, 1234, -300, np.nan, np.nan, np.nan])
    days = parse_dates(pd.Series(["1970-01-02", "1970-01-02T12:00:00Z", "31/01/1970", "soon", None]))
    np.testing.assert_array_equal(days, [1, 1.5, 30, np.nan, np.nan])


def test_the_stream_is_as_documented(stream):
    assert stream.values.shape == (12_000, len(FEATURES))
    assert set(np.unique(stream.kind)) == {-1, 0, 1, 2, 3, 4}
    assert not (process_stream(2000, seed=1, share=0).kind >= 0).any()
    np.testing.assert_array_equal(process_stream(500, seed=9).values, process_stream(500, seed=9).values)
    same = np.diff(stream.customer) == 0
    assert (np.diff(stream.when)[same] > 0).all()


def test_whitening_sees_what_a_plain_norm_does_not():
    rng = np.random.default_rng(6)
    first = rng.normal(size=2000)
    residuals = np.stack([first, first + rng.normal(0, 0.05, 2000)], axis=1)
    odd = np.array([[1.0, -1.0]])
    whitening = Whitening.of(residuals)
    assert whitening.distance(odd)[0] > 10 * np.median(whitening.distance(residuals))
    np.testing.assert_allclose(whitening.shares(residuals).sum(axis=1), 1)


def test_scaling_is_undone_and_keeps_a_constant_column():
    rows = np.array([[1.0, 5.0], [3.0, 5.0]])
    scaling = Scaling.of(rows)
    np.testing.assert_allclose(scaling.undo(scaling.apply(rows)), rows)


def test_a_rarity_beyond_all_that_was_seen_still_orders():
    tail = Tail.of(np.random.default_rng(0).exponential(size=2000))
    rarities = tail.rarity(np.array([0.0, 1.0, 5.0, 20.0, 40.0]))
    assert (np.diff(rarities) > 0).all()
    assert rarities[0] == pytest.approx(0, abs=1e-3)
    assert np.isfinite(tail.rarity(np.array([1e300]))).all()


def test_a_lasting_rise_is_likelier_an_anomaly_than_one_wild_score():
    calm = np.random.default_rng(3).normal(1, 0.1, 3000)
    lasting, single = calm.copy(), calm.copy()
    lasting[2000:2030] += 0.3
    single[2000] += 0.6
    assert likelihood(lasting)[2000:2030].max() > likelihood(single)[2000:2030].max()
    assert likelihood(np.zeros(0)).shape == (0,)


def test_areas_are_right_with_ties_and_one_class():
    truth = np.array([True, False, True, False])
    assert area_under_curve(np.array([4.0, 3.0, 2.0, 1.0]), truth) == 0.75
    assert area_under_curve(np.ones(4), truth) == 0.5
    assert area_under_curve(np.ones(4), ~truth & truth) == 0.5
    assert average_precision(np.array([4.0, 3.0, 2.0, 1.0]), truth) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.ones(4), truth) == 0.5
