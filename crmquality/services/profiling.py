"""Profiles: asked for, made by a worker in one pass over the records, kept; the rules that the data suggests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from crmquality.models import JobState, Profile, RuleVersion, Source
from crmquality.models.records import REFERENCES
from crmquality.services import masking, measuring, validating
from crmquality.services.blocks import record_blocks
from crmquality.services.errors import Conflict, Refused
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.publishing import publish
from detectors.profiling.gathering import Gatherer
from detectors.profiling.profile import segment_of, summary
from detectors.rules.suggesting import suggest

KEPT = 5
"""Profiles of a source that are kept, the newest."""


def request_profile(*, source: Source, user: Any = None) -> Profile:
    """Queue a profile; the active one if there is one. Raises Refused if the source has no mapped columns."""
    if not source.column_roles:
        raise Refused(f"Source {source.name!r} has no mapped columns: import a file or confirm its columns first.")
    try:
        with transaction.atomic():
            job = Profile.objects.create(source=source, requested_by=user)
    except IntegrityError:
        active: Profile = Profile.objects.active().get(source=source)
        return active
    publish("crmquality.tasks.execute_profile", job.pk)
    return job


def execute_profile(job_id: int) -> None:
    """Do a queued profile, unless another worker has it. Never raises: how it ended stands in the row."""
    do_job(Profile, job_id, _profile)


def latest_profile(source: Source) -> Profile | None:
    """The newest one that was finished."""
    return Profile.objects.filter(source=source, state=JobState.SUCCEEDED).order_by("-id").first()


def take_suggestion(*, source: Source, name: str, user: Any, severity: str = "") -> RuleVersion:
    """Make a rule of one that the newest profile suggests, by its name.

    Raises Refused if there is no such suggestion, Conflict if it was taken already.
    """
    profile = latest_profile(source)
    found = next((one for one in open_suggestions(source, profile) if one["config"]["name"] == name), None)
    if found is None:
        if any(version.quality_rule.name == name for version in validating.newest_versions(source)):
            raise Conflict(f"There is a rule named {name!r} already.")
        raise Refused(f"No rule named {name!r} is suggested: profile the source again.")
    return validating.make_rule(
        source=source,
        config=found["config"] | ({"severity": severity} if severity else {}),
        user=user,
        origin=RuleVersion.Origin.DATA,
        reason=f"{found['kept']:,} of {found['applies']:,} records keep it",
    )


def open_suggestions(source: Source, profile: Profile | None) -> list[dict[str, Any]]:
    """What a profile suggests and the source has no rule of that name for, in the profile's order."""
    taken = {version.quality_rule.name for version in validating.newest_versions(source)}
    return [one for one in profile.suggestions if one["config"]["name"] not in taken] if profile else []


def without_values(result: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """A profile's result without what it tells of the values of these columns."""
    if not hidden or not result:
        return dict(result)
    bare: dict[str, Any] = {"top": [], "bars": [], "box": None, "balance": None}
    segments, funnel = result["segments"], result["funnel"]
    return {
        **result,
        "columns": [one | bare if one["name"] in hidden else one for one in result["columns"]],
        "segments": None if segments and segments["column"] in hidden else segments,
        "funnel": None if funnel and funnel["column"] in hidden else funnel,
    }


def _profile(job: Profile, report: Report) -> None:
    source = Source.objects.get(pk=job.source_id)
    roles = source.column_roles
    total = measuring.live_records(source)
    segment = source.segment_column if source.segment_column in roles else segment_of(roles)
    gathered = Gatherer(list(roles), segment=segment)
    report(0, total, "reading records")
    for ids, block in record_blocks(source, list(roles)):
        gathered.add(ids, block)
        report(gathered.rows, total, "reading records", write=False)  # the connection is busy with the rows
    personal = {name for kinds in masking.PERSONAL.values() for name in source.columns_of(*kinds)}
    report(total, total, "describing columns")
    result = summary(gathered, roles, personal=personal)
    report(total, total, "looking for rules")
    suggestions = _suggestions(source, gathered)
    with transaction.atomic():
        finished = Profile.objects.held(job).update(
            state=JobState.SUCCEEDED,
            finished_at=timezone.now(),
            lease_until=None,
            result=result,
            suggestions=suggestions,
        )
        if not finished:
            raise Lost
        done = Profile.objects.filter(source=source, state=JobState.SUCCEEDED).order_by("-id")
        Profile.objects.filter(pk__in=list(done.values_list("pk", flat=True)[KEPT:])).delete()


def _suggestions(source: Source, gathered: Gatherer) -> list[dict[str, Any]]:
    have = [rule for version in validating.newest_versions(source) if (rule := validating.rule_in(version))]
    referring = {role: kind.value for role, kind in REFERENCES.items() if source.columns_of(role)}
    ids, sample = gathered.sample()
    found = suggest(
        sample,
        source.column_roles,
        have=have,
        known=validating.known_kinds(source, referring.values()),
        references=referring,
        today=timezone.now().date(),
        whole=len(ids) == gathered.rows,
    )
    return [
        {"config": one.rule.config(), "kept": one.kept, "applies": one.applies, "low": round(one.low, 5)}
        for one in found
    ]
