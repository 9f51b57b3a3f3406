"""What a command says: lines for people or JSON for programs on stdout, progress on stderr, and a status."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TextIO


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    STOPPED = 130


@dataclass
class Console:
    """Where a command speaks. The streams are looked up when it is made, so that a test may catch them."""

    as_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, text: str = "") -> None:
        """A line for a person; nothing where JSON was asked for."""
        if not self.as_json:
            self.out.write(clean(text) + "\n")
            self.out.flush()

    def give(self, row: dict[str, Any]) -> None:
        """A JSON object on a line of its own, where it was asked for."""
        if self.as_json:
            self.out.write(json.dumps(row, default=str, allow_nan=False) + "\n")
            self.out.flush()

    def complain(self, text: str) -> None:
        """One line on stderr."""
        self.err.write("crmquality: " + clean(" ".join(text.split())) + "\n")
        self.err.flush()

    @property
    def progress(self) -> TextIO:
        """Where progress is drawn: stderr if that is a terminal, else nowhere."""
        return self.err if self.err.isatty() else io.StringIO()


def clean(text: str) -> str:
    """Text that a terminal shows and does not obey: no escape sequences, no marks that turn the writing around."""
    return "".join("\ufffd" if _is_command(sign) else sign for sign in text)


def _is_command(sign: str) -> bool:
    return sign not in "\n\t" and unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign not in "\u200c\u200d\u00ad"


def percent(value: float | None) -> str:
    """A share in words."""
    return "n/a" if value is None else f"{100 * value:.1f} %"
