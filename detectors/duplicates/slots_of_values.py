"""Slots of short values: codes, telephones, e-mails, and of places."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.duplicates import asking, fills, levels
from detectors.duplicates.asking import Pad, clean, combined
from detectors.duplicates.encoding import Column
from detectors.duplicates.growing import Dictionary, Stretch
from detectors.duplicates.plan import Comparison, Levels
from detectors.duplicates.preparing import Words
from detectors.duplicates.slots import Cells, Features, NameSlot, Slot, Texts
from detectors.duplicates.text import ALNUM, EMAIL, WORDS, Hashes, Ints

_READ: dict[str, Any] = {
    "phone": asking.phone,
    "fax": asking.phone,
    "website": asking.host,
    "gender": lambda cell: clean(cell, WORDS).decode("utf-8", "replace")[:1].encode(),
    "email": lambda cell: clean(cell, EMAIL),
}


class ShortSlot(Slot):
    """One short value, or several columns of one meaning over a shared dictionary."""

    def __init__(self, comparison: Comparison, columns: list[Column], *extras: Any) -> None:
        super().__init__(comparison)
        self.values = Dictionary(columns[0], *extras)
        self.codes = [Stretch(column.codes) for column in columns]
        self.dictionaries = [self.values]
        self.reads = _READ.get(self.key, lambda cell: clean(cell, ALNUM))
        self.places = [-1] * len(columns)
        self.tail = -1

    def read(self, cells: Cells, pad: Pad) -> None:
        self.places = [pad.add(self.reads(cells.get(name))) for name in self.fields]
        if self.key == "phone":
            self.tail = pad.add(pad.text(self.places[0])[-4:])

    def place(self, row: int, pad: Pad) -> None:
        for codes, at in zip(self.codes, self.places, strict=True):
            codes.put(row, self.values.code(pad, at))

    def exact(self, pad: Pad) -> int:
        return next((pad.hashes[at] for at in self.places if pad.hashes[at]), 0)

    def features(self, pad: Pad, found: Features) -> None:
        if self.key != "gender":
            for place, at in enumerate(self.places[:3]):
                found[self.key + "'" * place] = pad.hashes[at]
        if self.key == "phone":
            found["phone4"] = pad.hashes[self.tail]

    def columns(self) -> list[Column]:
        """The columns as they are now."""
        return [self.values.over(codes.array) for codes in self.codes]

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        fills.fill_short(self.columns(), left, right, out)


class EmailSlot(ShortSlot):
    """E-mail addresses; the names of the record tell which of them are made of names."""

    def __init__(
        self,
        comparison: Comparison,
        columns: list[Column],
        local: tuple[Ints, Hashes],
        names: list[NameSlot | None],
    ) -> None:
        super().__init__(comparison, columns, *local)
        self.names = names
        self.locals = [-1] * len(columns)

    def read(self, cells: Cells, pad: Pad) -> None:
        super().read(cells, pad)
        self.locals = []
        for at in self.places:
            local = pad.text(at).partition(b"@")[0]
            self.locals.append(pad.add(local))

    def place(self, row: int, pad: Pad) -> None:
        for codes, at, local in zip(self.codes, self.places, self.locals, strict=True):
            text, sign = pad.text(at), np.uint64(pad.signs[False][local])
            mark = text.find(b"@")
            end = self.values.text.size + (len(text) if mark < 0 else mark)
            codes.put(row, self.values.code(pad, at, end, sign))

    def exact(self, pad: Pad) -> int:
        return pad.hashes[self.places[0]]

    def features(self, pad: Pad, found: Features) -> None:
        super().features(pad, found)
        for place, at in enumerate(self.locals):
            found["local" + "'" * place] = pad.hashes[at] if len(pad.text(at)) >= 4 else 0

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        columns = self.columns()
        nobody = np.full(len(self.codes[0].array), -1, np.int32) if None in self.names else None
        names = [
            slot.column()
            if slot
            else Column(nobody, np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.uint64))  # type: ignore[arg-type]
            for slot in self.names
        ]
        ats, signed = (extra.array for extra in self.values.extras)
        fills.fill_email(columns, (ats, signed), names, left, right, out)


class LineSlot(Slot):
    """An address line: house number and street. house: the column of house numbers, where it is filled."""

    def __init__(self, comparison: Comparison, street: Words, number: Column, house: str | None) -> None:
        super().__init__(comparison)
        self.texts = Texts(street)
        self.numbers, self.codes = Dictionary(number), Stretch(number.codes)
        self.dictionaries = [self.texts, self.texts.words, self.numbers]
        self.house = house
        self.at = -1

    def read(self, cells: Cells, pad: Pad) -> None:
        whole = clean(cells.get(self.fields[-1]), WORDS)
        number, street = asking.house_and_street(whole)
        if self.house:
            number, street = asking.house_and_street(clean(cells.get(self.house), WORDS))[0], whole
        self.texts.read(street, pad)
        self.at = pad.add(number)

    def place(self, row: int, pad: Pad) -> None:
        self.texts.place(row, pad)
        self.codes.put(row, self.numbers.code(pad, self.at))

    def exact(self, pad: Pad) -> int:
        return combined(pad.hashes[self.texts.whole], pad.hashes[self.at])

    def features(self, pad: Pad, found: Features) -> None:
        found["street"], found["house"] = pad.hashes[self.texts.whole], pad.hashes[self.at]
        found["street#"] = self.texts.heaviest(pad, 1)[0]

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        fills.fill_line(self.texts.now(), self.numbers.over(self.codes.array), left, right, out)


class PlaceSlot(Slot):
    """Postcode, town and region. names: the column of each, None where there is none."""

    def __init__(
        self,
        comparison: Comparison,
        columns: tuple[Column, Column, Column],
        names: tuple[str | None, str | None, str | None],
    ) -> None:
        super().__init__(comparison)
        self.values = [Dictionary(column) for column in columns]
        self.codes = [Stretch(column.codes) for column in columns]
        self.dictionaries = list(self.values)
        self.names = names
        self.places = [-1, -1, -1]

    def read(self, cells: Cells, pad: Pad) -> None:
        self.places = [
            pad.add(clean(cells.get(name), mode)) if name else -1
            for name, mode in zip(self.names, (ALNUM, WORDS, WORDS), strict=True)
        ]

    def place(self, row: int, pad: Pad) -> None:
        for values, codes, at in zip(self.values, self.codes, self.places, strict=True):
            codes.put(row, values.code(pad, at))

    def exact(self, pad: Pad) -> int:
        code, town, region = (pad.hashes[at] for at in self.places)
        if self.names[0] and self.names[1]:
            return combined(code, town)
        return code if self.names[0] else town if self.names[1] else region

    def features(self, pad: Pad, found: Features) -> None:
        found["postcode"], found["town"] = pad.hashes[self.places[0]], pad.hashes[self.places[1]]

    def fill(self, left: Ints, right: Ints, out: Levels) -> None:
        parts = []
        for values, codes, name in zip(self.values, self.codes, self.names, strict=True):
            part = np.zeros(len(left), np.uint8)
            if name:
                column = values.over(codes.array)
                short = column.text, column.starts, column.signatures
                levels.short(left, right, column.codes, column.codes, *short, part, False)
            parts.append(part)
        out[:] = fills.PLACES[tuple(parts)]
