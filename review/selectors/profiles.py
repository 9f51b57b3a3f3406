"""A source's profile as its page shows it: pictures with the same numbers in tables, and the way to the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crmquality.models import Profile, Record, Source
from crmquality.services import masking, profiling
from review import charts_bars, charts_profile
from review.charts_bars import Funnel
from review.charts_profile import Bars, Box

SHADES = (0.1, 0.3, 0.5, 0.7)
"""Strengths at which the heat map's shade grows darker."""


@dataclass(frozen=True)
class ColumnView:
    """One column: its figures, and its pictures, None where it has none. hidden: its values are masked."""

    figures: Mapping[str, Any]
    total: int
    hidden: bool
    bars: Bars | None
    box: Box | None

    @property
    def filled(self) -> float | None:
        """Share of the records that hold a value."""
        return self.figures["filled"] / self.total if self.total else None

    @property
    def looks(self) -> list[tuple[str, float]]:
        """What its cells look like, the commonest first."""
        return sorted(
            ((what, share) for what, share in self.figures["looks"].items() if share), key=lambda one: -one[1]
        )

    @property
    def others(self) -> int:
        """Filled cells that hold none of the values named."""
        named: int = sum(count for _, count in self.figures["top"])
        return int(self.figures["filled"]) - named


@dataclass(frozen=True)
class HeatCell:
    """A strength with its shade; None where too little is known."""

    value: float | None
    shade: str


@dataclass(frozen=True)
class ProfileView:
    """Everything on the page."""

    profile: Profile
    columns: list[ColumnView]
    patterns: list[dict[str, Any]]
    together: list[tuple[str, list[HeatCell]]]
    correlations: list[tuple[str, list[HeatCell]]]
    strongest: Sequence[Mapping[str, Any]]
    segments: Mapping[str, Any] | None
    funnel: Mapping[str, Any] | None
    funnel_picture: Funnel | None

    @property
    def rows(self) -> int:
        """Records looked at."""
        return int(self.profile.result["rows"])

    @property
    def sampled(self) -> int:
        """Records of the sample that pictures are made of."""
        return int(self.profile.result["sampled"])

    @property
    def is_sampled(self) -> bool:
        """Whether pictures are made of a sample."""
        return self.sampled < self.rows


def view(profile: Profile) -> ProfileView:
    """A finished profile, as whoever looks may see it."""
    hidden = masking.current().hidden(profile.source)
    found = profiling.without_values(profile.result, hidden)
    funnel = found["funnel"]
    return ProfileView(
        profile,
        [_column(one, found["rows"], hidden=one["name"] in hidden) for one in found["columns"]],
        [one | {"share": one["rows"] / found["rows"] if found["rows"] else None} for one in found["patterns"]],
        _heat(found["together"]["columns"], found["together"]["shares"]),
        _heat(found["correlations"]["columns"], found["correlations"]["strengths"]),
        found["correlations"]["strongest"],
        found["segments"],
        funnel,
        charts_bars.funnel([(step["value"], step["reached"]) for step in funnel["steps"]]) if funnel else None,
    )


def example_ids(
    profile: Profile, *, column: str = "", bar: int | None = None, end: str = "", pattern: int | None = None
) -> tuple[list[int], str]:
    """The records behind a bar, an end of a box or a pattern of blanks, and in words which they are."""
    found = profile.result
    if pattern is not None and pattern < len(found["patterns"]):
        one = found["patterns"][pattern]
        return one["records"], f"blank together: {', '.join(one['columns'])}" if one["columns"] else "nothing blank"
    figures = next((one for one in found["columns"] if one["name"] == column), None)
    if figures is None or column in masking.current().hidden(profile.source):
        return [], ""
    picture = charts_profile.histogram(figures["bars"], kind=figures["type"])
    if bar is not None and picture and bar < len(picture.bars):
        what = "length of " if figures["type"] in {"text", "key"} else ""
        return figures["bars"][bar]["records"], f"{what}{column}: {picture.bars[bar].label}"
    if end in {"low", "high"} and figures["box"]:
        edge = charts_profile.shown(figures["box"][f"whisker_{end}"], "number")
        return figures["box"][
            f"{end}_records"
        ], f"{column} {'below' if end == 'low' else 'above'} {edge}, the furthest first"
    return [], ""


def example_records(source: Source, ids: Sequence[int]) -> list[Record]:
    """These records of a source, in the given order, masked for whoever looks; those that are gone are left out."""
    found = Record.objects.live().filter(source=source).select_related("source").in_bulk(list(ids))
    return [masking.current().record(found[one]) for one in ids if one in found]


def _column(figures: Mapping[str, Any], total: int, *, hidden: bool) -> ColumnView:
    picture = charts_profile.histogram(figures["bars"], kind=figures["type"])
    return ColumnView(figures, total, hidden, picture, charts_profile.box(figures["box"]))


def _heat(names: Sequence[str], values: Sequence[Sequence[float | None]]) -> list[tuple[str, list[HeatCell]]]:
    return [(name, [_cell(value) for value in row]) for name, row in zip(names, values, strict=True)]


def _cell(value: float | None) -> HeatCell:
    return HeatCell(value, "c0" if value is None else f"c{sum(abs(value) >= edge for edge in SHADES)}")
