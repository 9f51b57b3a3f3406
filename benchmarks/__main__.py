"""`python -m benchmarks NAME [--json] [--save [AS]]` runs one; `python -m benchmarks --all` runs and keeps each."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOM = Path(__file__).parent
RESULTS = ROOM.parent / "docs" / "benchmarks"
DOCS = ROOM.parent / "docs" / "benchmarks.md"


def names() -> list[str]:
    """Every benchmark of this room."""
    return sorted(path.stem for path in ROOM.glob("*.py") if not path.stem.startswith("_"))


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table; columns in order of first appearance."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_shown(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    """The machine and the versions that the figures depend on."""
    packages = ("numpy", "pandas", "scikit-learn", "torch", "rapidfuzz", "numba", "spacy", "psycopg")
    versions = ", ".join(_versions(packages))
    return f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, {versions}"


def _versions(packages: Iterable[str]) -> Iterator[str]:
    """Name and version of those that are installed: a GPU machine may hold only what its benchmark needs."""
    for name in packages:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def peers(module: Any) -> str:
    """The peers a benchmark would compare with, and which of them are here."""
    found = []
    for pin in getattr(module, "PEERS", []):
        name = pin.partition("==")[0]
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (not installed: pip install {pin})")
    return "; ".join(found)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")


def save(kept_as: str, words: list[str], rows: list[dict[str, Any]], module: Any) -> None:
    """Keep a result with the command that made it, and render docs/benchmarks.md from all that are kept.

    kept_as: the name of its file; a benchmark of several parts keeps each under a name of its own.
    """
    command = " ".join(["python -m benchmarks", *words])
    result = {"title": module.TITLE, "command": command, "machine": machine(), "peers": peers(module), "rows": rows}
    (RESULTS / f"{kept_as}.json").write_text(json.dumps(result, indent=1) + "\n")
    render()


def render() -> None:
    """Write docs/benchmarks.md anew from the kept results and the notes beside them."""
    parts = [
        "# Benchmarks",
        "",
        "Each table is the kept result of the command above it; `make bench` makes those of the defaults anew.",
        "",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        kept = json.loads(path.read_text())
        parts += [f"## {kept['title']}", "", f"`{kept['command']}`. {kept['machine']}."]
        parts += [f"Peers: {kept['peers']}."] if kept["peers"] else []
        notes = path.with_suffix(".md")
        parts += [f"[Notes](benchmarks/{notes.name})."] if notes.exists() else []
        parts += ["", table(kept["rows"]), ""]
    others = [path for path in sorted(RESULTS.glob("*.md")) if not path.with_suffix(".json").exists()]
    parts += ["## Notes on further measurements", ""] + [f"- [{path.stem}](benchmarks/{path.name})" for path in others]
    DOCS.write_text("\n".join(parts) + "\n")


def _all() -> int:
    failed = 0
    for name in names():
        print(f"{name} ...", file=sys.stderr, flush=True)
        failed += subprocess.run([sys.executable, "-m", "benchmarks", name, "--save"], check=False).returncode != 0
    return 1 if failed else 0


def main(words: list[str]) -> int:
    """Run what is asked for."""
    if words[:1] == ["--all"]:
        return _all()
    if not words or words[0] not in names():
        print(f"usage: python -m benchmarks NAME [--json]; names: {', '.join(names())}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"benchmarks.{words[0]}")
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {words[0]}", description=module.TITLE)
    parser.add_argument("--json", action="store_true", dest="as_json")
    kept_as = "keep the result in docs/benchmarks, under another name where one is given"
    parser.add_argument("--save", nargs="?", const=words[0], metavar="AS", help=kept_as)
    module.add_arguments(parser)
    options = parser.parse_args(words[1:])
    rows = module.run(options)
    if options.save:
        save(options.save, words, rows, module)
    if options.as_json:
        print(json.dumps({"benchmark": words[0], "machine": machine(), "peers": peers(module), "rows": rows}))
    else:
        print(f"{module.TITLE}\n{machine()}\n{peers(module)}\n\n{table(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
