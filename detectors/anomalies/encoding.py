"""Other encodings and projections of the features, each with names that a steward understands.

The detector's own pipeline is `features.py` (one-hot for few values, frequency for many); these are for models
that ask for more: ordinal and binary codes, robust scaling, principal components, discriminants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from detectors.anomalies.cells import codes_of
from detectors.anomalies.forest import Floats
from detectors.anomalies.members import MAD_TO_SIGMA

MOST_NAMED = 3
"""A component is named after so many of its heaviest features."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """names: (d,) of the columns; values: (n, d)."""

    names: tuple[str, ...]
    values: Floats


def one_hot(name: str, cells: pd.Series) -> Encoded:
    """A column a value: 1 where the cell holds it. A blank is 0 in all."""
    codes, words = _coded(cells)
    return Encoded(
        tuple(f"{name} is {word}" for word in words), (codes[:, None] == np.arange(len(words))).astype(float)
    )


def ordinal(name: str, cells: pd.Series, order: tuple[str, ...] = ()) -> Encoded:
    """The value's place in `order` (letters' order without one); NaN where blank or not in it."""
    codes, words = _coded(cells)
    place = {word.casefold(): float(position) for position, word in enumerate(order or words)}
    table = np.array([place.get(word.casefold(), np.nan) for word in words] + [np.nan])
    return Encoded((f"place of {name}",), table[codes][:, None])


def binary(name: str, cells: pd.Series) -> Encoded:
    """The value's number in binary digits, so that k values need log2(k) columns; a blank is all 0."""
    codes, words = _coded(cells)
    bits = max(int(np.ceil(np.log2(len(words) + 1))), 1)
    digits = ((codes + 1)[:, None] >> np.arange(bits)) & 1
    return Encoded(tuple(f"digit {bit + 1} of {name}" for bit in range(bits)), digits.astype(float))


def frequency(name: str, cells: pd.Series) -> Encoded:
    """The share of cells that hold the same value; 0 where blank."""
    codes, words = _coded(cells)
    share = np.append(np.bincount(codes[codes >= 0], minlength=len(words)) / max(len(codes), 1), 0.0)
    return Encoded((f"how common the {name} is",), share[codes][:, None])


def robust_scaled(encoded: Encoded) -> Encoded:
    """Each column less its median, in robust standard deviations (MAD; standard deviation where that is 0)."""
    middle = np.nanmedian(encoded.values, axis=0)
    spread = np.nanmedian(np.abs(encoded.values - middle), axis=0) * MAD_TO_SIGMA
    spread = np.where(spread > 0, spread, np.nanstd(encoded.values, axis=0))
    return Encoded(encoded.names, (encoded.values - middle) / np.where(spread > 0, spread, 1.0))


def principal_components(encoded: Encoded, many: int) -> Encoded:
    """The directions in which the rows differ most, each named after its heaviest columns; no gaps allowed."""
    model = PCA(n_components=min(many, *encoded.values.shape), svd_solver="full")
    return Encoded(_named(model.fit(encoded.values).components_, encoded.names), model.transform(encoded.values))


def discriminants(encoded: Encoded, classes: npt.NDArray[np.int64]) -> Encoded:
    """The directions that part the classes (n,) best. Raises ValueError for fewer than two classes."""
    model = LinearDiscriminantAnalysis().fit(encoded.values, classes)
    return Encoded(_named(model.scalings_.T[: len(model.classes_) - 1], encoded.names), model.transform(encoded.values))


def _named(directions: Floats, names: tuple[str, ...]) -> tuple[str, ...]:
    """ "+Amount -Quantity": a direction's heaviest columns with their signs."""
    told = []
    for direction in directions:
        heavy = [place for place in np.argsort(-np.abs(direction), kind="stable")[:MOST_NAMED] if direction[place]]
        told.append(" ".join(f"{'+' if direction[place] > 0 else '-'}{names[place]}" for place in heavy))
    return tuple(told)


def _coded(cells: pd.Series) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Each cell's number, -1 where blank, and the words by number as they were first written."""
    codes = codes_of(cells)
    text = cells.astype("string").str.strip().to_numpy(object)
    return codes, [str(text[int((codes == code).argmax())]) for code in range(codes.max(initial=-1) + 1)]
