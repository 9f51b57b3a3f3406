"""Rules that an admin sets for a source: made, changed by new versions, checked in runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from crmquality.models import QualityRule, Record, RuleResult, RuleVersion, Run, Source
from crmquality.models.records import REFERENCES
from crmquality.services.errors import Conflict, Refused
from detectors.contract import Batch
from detectors.rules.boxes import Bound, conditions_of
from detectors.rules.checking import Result, check, rule_of
from detectors.rules.kinds import LONGEST_NAME, Refers, Rule, Severity
from detectors.rules.relations import Never

DETECTOR = "rules"
MOST_RULES = 200
"""Of one source; each is looked at for every record in every run."""

_KNOWN = "SELECT external_id FROM crmquality_record WHERE source_id = ANY(%s) AND gone_at IS NULL"


def rules_in_force(source: Source) -> list[RuleVersion]:
    """The newest version of each rule of a source that is switched on, by name."""
    return [version for version in newest_versions(source) if version.is_on]


def newest_versions(source: Source) -> list[RuleVersion]:
    """The newest version of each rule of a source, by name."""
    versions = RuleVersion.objects.filter(quality_rule__source=source).select_related("quality_rule", "by")
    newest = versions.order_by("quality_rule_id", "-number").distinct("quality_rule_id")
    return sorted(newest, key=lambda version: version.quality_rule.name.lower())


def readable_rules(source: Source) -> list[Rule]:
    """The rules in force as they are checked; one of a kind that this code does not know is passed over."""
    return [rule for version in rules_in_force(source) if (rule := rule_in(version)) is not None]


def rule_in(version: RuleVersion) -> Rule | None:
    """What a version says; None if it was written by other code and cannot be read."""
    try:
        return version.rule
    except ValueError:
        return None


@transaction.atomic
def make_rule(
    *,
    source: Source,
    config: Mapping[str, Any],
    user: Any,
    origin: RuleVersion.Origin = RuleVersion.Origin.PERSON,
    reason: str = "",
) -> RuleVersion:
    """Add a rule; it holds from the next run and import on.

    config: see `detectors.rules.checking.rule_of`. Raises Refused if it makes no sense, Conflict if the source
    has a rule of this name.
    """
    rule = checked_rule(source, config)
    Source.objects.select_for_update().get(pk=source.pk)
    if QualityRule.objects.filter(source=source).count() >= MOST_RULES:
        raise Refused(f"A source has at most {MOST_RULES} rules: change one of those it has.")
    try:
        with transaction.atomic():
            made = QualityRule.objects.create(source=source, name=rule.name)
    except IntegrityError:
        raise Conflict(
            f"{source.name!r} has a rule named {rule.name!r}: choose another name, or change that one."
        ) from None
    return RuleVersion.objects.create(
        quality_rule=made, number=1, config=_stored(rule), origin=origin, reason=reason[:300], by=user
    )


@transaction.atomic
def change_rule(
    *,
    quality_rule: QualityRule,
    user: Any,
    config: Mapping[str, Any] | None = None,
    is_on: bool | None = None,
    reason: str = "",
) -> RuleVersion:
    """Add a version: with other settings, or switched on or off. The name stays, since its findings carry it.

    Raises Refused if the settings make no sense.
    """
    QualityRule.objects.select_for_update().get(pk=quality_rule.pk)
    before = quality_rule.versions.order_by("-number")[0]
    settings = before.config
    if config is not None:
        settings = _stored(checked_rule(quality_rule.source, {**config, "name": quality_rule.name}))
    return RuleVersion.objects.create(
        quality_rule=quality_rule,
        number=before.number + 1,
        config=settings,
        is_on=before.is_on if is_on is None else is_on,
        origin=before.origin,
        reason=reason[:300],
        by=user,
    )


def standing_check(
    *,
    source: Source,
    bounds: Sequence[Bound],
    user: Any,
    name: str = "",
    severity: Severity = Severity.WARNING,
    reason: str = "",
) -> RuleVersion:
    """Keep a description of confirmed anomalies ("Amount > 50,000 and days_open <= 1") as a rule for later records.

    bounds: see `detectors.rules.boxes.bounds_of`. name: the description itself if not given.
    Raises Refused if a bound cannot be told of a record alone, Conflict if there is a rule of this name.
    """
    try:
        rule = Never(name="not named yet", conditions=conditions_of(bounds), severity=severity.value)
    except ValueError as error:
        raise Refused(f"{error}.") from error
    words = rule.words()
    if not name:
        name = words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 1]}…"
    return make_rule(
        source=source,
        config=rule.config() | {"name": name},
        user=user,
        origin=RuleVersion.Origin.ANOMALIES,
        reason=reason,
    )


def checked_rule(source: Source, config: Mapping[str, Any]) -> Rule:
    """The rule that a configuration describes. Raises Refused if it makes no sense or names an unknown column."""
    try:
        rule = rule_of(config)
    except ValueError as error:
        raise Refused(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    unknown = [name for name in rule.columns if name not in source.column_roles]
    if unknown:
        raise Refused(f"Source {source.name!r} has no mapped column {', '.join(map(repr, unknown))}.")
    if isinstance(rule, Refers) and rule.to not in set(REFERENCES.values()):
        raise Refused(f"Nothing refers to {rule.to!r}: choose one of {', '.join(REFERENCES.values())}.")
    return rule


def known_ids(source: Source, rules: Sequence[Rule]) -> dict[str, pl.Series]:
    """Kind -> the external ids of its records in the source's system, for the kinds that the rules refer to.

    A kind of which the system holds no source is left out; a merged record's id still stands for its golden record.
    """
    return known_kinds(source, {rule.to for rule in rules if isinstance(rule, Refers)})


def known_kinds(source: Source, kinds: Iterable[str]) -> dict[str, pl.Series]:
    """Kind -> the external ids of its records, as `known_ids` gives them."""
    found = {}
    for kind in kinds:
        sources = list(Source.objects.filter(system=source.system, kind=kind).values_list("pk", flat=True))
        if sources and Record.objects.filter(source__in=sources).exists():
            found[kind] = _ids(sources)
    return found


def _ids(sources: list[int]) -> pl.Series:
    ids: list[str] = []
    with connection.chunked_cursor() as cursor:
        cursor.execute(_KNOWN, [sources])
        while rows := cursor.fetchmany(50_000):
            ids.extend(row[0] for row in rows)
    return pl.Series(ids, dtype=pl.String)


class Checker:
    """Holds a source's rules against a batch once, for a run: lent to the detector, and kept with the run's end."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.checked: list[tuple[RuleVersion, Result]] = []

    def __call__(self, batch: Batch) -> list[Result]:
        """The result of each rule in force."""
        versions = {version.quality_rule.name: version for version in rules_in_force(self.source)}
        rules = [rule for version in versions.values() if (rule := rule_in(version)) is not None]
        results = check(batch.frame, rules, today=timezone.now().date(), known=known_ids(self.source, rules))
        self.checked = [(versions[result.rule.name], result) for result in results]
        return results

    def store(self, run: Run | None) -> None:
        """Keep what was found as the newest; call it inside the transaction that ends the run, if it was one."""
        concerned = [version.quality_rule_id for version, _ in self.checked]
        RuleResult.objects.filter(version__quality_rule__in=concerned).exclude(failing=[]).update(failing=[])
        RuleResult.objects.bulk_create(
            RuleResult(
                version=version,
                run=run,
                numerator=result.numerator,
                denominator=result.denominator,
                failing=sorted(map(int, result.failing)),
            )
            for version, result in self.checked
        )


def latest_results(source: Source) -> dict[int, RuleResult]:
    """Rule -> its newest result, without the ids of the records that fail."""
    rows = RuleResult.objects.filter(version__quality_rule__source=source).select_related("version").defer("failing")
    newest = rows.order_by("version__quality_rule_id", "-id").distinct("version__quality_rule_id")
    return {result.version.quality_rule_id: result for result in newest}


def _stored(rule: Rule) -> dict[str, Any]:
    return {name: value for name, value in rule.config().items() if name != "name"}
