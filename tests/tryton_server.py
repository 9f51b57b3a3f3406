"""Tryton 8.2 for tests: a server of its own on SQLite, in a virtual environment and process of its own.

`python -m tests.tryton_server` (make test does it) installs trytond and makes the database once, with a company, two
users, and 1,000 dirty parties and opportunities: about two minutes. A test copies the database file and starts a server
on it. Tryton is GPL: nothing of it is imported here.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

PACKAGES = ("trytond==8.2.1", "trytond_party==8.2.0", "trytond_sale_opportunity==8.2.0")
HOME = Path(os.environ.get("CRMQUALITY_TRYTON") or Path(sys.prefix) / "tryton")
ADMIN, OURS = ("admin", "admin-secret"), ("crmquality", "crmquality-secret")
PARTIES = 1_000
_SET_UP = r"""
import datetime, json, sys
from decimal import Decimal
from trytond import config
config.update_etc(sys.argv[1])
from trytond.pool import Pool
from trytond.transaction import Transaction
Pool.start()
pool = Pool("base")
pool.init()
given = json.load(open(sys.argv[2]))
with Transaction().start("base", 1):
    get = pool.get
    currency, = get("currency.currency").create([{"name": "Euro", "code": "EUR", "symbol": "E"}])
    us, = get("country.country").create([{"name": "United States", "code": "US"}])
    firm, boss = get("party.party").create([{"name": "Our Company"}, {"name": "Sally Seller"}])
    company, = get("company.company").create([{"party": firm.id, "currency": currency.id}])
    employee, = get("company.employee").create([{"party": boss.id, "company": company.id}])
    User = get("res.user")
    groups = [group.id for group in get("res.group").search([])]
    (ours,) = User.create([{"name": "CRM Quality", "login": "crmquality", "password": "crmquality-secret",
        "groups": [("add", groups)], "companies": [("add", [company.id])], "company": company.id}])
    User.write(User.search([("login", "=", "admin")]), {
        "groups": [("add", groups)], "companies": [("add", [company.id])], "company": company.id})
    configuration = get("sale.configuration")(1)
    with Transaction().set_context(company=company.id, employee=employee.id):
        parties = get("party.party").create([{
            "name": one["name"],
            "addresses": [("create", [{"street": one["street"], "city": one["city"], "postal_code": one["postcode"],
                                       "country": us.id}])] if one["city"] else [],
            "contact_mechanisms": [("create", [{"type": kind, "value": one[kind]} for kind in ("email", "phone")
                                                if one[kind]])],
        } for one in given["parties"]])
        get("sale.opportunity").create([{
            "number": one["number"], "party": parties[one["party"]].id, "company": company.id,
            "currency": currency.id, "employee": employee.id, "description": one["description"],
            "amount": Decimal(one["amount"]), "start_date": datetime.date.fromisoformat(one["start"]),
            "conversion_probability": 0.5, "state": one["state"],
        } for one in given["opportunities"]])
    Transaction().commit()
"""

BASE = HOME / f"base-{hashlib.sha256(f'{PACKAGES}{_SET_UP}'.encode()).hexdigest()[:12]}.sqlite"


@dataclass(frozen=True)
class Tryton:
    """A running server, and its database file."""

    address: str
    database: str
    file: Path

    def settings(self, login: tuple[str, str] = OURS, **more: Any) -> dict[str, Any]:
        """What a person fills in to connect it."""
        user, password = login
        return {"address": self.address, "database": self.database, "user": user, "password": password, **more}

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """What stands in the database file."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as connection:
            return connection.execute(query, given).fetchall()


def prepare() -> None:
    """Install Tryton and make the database, unless both are there."""
    python = HOME / "bin" / "python"
    if not (HOME / "bin" / "trytond").exists():
        venv.create(HOME, with_pip=True)
        words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([python, *words, *PACKAGES], check=True)
    if BASE.exists():
        return
    with tempfile.TemporaryDirectory(dir=HOME) as name:
        folder = Path(name)
        configuration = _configuration(folder, 0)
        (folder / "base.sqlite").touch()
        (folder / "password").write_text(ADMIN[1])
        environment = os.environ | {"TRYTONPASSFILE": str(folder / "password")}
        admin = [HOME / "bin" / "trytond-admin", "-c", configuration, "-d", "base"]
        more = ["-u", "sale_opportunity", "--activate-dependencies", "--email", "admin@example.com"]
        subprocess.run([*admin, *more, "--language", "en", "-p"], check=True, env=environment)
        (folder / "given.json").write_text(_dirty())
        (folder / "set_up.py").write_text(_SET_UP)
        subprocess.run([python, folder / "set_up.py", configuration, folder / "given.json"], check=True)
        for old in HOME.glob("base-*.sqlite"):
            old.unlink()
        (folder / "base.sqlite").rename(BASE)


@contextmanager
def serving(folder: Path, *, parties: int | None = None) -> Iterator[Tryton]:
    """A server on a copy of the database; of the first so many parties only, if a number is given.

    Skips the test where Tryton was not prepared; fails it in CI.
    """
    if not BASE.exists():
        reason = f"Tryton is not prepared in {HOME}: python -m tests.tryton_server (make test does it)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    file = folder / "crm.sqlite"
    shutil.copyfile(BASE, file)
    if parties is not None:
        _shorten(file, parties)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [HOME / "bin" / "trytond", "-c", _configuration(folder, port), "-d", "crm"]
    with (folder / "trytond.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}", process)
        yield Tryton(f"http://127.0.0.1:{port}", "crm", file)
    finally:
        process.terminate()
        process.wait(20)


def _configuration(folder: Path, port: int) -> Path:
    path = folder / "trytond.conf"
    path.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n[session]\nmax_age = 86400\n"
    )
    return path


def _shorten(file: Path, parties: int) -> None:
    """Forget all but so many parties, from the third on: the first two are the company and its employee."""
    with closing(sqlite3.connect(file)) as connection:
        for table in ("sale_opportunity", "party_address", "party_contact_mechanism"):
            connection.execute(f"DELETE FROM {table} WHERE party > ?", [parties + 2])
        connection.execute("DELETE FROM party_party WHERE id > ?", [parties + 2])
        connection.commit()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, "trytond ended"
        try:
            body = {"id": 0, "method": "common.server.version", "params": []}
            requests.post(f"{address}/rpc/", json=body, timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError("trytond does not answer")


def _dirty() -> str:
    """1,000 parties as the sample's accounts and contacts are, duplicates and faults among them, and opportunities."""
    import json

    import pandas as pd

    from crmquality import sample

    draw = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        written = sample.generate(Path(folder), contacts=PARTIES, seed=5)
        people = pd.read_csv(written.files["contacts"], dtype=str, keep_default_na=False).head(PARTIES)
    parties = [
        {
            "name": f"{one['First Name']} {one['Last Name']}".strip() or "?",
            "street": one["Mailing Street"], "city": one["Mailing City"], "postcode": one["Mailing Postal Code"],
            "email": one["Email"], "phone": one["Phone"],
        }
        for one in people.to_dict("records")
    ]  # fmt: skip
    opportunities = [
        {
            "number": f"O{number:05}", "party": number, "description": draw.choice(["Renewal", "renewal", "New  deal"]),
            "amount": f"{draw.randrange(100, 90_000)}.00", "state": draw.choice(["lead", "opportunity"]),
            "start": f"2026-0{draw.randrange(1, 10)}-1{draw.randrange(10)}",
        }
        for number in range(PARTIES)
    ]  # fmt: skip
    return json.dumps({"parties": parties, "opportunities": opportunities})


if __name__ == "__main__":
    prepare()
