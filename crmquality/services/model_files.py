"""Files of model versions: whole or absent, their digest checked before they are read; nothing is unpickled."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Exists, Max

from crmquality.embedded import folder
from crmquality.models import ModelVersion, Prediction, Source
from detectors import registry
from detectors.contract import ModelFileError, TrainableDetector
from detectors.prediction.engine.model import Predictor

logger = logging.getLogger(__name__)

PREDICTOR = "1"
"""Version of what is kept of a predictor; its files name a format of their own."""


def load(version: ModelVersion) -> TrainableDetector | Predictor:
    """What a version holds. Raises ModelFileError if its files are damaged or foreign."""
    return load_predictor(version) if version.prediction_id else load_detector(version)


def load_detector(version: ModelVersion) -> TrainableDetector:
    """The trained detector of a version. Raises ModelFileError if its files are damaged or foreign."""
    kind = registry.load(version.detector)
    if not issubclass(kind, TrainableDetector):
        raise ModelFileError(f"{version.detector} does not learn")
    if kind.version != version.detector_version:
        raise ModelFileError(f"written by {version.detector} {version.detector_version}, this is {kind.version}")
    found: TrainableDetector = _load_files(kind, version.directory, version.sha256)
    return found


def load_predictor(version: ModelVersion) -> Predictor:
    """The predictor of a version. Raises ModelFileError if its files are damaged or foreign."""
    if version.detector_version != PREDICTOR:
        raise ModelFileError(f"written by predictions {version.detector_version}, this is {PREDICTOR}")
    found: Predictor = _load_files(Predictor, version.directory, version.sha256)
    return found


@lru_cache(maxsize=4)  # one of a million rows takes hundreds of MB
def _load_files(kind: type[Any], directory: str, sha256: str) -> Any:
    return kind.load(verified(directory, sha256))


def verified(directory: str, sha256: str) -> Path:
    """The folder of a version whose files are those that were written. Raises ModelFileError."""
    path = models_folder() / directory
    if not path.is_dir() or digest(path) != sha256:
        raise ModelFileError("its files are absent or were changed since they were written")
    return path


def keep(
    *,
    source: Source,
    name: str,
    written_by: str,
    save: Callable[[Path], None],
    signature: Mapping[str, Any],
    metrics: Mapping[str, float],
    labels: int,
    note: str = "",
    prediction: Prediction | None = None,
    knows_until: datetime | None = None,
) -> ModelVersion:
    """Write the files beside and rename them into place, then note the version as a candidate.

    name: the detector's, or the prediction's model name. written_by: the version of the code. save: writes into an
    empty folder.
    """
    beside = Path(tempfile.mkdtemp(dir=models_folder(), prefix="writing-"))
    try:
        save(beside)
        sha256 = digest(beside)
        directory = f"{source.pk}-{name.replace(' ', '-')}-{sha256[:16]}"
        target = models_folder() / directory
        if target.exists():
            shutil.rmtree(beside)
        else:
            os.replace(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    newest = ModelVersion.objects.filter(source=source, detector=name).aggregate(number=Max("number"))
    return ModelVersion.objects.create(
        source=source,
        prediction=prediction,
        detector=name,
        number=(newest["number"] or 0) + 1,
        detector_version=written_by,
        directory=directory,
        sha256=sha256,
        signature=dict(signature),
        metrics={metric: float(value) for metric, value in metrics.items()},
        labels=labels,
        note=note,
        **({} if knows_until is None else {"knows_until": knows_until}),
    )


def serving_first(source: Source, name: str) -> list[ModelVersion]:
    """The active version, then those that served before it, the latest first; none if nobody let one serve."""
    served = ModelVersion.objects.filter(source=source, detector=name, activated_at__isnull=False)
    return list(served.filter(state=ModelVersion.State.ACTIVE)) + list(
        served.filter(state=ModelVersion.State.RETIRED).order_by("-activated_at")
    )


def first_readable(
    source: Source, name: str, read: Callable[[ModelVersion], Any]
) -> tuple[Any, ModelVersion] | tuple[None, None]:
    """The version that serves and what it holds.

    One whose files are damaged, or were written by other code, is retired with a note, and the last good one is the
    active one again in its place.
    """
    for version in serving_first(source, name):
        try:
            found = read(version)
            _stand_in(version)
            return found, version
        except ModelFileError as error:
            logger.error("model version %s cannot be loaded: %s", version.pk, error)
            ModelVersion.objects.filter(pk=version.pk).update(
                state=ModelVersion.State.RETIRED, note=f"Cannot be loaded: {error}"[:500]
            )
    return None, None


def _stand_in(version: ModelVersion) -> None:
    """Make a version that serves because no other can the active one, so that everybody asks the same."""
    if version.state == ModelVersion.State.ACTIVE:
        return
    others = ModelVersion.objects.filter(
        source=version.source_id, detector=version.detector, state=ModelVersion.State.ACTIVE
    )
    ModelVersion.objects.filter(~Exists(others), pk=version.pk).update(state=ModelVersion.State.ACTIVE)


def models_folder() -> Path:
    """HOME/models."""
    return folder(settings.HOME, "models")


def digest(directory: Path) -> str:
    """SHA-256 over the names and contents of all files below the directory."""
    whole = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        whole.update(str(path.relative_to(directory)).encode() + b"\0")
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
