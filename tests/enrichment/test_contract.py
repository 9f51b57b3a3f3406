"""The contract of look-ups over every adapter, and the keys by which they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest

from crmquality.connectors.contract import Line
from crmquality.connectors.faults import Invalid
from crmquality.connectors.settings import read
from crmquality.enrichment import files, registry
from crmquality.enrichment.files import FileAdapter
from crmquality.enrichment.http import HttpAdapter
from crmquality.enrichment.matching import key_of, same
from crmquality.enrichment.testing import Bench, Check, all_checks
from detectors.roles import Role
from tests.connectors.fakes import served
from tests.enrichment.benches import FileBench, HttpBench, Register, http_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of look-ups."""
    monkeypatch.setattr(files, "lookup_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def bench(request: pytest.FixtureRequest, folder: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield FileBench(folder) if request.param == "file" else HttpBench(stack.enter_context(served(Register())))


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
@pytest.mark.parametrize("bench", ["file", "http"], indirect=True)
def test_a_look_up_keeps_the_contract(check: Check, bench: Bench) -> None:
    check(bench)


def test_both_are_found_by_entry_point() -> None:
    assert {"file", "http"} <= set(registry.available())
    assert [one.title for one in registry.adapters()] == ["File", "HTTP service"]
    with pytest.raises(registry.UnknownAdapter):
        registry.load("oracle")


def asked(folder: Path, key: Role, text: str, **given: object) -> object:
    plain, secrets = read(FileAdapter.settings, given)
    with FileAdapter().open(key, plain, secrets, Line()) as look_up:
        return look_up.ask([text])[0]


def test_a_parquet_file_is_a_look_up_too(folder: Path) -> None:
    pl.DataFrame({"Email": ["ann@acme.example"], "Job title": ["Buyer"]}).write_parquet(folder / "people.parquet")
    found = asked(folder, Role.EMAIL, "ann@acme.example", file="people.parquet")
    assert found.values == {Role.JOB_TITLE: "Buyer"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "none.csv", "."])
def test_no_file_outside_of_the_folder_is_opened(folder: Path, name: str) -> None:
    (folder.parent / "secret.csv").write_text("Email,City\na@b.example,Rome\n")
    with pytest.raises(Invalid, match="There is no file"):
        asked(folder, Role.EMAIL, "a@b.example", file=name)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"file": "c.csv", "columns": ["Town=place"]}, "no meaning"),
        ({"file": "c.csv", "columns": ["Nope=city"]}, "no column 'Nope'"),
        ({"file": "c.csv", "address": "Nope"}, "no column 'Nope'"),
        ({"file": "t.csv"}, "no column that holds a email"),
    ],
)
def test_settings_that_do_not_fit_the_file_are_named(folder: Path, given: dict[str, object], why: str) -> None:
    (folder / "c.csv").write_text("Email,Town\na@b.example,Rome\n")
    (folder / "t.csv").write_text("City,Country\nRome,IT\n")
    with pytest.raises(Invalid, match=why):
        asked(folder, Role.EMAIL, "a@b.example", **given)


def test_a_key_can_stand_in_the_path_and_what_is_not_known_is_404(folder: Path) -> None:
    with served(Register()) as fake:
        given = http_settings(fake, address=f"{fake.address}/by/{{key}}", parameter="", within="")  # type: ignore[arg-type]
        plain, secrets = read(HttpAdapter.settings, given)
        with HttpAdapter().open(Role.WEBSITE, plain, secrets, Line()) as look_up:
            found, nobody = look_up.ask(["acme.example", "../companies"])
        assert found is not None
        assert (found.title, found.address) == ("Acme Ltd", "https://reg.example/1")
        assert nobody is None


@pytest.mark.parametrize(
    "more", [{"parameter": ""}, {"values": ["planet=name"]}, {"values": ["city="]}, {"address": "https://x/{key}"}]
)
def test_a_service_whose_settings_do_not_fit_is_refused(more: dict[str, object]) -> None:
    given = {"address": "https://x", "parameter": "q", "values": ["city=town"], **more}
    plain, secrets = read(HttpAdapter.settings, given)
    with pytest.raises(Invalid):
        HttpAdapter().open(Role.WEBSITE, plain, secrets, Line())


@pytest.mark.parametrize(
    ("role", "text", "key"),
    [
        (Role.WEBSITE, "HTTPS://www.Acme.example/about?x=1", "acme.example"),
        (Role.WEBSITE, "ann@acme.example", "acme.example"),
        (Role.WEBSITE, "ann@gmail.com", ""),
        (Role.WEBSITE, "acme", ""),
        (Role.WEBSITE, "http://[bad", ""),
        (Role.EMAIL, " Ann@Acme.Example ", "ann@acme.example"),
        (Role.EMAIL, "ann at acme", ""),
        (Role.PHONE, "+49 (30) 123-45678", "3012345678"[-9:]),
        (Role.PHONE, "12", ""),
        (Role.TAX_ID, "DE 136.695-976", "DE136695976"),
        (Role.COMPANY, "Bolt GmbH & Co. KG", "bolt"),
        (Role.COMPANY, "AG", "ag"),
        (Role.NAME, "  Ann   LEE ", "ann lee"),
        (Role.NAME, "", ""),
    ],
)
def test_a_key_is_the_same_for_every_spelling(role: Role, text: str, key: str) -> None:
    assert key_of(role, text) == key
    assert key_of(role, key) == key


def test_values_that_differ_in_spelling_only_are_the_same() -> None:
    assert same(Role.CITY, "Boston", " boston")
    assert same(Role.WEBSITE, "https://acme.example", "acme.example")
    assert not same(Role.CITY, "Boston", "Bosten")
    assert not same(Role.WEBSITE, "x", "y")
