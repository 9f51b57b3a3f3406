"""One decorator, so that compiled loops keep their Python signature for readers and for mypy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function compiled by numba at its first call; `__wrapped__` is the plain Python one.

    Compiled without fast-math: every operation is rounded as IEEE 754 says, in the order written, so that
    PostgreSQL and Python agree to the last bit. The machine code is kept beside the source between runs. numba
    itself is imported at the first call too: a page that only reads settings does not wait for it.
    """

    @cache
    def machine_code() -> Callable[..., Any]:
        import numba

        return cast(Callable[..., Any], numba.njit(cache=True)(function))

    @wraps(function)
    def run(*arguments: Any) -> Any:
        return machine_code()(*arguments)

    return cast(F, run)
