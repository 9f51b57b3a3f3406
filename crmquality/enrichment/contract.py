"""The contract of look-ups: where more is known of a company or person than a record holds.

A look-up speaks in roles (`detectors.roles`), not columns: it is asked by a key (a tax number, a domain, an e-mail
address ...) and answers with what it knows. It never writes: what it says is proposed to a person like any other claim,
with its source and licence. `crmquality.enrichment.testing` ships this contract as tests. Third parties register an
adapter through the entry-point group `crmquality.enrichment`.

Faults are those of connectors (`crmquality.connectors.faults`), settings too (`crmquality.connectors.settings`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from crmquality.connectors.contract import Line
from crmquality.connectors.settings import Setting
from detectors.roles import Role

KEYS = (Role.TAX_ID, Role.EMAIL, Role.WEBSITE, Role.PHONE, Role.NATIONAL_ID, Role.COMPANY, Role.NAME)
"""Roles by which a look-up may be asked, the surest first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of whoever holds a key.

    values: role -> text; none of them blank. title: what was found, as a person would recognise it.
    address: where a person can read it; "" if nowhere.
    """

    values: Mapping[Role, str]
    title: str = ""
    address: str = ""


class LookUp(ABC):
    """An open look-up; closed by `close` or at the end of a `with`.

    Every method may raise `Unreachable`, `Throttled`, `Denied`, `QuotaSpent` or `Invalid`.
    """

    @abstractmethod
    def check(self) -> str:
        """Whether it answers, in a sentence that holds no secret."""

    @abstractmethod
    def gives(self) -> Sequence[Role]:
        """What it may know."""

    @abstractmethod
    def ask(self, keys: Sequence[str]) -> list[Answer | None]:
        """What is known of each key, in the same order; None where nothing is, or more than one holds it.

        keys: as `matching.key_of` makes them; none blank, none twice.
        """

    def close(self) -> None:  # noqa: B027 - most need nothing
        """Give back what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Adapter(ABC):
    """A kind of look-up.

    name: as it is registered. title: as a person reads it. settings: what a person fills in.
    is_local: asking costs nothing and goes nowhere, so answers are not kept and not limited.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]]
    is_local: ClassVar[bool] = False

    @abstractmethod
    def open(self, key: Role, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> LookUp:
        """Open a look-up that is asked by this key; raises Invalid if the settings do not fit together."""
