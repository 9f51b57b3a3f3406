"""A gazetteer of the user's own: a file, a service, a package; each keeps the contract."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from detectors.addresses import gazetteers
from detectors.addresses.detector import AddressDetector
from detectors.addresses.gazetteer import Gazetteer, TableGazetteer, us_gazetteer
from detectors.addresses.gazetteer_files import read_gazetteer
from detectors.addresses.gazetteer_http import HttpGazetteer
from detectors.addresses.standardising import place_key
from detectors.addresses.testing import Known, gazetteer_checks
from detectors.contract import Batch, RunContext, SetFields
from detectors.roles import Role

GERMAN = """postcode;place;region;region_name;latitude;longitude
10115;Berlin;BE;Berlin;52.53;13.38
80331;München;BY;Bayern;48.13;11.57
80331;Muenchen;BY;Bayern;;
90402;Nürnberg;BY;Bayern;49.45;11.08
;no postcode;BY;Bayern;;
90402;Somewhere Else;BE;Berlin;;
"""
GEONAMES = "DE\t80331\tMünchen\tBayern\tBY\tOberbayern\t091\t\t09162\t48.13\t11.57\t4\n"
KNOWN = {
    "us": Known("62701", "Springfield", "IL", "Illinois"),
    "file": Known("90402", "Nürnberg", "BY", "Bayern"),
    "service": Known("90402", "Nürnberg", "BY", "Bayern"),
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "de.csv"
    path.write_text(GERMAN, encoding="utf-8")
    return path


@pytest.fixture
def service(file) -> Iterator[str]:
    """A small server of the German file."""
    table = read_gazetteer("DE", file)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            answer = _answer(table, url.path, {name: values[0] for name, values in parse_qs(url.query).items()})
            body = json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def _answer(table: TableGazetteer, path: str, about: dict[str, str]) -> object:
    if path == "/v1/regions":
        return dict(table.region_names())
    if path == "/v1/similar":
        return [[name, edits] for name, edits in table.similar(about["place"], about["region"], int(about["edits"]))]
    areas = [
        {"postcode": area.postcode, "region": area.region, "names": list(area.spelled.values()), "point": area.point}
        for area in table.areas()
        if area.postcode == about.get("postcode")
        or (place_key(about.get("place", "")) in area.names and about.get("region", area.region) == area.region)
    ]
    return areas or None


def _made(name: str, request: pytest.FixtureRequest) -> Gazetteer:
    if name == "us":
        return us_gazetteer()
    if name == "file":
        return read_gazetteer("DE", request.getfixturevalue("file"))
    return HttpGazetteer("DE", request.getfixturevalue("service"))


@pytest.mark.parametrize("name", list(KNOWN))
@pytest.mark.parametrize("check", gazetteer_checks(), ids=lambda check: check.__name__)
def test_a_gazetteer_keeps_the_contract(name, check, request):
    check(_made(name, request), KNOWN[name])


def _german(*rows: tuple[str | None, str | None, str | None]) -> Batch:
    frame = pd.DataFrame([[*row, "Germany"] for row in rows], columns=["Ort", "Land", "PLZ", "Staat"], dtype=object)
    roles = {"Ort": Role.CITY, "Land": Role.REGION, "PLZ": Role.POSTCODE, "Staat": Role.COUNTRY}
    return Batch(frame, roles)


def _proposals(detector: AddressDetector, batch: Batch) -> dict[int, dict[str, str | None]]:
    found = [finding for finding in detector.detect(batch, RunContext()) if finding.score >= 0.5]
    return {one.subjects[0]: dict(one.proposal.changes) for one in found if isinstance(one.proposal, SetFields)}


@pytest.mark.parametrize("place", ["file", "service"])
def test_a_misspelt_town_is_mended_by_the_gazetteer_that_the_setting_names(place, request, monkeypatch):
    monkeypatch.setenv(gazetteers.VARIABLE, f"DE={request.getfixturevalue(place)}")
    batch = _german(("Nürnberk", "BY", "90402"), ("Nürnberg", "BY", "90402"), ("Entenhausen", "BY", "99999"))
    assert _proposals(AddressDetector(), batch) == {0: {"Ort": "Nürnberg"}}


def test_without_a_setting_the_us_table_is_the_only_one(monkeypatch):
    monkeypatch.delenv(gazetteers.VARIABLE, raising=False)
    assert gazetteers.installed() == [us_gazetteer()]


def test_the_home_table_stays_first_and_a_country_has_one_gazetteer(file, monkeypatch):
    monkeypatch.setenv(gazetteers.VARIABLE, f"DE={file}; AT={file}; DE=/other.csv")
    assert [one.country for one in gazetteers.installed()] == ["US", "AT", "DE"]


def test_geonames_files_are_read_as_they_come(tmp_path):
    path = tmp_path / "DE.txt"
    path.write_text(GEONAMES, encoding="utf-8")
    area = read_gazetteer("DE", path).area("80331")
    assert area is not None
    assert (area.region, area.preferred, area.point) == ("BY", "München", (48.13, 11.57))


@pytest.mark.parametrize("text", ["DE", "DE=", "Germany=/x.csv", "=x", "DE=/no/such/file.csv"])
def test_a_setting_that_cannot_be_is_named(text, monkeypatch):
    monkeypatch.setenv(gazetteers.VARIABLE, text)
    with pytest.raises(gazetteers.GazetteerError, match=gazetteers.VARIABLE):
        gazetteers.installed()


def test_a_file_without_the_columns_says_which(tmp_path):
    path = tmp_path / "de.csv"
    path.write_text("plz,ort\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="postcode, place, region"):
        read_gazetteer("DE", path)


def test_a_service_that_fails_leaves_rows_alone_and_is_soon_left_in_peace(caplog):
    dead = HttpGazetteer("DE", "http://127.0.0.1:9")
    batch = _german(*[("Nürnberk", "BY", f"9040{digit}") for digit in range(8)])
    with caplog.at_level(logging.WARNING):
        assert _proposals(AddressDetector([dead]), batch) == {}
    assert len(caplog.records) == 1
    assert "Nürnberk" not in caplog.text
