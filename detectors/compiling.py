"""One decorator, so that compiled loops keep their Python signature for readers and for mypy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function compiled by numba at its first call; `.py_func` is the plain Python one.

    It runs without the interpreter lock. The machine code is kept beside the source between runs. No fast-math: every
    operation is rounded as IEEE 754 says, in the order written. Places outside an array are not checked.
    """
    return cast(F, numba.njit(nogil=True, cache=True, boundscheck=False)(function))
