"""A gazetteer behind an HTTP service with JSON.

    GET {base}/regions                      -> {"BE": "Berlin", ...}
    GET {base}/areas?postcode=10115         -> [area, ...]
    GET {base}/areas?place=Berlin&region=BE -> [area, ...]
    GET {base}/similar?place=Berlni&region=BE&edits=2 -> [["Berlin", 1], ...]

An area: {"postcode": "10115", "region": "BE", "names": ["Berlin", ...]}, the preferred name first; "point": [latitude,
longitude] if known. 404 and an empty list say that nothing is known. `place` may be a name's key: capitals without
accents. Answers are kept for the life of the process; a service that fails is left in peace for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import requests

from detectors.addresses.gazetteer import Gazetteer, PostcodeArea, Standing
from detectors.addresses.standardising import place_key, plain

log = logging.getLogger(__name__)

TIMEOUT = 3.0
"""Seconds for one answer."""

FAULTS = 3
"""Faults in a row after which the service is not asked for `REST` seconds; places are then unknown and left alone."""

REST = 60.0
KEPT = 100_000


class HttpGazetteer(Gazetteer):
    """Asks a service for one country's places; what it cannot tell, or not in time, is unknown."""

    def __init__(self, country: str, base: str, *, session: requests.Session | None = None) -> None:
        """base: the address before "/areas". session: one with a token or a proxy, if needed."""
        self.country = country.upper()
        self._base = base.rstrip("/")
        self._session = session or requests.Session()
        self._faults, self._rest_until = 0, 0.0
        self._ask_once = lru_cache(KEPT)(self._ask)

    def area(self, postcode: str) -> PostcodeArea | None:
        areas = self._areas(postcode=postcode)
        return next((area for area in areas if area.postcode == postcode), None)

    def postcodes(self, key: str, region: str) -> Sequence[str]:
        areas = self._areas(place=key, region=region)
        return sorted({area.postcode for area in areas if area.region == region and key in area.names})

    def regions_of(self, key: str) -> Sequence[str]:
        return sorted({area.region for area in self._areas(place=key) if key in area.names})

    def spelling(self, key: str, region: str) -> str:
        areas = [area for area in self._areas(place=key, region=region) if area.region == region and key in area.names]
        best = min(areas, key=lambda area: (area.names[key], area.postcode), default=None)
        return best.spelled[key] if best else ""

    def similar(self, key: str, region: str, edits: int) -> Sequence[tuple[str, int]]:
        answer = self._asked("similar", place=key, region=region, edits=str(edits))
        found = [each for each in answer if isinstance(each, list) and len(each) == 2] if _listed(answer) else []
        near = {(int(edit), place_key(str(name))) for name, edit in found if isinstance(edit, int) and edit <= edits}
        return [(name, edit) for edit, name in sorted(near) if name]

    def region_code(self, text: str) -> str | None:
        return self._region_words.get(_letters(text))

    def region_names(self) -> Mapping[str, str]:
        answer = self._asked("regions")
        return {str(code): str(name) for code, name in answer.items()} if isinstance(answer, dict) else {}

    @property
    def _region_words(self) -> dict[str, str]:
        names = self.region_names()
        return {_letters(name): code for code, name in names.items()} | {_letters(code): code for code in names}

    def _areas(self, **about: str) -> list[PostcodeArea]:
        answer = self._asked("areas", **about)
        read = (_area(item) for item in answer) if _listed(answer) else iter(())
        return [area for area in read if area is not None]

    def _asked(self, path: str, **about: str) -> Any:
        """The answer; None if there is none. A fault is not kept: it is asked again once the service has rested."""
        if time.monotonic() < self._rest_until:
            return None
        try:
            answer = self._ask_once(path, tuple(sorted(about.items())))
        except (requests.RequestException, ValueError) as error:
            self._faults += 1
            if self._faults >= FAULTS:
                self._rest_until, self._faults = time.monotonic() + REST, 0
                log.warning(
                    "The gazetteer of %s does not answer (%s); its places are unknown for %.0f s",
                    self.country, type(error).__name__, REST,
                )  # fmt: skip
            return None
        self._faults = 0
        return answer

    def _ask(self, path: str, about: tuple[tuple[str, str], ...]) -> Any:
        reply = self._session.get(f"{self._base}/{path}", params=dict(about), timeout=TIMEOUT)
        if reply.status_code == requests.codes.not_found:
            return None
        reply.raise_for_status()
        return reply.json()


def _listed(answer: Any) -> bool:
    return isinstance(answer, list)


def _area(item: Any) -> PostcodeArea | None:
    """An area as the service tells it; None if it is none."""
    if not isinstance(item, dict) or not item.get("postcode") or not item.get("region"):
        return None
    told = [str(name) for name in item.get("names") or () if place_key(str(name))]
    if not told:
        return None
    names: dict[str, Standing] = {}
    spelled: dict[str, str] = {}
    for name in told:
        key = place_key(name)
        names.setdefault(key, Standing.PREFERRED if not names else Standing.ACCEPTED)
        spelled.setdefault(key, name)
    return PostcodeArea(str(item["postcode"]), str(item["region"]), told[0], names, spelled, _point(item.get("point")))


def _point(told: Any) -> tuple[float, float] | None:
    try:
        latitude, longitude = told
        return float(latitude), float(longitude)
    except (TypeError, ValueError):
        return None


def _letters(text: str) -> str:
    return "".join(letter for letter in plain(text) if letter.isalnum())
