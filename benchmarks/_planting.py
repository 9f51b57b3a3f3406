"""Plants errors into clean tables, so that no score rests on one table's habit."""

from __future__ import annotations

import string

import numpy as np
import pandas as pd

KINDS = ("one letter", "any letter", "letter pair", "lost letter", "doubled letter", "digits too")


def planted(clean: pd.DataFrame, kind: str, *, share: float = 0.027, skip: int = 1, seed: int = 0) -> pd.DataFrame:
    """The table with this share of each column's filled cells misspelled.

    skip: leading columns (a row number) left as they are.

    one letter: every occurrence of a letter becomes "q", as an unlucky replacement does. any letter: one or two
    letters become any others. letter pair: neighbours change places. lost letter, doubled letter: as they say.
    digits too: one or two signs become any letter or digit.
    """
    rng = np.random.default_rng(seed)
    dirty = clean.copy()
    for name in list(clean.columns)[skip:]:
        if clean[name].nunique() < 2:
            continue
        filled = np.flatnonzero(clean[name].notna())
        rows = rng.choice(filled, size=max(1, round(share * len(filled))), replace=False)
        at = dirty.columns.get_loc(name)
        for row in rows:
            dirty.iloc[row, at] = _misspelled(str(clean.iloc[row, at]), kind, rng)
    return dirty


def _misspelled(text: str, kind: str, rng: np.random.Generator) -> str:
    letters = list(text)
    at = int(rng.integers(len(letters)))
    if kind == "one letter":
        return text.replace(letters[at], "q")
    if kind == "letter pair" and len(letters) > 1:
        at = min(at, len(letters) - 2)
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    elif kind == "lost letter" and len(letters) > 1:
        del letters[at]
    elif kind == "doubled letter":
        letters.insert(at, letters[at])
    else:
        signs = string.ascii_lowercase + (string.digits if kind == "digits too" else "")
        for _ in range(int(rng.integers(1, 3))):
            letters[int(rng.integers(len(letters)))] = signs[int(rng.integers(len(signs)))]
    return "".join(letters)


def relettered(dirty: pd.DataFrame, clean: pd.DataFrame, *, each_place: bool, seed: int = 0) -> pd.DataFrame:
    """The same cells wrong at the same places, with other letters: one a cell, or another at each place.

    Cells whose length was changed stay as they are.
    """
    rng = np.random.default_rng(seed)
    again = dirty.copy()
    for at, name in enumerate(dirty.columns):
        for row, (was, is_so) in enumerate(zip(dirty[name], clean[name], strict=True)):
            if was is None or is_so is None or was == is_so or len(was) != len(is_so):
                continue
            one = string.ascii_lowercase[int(rng.integers(26))]
            letters = [
                right if left == right else (string.ascii_lowercase[int(rng.integers(26))] if each_place else one)
                for left, right in zip(was, is_so, strict=True)
            ]
            again.iloc[row, at] = "".join(letters)
    return again


def german_customers(rows: int = 3000, seed: int = 5) -> pd.DataFrame:
    """A clean table that is not American: postcode, place, state, dialling code tell each other; a column is blank."""
    rng = np.random.default_rng(seed)
    begins = ("Berg", "Neu", "Alt", "Ober", "Unter", "Hohen", "Wald", "Stein", "Birken", "Eich")
    ends = ("heim", "stadt", "dorf", "hausen", "bach", "feld", "kirchen", "ingen", "rode", "wälde")
    places = sorted(begin + end for begin in begins for end in ends)
    states = ("Bayern", "Hessen", "Sachsen", "Thüringen", "Baden-Württemberg", "Niedersachsen")
    at = rng.integers(len(places), size=rows)
    state, postcode, dialling = (
        rng.integers(low, high, len(places)) for low, high in ((0, 6), (10_000, 99_999), (200, 9999))
    )
    streets = rng.choice(["Hauptstraße", "Gartenstraße", "Schulstraße", "Bahnhofstraße"], rows)
    columns: dict[str, list[str | None]] = {
        "Kunde": [f"K{row:05d}" for row in range(rows)],
        "Straße": [f"{street} {number}" for street, number in zip(streets, rng.integers(1, 200, rows), strict=True)],
        "PLZ": [str(postcode[one]) for one in at],
        "Ort": [places[one] for one in at],
        "Bundesland": [states[state[one]] for one in at],
        "Vorwahl": [f"0{dialling[one]}" for one in at],
        "Bemerkung": [None] * rows,
    }
    return pd.DataFrame(columns, dtype=object)
