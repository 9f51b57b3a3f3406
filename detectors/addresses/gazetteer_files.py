"""A national postcode file as a gazetteer: CSV with a header, or the tab-separated export of GeoNames."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from detectors.addresses.gazetteer import PostcodeArea, Standing, TableGazetteer
from detectors.addresses.standardising import place_key

COLUMNS = ("postcode", "place", "region", "region_name", "standing", "latitude", "longitude")
"""What a CSV may hold; the first three it must. standing: preferred, accepted or avoided; the first place of a postcode
is the preferred one where nothing is said."""

GEONAMES = ("country", "postcode", "place", "region_name", "region", "2", "3", "4", "5", "latitude", "longitude", "6")
"""The columns of GeoNames' postal code files (download.geonames.org/export/zip, CC BY 4.0), which have no header."""

Row = Mapping[str, str]


def read_gazetteer(country: str, path: Path) -> TableGazetteer:
    """The file as a table. Rows without postcode, place or region are passed over, as are bytes that are no UTF-8.

    Raises OSError if it cannot be read, ValueError if it has not the columns or no row of use.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    areas, regions = _areas(_rows(text))
    if not areas:
        raise ValueError("no row holds a postcode, a place and a region")
    codes = {area.postcode for area in areas}
    lengths = {len(code) for code in codes}
    digits = lengths.pop() if len(lengths) == 1 and all(code.isdigit() for code in codes) else 0
    return TableGazetteer(country.upper(), areas, regions, postcode_digits=digits)


def _rows(text: str) -> Iterable[Row]:
    first = text[: text.find("\n")] if "\n" in text else text
    if first.count("\t") >= len(GEONAMES) - 1:
        lines = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
        return [dict(zip(GEONAMES, line, strict=False)) for line in lines]
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    named = [str(name).strip().lower() for name in rows.fieldnames or ()]
    absent = [name for name in COLUMNS[:3] if name not in named]
    if absent:
        raise ValueError(f"no column {', '.join(absent)}; a gazetteer's columns are {', '.join(COLUMNS)}")
    rows.fieldnames = named
    return rows


def _areas(rows: Iterable[Row]) -> tuple[list[PostcodeArea], dict[str, str]]:
    names: dict[tuple[str, str], dict[str, Standing]] = defaultdict(dict)
    spelled: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    points: dict[tuple[str, str], tuple[float, float]] = {}
    regions: dict[str, str] = {}
    region_of: dict[str, str] = {}
    for row in rows:
        code, place, region = (str(row.get(name) or "").strip() for name in COLUMNS[:3])
        key = place_key(place)
        if not code or not key or not region or region_of.setdefault(code, region) != region:
            continue  # a postcode that two regions share stays with the one that is named first
        regions.setdefault(region, str(row.get("region_name") or "").strip() or region)
        at = code, region
        told = _STANDINGS.get(str(row.get("standing") or "").strip().lower())
        standing = Standing.ACCEPTED if names[at] else Standing.PREFERRED
        names[at].setdefault(key, standing if told is None else told)
        spelled[at].setdefault(key, place)
        point = _point(row)
        if point:
            points.setdefault(at, point)
    areas = [
        PostcodeArea(code, region, spelled[code, region][min(held, key=held.__getitem__)], held,
                     spelled[code, region], points.get((code, region)))
        for (code, region), held in names.items()
    ]  # fmt: skip
    return areas, regions


_STANDINGS = {"preferred": Standing.PREFERRED, "accepted": Standing.ACCEPTED, "avoided": Standing.AVOIDED}


def _point(row: Row) -> tuple[float, float] | None:
    try:
        return float(row.get("latitude") or ""), float(row.get("longitude") or "")
    except ValueError:
        return None
