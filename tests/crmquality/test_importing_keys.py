"""Keys seen before are found, whatever the order and the repeats."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crmquality.services.importing_keys import SeenKeys


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12))
def test_a_key_is_repeated_exactly_when_an_earlier_one_was_the_same(chunks: list[list[int]]) -> None:
    keys, seen = SeenKeys(), set[int]()
    for chunk in chunks:
        expected = []
        for key in chunk:
            expected.append(key in seen)
            seen.add(key)
        assert keys.add(np.array(chunk, dtype=np.uint64)).tolist() == expected
