"""An admin's rules as pages show them: what each says, how many keep it, what people decided about its claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from crmquality.metrics import wilson
from crmquality.models import QualityRule, RuleResult, RuleVersion, Source
from crmquality.models.records import REFERENCES
from crmquality.services import masking, rule_failures, validating
from crmquality.services.rule_failures import Failure
from detectors.roles import Role, ValueType
from detectors.rules.checking import KINDS, rule_of
from detectors.rules.conditions import COMPARE, RELATIONS, Measure
from detectors.rules.kinds import Rule, Severity
from detectors.rules.relations import READ_AS
from review import charts
from review.charts import Trend
from review.selectors import figures

SAID = {
    "required": "Required: a field is filled",
    "type": "Type: a field is a valid e-mail, phone, date …",
    "range": "Range: a number lies between two ends",
    "set": "Set: a field is one of some values",
    "pattern": "Pattern: a field looks as an expression says",
    "cross-field": "Cross-field: two fields compare",
    "never": "Never together: some conditions do not meet",
    "unique": "Unique: no two records hold the same",
    "freshness": "Freshness: a date is recent",
    "reference": "Reference: a field names a record that exists",
}
SEVERITIES = {
    Severity.NOTE: "Note: counted, nobody is asked",
    Severity.WARNING: "Warning: a person decides about each record",
    Severity.BLOCKING: "Blocking: a warning, and an import keeps such rows out",
}
MEASURES = {
    Measure.TEXT: "as text",
    Measure.NUMBER: "as number",
    Measure.DATE: "as date",
    Measure.DAYS: "days from it to",
    Measure.RATIO: "divided by",
    Measure.LENGTH: "its length",
}
_TYPED = {
    *(Role.EMAIL, Role.PHONE, Role.WEBSITE, Role.COUNTRY, Role.CURRENCY, Role.NAME, Role.POSTCODE),
    *(Role.TAX_ID, Role.NATIONAL_ID, Role.BANK_ACCOUNT),
}
TYPES = [role for role in Role if role in _TYPED or role.value_type in {ValueType.NUMBER, ValueType.DATE}]


@dataclass(frozen=True)
class RuleRow:
    """A rule with its newest version and result.

    rule: None if this code cannot read it. decided, accepted: of its claims, by people; low, high: the interval of the
    accepted share. open_items: claims that wait.
    """

    version: RuleVersion
    rule: Rule | None
    result: RuleResult | None
    trend: Trend | None
    open_items: int = 0
    decided: int = 0
    accepted: int = 0
    low: float | None = None
    high: float | None = None

    @property
    def severity(self) -> str:
        """What becomes of a record that breaks it."""
        return self.rule.severity if self.rule else ""

    @property
    def share(self) -> float | None:
        """Of the claims decided, those that were right."""
        return self.accepted / self.decided if self.decided else None


def rule_rows(source: Source) -> list[RuleRow]:
    """Every rule of a source: those switched on first, those that most records break on top."""
    versions = validating.newest_versions(source)
    results = validating.latest_results(source)
    counted, _ = figures.of_source(source)
    said = {rule: counts for detector, rule, *counts in counted["rules"] if detector == validating.DETECTOR}
    history = _history(version.quality_rule_id for version in versions)
    rows = []
    for version in versions:
        name, pk = version.quality_rule.name, version.quality_rule_id
        waiting, decided, accepted = said.get(name, (0, 0, 0))
        low, high = wilson(accepted, decided)
        rows.append(
            RuleRow(
                version,
                validating.rule_in(version),
                results.get(pk),
                charts.trend(history.get(pk, [])),
                waiting,
                decided,
                accepted,
                low,
                high,
            )
        )
    return sorted(
        rows, key=lambda row: (not row.version.is_on, -(row.result.broken if row.result else 0), str(row.version))
    )


def rule_row(quality_rule: QualityRule) -> RuleRow:
    """One of them."""
    return next(row for row in rule_rows(quality_rule.source) if row.version.quality_rule_id == quality_rule.pk)


def shown_failures(found: Sequence[Failure]) -> list[Failure]:
    """Records that break a rule, masked for whoever looks."""
    mask = masking.current()
    return [rule_failures.masked_for(mask, one) for one in found]


def suggestion_rows(suggested: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the data suggests, in words: name, words, kept, applies, broken."""
    rows = []
    for one in suggested:
        try:
            rule = rule_of(one["config"])
        except ValueError:  # of other code
            continue
        broken = one["applies"] - one["kept"]
        rows.append(
            {"name": rule.name, "words": rule.words(), "kept": one["kept"], "applies": one["applies"], "broken": broken}
        )
    return rows


def failures_page(quality_rule: QualityRule, result: RuleResult | None, start: int) -> dict[str, Any]:
    """A page of the records that break a rule. start: the place of the first; before, after: of the pages around it."""
    if result is None or not result.broken:
        return {"rows": [], "start": 0, "before": None, "after": None}
    found = rule_failures.failures(quality_rule, result, start=start)
    return {
        "rows": shown_failures(found),
        "start": start,
        "upto": start + len(found),
        "before": max(0, start - rule_failures.PAGE) if start else None,
        "after": start + rule_failures.PAGE if start + rule_failures.PAGE < result.broken else None,
    }


def form_choices(source: Source) -> dict[str, Any]:
    """What a rule's form offers."""
    return {
        "source": source,
        "columns": list(source.column_roles),
        "kinds": [(kind, SAID[kind]) for kind in KINDS],
        "severities": [(severity.value, words) for severity, words in SEVERITIES.items()],
        "types": [(role.value, role.label) for role in TYPES],
        "relations": ["=", *(one for one in RELATIONS if one != "=")],
        "comparisons": list(COMPARE),
        "read_as": READ_AS,
        "measures": [(measure.value, words) for measure, words in MEASURES.items()],
        "referred": sorted({kind.value for kind in REFERENCES.values()}),
    }


def _history(rules: Iterable[int]) -> dict[int, list[float]]:
    """Rule -> the share that kept it, at each of the latest checks."""
    found: dict[int, list[float]] = {}
    rows = RuleResult.objects.filter(version__quality_rule__in=list(rules), denominator__gt=0).order_by("-id")
    for pk, numerator, denominator in rows.values_list("version__quality_rule_id", "numerator", "denominator")[:2_000]:
        shares = found.setdefault(pk, [])
        if len(shares) < 20:
            shares.insert(0, numerator / denominator)
    return found
