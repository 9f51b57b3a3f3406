"""The systems that the contract is run over."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crmquality.connectors.contract import Line
from crmquality.connectors.sql import SqlConnector
from crmquality.connectors.testing import Bench
from crmquality.connectors.tryton import TrytonConnector
from crmquality.connectors.tryton_rpc import Rpc
from tests.crm_server import TOKEN, Crm, serving
from tests.databases import databases
from tests.tryton_server import ADMIN, Tryton

THIRD_PARTY = Path(__file__).parents[1] / "third_party" / "little_crm.py"
NAMES = ("Ann Lee", "Bob Ray", "Cy Poe", "Dee Fox", "Eve Orr", "Flo Ray", "Gus Lum")


def little_crm() -> Any:
    """The third party's module, without installing it."""
    spec = importlib.util.spec_from_file_location("little_crm", THIRD_PARTY)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class LittleBench(Bench):
    """A third party's connector to a CRM over HTTP."""

    about = "accounts"
    text_field = "city"

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.connector = little_crm().LittleCrmConnector()
        self.given = {"address": crm.address, "token": TOKEN}
        for number, name in enumerate(NAMES):
            crm.add("accounts", f"A{number}", name=name, city="Bostn", note=None)
            crm.add("contacts", f"C{number}", name=name, account=f"A{number}")

    def edit(self, key: str, name: str, value: str | None) -> None:
        self.crm.edit(self.about, key, **{name: value})

    def deactivate(self, key: str) -> bool:
        self.crm.edit(self.about, key, active=False)
        return True

    def wrong_login(self) -> Mapping[str, Any]:
        return {**self.given, "token": "not-the-token"}

    def webhook(self) -> tuple[Mapping[str, str], bytes]:
        body = json.dumps([{"object": "contacts", "id": "C1"}]).encode()
        return {"x-signature": hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()}, body


METADATA = sa.MetaData()
ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("city", sa.String(80)),
    sa.Column("revenue", sa.Numeric(12, 2)),
    sa.Column("founded", sa.Date),
    sa.Column("score", sa.Float),
    sa.Column("deleted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("updated_at", sa.DateTime, nullable=False),
)
CONTACTS = sa.Table(
    "contacts",
    METADATA,
    sa.Column("code", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(80)),
    sa.Column("account_id", sa.ForeignKey("accounts.id")),
)


def fill(engine: sa.Engine, *, offset: int = 0) -> None:
    """Accounts and contacts."""
    import datetime as dt

    METADATA.drop_all(engine)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        for number, name in enumerate(NAMES):
            row = {"id": number + 1 + offset, "name": name, "city": "Bostn", "revenue": f"{number}.50"}
            row |= {"founded": dt.date(2001, 2, 3 + number), "score": number / 3}
            connection.execute(sa.insert(ACCOUNTS).values(**row, updated_at=dt.datetime(2026, 1, 1, 12, number)))
            row = {"code": f"K{number + offset}", "name": name, "account_id": number + 1 + offset}
            connection.execute(sa.insert(CONTACTS).values(**row))


class SqlBench(Bench):
    """A database of accounts and contacts; several, if `names` holds several."""

    about = "accounts"
    text_field = "city"
    connector = SqlConnector()

    def __init__(self, engines: Mapping[str, sa.Engine], given: Mapping[str, Any]) -> None:
        self.engines = engines
        self.given = {**given, "inactive": ["accounts.deleted=1"]}
        for place, engine in enumerate(engines.values()):
            fill(engine, offset=10 * place)

    def edit(self, key: str, name: str, value: str | None) -> None:
        import datetime as dt

        database, _, number = key.rpartition("/")
        engine = self.engines[database] if database else next(iter(self.engines.values()))
        change = sa.update(ACCOUNTS).where(ACCOUNTS.c.id == int(number))
        with engine.begin() as connection:
            connection.execute(change.values({name: value, "updated_at": dt.datetime(2026, 2, 1)}))

    def deactivate(self, key: str) -> bool:
        self.edit(key, "deleted", "1")
        return True

    def wrong_login(self) -> Mapping[str, Any] | None:
        if self.given["dialect"] == "sqlite":
            return None
        return {**self.given, "user": "crmq_nobody", "password": "wrong-and-secret"}


@contextmanager
def sql_engines_of(dialect: str, count: int, folder: Path) -> Iterator[tuple[dict[str, sa.Engine], dict[str, Any]]]:
    """Engines of new databases, of a running server or as SQLite files below a folder, and how to connect them."""
    if dialect == "sqlite":
        names = [f"branch{number}.db" for number in range(count)]
        engines = {name: sa.create_engine(f"sqlite:///{folder / name}") for name in names}
        yield engines, {"dialect": "sqlite", "databases": names}
        return
    with databases(dialect, count) as (server, names):
        yield {name: server.engine(name) for name in names}, server.settings(*names)


@contextmanager
def little_bench() -> Iterator[LittleBench]:
    """A bench on a CRM of this process."""
    with serving(Crm()) as crm:
        yield LittleBench(crm)


class TrytonBench(Bench):
    """A few parties and opportunities of a running Tryton."""

    about = "party.party"
    text_field = "city"

    def __init__(self, tryton: Tryton) -> None:
        self.tryton = tryton
        self.connector = TrytonConnector()
        self.given = tryton.settings()
        with self._admin() as rpc:
            out_of_use = rpc.model(self.about, "search", [["active", "=", False]])
            if out_of_use:
                rpc.model(self.about, "write", out_of_use, {"active": True})
        for key in ("1", "2"):
            self.edit(key, "city", "Bostn")

    def edit(self, key: str, name: str, value: str | None) -> None:
        with self._admin() as rpc:
            address = rpc.model("party.address", "search", [["party", "=", int(key)]], 0, 1)
            if address:
                rpc.model("party.address", "write", address, {name: value})
            else:
                rpc.model("party.address", "create", [{"party": int(key), name: value}])

    def deactivate(self, key: str) -> bool:
        with self._admin() as rpc:
            rpc.model(self.about, "write", [int(key)], {"active": False})
        return True

    def wrong_login(self) -> Mapping[str, Any]:
        return self.tryton.settings(("crmquality", "wrong-and-secret"))

    @contextmanager
    def _admin(self) -> Iterator[Rpc]:
        rpc = Rpc(self.tryton.address, self.tryton.database, *ADMIN, Line())
        yield rpc
        rpc.close()
