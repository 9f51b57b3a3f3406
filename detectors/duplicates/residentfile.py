"""A resident index on disk: the records as an Arrow file, the model and a digest as JSON; nothing is unpickled.

What is kept is what an index is built from, not its arrays: a file of an older version is read by a newer one, and an
index that was loaded is as fresh as one built anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa

from detectors.contract import Batch, ModelFileError, RunContext
from detectors.duplicates.learning import Learned
from detectors.duplicates.modelfile import model_from_plain, model_to_plain
from detectors.duplicates.resident import ResidentIndex
from detectors.roles import Role

TABLE, NOTE = "records.arrow", "index.json"
FORMAT = 1


def save(index: ResidentIndex, directory: Path) -> None:
    """Write an index into a directory: the table first, then the note that vouches for it."""
    table = index.table()
    with pa.OSFile(str(directory / TABLE), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    plain = {
        "format": FORMAT,
        "entity": index.entity,
        "roles": {name: role.value for name, role in index.roles.items()},
        "model": model_to_plain(index.model),
        "learned": index.learned.to_plain() if index.learned else None,
        "digest": _digest(directory / TABLE),
    }
    beside = directory / f"{NOTE}.writing"
    beside.write_text(json.dumps(plain), encoding="utf-8")
    beside.replace(directory / NOTE)


def load(directory: Path, context: RunContext | None = None) -> ResidentIndex:
    """Build the index that was saved. Raises ModelFileError if its files are absent, damaged or foreign."""
    try:
        plain = json.loads((directory / NOTE).read_text(encoding="utf-8"))
        if plain["format"] != FORMAT:
            raise ModelFileError(f"{NOTE} is of format {plain['format']}; this version reads {FORMAT}")
        if _digest(directory / TABLE) != plain["digest"]:
            raise ModelFileError(f"{TABLE} is damaged: its digest does not fit")
        roles = {name: Role(role) for name, role in plain["roles"].items()}
        model = model_from_plain(plain["entity"], plain["model"])
        learned = Learned.from_plain(plain["learned"]) if plain["learned"] else None
        with pa.memory_map(str(directory / TABLE)) as file:
            table = pa.ipc.open_file(file).read_all()
        columns = {name: table[f"column {name}"].to_pandas() for name in roles}
        frame = pd.DataFrame(columns).set_axis(pd.Index(table["id"].to_numpy(), dtype="int64"), axis=0)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        raise ModelFileError(f"the index cannot be read: {type(error).__name__}") from error
    return ResidentIndex(Batch(frame, roles), plain["entity"], model=model, learned=learned, context=context)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
