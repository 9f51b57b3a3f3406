import numpy as np
import pytest
import torch
from torch.nn import functional

from detectors.anomalies.sequence_members import MEMBERS, Padded, fit_member
from detectors.anomalies.sequence_models import ConvolutionalForecaster, LstmAutoencoder
from detectors.anomalies.sequence_training import TrainingSettings, choose_device, residuals, train
from detectors.contract import ModelFileError

RNG = np.random.default_rng(2)


def wave(rows=1500, features=3):
    """Phase-shifted sines with a little noise: the next row follows from the last ones."""
    phase = np.arange(rows)[:, None] / 4 + np.arange(features)
    return (np.sin(phase) * 1.4 + RNG.normal(0, 0.05, (rows, features))).astype(np.float32)


def real(rows):
    return np.ones(len(rows), dtype=bool)


def quick(**changes):
    return TrainingSettings(**({"epochs": 4, "batch": 256, "device": "cpu", "seed": 3} | changes))


def test_a_row_convolved_once_equals_the_paper_network_window_by_window():
    lookback, features = 10, 3
    network = ConvolutionalForecaster(features, lookback)
    rows = torch.from_numpy(wave(40, features))
    together = network(rows.unsqueeze(0)).squeeze(0)
    first = network.first.weight.reshape(-1, 2, features).transpose(1, 2)
    second = network.second.weight.reshape(-1, 2, 32).transpose(1, 2)
    for target in range(lookback, 40):
        window = rows[target - lookback : target].T.unsqueeze(0)
        hidden = torch.relu(functional.conv1d(window, first, network.first.bias))[:, :, 1:]
        hidden = torch.relu(functional.conv1d(functional.max_pool1d(hidden, 2), second, network.second.bias))[:, :, 1:]
        pooled = functional.max_pool1d(hidden, 2)
        alone = network.dense(pooled.flip(2).transpose(1, 2).flatten(1)) + network.direct(window).squeeze(2)
        torch.testing.assert_close(alone.squeeze(0), together[target - lookback], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lookback", [8, 10, 13, 20])
def test_no_network_reads_the_row_it_forecasts_or_later_ones(lookback):
    network = ConvolutionalForecaster(2, lookback).eval()
    rows = torch.randn(1, lookback + 5, 2)
    changed = rows.clone()
    changed[:, lookback + 2 :] += 9
    torch.testing.assert_close(network(rows)[:, :3], network(changed)[:, :3])
    with pytest.raises(ValueError, match="at least 8"):
        ConvolutionalForecaster(2, 5)


def test_the_autoencoder_judges_each_window_by_its_newest_row():
    network = LstmAutoencoder(2, 10).eval()
    rows = torch.randn(1, 25, 2)
    found = network.residuals(rows)
    window = rows[:, 8:18]
    torch.testing.assert_close(found[:, 7], window[:, -1] - network(window)[:, -1])


@pytest.mark.parametrize("name", ["cnn", "lstm"])
def test_training_lowers_the_held_out_loss_and_a_seed_repeats_it(name):
    rows, held = wave(), wave(500)
    said = []
    settings = quick(network=name)
    once = train(rows, real(rows), (held, real(held)), settings, report=lambda *words: said.append(words))
    again = train(rows, real(rows), (held, real(held)), settings)
    assert once.losses[-1] < once.losses[0]
    assert once.losses == again.losses
    assert [words[0] for words in said] == [1, 2, 3, 4]
    assert "held-out loss" in said[0][2]


def test_a_resumed_training_ends_as_one_that_was_never_stopped(tmp_path):
    rows, held = wave(), wave(500)
    given = (rows, real(rows), (held, real(held)))
    whole = train(*given, quick())

    class Stopped(Exception):
        pass

    def stop(epoch, *_):
        if epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(*given, quick(), report=stop, checkpoint=tmp_path / "run")
    resumed = train(*given, quick(), checkpoint=tmp_path / "run")
    assert resumed.losses == whole.losses
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_damaged_or_foreign_checkpoint_is_refused_in_plain_words(tmp_path):
    rows, held = wave(), wave(500)
    given = (rows, real(rows), (held, real(held)))
    path = tmp_path / "run"
    train(*given, quick(epochs=1), checkpoint=path)
    with pytest.raises(ModelFileError, match="another training"):
        train(*given, quick(epochs=2), checkpoint=path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="cannot be read"):
        train(*given, quick(epochs=1), checkpoint=path)


def test_inference_in_chunks_equals_inference_at_once():
    rows, held = wave(), wave(500)
    for name in ("cnn", "lstm"):
        network = train(rows, real(rows), (held, real(held)), quick(network=name, epochs=1)).network
        whole = residuals(network, rows)
        assert whole.shape == rows.shape
        np.testing.assert_allclose(residuals(network, rows, chunk=64), whole, atol=1e-5)


def test_training_stops_when_the_held_out_loss_no_longer_falls():
    noise = RNG.normal(size=(300, 2)).astype(np.float32)
    trained = train(noise, real(noise), (noise[::-1].copy(), real(noise)), quick(epochs=60, patience=2, rate=0.02))
    assert len(trained.losses) < 60
    assert trained.loss == min(trained.losses)


def test_padding_between_customers_keeps_their_windows_apart():
    scaled = wave(60).astype(float)
    starts = np.zeros(60, dtype=bool)
    starts[[0, 30]] = True
    padded = Padded.of(scaled, starts)
    assert padded.real.sum() == 60
    np.testing.assert_allclose(padded.rows[padded.place], scaled, rtol=1e-6)
    other = scaled.copy()
    other[:30] += 5
    for name in MEMBERS:
        member = fit_member(name, padded, padded, epochs=1, device="cpu")
        unchanged = member.residuals(Padded.of(other, starts))[30:]
        np.testing.assert_allclose(unchanged, member.residuals(padded)[30:], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", list(MEMBERS))
def test_every_member_is_the_same_after_a_file(name):
    padded = Padded.of(wave(400).astype(float), np.arange(400) == 0)
    member = fit_member(name, padded, padded, epochs=1, device="cpu")
    again = MEMBERS[name].restore(member.tensors(), 3)
    np.testing.assert_array_equal(again.residuals(padded), member.residuals(padded))


def test_the_linear_member_learns_what_follows_from_the_rows_before():
    padded = Padded.of(wave().astype(float), np.arange(1500) == 0)
    rest = fit_member("linear", padded, padded).residuals(padded)
    assert np.abs(rest[20:]).mean() < 0.1 * np.abs(padded.rows).mean()


def test_the_device_is_chosen_by_itself():
    assert choose_device("auto").type in {"cpu", "cuda"}
    assert choose_device("cpu").type == "cpu"


def test_too_few_rows_are_refused():
    rows = wave(5)
    with pytest.raises(ValueError, match="too few"):
        train(rows, real(rows), (rows, real(rows)), quick())
