"""Arrays that live long: in memory up to a budget, beyond it in files that are mapped into memory.

What lies in a file may leave memory whenever something else needs the room, and is read again when it is touched. The
files have no name: they are gone when their arrays are, however the process ends. They lie in the system's folder for
temporary files (TMPDIR names another; one that is itself in memory saves nothing).
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = TypeVar("Array", bound=npt.NDArray[Any])

SHARE = 0.25
"""The part of the machine's memory that a run's long-lived arrays may take, unless a budget is given."""
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def usual_budget() -> int:
    """Bytes: a share of the machine's memory, or of what this process's container may have of it."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _LIMITS:
        word = path.read_text().strip() if path.is_file() else ""
        if word.isdigit():
            sizes.append(int(word))
    return int(min(sizes) * SHARE)


class Spill:
    """Where the arrays of one run are kept. budget: bytes that they may take in memory; 0 = `usual_budget`."""

    def __init__(self, budget: int = 0) -> None:
        self.budget = budget or usual_budget()
        self.held = 0
        self.spilled = 0

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array to be filled. Raises OSError where neither memory nor disk has the room."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self.held + size <= self.budget or not size:
            made = np.empty(shape, dtype)
            self.held += size
            weakref.finalize(made, self._give_back, size)
            return made
        self.spilled += size
        with tempfile.TemporaryFile(prefix="crmquality-") as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, not a crash later
            return np.memmap(file, dtype, "r+", shape=shape)

    def keep(self, array: Array) -> Array:
        """The same array, or a copy of it in a file."""
        if self.held + array.nbytes <= self.budget or not array.size:
            self.held += array.nbytes
            weakref.finalize(array, self._give_back, array.nbytes)
            return array
        kept = self.empty(array.shape, array.dtype)
        kept[...] = array
        rest(kept)
        return kept  # type: ignore[return-value]

    def _give_back(self, size: int) -> None:
        self.held -= size


def rest(*arrays: npt.NDArray[Any]) -> None:
    """Let those that lie in files leave this process's memory until they are touched again."""
    for array in arrays:
        mapped = getattr(array, "_mmap", None)
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)
