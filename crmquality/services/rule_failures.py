"""The records that break a rule: paged, taken as a file, and tried out before the rule is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from django.db import connection
from django.utils import timezone

from crmquality.masking import masked_sentence
from crmquality.models import QualityRule, Record, RuleResult, Source
from crmquality.services import exporting, measuring, validating
from crmquality.services.masking import Mask
from detectors.rules.checking import ACROSS, check, check_record
from detectors.rules.kinds import Rule

PAGE = 50
CHUNK = 2_000
TRIED = 20_000
"""Records that a rule is tried on before it is kept; of a larger source a sample."""

_SAMPLE = """
    SELECT id, {cells} FROM crmquality_record {sample}
    WHERE source_id = %s AND golden_id IS NULL AND gone_at IS NULL ORDER BY id LIMIT %s
"""


@dataclass(frozen=True)
class Failure:
    """A record that broke the rule when last checked. why: as it is now; "" once it keeps the rule."""

    record: Record
    values: dict[str, str | None]
    why: str


def masked_for(mask: Mask, failure: Failure) -> Failure:
    """The failure as a person may see it: hidden values masked, in the sentence too."""
    hidden = mask.hides(failure.record) & set(failure.values)
    if not hidden:
        return failure
    secrets = [failure.values[name] for name in hidden]
    values = {name: mask.value(failure.record, name, value) for name, value in failure.values.items()}
    return replace(failure, values=values, why=masked_sentence(failure.why, secrets))


@dataclass(frozen=True)
class Trial:
    """What a rule would find: `broken` of the `applies` that it applies to, among `looked_at`; some that break it."""

    looked_at: int
    is_sample: bool
    applies: int
    broken: int
    failures: list[Failure]


def newest_result(quality_rule: QualityRule) -> RuleResult | None:
    """What the rule found when it was last checked, without the ids of the records that failed."""
    results = RuleResult.objects.filter(version__quality_rule=quality_rule).select_related("version")
    return results.defer("failing").order_by("-id").first()


def failures(quality_rule: QualityRule, result: RuleResult, *, start: int = 0, most: int = PAGE) -> list[Failure]:
    """Some of the records that failed, in the order of their ids, from the `start`th on."""
    slices = RuleResult.objects.filter(pk=result.pk).values_list(f"failing__{start}_{start + most}", flat=True)
    rule = validating.rule_in(result.version)
    return _failures(slices[0] or [], rule) if rule else []


def failures_csv(quality_rule: QualityRule, result: RuleResult, *, hide: Collection[str] = ()) -> Iterator[bytes]:
    """Every record that failed, as CSV in UTF-8: its key, the fields that the rule reads, and why.

    hide: the columns to mask. Cells that a spreadsheet would run are neutralised.
    """
    rule = validating.rule_in(result.version)
    names = list(rule.columns) if rule else []
    for start in range(0, max(1, result.broken), CHUNK):
        found = failures(quality_rule, result, start=start, most=CHUNK)
        rows = [(one.record.external_id, *one.values.values(), one.why or "kept by now") for one in found]
        yield exporting.table_csv(("Key", *names, "Why"), rows, hide=hide, header=start == 0)


def try_rule(source: Source, rule: Rule) -> Trial:
    """What a rule would find in the records as they are; nothing is kept."""
    total = measuring.live_records(source)
    frame = _sample(source, rule.columns, total)
    (result,) = check(frame, [rule], today=timezone.now().date(), known=validating.known_ids(source, [rule]))
    shown = _failures([int(one) for one in result.failing[:PAGE]], rule)
    is_sample = len(frame) < total
    return Trial(len(frame), is_sample, result.denominator, result.denominator - result.numerator, shown)


def _failures(ids: Sequence[int], rule: Rule) -> list[Failure]:
    records = Record.objects.select_related("source").in_bulk(ids)
    return [
        Failure(records[one], _values(records[one], rule), _why(records[one], rule)) for one in ids if one in records
    ]


def _values(record: Record, rule: Rule) -> dict[str, str | None]:
    return {name: record.fields.get(name) for name in rule.columns}


def _why(record: Record, rule: Rule) -> str:
    values = _values(record, rule)
    if isinstance(rule, ACROSS):  # one record alone does not tell: as it was when it was checked
        return rule.why(values)
    broken = check_record(values, [rule], today=timezone.now().date())
    return rule.why(values) if broken else ""


def _sample(source: Source, columns: Sequence[str], total: int) -> pd.DataFrame:
    percent = 100.0 if total <= TRIED else 110.0 * TRIED / total
    sample = "" if percent >= 100 else "TABLESAMPLE SYSTEM (%s)"
    statement = _SAMPLE.format(cells=", ".join(["fields->>%s"] * len(columns)), sample=sample)
    params: list[Any] = [*columns, *([percent] if sample else []), source.pk, TRIED]
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchall()
    index = pd.Index([row[0] for row in rows], dtype="int64")
    cells: Mapping[str, list[str | None]] = {name: [row[at + 1] for row in rows] for at, name in enumerate(columns)}
    return pd.DataFrame(
        {name: pd.Series(values, index=index, dtype=object) for name, values in cells.items()}, index=index
    )
