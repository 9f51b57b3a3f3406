"""A program in a terminal of its own: keys go in, what a person would see comes out."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress


class PseudoTerminal:
    """A child process with a terminal of so many columns; use as a context manager."""

    def __init__(self, *words: str, environment: Mapping[str, str], columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm", "PATH": os.environ["PATH"], **environment},
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)

    def until(self, text: str, *, seconds: float = 60) -> str:
        """What is shown up to and with this text, which later calls do not see again."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} was not shown, but: {self.seen}")
        shown, _, self.seen = self.seen.partition(text)
        return shown + text

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def ends(self, *, seconds: float = 30) -> int:
        """The exit status; what was shown meanwhile is in `seen`."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        with suppress(OSError):  # the other side is gone
            read = os.read(self._ours, 65_536)
            self.seen += read.decode(errors="replace").replace("\r\n", "\n")
            return bool(read)
        return False
