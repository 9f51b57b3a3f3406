"""Uploaded files: whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from crmquality.embedded import folder
from crmquality.models import Import
from crmquality.services.errors import Refused

_PIECE = 2**20
_SPARE = 64 * 2**20
_ORPHAN_AFTER = 3600.0


@dataclass(frozen=True)
class Upload:
    """A file kept under HOME/uploads: its own name, size in bytes and SHA-256."""

    path: Path
    name: str
    size: int
    sha256: str


def uploads() -> Path:
    """The folder of uploaded files."""
    return folder(Path(settings.HOME), "uploads")


def keep_upload(file: Any, name: str = "") -> Upload:
    """Copy a file (a path, or an uploaded file of Django) into the uploads: written, synced, then named in one step.

    Raises Refused if there is no such file, it is empty, or the disk has no room for it.
    """
    given = name or (Path(file).name if isinstance(file, str | os.PathLike) else str(file.name))
    size = _size(file, given)
    free = shutil.disk_usage(uploads()).free
    if size + _SPARE > free:
        raise Refused(
            f"The disk has no room for {given!r}: {size / 2**20:,.0f} MB needed, {free / 2**20:,.0f} MB free."
        )
    final = uploads() / f"{secrets.token_hex(8)}.upload"
    part = final.with_suffix(".part")
    digest, written = hashlib.sha256(), 0
    try:
        with part.open("xb") as target:
            part.chmod(0o600)
            for piece in _pieces(file):
                target.write(piece)
                digest.update(piece)
                written += len(piece)
            target.flush()
            os.fsync(target.fileno())
        if not written:
            raise Refused(f"The file {given!r} is empty.")
        part.rename(final)
        _sync_folder(final.parent)
    except OSError as error:
        raise Refused(f"The file {given!r} could not be stored: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return Upload(final, Path(given).name[:255], written, digest.hexdigest())


def sweep_uploads(*, older_than: float = _ORPHAN_AFTER) -> int:
    """Remove uploads that no import knows, left by a process that was killed; returns how many.

    older_than: seconds; a younger file may be an upload under way.
    """
    known = set(Import.objects.values_list("path", flat=True))
    before = time.time() - older_than
    removed = 0
    for path in uploads().iterdir():
        if path.is_file() and str(path) not in known and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _size(file: Any, name: str) -> int:
    if not isinstance(file, str | os.PathLike):
        return int(file.size)
    path = Path(file)
    if not path.is_file():
        raise Refused(f"There is no file {name!r}.")
    return path.stat().st_size


def _pieces(file: Any) -> Iterator[bytes]:
    if not isinstance(file, str | os.PathLike):
        yield from file.chunks(_PIECE)
        return
    with Path(file).open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
