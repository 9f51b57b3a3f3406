"""How good the data is: the metrics of a source, or of all; a low score can be the exit status."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from crmquality.cli import jobs
from crmquality.cli.console import Console, Exit, percent
from crmquality.cli.errors import Failed
from crmquality.cli.session import session
from crmquality.models import JobState, QualityMetric, Source
from crmquality.selectors.sources import named
from crmquality.services import measuring
from crmquality.services.access import STAFF, UserRole, require
from review.selectors import overview

SCORE = "quality score"


def add_arguments(parser: ArgumentParser) -> None:
    """Which sources, and how deep."""
    parser.add_argument("source", nargs="*", help="name of a source (default: all)")
    parser.add_argument("--fields", action="store_true", help="each metric by field too, the worst first")
    parser.add_argument("--measure", action="store_true", help="measure now; else what was measured last is shown")
    parser.add_argument(
        "--fail-under", type=_percent, metavar="PERCENT", help="status 1 if a quality score is lower, or unknown"
    )


def execute(options: Namespace, console: Console) -> int:
    """Show the metrics; 1 if a score is below the bound that was given."""
    with session(console, options.user, *STAFF) as user:
        sources = [named(name) for name in options.source] or list(Source.objects.all())
        if options.measure:
            require(user, UserRole.STEWARD)
            asked = [measuring.request_measurement(source=source, user=user) for source in sources]
            ended = jobs.carry_out(
                asked,
                lambda job: f"measuring {job.source.name}",
                work=measuring.execute_measurement,
                out=console.progress,
            )
            failed = next((job for job in ended if job.state != JobState.SUCCEEDED), None)
            if failed:
                raise Failed(f"{failed.source.name} was not measured: {failed.error or failed.state}")
        low = [source.name for source in sources if not _shown(source, options, console)]
    if low:
        console.complain(f"Quality score below {options.fail_under:g} %: {', '.join(low)}")
    return Exit.FAILED if low else Exit.OK


def _shown(source: Source, options: Namespace, console: Console) -> bool:
    """Show a source; whether it is as good as asked for."""
    rows = overview.metric_rows(source)
    score = measuring.latest(source).get(SCORE)
    records = overview.records(source)
    whole = ([score] if score else []) + [row.metric for row in rows]
    given: dict[str, Any] = {
        "source": source.name,
        "records": records,
        "measured_at": score.at.isoformat() if score else None,
        "metrics": {metric.name: _numbers(metric) for metric in whole},
    }
    if options.fields:
        given["fields"] = [
            {"metric": part.name, "field": part.field, **_numbers(part)} for row in rows for part in row.fields
        ]
    console.give(given)
    console.say(f"{source.name}: {records:,} records" + ("" if score else ", not measured yet (--measure does)"))
    for metric in whole:
        between = "" if metric.low is None else f"   {percent(metric.low)} to {percent(metric.high)}"
        console.say(f"  {metric.name:<28}{percent(metric.value):>9}{between}")
        for row in rows if options.fields else ():
            for part in row.fields if row.metric is metric else ():
                console.say(f"      {part.field:<32}{percent(part.value):>9}")
    bound = options.fail_under
    return bound is None or bool(score and score.value is not None and 100 * score.value >= bound)


def _numbers(metric: QualityMetric) -> dict[str, float | None]:
    return {name: getattr(metric, name) for name in ("value", "low", "high", "numerator", "denominator")}


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number of percent, such as 90") from None
    if not 0 <= value <= 100:
        raise ArgumentTypeError(f"{text} is not between 0 and 100")
    return value
