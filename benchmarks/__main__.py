"""`python -m benchmarks NAME [--json]` runs one; `python -m benchmarks --all` writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOM = Path(__file__).parent
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
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, {versions}"


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


def _all() -> None:
    parts = ["# Benchmarks", "", "Made by `make bench`. " + machine() + ".", ""]
    for name in names():
        module = importlib.import_module(f"benchmarks.{name}")
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            body = table(module.run(parser.parse_args([])))
        except Exception as error:  # one benchmark that cannot run here must not hide the others
            body = f"Could not run here: {type(error).__name__}: {error}"
        parts += [f"## {module.TITLE}", "", f"`python -m benchmarks {name}`. {peers(module)}", "", body, ""]
        DOCS.write_text("\n".join(parts))


def main(words: list[str]) -> int:
    """Run what is asked for."""
    if words[:1] == ["--all"]:
        _all()
        return 0
    if not words or words[0] not in names():
        print(f"usage: python -m benchmarks NAME [--json]; names: {', '.join(names())}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"benchmarks.{words[0]}")
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {words[0]}", description=module.TITLE)
    parser.add_argument("--json", action="store_true", dest="as_json")
    module.add_arguments(parser)
    options = parser.parse_args(words[1:])
    rows = module.run(options)
    if options.as_json:
        print(json.dumps({"benchmark": words[0], "machine": machine(), "peers": peers(module), "rows": rows}))
    else:
        print(f"{module.TITLE}\n{machine()}\n{peers(module)}\n\n{table(rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
