"""Which rows of a batch are people, and which are organisations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.contract import Batch
from detectors.duplicates import preparing
from detectors.duplicates.scales import ORGANISATIONS, PEOPLE
from detectors.duplicates.text import Ints
from detectors.roles import Role

_PERSONAL = (Role.DATE_OF_BIRTH, Role.AGE, Role.GENDER, Role.NATIONAL_ID, Role.JOB_TITLE)
_OF_PEOPLE, _OF_ORGANISATIONS = frozenset({"contacts", "leads"}), frozenset({"accounts"})
_MIXED = 0.02
"""Share of rows from which a batch's companies among people (rows with a company but no name) are linked apart."""


def entities(batch: Batch) -> list[tuple[str, Ints]]:
    """(kind of entity, row positions), every row in one of them; one entry unless the batch is mixed."""
    every = np.arange(len(batch))
    if batch.kind in _OF_ORGANISATIONS and batch.columns(Role.COMPANY, Role.NAME):
        return [(ORGANISATIONS, every)]
    named = _filled(batch, Role.GIVEN_NAME, Role.FAMILY_NAME)
    if not named.any():
        return [(PEOPLE if _whole_names(batch) else ORGANISATIONS, every)]
    company = _filled(batch, Role.COMPANY, Role.NAME) & ~named
    if company.mean() < _MIXED:
        return [(PEOPLE, every)]
    return [(PEOPLE, every[~company]), (ORGANISATIONS, every[company])]


def entity_of(values: Mapping[str, object], roles: Mapping[str, Role], among: Sequence[str]) -> str | None:
    """Which of the kinds of entity found in a batch another of its records is; None if there is none."""
    if len(among) < 2:
        return among[0] if among else None
    of_names = (name for name, role in roles.items() if role in (Role.GIVEN_NAME, Role.FAMILY_NAME))
    return PEOPLE if any(str(values.get(name) or "").strip() for name in of_names) else ORGANISATIONS


def _filled(batch: Batch, *roles: Role) -> np.ndarray:
    filled = np.zeros(len(batch), dtype=bool)
    for name in batch.columns(*roles):
        filled |= batch.frame[name].notna().to_numpy() & (batch.frame[name].astype(str).str.strip() != "").to_numpy()
    return filled


def _whole_names(batch: Batch) -> bool:
    """Whether the batch is about people named in one column, rather than about companies and their contacts."""
    names = batch.column(Role.NAME)
    if names is None:
        return not batch.columns(Role.COMPANY) and bool(batch.columns(*_PERSONAL))
    if batch.kind not in _OF_PEOPLE and _filled(batch, Role.COMPANY).sum() > _filled(batch, Role.NAME).sum():
        return False
    return (
        bool(batch.columns(*_PERSONAL)) or batch.kind in _OF_PEOPLE or preparing.looks_like_people(batch.frame[names])
    )
