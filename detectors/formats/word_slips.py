"""Words that stand once in their column, one slip of the fingers from a common word of it: "PHYSICAL THERPAY LLC".

For companies, streets and titles of jobs, whose values seldom repeat and whose words do. A name of a person is none,
for rare ones are near common ones by nature. On 5,179 physicians, where nothing was planted, all 7 proposals are
misspelt words.
"""

from __future__ import annotations

from collections import Counter

from detectors.formats.column import Column, Remark, Remarks
from detectors.formats.known_names import WORDS, folded, given_names, surnames
from detectors.formats.typing_slips import meanings

_COMMON, _SHORTEST = 10, 5
"""Rows and letters of a word from which on another is taken for a slip of it."""
_MOST = 5_000
"""Common words looked at."""
_SCORE = 0.8


def slips(column: Column) -> Remarks:
    """Values with exactly one such word, mended."""
    whole = column.whole or column
    rows: Counter[str] = Counter()
    spelled: dict[str, Counter[str]] = {}
    for value, count in zip(whole.values, whole.counts.tolist(), strict=True):
        for word in set(WORDS.findall(value)):
            rows[word.casefold()] += count
            spelled.setdefault(word.casefold(), Counter())[word] += count
    common = [word for word, count in rows.most_common(_MOST) if count >= _COMMON and len(word) >= _SHORTEST]
    meant = meanings(word for word in common if word.isalpha())
    found = {}
    for position, value in enumerate(column.values):
        wrong = [word for word in WORDS.findall(value) if rows[word.casefold()] == 1 and word.casefold() in meant]
        if len(wrong) == 1 and not _is_name(wrong[0]):
            right = _written(spelled[meant[wrong[0].casefold()]], wrong[0])
            why = f"{rows[right.casefold()]} rows have {right}, this one alone {wrong[0]}."
            found[position] = Remark("word-slip", _SCORE, why, value.replace(wrong[0], right, 1))
    return found


def _written(spellings: Counter[str], typed: str) -> str:
    """The commonest spelling in the case of what was typed, where there is one; else the commonest of all."""
    same = [word for word in spellings if (word.isupper(), word.islower()) == (typed.isupper(), typed.islower())]
    return max(same or spellings, key=lambda word: (spellings[word], word))


def _is_name(word: str) -> bool:
    return folded(word) in surnames() or folded(word) in given_names()
