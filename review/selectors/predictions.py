"""What the pages of predictions show: how an aim is put, a predictor's report, what cut-offs would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crmquality.models import ModelVersion, Prediction, PredictionTraining, Score, Source
from crmquality.selectors.naming import title
from crmquality.services import masking, predicting, scoring
from crmquality.services.scoring import Cut, Shown
from detectors.prediction.sensitive import is_sensitive
from detectors.roles import Role, ValueType
from review.charts_prediction import Square, square

PAGE = 50
OUTCOME, NOT, UNKNOWN = "outcome", "not", "unknown"
MEANINGS = ((OUTCOME, "the outcome"), (NOT, "not the outcome"), (UNKNOWN, "not known yet"))
MANY_VALUES = 20

MEASURES = (
    ("auc", "AUC", True), ("log_loss", "Log loss", False), ("mae", "Mean absolute error", False),
    ("rmse", "Root mean squared error", False), ("r2", "Share of the variance explained", True),
)  # fmt: skip
"""Key in a report, its name, whether higher is better."""


@dataclass(frozen=True)
class Purpose:
    """What people usually predict. roles: where its target is looked for. come, missed: words of the outcome's values.

    history: whether only records that came to the outcome are learned from.
    """

    key: str
    name: str
    about: str
    roles: tuple[Role, ...]
    words: tuple[str, ...]
    come: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    history: bool = False


_WON = ("won", "converted", "customer", "closed won", "ordered", "success")
_LOST = ("lost", "closed lost", "disqualified", "rejected", "unqualified", "cancelled", "canceled", "dead", "abandoned")
PURPOSES = (
    Purpose("churn", "Churn", "which customers will leave", (Role.STATUS, Role.CATEGORY), ("churn", "status", "active"),
            ("churned", "churn", "yes", "left", "inactive", "cancelled", "canceled", "former", "lost", "true", "1"),
            ("no", "active", "current", "customer", "false", "0")),
    Purpose("lead", "Lead score", "which open deals or leads will be won", (Role.STAGE, Role.STATUS),
            ("stage", "status", "converted", "outcome"), _WON, _LOST),
    Purpose("value", "Lifetime value", "how much a customer or deal will be worth", (Role.AMOUNT, Role.NUMBER),
            ("lifetime", "value", "amount", "revenue", "total"), _WON, _LOST, history=True),
    Purpose("other", "", "any other column", (), ()),
)  # fmt: skip


@dataclass(frozen=True)
class Option:
    """A column to choose. held: its commonest values with counts."""

    name: str
    role: str
    is_sensitive: bool


@dataclass(frozen=True)
class AimForm:
    """The page on which an aim is put. values: (value, records, meaning guessed). is_number: a number is predicted."""

    purpose: Purpose
    columns: list[Option]
    target: str
    values: list[tuple[str, int, str]]
    is_number: bool
    history_column: str
    history: list[tuple[str, int, bool]]
    incumbent: str


@dataclass(frozen=True)
class Measure:
    """One row of the table of figures; None where a predictor has no such figure."""

    name: str
    is_higher_better: bool
    ours: float
    interval: tuple[float, float] | None
    baseline: float | None
    shares: float | None
    incumbent: float | None


@dataclass(frozen=True)
class Report:
    """A training's report, ready to be shown."""

    training: PredictionTraining
    raw: Mapping[str, Any]
    measures: list[Measure]
    importance: list[tuple[str, float, float]]
    calibration: Square | None
    roc: Square | None
    at: Mapping[str, float] | None
    subgroups: list[tuple[str, list[Mapping[str, Any]]]]
    hidden_groups: bool


@dataclass(frozen=True)
class Outlook:
    """What cut-offs would do. rows: a band: (name, from, records scored now, held-out figures at it or None)."""

    cut: Cut
    rows: list[tuple[str, float | None, int, Mapping[str, float] | None]]
    total: int


def aim_form(source: Source, given: Mapping[str, str]) -> AimForm:
    """The form for a purpose (?purpose=), a target (?target=), a history column (?history=); the likely ones else."""
    purpose = next((one for one in PURPOSES if one.key == given.get("purpose")), PURPOSES[1])
    roles = source.column_roles
    usable = {name: role for name, role in roles.items() if role.value_type is not ValueType.KEY}
    columns = [Option(name, role.value, is_sensitive(name, role)) for name, role in usable.items()]
    target = given.get("target", "")
    if target not in usable:
        target = _likely(usable, purpose)
    values = predicting.values_of(source, target, MANY_VALUES + 21) if target else []
    is_number = bool(target) and len(values) > MANY_VALUES and _are_numbers(values)
    column = given.get("history", "")
    if column not in usable and "history" not in given and purpose.history:
        column = _likely(
            {name: role for name, role in usable.items() if role in (Role.STAGE, Role.STATUS)}, PURPOSES[1]
        )
    history = predicting.values_of(source, column) if column in usable else []
    shown = [] if is_number else [(value, rows, _meaning(value, purpose)) for value, rows in values[:MANY_VALUES]]
    scores = [name for name, role in usable.items() if "score" in name.lower() or role is Role.PROBABILITY]
    return AimForm(
        purpose,
        columns,
        target,
        shown,
        is_number,
        column if column in usable else "",
        [(value, rows, _is_any(value, purpose.come)) for value, rows in history],
        next((name for name in scores if name != target), ""),
    )


def report(training: PredictionTraining) -> Report:
    """A finished training's report."""
    raw = training.report
    hidden = masking.current().hidden(training.prediction.source)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in raw.get("subgroups", []):
        groups.setdefault(row["column"], []).append(row)
    calibration = raw.get("reliability") or []
    return Report(
        training,
        raw,
        [measure for key, name, higher in MEASURES if (measure := _measure(raw, key, name, higher))],
        _importance(raw.get("importance", {})),
        square(
            [(row["claimed"], row["observed"]) for row in calibration],
            [
                f"{row['claimed']:.0%} promised, {row['observed']:.0%} came, {row['rows']} records"
                for row in calibration
            ],
        ),
        square([(false, true) for false, true in raw.get("roc", [])]),
        at_cut(raw, scoring.cut_of(training.prediction)),
        [(column, rows) for column, rows in groups.items() if column not in hidden],
        any(column in hidden for column in groups),
    )


def at_cut(raw: Mapping[str, Any], cut: Cut) -> Mapping[str, float] | None:
    """Held-out figures at the lowest cut-off in force, else at that of the highest F1; None for what has no cut-off."""
    known = raw.get("cut_offs") or []
    if not known:
        return None
    if cut.bands:
        return nearest(known, cut.bands[-1][1])
    best: Mapping[str, float] = max(known, key=lambda row: row["f1"])
    return best


def nearest(known: Sequence[Mapping[str, float]], at: float) -> Mapping[str, float]:
    """The measured cut-off nearest to one."""
    return min(known, key=lambda row: abs(row["cut_off"] - at))


def report_of(version: ModelVersion) -> PredictionTraining | None:
    """The training that made a version."""
    return PredictionTraining.objects.select_related("prediction__source").filter(result=version).first()


def outlook(prediction: Prediction, cut: Cut) -> Outlook:
    """What these cut-offs would do, on the scores that stand and on records held out of the serving version."""
    version = prediction.versions.filter(state=ModelVersion.State.ACTIVE).first()
    training = report_of(version) if version else None
    known = (training.report.get("cut_offs") or []) if training else []
    counts = scoring.band_counts(prediction, cut)
    edges: list[float | None] = [*(at for _, at in cut.bands), None]
    rows = [
        (name, at, count, nearest(known, at) if known and at is not None else None)
        for (name, count), at in zip(counts, edges, strict=True)
    ]
    return Outlook(cut, rows, sum(count for _, count in counts))


def scored(
    prediction: Prediction, *, band: str = "", after: tuple[float, int] | None = None
) -> tuple[list[tuple[Shown, Any, str]], tuple[float, int] | None]:
    """(score, record, title) of a page, the highest first, and where the next page begins. band: only this one."""
    cut = scoring.cut_of(prediction)
    rows = Score.objects.filter(prediction=prediction).select_related("record__source", "prediction")
    low, high = _ends(cut, band)
    if low is not None:
        rows = rows.filter(number__gte=low)
    if high is not None:
        rows = rows.filter(number__lt=high)
    if after:
        rows = rows.filter(number__lt=after[0]) | rows.filter(number=after[0], record_id__gt=after[1])
    found = list(rows.order_by("-number", "record_id")[: PAGE + 1])
    mask = masking.current()
    shown = [
        (scoring.shown(score, score.record, cut), record := mask.record(score.record), title(record))
        for score in found[:PAGE]
    ]
    last = found[PAGE - 1] if len(found) > PAGE else None
    return shown, (last.number, last.record_id) if last else None


def _ends(cut: Cut, band: str) -> tuple[float | None, float | None]:
    names = [name for name, _ in cut.bands]
    if band == cut.rest and cut.bands:
        return None, cut.bands[-1][1]
    if band not in names:
        return None, None
    place = names.index(band)
    return cut.bands[place][1], cut.bands[place - 1][1] if place else None


def _measure(raw: Mapping[str, Any], key: str, name: str, higher: bool) -> Measure | None:
    if raw.get(key) is None:
        return None
    interval = (raw.get("interval") or {}).get(key)
    return Measure(
        name,
        higher,
        raw[key],
        (interval[0], interval[1]) if interval else None,
        raw.get(f"baseline_{key}"),
        raw.get("prior_log_loss") if key == "log_loss" else 0.5 if key == "auc" else None,
        (raw.get("incumbent") or {}).get(key),
    )


def _importance(found: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """(column, loss, share of the largest), the most important first; those that are worth nothing left out."""
    top = max(found.values(), default=0.0)
    return [(name, loss, loss / top) for name, loss in found.items() if loss > 0 and top > 0][:15]


def _likely(columns: Mapping[str, Role], purpose: Purpose) -> str:
    """The column that is probably meant: by a word of its name within the purpose's roles, then by role."""
    of_role = [name for name, role in columns.items() if role in purpose.roles]
    for word in purpose.words:
        named = [name for name in of_role or columns if word in name.lower()]
        if named:
            return named[0]
    return next(iter(of_role), "") or next((name for name, role in columns.items() if role in _CHOICES), "")


_CHOICES = (Role.STAGE, Role.STATUS, Role.CATEGORY, Role.AMOUNT, Role.NUMBER)


def _meaning(value: str, purpose: Purpose) -> str:
    if _is_any(value, purpose.come):
        return OUTCOME
    if _is_any(value, purpose.missed):
        return NOT
    return UNKNOWN


def _is_any(value: str, words: Sequence[str]) -> bool:
    plain = value.strip().lower().replace("_", " ").replace("-", " ")
    return plain in words or any(plain.endswith(f" {word}") for word in words)


def _are_numbers(values: Sequence[tuple[str, int]]) -> bool:
    def is_number(text: str) -> bool:
        return any(sign.isdigit() for sign in text) and not any(sign.isalpha() for sign in text)

    return sum(is_number(value) for value, _ in values) >= 0.9 * len(values)
