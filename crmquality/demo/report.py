"""What the demo prints: what was found and, on the sample, how much of it is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.db.models import Count

from crmquality.models import Finding, Record, Source
from crmquality.sample import Scores, read_truth, score
from crmquality.services import measuring

_ABOUT_FIELDS = 2
"""Fields that a flag may name and still be about them."""


def found_lines(source: Source) -> Iterator[str]:
    """Records, claims by detector, quality score."""
    newest = measuring.latest(source).get("quality score")
    quality = f"{100 * newest.value:.1f} %" if newest and newest.value is not None else "not measured"
    yield f"{source.name}: {measuring.live_records(source):,} records, quality score {quality}"
    rows = Finding.objects.filter(source=source, state=Finding.State.OPEN).values_list("detector")
    for detector, count in rows.annotate(count=Count("id")).order_by("-count"):
        yield f"    {detector:<12} {count:>7,} claims"


def truth_scores(source: Source, truth: Path, *, at_least: float = 0.5) -> Scores:
    """The claims of this score or more held against what was planted."""
    planted = read_truth(truth, kinds=[source.kind])
    wrong = planted.wrong_cells()
    names = dict(Record.objects.filter(source=source).values_list("id", "external_id"))
    corrections, flags, clusters = [], [], []
    claims = Finding.objects.filter(source=source, state=Finding.State.OPEN, score__gte=at_least)
    for finding in claims.iterator(chunk_size=5_000):
        ids = [names[subject] for subject in finding.subjects]
        match finding.proposal["action"]:
            case "set":
                corrections += [(ids[0], field, value) for field, value in finding.proposal["changes"].items()]
            case "merge":
                clusters.append(ids)
            case _:
                fields = _fields(finding)
                flags += [(ids[0], field) for field in fields if (ids[0], field) in wrong] or [(ids[0], fields[0])]
    return score(planted, corrections=corrections, flags=flags, clusters=clusters)


def _fields(finding: Finding) -> list[str]:
    """The fields that a flag is about; only "" for one about the record, which names all that count a little."""
    fields = sorted({field for reason in finding.evidence for field in reason["fields"]})
    return fields if 0 < len(fields) <= _ABOUT_FIELDS else [""]


def truth_lines(scores: Scores) -> Iterator[str]:
    """Precision and recall against the truth file, over all and by class of defect.

    The recall of corrections counts what nobody could correct too (a blank job title); flags are records.
    """
    totals = {"duplicate pairs": scores.duplicates, "corrections": scores.corrections, "flags": scores.flags}
    for name, tally in totals.items():
        if tally.planted and tally.claimed:
            yield f"    {name:<16} precision {tally.precision:.3f}  recall {tally.recall:.3f}"
    for defect, tally in sorted(scores.corrections_by_defect.items(), key=lambda row: -row[1].planted):
        if tally.planted:
            flagged = scores.flags_by_defect[defect].right
            yield (
                f"      {defect:<22} {tally.planted:>5,} planted, {tally.right:>5,} corrected"
                f" ({tally.claimed:,} claimed), {flagged:>5,} flagged"
            )
