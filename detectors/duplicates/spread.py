"""Features of rows, kept as what each distinct value of a column says and spread to rows when they are asked for.

Thirty features of eight bytes a row were most of what a run held: of ten million rows, 2.4 GB, and as much again in the
order of blocking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.compiling import compiled
from detectors.duplicates.cores import ahead
from detectors.duplicates.text import Codes, Hashes, Ints, intern

_BASIS = np.uint64(1469598103934665603)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Spread:
    """What a row's value says. codes: (rows,) its place among the values; -1 where it is missing.

    per_value: (values + 1,) a hash of each value, 0 for nothing; the last is that of a missing value.
    """

    codes: Codes
    per_value: Hashes

    @classmethod
    def of(cls, codes: Codes, per_value: Hashes) -> Spread:
        """per_value: (values,)."""
        return cls(codes, np.append(per_value, np.uint64(0)))

    def rows(self) -> Hashes:
        """(rows,) the hash of each row."""
        return self.per_value[self.codes]


Feature = Spread | Hashes
"""A property of values, or (rows,) hashes as such; 0 where it is missing."""


def hashes_of(feature: Feature) -> Hashes:
    """(rows,) the hash of each row; 0 where it is missing."""
    return feature.rows() if isinstance(feature, Spread) else feature


def counted(feature: Feature) -> tuple[Codes, Ints]:
    """(rows,) the place of each row's value, -1 where it is missing; (values,) how many rows hold each.

    A `Spread` must have a hash of its own for each value.
    """
    codes = feature.codes if isinstance(feature, Spread) else intern(feature)[0]
    size = len(feature.per_value) - 1 if isinstance(feature, Spread) else int(codes.max(initial=-1)) + 1
    return codes, tallied(codes, size)


@compiled
def tallied(codes: Codes, size: int) -> Ints:
    """How many rows hold each of `size` values."""
    out = np.zeros(size, np.int64)
    for row in range(len(codes)):
        if codes[row] >= 0:
            out[codes[row]] += 1
    return out


class Features(MutableMapping[str, Hashes]):
    """Name -> (rows,) hash, 0 where missing; made anew each time it is asked for."""

    def __init__(self) -> None:
        self._kept: dict[str, Feature] = {}

    def __getitem__(self, name: str) -> Hashes:
        return hashes_of(self._kept[name])

    def __setitem__(self, name: str, feature: Feature) -> None:
        self._kept[name] = feature

    def __delitem__(self, name: str) -> None:
        del self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    def kept(self, name: str) -> Feature:
        """The feature as it is kept."""
        return self._kept[name]


class Ordered:
    """Keys of several features over rows in another order.

    names: the features that will be asked for.
    """

    def __init__(self, features: Features, names: Sequence[str], order: Ints) -> None:
        self.features, self.order = features, order
        apart: Mapping[int, Codes] = {
            id(one.codes): one.codes for one in map(features.kept, names) if isinstance(one, Spread)
        }
        self._codes = dict(zip(apart, ahead(lambda codes: codes[order], apart.values()), strict=True))

    def combined(self, names: Sequence[str]) -> Hashes:
        """`combine` of these features, one hash a row in the order; 0 where one of them is missing."""
        mixed = np.full(len(self.order), _BASIS, np.uint64)
        for place, name in enumerate(names):
            feature, last = self.features.kept(name), place == len(names) - 1
            if isinstance(feature, Spread):
                _mix(mixed, feature.per_value, self._codes[id(feature.codes)], last)
            else:
                _mix(mixed, feature, self.order, last)
        return mixed


@compiled
def _mix(mixed: Hashes, hashes: Hashes, places: Ints | Codes, last: bool) -> None:
    """Mix one hash a row in. places: (rows,) where it stands among `hashes`; -1 is the last of them."""
    for row in range(len(mixed)):
        one = hashes[places[row]]
        if mixed[row] == 0 or one == 0:
            mixed[row] = 0
            continue
        value = (mixed[row] ^ one) * _FACTOR
        value ^= value >> np.uint64(29)
        mixed[row] = value | np.uint64(1) if last else value


def combine(*hashes: Hashes) -> Hashes:
    """One hash of several features a row; 0 where any of them is missing."""
    mixed = np.full(len(hashes[0]), _BASIS, np.uint64)
    present = np.ones(len(hashes[0]), dtype=bool)
    for one in hashes:
        mixed = (mixed ^ one) * _FACTOR
        mixed ^= mixed >> np.uint64(29)
        present &= one != 0
    return np.where(present, mixed | np.uint64(1), np.uint64(0))
