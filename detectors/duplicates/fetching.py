"""Codes, bounds and signatures of a block of pairs, fetched before the pairs are compared.

Compared one after the other, each pair waits for memory at every step once the arrays outgrow the processor's caches;
plain loops of loads have many of them under way at once.
"""

from __future__ import annotations

from detectors.compiling import compiled
from detectors.duplicates.text import Codes, Hashes, Ints

BLOCK = 1024
"""Pairs in a block: what is fetched for them fits the innermost cache."""


@compiled
def codes_of(rows: Ints, codes: Codes, out: Codes) -> None:
    """The codes of these rows."""
    for place in range(len(rows)):
        out[place] = codes[rows[place]]


@compiled
def bounds_of(codes: Codes, starts: Ints, firsts: Ints, lasts: Ints) -> None:
    """Where the values of these codes begin and end; anything for a missing one."""
    for place in range(len(codes)):
        code = max(codes[place], 0)
        firsts[place] = starts[code]
        lasts[place] = starts[min(code + 1, len(starts) - 1)]


@compiled
def signed(codes: Codes, signatures: Hashes, out: Hashes) -> None:
    """The signatures of the values of these codes; anything for a missing one."""
    if len(signatures):
        for place in range(len(codes)):
            out[place] = signatures[max(codes[place], 0)]
