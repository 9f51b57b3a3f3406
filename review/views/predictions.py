"""Predictions: an aim is put, trained, looked at, cut, and its scores seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import CutOffs, Prediction, Source
from crmquality.services import predicting, scoring
from crmquality.services.access import UserRole, require
from crmquality.services.errors import Refused
from crmquality.services.scoring import Cut
from detectors.prediction.aims import Aim
from review.selectors import predictions as selecting
from review.views.common import STAFF, for_roles, number

SECONDS = ((60, "1 minute"), (240, "4 minutes"), (600, "10 minutes"), (1_800, "half an hour"))
CUTS = tuple(range(5, 100, 5))


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """All predictions, of every source; ?source= narrows them."""
    rows = Prediction.objects.select_related("source")
    source = Source.objects.filter(pk=number(request.GET.get("source")) or 0).first()
    if source:
        rows = rows.filter(source=source)
    context = {
        "rows": [
            {
                "prediction": one,
                "version": one.versions.filter(state="active").first(),
                "scored": one.scores.count(),
                "active": one.trainings.active().first() or one.scorings.active().first(),
            }
            for one in rows
        ],
        "source": source,
        "sources": [one for one in Source.objects.all() if one.column_roles],
    }
    return render(request, "predictions/index.html", context)


@for_roles(UserRole.STEWARD)
def new(request: HttpRequest, source_id: int) -> HttpResponse:
    """The form of an aim; ?purpose=, ?target= and ?history= choose what it asks for."""
    source = get_object_or_404(Source, pk=source_id)
    error = ""
    if request.method == "POST":
        try:
            made = predicting.define(source=source, user=request.user, **_asked(request.POST))
            job = predicting.request_training(prediction=made, user=request.user)
            return redirect("prediction-training", job_id=job.pk)
        except Refused as refusal:
            error = str(refusal)
    given = request.POST if request.method == "POST" else request.GET
    form = selecting.aim_form(source, given.dict())
    context = {
        "source": source,
        "form": form,
        "purposes": selecting.PURPOSES,
        "meanings": selecting.MEANINGS,
        "seconds": SECONDS,
        "error": error,
        "name": given.get("name") or form.purpose.name,
    }
    return render(request, "predictions/new.html", context)


@for_roles(*STAFF)
def detail(request: HttpRequest, prediction_id: int) -> HttpResponse:
    """A prediction with the report of the version that serves, or of ?version=."""
    prediction = _prediction(prediction_id)
    versions = list(prediction.versions.select_related("activated_by", "predicted_by")[:50])
    wanted = number(request.GET.get("version"))
    version = next((one for one in versions if one.number == wanted), None) if wanted else None
    version = version or next((one for one in versions if one.state == "active"), versions[0] if versions else None)
    training = selecting.report_of(version) if version else None
    latest = prediction.trainings.first()
    context = {
        "prediction": prediction,
        "aim": Aim.from_json(prediction.aim),
        "version": version,
        "versions": versions,
        "report": selecting.report(training) if training else None,
        "active": prediction.trainings.active().first(),
        "scoring": prediction.scorings.first(),
        "failed": latest if latest and latest.state == "failed" else None,
        "cut": scoring.cut_of(prediction),
        "scored": prediction.scores.count(),
        "seconds": SECONDS,
        "columns": [name for name in prediction.source.column_roles if name != prediction.aim["target"]],
    }
    return render(request, "predictions/detail.html", context)


@for_roles(*STAFF)
def records(request: HttpRequest, prediction_id: int) -> HttpResponse:
    """The scored records, the highest first; ?band= narrows them."""
    prediction = _prediction(prediction_id)
    band = request.GET.get("band", "")
    at, _, record = request.GET.get("after", "").partition(":")
    try:
        after = (float(at), int(record)) if record else None
    except ValueError:
        after = None
    shown, following = selecting.scored(prediction, band=band, after=after)
    cut = scoring.cut_of(prediction)
    context = {
        "prediction": prediction,
        "rows": shown,
        "after": f"{following[0]!r}:{following[1]}" if following else "",
        "band": band,
        "bands": scoring.band_counts(prediction, cut) if cut.bands else [],
    }
    return render(request, "predictions/records.html", context)


@for_roles(*STAFF)
def cut_offs(request: HttpRequest, prediction_id: int) -> HttpResponse:
    """Cut-offs with what they would do; an admin saves them."""
    if request.method == "POST":
        require(request.user, UserRole.ADMIN)
    prediction = _prediction(prediction_id)
    if request.method == "POST":
        return _save_cut_offs(request, prediction)
    in_force = scoring.cut_of(prediction)
    wanted, error = in_force, ""
    if "rest" in request.GET:
        try:
            bands, rest = _bands(request.GET, prediction)
            scoring.check_bands(prediction, bands, rest)
            wanted = Cut(tuple(sorted(bands, key=lambda band: -band[1])), rest)
        except Refused as refusal:
            error = str(refusal)
    outcome = scoring.is_outcome(prediction)
    rows = [(name, f"{at * 100:.0f}" if outcome else f"{at:.6g}") for name, at in wanted.bands]
    context = {
        "prediction": prediction,
        "outlook": selecting.outlook(prediction, wanted),
        "rows": [*rows, *[("", "")] * (scoring.MOST_BANDS - len(rows))],
        "rest": wanted.rest or "low",
        "error": error,
        "is_outcome": outcome,
        "cuts": CUTS,
        "is_preview": wanted != in_force,
        "versions": prediction.cut_offs.select_related("by")[:30],
    }
    return render(request, "predictions/cut_offs.html", context)


@for_roles(UserRole.ADMIN)
@require_POST
def roll_back(request: HttpRequest, cut_offs_id: int) -> HttpResponse:
    """Put earlier cut-offs in force again."""
    version = get_object_or_404(CutOffs.objects.select_related("prediction"), pk=cut_offs_id)
    made = scoring.roll_back_cut_offs(version=version, user=request.user)
    messages.success(request, f"Version {version.number} is in force again, as version {made.number}.")
    return redirect("cut-offs", prediction_id=version.prediction_id)


@for_roles(UserRole.STEWARD)
@require_POST
def train(request: HttpRequest, prediction_id: int) -> HttpResponse:
    """Have a worker search for a predictor."""
    job = predicting.request_training(prediction=_prediction(prediction_id), user=request.user)
    return redirect("prediction-training", job_id=job.pk)


@for_roles(UserRole.STEWARD)
@require_POST
def score(request: HttpRequest, prediction_id: int) -> HttpResponse:
    """Have a worker score the open records."""
    prediction = _prediction(prediction_id)
    return _said(
        request,
        lambda: redirect("scoring", job_id=scoring.request_scoring(prediction=prediction, user=request.user).pk),
        prediction,
    )


@for_roles(UserRole.STEWARD)
@require_POST
def revise(request: HttpRequest, prediction_id: int) -> HttpResponse:
    """What is learned from, how long and how often, from the next training on."""
    prediction = _prediction(prediction_id)

    def save() -> HttpResponse:
        uses = {name: request.POST.get(f"use {place}", "") for place, name in enumerate(request.POST.getlist("column"))}
        predicting.revise(
            prediction=prediction,
            left_out=[name for name, use in uses.items() if use == "out"],
            kept=[name for name, use in uses.items() if use == "kept"],
            seconds=number(request.POST.get("seconds")) or 0,
            retrain_after=number(request.POST.get("retrain_after")) or 0,
        )
        messages.success(request, "Saved: it holds from the next training on.")
        return redirect("prediction", prediction_id=prediction.pk)

    return _said(request, save, prediction)


@for_roles(UserRole.ADMIN)
@require_POST
def remove(request: HttpRequest, prediction_id: int) -> HttpResponse:
    """Take a prediction away with its versions and scores."""
    prediction = _prediction(prediction_id)

    def take_away() -> HttpResponse:
        predicting.remove(prediction=prediction)
        messages.success(request, f"“{prediction.name}” was removed with its versions and scores.")
        return redirect("predictions")

    return _said(request, take_away, prediction)


def _prediction(prediction_id: int) -> Prediction:
    return get_object_or_404(Prediction.objects.select_related("source"), pk=prediction_id)


def _said(request: HttpRequest, act: Callable[[], HttpResponse], prediction: Prediction) -> HttpResponse:
    try:
        return act()
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("prediction", prediction_id=prediction.pk)


def _asked(given: QueryDict) -> dict[str, Any]:
    """The form of an aim, as `predicting.define` takes it."""
    meant = dict(zip(given.getlist("value"), given.getlist("meaning"), strict=False))
    come = tuple(value for value, meaning in meant.items() if meaning == selecting.OUTCOME)
    missed = tuple(value for value, meaning in meant.items() if meaning == selecting.NOT)
    unknown = any(meaning == selecting.UNKNOWN for meaning in meant.values())
    aim = Aim(
        target=given.get("target", ""),
        positive=come,
        negative=missed if unknown else (),
        incumbent=given.get("incumbent", ""),
    )
    return {
        "name": given.get("name", ""),
        "aim": aim,
        "history_column": given.get("history", "") if given.getlist("history_value") else "",
        "history_values": given.getlist("history_value"),
        "seconds": number(given.get("seconds")) or 240,
    }


def _bands(given: QueryDict, prediction: Prediction) -> tuple[list[tuple[str, float]], str]:
    """The bands of a form. Raises Refused if a cut-off is no number."""
    factor = 100 if scoring.is_outcome(prediction) else 1
    pairs = zip(given.getlist("band"), given.getlist("at"), strict=False)
    try:
        bands = [(name.strip(), float(at) / factor) for name, at in pairs if name.strip() or at]
    except ValueError as error:
        raise Refused("Every cut-off needs a number.") from error
    return bands, given.get("rest", "").strip()


def _save_cut_offs(request: HttpRequest, prediction: Prediction) -> HttpResponse:
    try:
        bands, rest = _bands(request.POST, prediction)
        made = scoring.set_cut_offs(
            prediction=prediction, bands=bands, rest=rest, user=request.user, reason=request.POST.get("reason", "")
        )
        messages.success(request, f"Saved as version {made.number}: all scores are cut anew at once.")
    except Refused as refusal:
        messages.error(request, f"Not saved: {refusal}")
    return redirect("cut-offs", prediction_id=prediction.pk)
