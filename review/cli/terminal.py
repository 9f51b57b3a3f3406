"""A terminal for the queue: one key at a time, lines typed with the proposed value in them, words that wrap."""

from __future__ import annotations

import os
import readline
import select
import shutil
import sys
import termios
import textwrap
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from crmquality.cli.console import clean

NARROWEST = 40
WIDEST = 100
STYLES = {"bold": "1", "faint": "2"}
"""Never the only sign of anything: what is new or gone stands in brackets."""


class NoTerminal(Exception):
    """Keys cannot be read here."""


class Terminal:
    """The screen and the keys of a person."""

    def __init__(self) -> None:
        """Raises NoTerminal where stdin or stdout is none."""
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise NoTerminal
        self._keys = sys.stdin.fileno()
        self.colours = "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"

    @property
    def width(self) -> int:
        """Of a line, in characters."""
        return max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))

    def write(self, text: str = "") -> None:
        """A line as it is: its parts are cleaned and styled already."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def styled(self, style: str, text: str) -> str:
        """The text in a style, cleaned of what a terminal would obey."""
        text = clean(text)
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colours and text else text

    def wrapped(self, text: str, *, indent: str = "  ", first: str | None = None) -> None:
        """A paragraph in lines that fit. first: what stands before the first line in place of the indent."""
        lines = textwrap.wrap(clean(text), self.width - len(indent)) or [""]
        self.write("\n".join((indent if place or first is None else first) + line for place, line in enumerate(lines)))

    def field(self, name: str, value: str, width: int) -> None:
        """A field and its value, the names in a column of this width."""
        name = clean(name)
        if len(name) > width:  # on a line of its own
            self.write("  " + name)
            name = ""
        self.wrapped(value, indent=" " * (width + 4), first=f"  {name:<{width}}  ")

    def key(self, *, every: float, meanwhile: Callable[[], None]) -> str:
        """The next key that is pressed. meanwhile: done every so many seconds while nobody presses one.

        Raises EOFError where the terminal is gone, KeyboardInterrupt for Ctrl-C.
        """
        with self._single_keys():
            due = time.monotonic() + every
            while not select.select([self._keys], [], [], max(0.0, due - time.monotonic()))[0]:
                meanwhile()
                due = time.monotonic() + every
            return self._read()

    def line(self, prompt: str, value: str = "") -> str | None:
        """A line that the person types, with this value in it to begin with; None where they think better of it."""
        readline.set_startup_hook(lambda: readline.insert_text(clean(value)))
        try:
            return input(clean(prompt))
        except (EOFError, KeyboardInterrupt):
            self.write()
            return None
        finally:
            readline.set_startup_hook(None)

    def _read(self) -> str:
        read = os.read(self._keys, 1)
        if not read:
            raise EOFError
        if read == b"\x1b":  # an arrow or the like: taken whole, so that its letters do not act as keys
            while select.select([self._keys], [], [], 0.02)[0]:
                os.read(self._keys, 16)
            return "esc"
        with suppress(UnicodeDecodeError):
            return read.decode()
        return ""

    @contextmanager
    def _single_keys(self) -> Iterator[None]:
        before = termios.tcgetattr(self._keys)
        tty.setcbreak(self._keys, termios.TCSADRAIN)
        try:
            yield
        finally:
            termios.tcsetattr(self._keys, termios.TCSADRAIN, before)


def columns(names: Sequence[str], *, most: int = 22) -> int:
    """How wide the column of names is."""
    return min(most, max(map(len, names), default=0))
