"""Small words of the templates."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django import template

from crmquality.models import AccessPolicy, RuleVersion
from crmquality.services import alarms
from crmquality.services.validating import rule_in
from review import charts_profile

register = template.Library()

FORMULAS = {
    "quality score": "Weighted mean of the metrics that apply (timeliness counts half); "
    "the interval treats the records as drawn from all that the same work would produce.",
    "completeness": "Filled required cells / required cells. Blank, “N/A”, “unknown” and the like are missing.",
    "validity": "Filled cells that keep their role's rule / filled cells of roles that have a rule.",
    "consistency": "Cross-field rules kept / rules that apply (all their fields filled).",
    "uniqueness": "1 - (records in duplicate clusters - clusters) / records.",
    "timeliness": "Records verified or updated within 365 days / records that carry such a date.",
    "accuracy": "Flagged values that people found right as they stood / flagged values they verified, with the 95 % "
    "Wilson interval. Not in the score: what was flagged is no sample of the table.",
    "accuracy against reference": "Cells equal to a reference file's / cells that it knows (manage.py reference).",
    "error detection rate": "Errors that a standing claim proposes to change / errors that a reference file shows.",
    "error correction rate": "Claimed errors that hold the verified value now / claimed errors.",
    "error rate": "Failed checks / checks (lower is better).",
    "faultless records": "Records that fail no check and lack no required value / records.",
}


@register.filter
def percent(value: float | str | None, digits: int = 1) -> str:
    """0.9234 -> "92.3 %"; "n/a" where a metric does not apply."""
    return "n/a" if value is None or value == "" else f"{100 * float(value):.{digits}f} %"


@register.filter
def certainty(value: float) -> str:
    """A score as whole percent, never 100 for less than certain."""
    return f"{min(int(100 * value), 99) if value < 1 else 100} %"


@register.filter
def signed(value: float) -> str:
    """A weight with its sign."""
    return f"{value:+.1f}"


@register.filter
def formula(name: str) -> str:
    """How a metric is computed."""
    return FORMULAS.get(name, "")


@register.filter
def masks(policy: AccessPolicy, roles: str) -> bool:
    """Whether a policy masks columns of these roles ("phone fax")."""
    return set(roles.split()) <= set(policy.columns)


@register.filter
def rule_words(version: RuleVersion) -> str:
    """What a version of a rule says."""
    rule = rule_in(version)
    return rule.words() if rule else "cannot be read by this version of the product"


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """mapping[key]; None if it is not there."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.filter
def role_label(role: str) -> str:
    """A role as a person reads it."""
    return role.replace("_", " ").capitalize()


@register.filter
def times(value: float, factor: float) -> str:
    """value x factor without a trailing zero: 0.95 x 100 -> "95"."""
    return f"{round(value * factor, 3):g}"


@register.filter
def ratio(part: float, whole: float) -> float | None:
    """part / whole; None of nothing."""
    return part / whole if whole else None


@register.filter
def unlocalised(value: float | None) -> str:
    """A number as HTML attributes take it."""
    return f"{value or 0.0:.4f}"


@register.filter
def shown_number(value: float | None) -> str:
    """A number as a person reads it: whole from a thousand on, four digits below."""
    return "" if value is None else charts_profile.shown(float(value), "number")


@register.filter
def minus(value: float, other: float) -> float:
    """value - other."""
    return value - other


@register.filter
def span(seconds: float) -> str:
    """A time in the unit that fits: 42 s, 12 min, 3.5 h, 2.1 days."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}" if unit != "min" else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@register.filter
def every(interval: timedelta) -> str:
    """How often: "every hour", "every 5 minutes"."""
    for word, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest = divmod(interval.total_seconds(), size)
        if count >= 1 and not rest:
            return f"every {word}" if count == 1 else f"every {count:g} {word}s"
    return f"every {interval.total_seconds():g} seconds"


@register.filter
def reading(value: float | str | None) -> str:
    """A reading of a series with the digits it needs; a dash where there is none."""
    return "–" if value is None or value == "" else alarms.said(float(value))


@register.filter
def who(user: Any) -> str:
    """A person's full name, else the user name; "" for nobody."""
    return str(user.get_full_name() or user.username) if user else ""


@register.filter
def as_json(value: Any) -> str:
    """A plain value as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=1)
