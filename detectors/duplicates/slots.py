"""The comparisons of a plan as slots into which one record is put: read it, place it, compare it.

A slot holds what a comparison of a run holds (`fills`), over columns that grow. A record is read in two steps, so
that all its texts are hashed by one call: `read` notes texts on the pad, `place` puts it into a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.duplicates import asking, fills, preparing
from detectors.duplicates.asking import Pad, clean, hashed
from detectors.duplicates.encoding import Column
from detectors.duplicates.growing import Dictionary, Stretch
from detectors.duplicates.plan import Comparison, Levels
from detectors.duplicates.preparing import Dates, Name, Words
from detectors.duplicates.text import WORDS, Hashes, Ints, sounds
from detectors.duplicates.vocabulary import NICKNAMES, SAME_WORDS

Cells = Mapping[str, object]
Features = dict[str, int]


class Slot:
    """One comparison. fields: the columns it reads. `exact` is the hash by which values are counted; 0 if missing."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.fields = comparison.fields
        self.key = comparison.key.split(":")[0]
        self.dictionaries: list[Dictionary | Texts] = []

    def read(self, cells: Cells, pad: Pad) -> None:
        """Note the texts of a record."""
        raise NotImplementedError

    def place(self, row: int, pad: Pad) -> None:
        """Put the record that was read into a row."""
        raise NotImplementedError

    def exact(self, pad: Pad) -> int:
        """The hash of what was read."""
        raise NotImplementedError

    def features(self, pad: Pad, found: Features) -> None:
        """The features of blocking keys of what was read."""

    def written(self, pad: Pad) -> bytes:
        """What was read, to sort by."""
        return b""

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        """The levels of pairs of rows."""
        raise NotImplementedError


class NameSlot(Slot):
    """A given, middle or family name; split off the whole name where there is only that."""

    def __init__(self, comparison: Comparison, prepared: Name, whole: bool, family_first: bool) -> None:
        super().__init__(comparison)
        self.values = Dictionary(prepared.column, prepared.aliases, prepared.sounds)
        self.codes = Stretch(prepared.column.codes)
        self.dictionaries = [self.values]
        self.whole, self.family_first = whole, family_first
        self.at = self.first = self.begin = -1

    def read(self, cells: Cells, pad: Pad) -> None:
        text = clean(cells.get(self.fields[0]), WORDS)
        if self.whole and text:
            parts = preparing.name_parts(text.decode("utf-8", "replace"), self.family_first)
            text = parts[("given", "middle", "family").index(self.key)].encode()
        self.at, self.begin, self.first = pad.add(text), pad.add(text[:3]), pad.add(text[:1])

    def place(self, row: int, pad: Pad) -> None:
        text = pad.text(self.at)
        groups = [*NICKNAMES.get(text.decode("utf-8", "replace"), ())[:2], -1, -1][:2]
        sound = np.uint64(pad.sounds[self.at])
        self.codes.put(row, self.values.code(pad, self.at, groups, sound))

    def exact(self, pad: Pad) -> int:
        return pad.hashes[self.at]

    def features(self, pad: Pad, found: Features) -> None:
        found[self.key], found[f"{self.key}~"] = pad.hashes[self.at], pad.sounds[self.at]
        found[f"{self.key}^"], found[f"{self.key}1"] = pad.hashes[self.begin], pad.hashes[self.first]

    def written(self, pad: Pad) -> bytes:
        return pad.text(self.at)

    def column(self) -> Column:
        """The names as they are now."""
        return self.values.over(self.codes.array)

    def now(self) -> Name:
        """The prepared names as they are now."""
        return Name(self.column(), self.values.extras[0].array, self.values.extras[1].array)

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        fills.fill_name(self.now(), left, right, out)


class Texts:
    """Texts of several words that grow. A word seen for the first time weighs as the rarest."""

    def __init__(self, prepared: Words) -> None:
        self.values = Dictionary(prepared.column)
        words = prepared.vocabulary
        self.words = Dictionary(words, prepared.weights, sounds(words.text, words.starts[:-1], words.starts[1:]))
        self.codes, self.bounds, self.tokens = (
            Stretch(array) for array in (prepared.column.codes, prepared.bounds, prepared.tokens)
        )
        self.rarest = float(np.log1p(max(prepared.column.filled, 1)) + 0.1)
        self.whole, self.parts, self.written = -1, [-1], b""

    def read(self, text: bytes, pad: Pad) -> None:
        self.written = text
        spelled = [SAME_WORDS.get(word, word) for word in text.decode("utf-8", "replace").split(" ")] if text else []
        self.parts = [pad.add(word.encode()) for word in spelled]
        self.whole = pad.add("".join(spelled).encode())

    def place(self, row: int, pad: Pad) -> None:
        size = len(self.values)
        # the dictionary's own text is that of the words with blanks; nothing reads it, so the joined one stands in
        code = self.values.code(pad, self.whole)
        if code == size:
            codes = [self._word(at, pad) for at in self.parts]
            self.tokens.extend(codes)
            self.bounds.append(self.tokens.size)
        self.codes.put(row, code)

    def __len__(self) -> int:
        return len(self.values)

    def keep(self) -> None:
        self.values.keep()

    def forget(self, size: int) -> None:
        self.values.forget(size)
        self.bounds.size = size + 1
        self.tokens.size = int(self.bounds.array[size])

    def heaviest(self, pad: Pad, count: int = 3) -> list[int]:
        """The hashes by sound of the heaviest words, the heaviest first; 0 where there are fewer."""
        known = self.values.find(np.uint64(pad.hashes[self.whole]))
        if known >= 0:  # "day care" is one value with "daycare", and has the words of whichever came first
            bounds = self.bounds.array
            codes = self.tokens.array[bounds[known] : min(bounds[known + 1], bounds[known] + 64)]
            weights, heard = (extra.array[codes].tolist() for extra in self.words.extras)
        else:
            found = [self.words.find(np.uint64(pad.hashes[at])) for at in self.parts[:64]]
            weights = [self.rarest if code < 0 else float(self.words.extras[0].array[code]) for code in found]
            heard = [pad.sounds[at] for at in self.parts[:64]]
        order = sorted(range(len(weights)), key=lambda place: -weights[place])[:count]
        return [heard[place] for place in order] + [0] * (count - len(order))

    def _word(self, at: int, pad: Pad) -> int:
        return self.words.code(pad, at, self.rarest, np.uint64(pad.sounds[at]))

    def now(self) -> Words:
        return Words(
            self.values.over(self.codes.array),
            self.bounds.array,
            self.tokens.array,
            self.words.extras[0].array,
            self.words.over(self.codes.array),
            self.values.hashes.array,
        )


class WordsSlot(Slot):
    """A company's name, a unit, a title: several words."""

    def __init__(self, comparison: Comparison, prepared: Words) -> None:
        super().__init__(comparison)
        self.texts = Texts(prepared)
        self.dictionaries = [self.texts, self.texts.words]

    def read(self, cells: Cells, pad: Pad) -> None:
        self.texts.read(clean(cells.get(self.fields[0]), WORDS), pad)

    def place(self, row: int, pad: Pad) -> None:
        self.texts.place(row, pad)

    def exact(self, pad: Pad) -> int:
        return pad.hashes[self.texts.whole]

    def written(self, pad: Pad) -> bytes:
        return self.texts.written

    def features(self, pad: Pad, found: Features) -> None:
        if self.comparison.trust == 1.0:
            found[self.comparison.key] = pad.hashes[self.texts.whole]
            for place, rare in enumerate(self.texts.heaviest(pad)):
                found[f"{self.comparison.key}#{place}"] = rare

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        fills.fill_words(self.texts.now(), left, right, out)


class DateSlot(Slot):
    """A date."""

    def __init__(self, comparison: Comparison, prepared: Dates) -> None:
        super().__init__(comparison)
        self.values = Dictionary(prepared.column, prepared.years, prepared.months, prepared.days)
        self.codes = Stretch(prepared.column.codes)
        self.dictionaries = [self.values]
        self.day_first = prepared.day_first
        self.at, self.parts = -1, (0, 0, 0)

    def read(self, cells: Cells, pad: Pad) -> None:
        text = clean(cells.get(self.fields[0]), WORDS)
        parts = preparing.date_parts(text.decode("utf-8", "replace")) if text else None
        self.parts = preparing.settled(parts, self.day_first) if parts else (0, 0, 0)
        written = "{:04d}{:02d}{:02d}".format(*self.parts) if self.parts[0] else ""
        if written:
            whole = int(written)
            self.parts = (whole // 10000, whole // 100 % 100, whole % 100)
        self.at = pad.add(written.encode())

    def place(self, row: int, pad: Pad) -> None:
        self.codes.put(row, self.values.code(pad, self.at, *self.parts))

    def exact(self, pad: Pad) -> int:
        return pad.hashes[self.at]

    def written(self, pad: Pad) -> bytes:
        return pad.text(self.at)

    def features(self, pad: Pad, found: Features) -> None:
        if self.at < 0:
            return
        year, month, day = self.parts
        found["birth"], found["birth.y"] = pad.hashes[self.at], hashed(year)
        found["birth.md"] = hashed(month * 100 + day)
        found["birth~"] = hashed(year * 10000 + min(month, day) * 100 + max(month, day))

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        years, months, days = (extra.array for extra in self.values.extras)
        fills.fill_date(Dates(self.values.over(self.codes.array), years, months, days), left, right, out)


class NumberSlot(Slot):
    """A number."""

    def __init__(self, comparison: Comparison, values: preparing.Floats) -> None:
        super().__init__(comparison)
        self.values = Stretch(values)
        self.value = float("nan")

    def read(self, cells: Cells, pad: Pad) -> None:
        self.value = asking.number(cells.get(self.fields[0]))

    def place(self, row: int, pad: Pad) -> None:
        self.values.put(row, self.value)

    def exact(self, pad: Pad) -> int:
        return 0 if np.isnan(self.value) else hashed(int(self.value * 16))

    def features(self, pad: Pad, found: Features) -> None:
        found["age"] = self.exact(pad)

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        fills.fill_number(self.values.array, left, right, out)


class NameSwap:
    """Given and family name that stand crosswise."""

    def __init__(self, given: NameSlot, family: NameSlot, at: tuple[int, int]) -> None:
        self.given, self.family, self.at = given, family, at

    def place(self, row: int, pad: Pad) -> None:
        """Nothing of its own to keep."""

    def fill(self, left: Ints, right: Ints, found: Levels) -> None:
        """Raise the levels of both names where they agree crosswise."""
        fills.swap((self.at[0], self.given.now()), (self.at[1], self.family.now()), left, right, found)


class Implied:
    """An agreement that follows from another comparison's: see `fills.implied`."""

    def __init__(self, other: int, least: int, row: int) -> None:
        self.at = other, least, row

    def place(self, row: int, pad: Pad) -> None:
        """Nothing of its own to keep."""

    def fill(self, left: Ints, right: Ints, found: Levels) -> None:
        """Take the agreement back where it is implied."""
        fills.implied(*self.at, left, right, found)


class LineSwap:
    """Two lines of an address that stand crosswise."""

    def __init__(self, lines: tuple[Texts, Texts], hashes: tuple[Hashes, Hashes], at: tuple[int, int]) -> None:
        self.lines, self.at = lines, at
        self.hashes = [Stretch(one) for one in hashes]

    def place(self, row: int, pad: Pad) -> None:
        """Keep the hashes of both lines."""
        for stretch, line in zip(self.hashes, self.lines, strict=True):
            stretch.put(row, np.uint64(pad.hashes[line.whole]))

    def fill(self, left: Ints, right: Ints, found: Levels) -> None:
        """Raise the levels of both lines where they agree crosswise."""
        fills.swap_lines(*self.at, self.hashes[0].array, self.hashes[1].array, left, right, found)
