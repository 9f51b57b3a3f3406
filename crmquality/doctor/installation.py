"""Python, packages, compiled code, the folder of all data: what can be asked without Django."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

from crmquality import embedded
from crmquality.doctor.checking import Check, Finding, fail, ok, skipped, warn

NEEDS = (3, 11)
LITTLE, TOO_LITTLE = 5 * 2**30, 2**29
"""Bytes free on the disk of the home: below the first it is said, below the second nothing can be imported."""

_PIN = re.compile(r"(?P<name>[\w.-]+)(\[[^]]*])?==(?P<version>[^;\s]+)\s*(;\s*(?P<marker>.*))?$")
_KERNEL = re.compile(r"^@compiled\n(?:@.*\n)*def (\w+)", re.MULTILINE)
WARMED = ("crmquality/connectors", "detectors/duplicates")
"""Folders whose kernels `manage.py warm` compiles."""


def checks(home: Path, *, dev: bool) -> Iterator[Check]:
    """All of them, in order. dev: those that only tests need too."""
    yield Check("python", python)
    yield Check("packages", partial(packages, dev=dev))
    yield Check("compiled kernels", kernels)
    yield Check("home folder", partial(home_folder, home))
    yield Check("disk", partial(disk, home), needs=("home folder",))
    yield Check("secrets", partial(secrets_file, home), needs=("home folder",))
    yield Check("gpu", gpu)
    if dev:
        yield Check("chromium", chromium)


def python() -> Finding:
    """The interpreter."""
    now = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < NEEDS:
        return fail(
            f"Python {now}: 3.11 or newer is needed.", "apt-get install python3.11 python3.11-venv python3.11-dev"
        )
    return ok(f"Python {now}")


def packages(*, dev: bool) -> Finding:
    """What is pinned against what is installed."""
    try:
        pins = metadata.requires("crmquality") or []
    except metadata.PackageNotFoundError:
        return fail("The project itself is not installed, so no detector is found.", "pip install -e .")
    absent, other, count = [], [], 0
    for pin in filter(None, map(_PIN.match, pins)):
        marker = pin["marker"] or ""
        if "extra" in marker and not (dev and "dev" in marker):
            continue
        count += 1
        try:
            installed = metadata.version(pin["name"])
        except metadata.PackageNotFoundError:
            absent.append(f"{pin['name']} {pin['version']}")
            continue
        if installed.partition("+")[0] != pin["version"]:  # a build for other hardware is the same version
            other.append(f"{pin['name']} {installed} in place of {pin['version']}")
    mend = "make install" if (Path(__file__).parents[2] / "Makefile").exists() else "pip install --upgrade crmquality"
    if absent:
        return fail(f"Not installed: {', '.join(absent)}.", mend)
    if other:
        return warn(f"Other versions than those tested: {', '.join(other)}.", mend)
    return ok(f"{count} packages as pinned")


def kernels(root: Path | None = None) -> Finding:
    """Whether the compiled loops are kept on disk, so that no first import or run waits for the compiler."""
    root = root or Path(__file__).parents[2]
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    if elsewhere:
        return ok(f"Kept in NUMBA_CACHE_DIR, {elsewhere}")
    cold: list[str] = []
    count = 0
    for folder in WARMED:
        for path in sorted((root / folder).rglob("*.py")):
            for name in _KERNEL.findall(path.read_text()):
                count += 1
                if not any((path.parent / "__pycache__").glob(f"{path.stem}.{name}-*.nbi")):
                    cold.append(f"{path.stem}.{name}")
    if not cold:
        return ok(f"{count} kernels are compiled")
    folder = str(root / WARMED[-1])
    if not os.access(folder, os.W_OK):
        return warn(
            f"{len(cold)} of {count} kernels are compiled at each start: {folder} cannot be written.",
            "Set NUMBA_CACHE_DIR to a folder that can be written.",
        )
    return warn(f"{len(cold)} of {count} kernels are not compiled: a first import or run waits.", "manage.py warm")


def home_folder(home: Path) -> Finding:
    """Whether the folder of all data can be written, and by us alone."""
    if not home.exists():
        return fail(f"{home} is not there yet: nothing was started on it.", "crmquality serve")
    try:
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        return fail(f"{home} cannot be written: {error.strerror}.", f"chown -R $USER {home}")
    if home.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IRGRP | stat.S_IWGRP):
        return warn(f"{home} can be read by others on this machine.", f"chmod 700 {home}")
    return ok(str(home))


def disk(home: Path) -> Finding:
    """Room for imports, indexes and sorting."""
    free = shutil.disk_usage(home).free
    said = f"{free / 2**30:.1f} GiB free below {home}"
    mend = "Free some space, or move CRMQUALITY_HOME to a larger disk."
    if free < TOO_LITTLE:
        return fail(f"Only {said}.", mend)
    return warn(f"Only {said}.", mend) if free < LITTLE else ok(said)


def secrets_file(home: Path) -> Finding:
    """Whether the secrets are ours alone, and whole."""
    path = home / "secrets.json"
    if not path.exists():
        return skipped("No secrets were drawn yet: the first start does.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return fail(f"{path} can be read by others (mode {mode:04o}): it holds every key.", f"chmod 600 {path}")
    try:
        embedded.secrets(home)
    except (OSError, ValueError, KeyError) as error:
        return fail(f"{path} cannot be read: {type(error).__name__}.", f"Restore {path} from a backup.")
    return ok(f"mode {mode:04o}")


def gpu() -> Finding:
    """Whether models train on an accelerator. None is no fault."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return ok("No GPU seen: models train on the processor")
    import torch  # takes seconds, so only where there is a card

    if torch.cuda.is_available():
        return ok(torch.cuda.get_device_name(0))
    return warn("There is a GPU, and PyTorch cannot use it: its driver or build does not fit.", "nvidia-smi")


def chromium() -> Finding:
    """What the browser tests drive."""
    found = shutil.which("chromium")
    if found is None:
        return fail("No chromium: the browser tests cannot run.", "sudo apt-get install chromium")
    if importlib.util.find_spec("playwright") is None:
        return fail("Playwright is not installed: the browser tests cannot run.", "make install")
    return ok(found)
