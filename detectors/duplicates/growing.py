"""Prepared columns that grow: a dictionary-encoded column to which records are added one at a time.

A run prepares whole columns once; the resident index keeps them and adds to them. Arrays have room to spare, so
that the compiled comparisons read them as they read a run's, and adding a record moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled
from detectors.duplicates.asking import Pad
from detectors.duplicates.encoding import Column
from detectors.duplicates.text import Codes, Hashes

ROOM = 0.1
"""Share of an array's length that is kept free for what comes."""


class Stretch:
    """An array with room at its end. array: all of it; size: how much of it is used."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.size = len(values)
        self.array = np.empty((self.size + int(self.size * ROOM) + 64, *values.shape[1:]), values.dtype)
        self.array[: self.size] = values

    def extend(self, values: Sequence[Any] | npt.NDArray[Any]) -> None:
        """Add values at the end."""
        end = self.size + len(values)
        if end > len(self.array):
            wider = np.empty((int(end * (1 + ROOM)) + 64, *self.array.shape[1:]), self.array.dtype)
            wider[: self.size] = self.array[: self.size]
            self.array = wider
        self.array[self.size : end] = values
        self.size = end

    def append(self, value: Any) -> None:
        """Add one value at the end."""
        if self.size == len(self.array):
            self.extend([value])
        else:
            self.array[self.size] = value
            self.size += 1

    def put(self, place: int, value: Any) -> None:
        """Write a value at a place, which may be the one behind the last."""
        if place >= len(self.array):
            self.extend(np.empty((place + 1 - self.size, *self.array.shape[1:]), self.array.dtype))
        self.array[place] = value
        self.size = max(self.size, place + 1)

    @property
    def used(self) -> npt.NDArray[Any]:
        """The part that holds values."""
        return self.array[: self.size]


class Dictionary:
    """The distinct values of one or several columns, found by hash.

    extras: further stretches with one entry a value (sounds, years, ...), added to together with it.
    """

    def __init__(self, column: Column, *extras: npt.NDArray[Any]) -> None:
        self.text, self.starts, self.hashes = Stretch(column.text), Stretch(column.starts), Stretch(column.hashes)
        self.signatures = Stretch(column.signatures)
        self.numbers = bool(((column.text >= 48) & (column.text <= 57)).all())
        self.text.size = int(column.starts[-1])
        self.extras = [Stretch(extra) for extra in extras]
        self._slots = np.zeros(0, np.int32)
        self._filled_to = 0
        self._spread()

    def __len__(self) -> int:
        return self.hashes.size

    def find(self, value: np.uint64) -> int:
        """The code of a hash; -1 if it is none of these values, or 0."""
        return int(_probe(self._slots, self.hashes.array, value)) if value else -1

    def code(self, pad: Pad, at: int, *extras: Any) -> int:
        """The code of a text on the pad, which is added if it is new; -1 for a missing one."""
        value = np.uint64(pad.hashes[at])
        if not value:
            return -1
        found = int(_probe(self._slots, self.hashes.array, value))
        if found >= 0:
            return found
        for recent in range(self._filled_to, self.hashes.size):
            if self.hashes.array[recent] == value:
                return recent
        self.text.extend(np.frombuffer(pad.texts[at], np.uint8))
        self.starts.append(self.text.size)
        self.hashes.append(value)
        self.signatures.append(np.uint64(pad.signs[self.numbers][at]))
        for stretch, extra in zip(self.extras, extras, strict=True):
            stretch.append(extra)
        return self.hashes.size - 1

    def forget(self, size: int) -> None:
        """Back to the first `size` values: what a question added. Values that were kept stay."""
        if size < self.hashes.size:
            self.hashes.size, self.signatures.size, self.starts.size = size, size, size + 1
            self.text.size = int(self.starts.array[size])
            for stretch in self.extras:
                stretch.size = size

    def keep(self) -> None:
        """Let the values added since be found."""
        if 2 * self.hashes.size > len(self._slots):
            self._spread()
        for code in range(self._filled_to, self.hashes.size):
            _insert(self._slots, self.hashes.array, code)
        self._filled_to = self.hashes.size

    def over(self, codes: Codes) -> Column:
        """These values as the column of some rows."""
        column = Column(codes, self.text.array, self.starts.array, self.hashes.array)
        column.__dict__["signatures"] = self.signatures.array  # else it would be derived from all values
        return column

    def _spread(self) -> None:
        size = 64
        while size < 3 * self.hashes.size:
            size *= 2
        self._slots = np.full(size, -1, np.int32)
        _insert_all(self._slots, self.hashes.array, self.hashes.size)
        self._filled_to = self.hashes.size


@compiled
def _probe(slots: Codes, hashes: Hashes, value: np.uint64) -> int:
    mask = np.uint64(len(slots) - 1)
    slot = (value >> np.uint64(20)) & mask
    while slots[slot] >= 0:
        if hashes[slots[slot]] == value:
            return int(slots[slot])
        slot = (slot + np.uint64(1)) & mask
    return -1


@compiled
def _insert(slots: Codes, hashes: Hashes, code: int) -> None:
    mask = np.uint64(len(slots) - 1)
    slot = (hashes[code] >> np.uint64(20)) & mask
    while slots[slot] >= 0:
        slot = (slot + np.uint64(1)) & mask
    slots[slot] = code


@compiled
def _insert_all(slots: Codes, hashes: Hashes, count: int) -> None:
    for code in range(count):
        _insert(slots, hashes, code)
