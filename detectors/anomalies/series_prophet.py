"""Prophet as an optional member: `pip install crmquality[prophet]`. Everything else works without it.

The forecaster of Taylor and Letham, "Forecasting at scale", 2018, with weekly and daily seasons, yearly where the
history has two years, and its 99 % interval, whose width divided by 5.15 is taken as the standard deviation.
"""

from __future__ import annotations

import importlib
import logging
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies.series_forecast import Expect, interval_of

Floats = npt.NDArray[np.float64]

WIDTH_99 = 5.15
"""A 99 % interval of a normal is so many standard deviations wide."""

DAY, YEAR = 86_400.0, 31_557_600.0


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("prophet") is not None


def expect_prophet(times: Floats, values: Floats) -> Expect:
    """What a history lets expect, for `series_forecast.walk`.

    times: (n,) rising, in seconds since the epoch; values: (n,) known, at least two.

    Raises ImportError, saying how to install it, where Prophet is absent.
    """
    if not is_installed():
        raise ImportError("Prophet is not installed: pip install 'crmquality[prophet]'")
    for name in ("prophet", "cmdstanpy", "prophet.plot"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    model = importlib.import_module("prophet").Prophet(
        interval_width=0.99,
        daily_seasonality=interval_of(times) < DAY,
        weekly_seasonality=True,
        yearly_seasonality=bool(times[-1] - times[0] >= 2 * YEAR),
    )
    np.random.seed(0)
    model.fit(_frame(times, values))

    def expect(later: Floats) -> tuple[Floats, Floats]:
        forecast = model.predict(_frame(later))
        width = (forecast["yhat_upper"] - forecast["yhat_lower"]).to_numpy(dtype=np.float64)
        smallest = 1e-9 * max(1.0, float(np.abs(values).max()))
        return forecast["yhat"].to_numpy(dtype=np.float64), np.maximum(width / WIDTH_99, smallest)

    return expect


def _frame(times: Floats, values: Floats | None = None) -> pd.DataFrame:
    frame = pd.DataFrame({"ds": pd.to_datetime(times, unit="s")})
    return frame if values is None else frame.assign(y=values)
