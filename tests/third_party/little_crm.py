"""Connects a small CRM over HTTP, as a third party would write it."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crmquality.connectors.contract import (
    Call,
    FieldKind,
    FieldType,
    Hint,
    Line,
    Merging,
    ObjectType,
    Page,
    Quota,
    Row,
    Step,
    System,
    SystemConnector,
    Write,
)
from crmquality.connectors.faults import Denied, Invalid
from crmquality.connectors.http import Http
from crmquality.connectors.settings import Setting, SettingKind

REFERENCES = {"account": "accounts"}
KINDS = ("contacts", "accounts", "leads", "opportunities")


class LittleCrmConnector(SystemConnector):
    """GET, PATCH with If-Match, and signed webhooks."""

    name = "littlecrm"
    title = "Little CRM"
    hears = True
    settings = (
        Setting("address", "Address", SettingKind.URL, required=True, address=True),
        Setting("token", "Token", secret=True, required=True),
        Setting("page_rows", "Rows a page", SettingKind.NUMBER, default=3, least=1, most=1000),
    )

    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> System:
        return LittleCrm(settings, secrets, line)

    def hear(
        self, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str], *, address: str
    ) -> Sequence[Hint]:
        signature = hmac.new(secrets["token"].encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("x-signature", ""), signature):
            raise Denied("The webhook is not signed by this CRM.")
        return [Hint(one["object"], one["id"]) for one in json.loads(body)]


class LittleCrm(System):
    """One session."""

    def __init__(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> None:
        self.rows = settings["page_rows"]
        self.http = Http(settings["address"], line, {"Authorization": f"Bearer {secrets['token']}"})
        self.said: Quota | None = None

    def check(self) -> str:
        found = self._get("/")
        return f"{found['name']} {found['version']} answers."

    def describe(self) -> Sequence[ObjectType]:
        return [self._object(name, fields) for name, fields in self._get("/")["objects"].items()]

    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        at = json.loads(since) if since else {"since": 0, "after": "", "clock": None}
        while True:
            found = self._get(f"/{name}", since=at["since"], after=at["after"], limit=self.rows)
            at["clock"] = found["clock"] if at["clock"] is None else at["clock"]
            rows = [self._row(one) for one in found["rows"]]
            at["after"] = rows[-1].id if rows else at["after"]
            if not found["more"]:
                at = {"since": at["clock"], "after": "", "clock": None}
            yield Page.of(rows, fields, json.dumps(at))
            if not found["more"]:
                return

    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        found = self._get(f"/{name}", ids=",".join(ids))["rows"] if ids else []
        return {row.id: row for row in map(self._row, found)}

    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        if not isinstance(step, Write):
            raise Invalid("No such act.")
        values: dict[str, Any] = {name: after for name, (_, after) in step.values.items()}
        if "active" in values:
            values["active"] = values["active"] == "yes"
        return [Call("PATCH", f"/{step.object}/{step.id}", {"values": values, "version": row.version})]

    def send(self, call: Call, *, key: str) -> None:
        headers = {"If-Match": f'"{call.body["version"]}"', "Idempotency-Key": key}
        self.http.ask(call.method, call.address, call.body["values"], headers=headers)

    def referring(self, name: str, field: str, ids: Sequence[str]) -> Mapping[str, str]:
        found = self._get(f"/{name}", field=field, values=",".join(ids))["rows"]
        return {one["id"]: one[field] for one in found}

    def quota(self) -> Quota | None:
        return self.said

    def close(self) -> None:
        self.http.close()

    def _get(self, path: str, **query: Any) -> Any:
        answer = self.http.ask("GET", path, **query)
        if "/" in answer.headers.get("X-Quota", ""):
            used, limit = answer.headers["X-Quota"].split("/")
            self.said = Quota(int(limit), int(used))
        return answer.json()

    @staticmethod
    def _row(found: dict[str, Any]) -> Row:
        values = {name: value for name, value in found.items() if name != "version"}
        values["active"] = "yes" if found["active"] else "no"
        return Row(found["id"], str(found["version"]), values, inactive=not found["active"])

    @staticmethod
    def _object(name: str, fields: Sequence[str]) -> ObjectType:
        described = [FieldType("id", "Id", writable=False)]
        described += [FieldType(one, one.title(), refers_to=REFERENCES.get(one, "")) for one in fields]
        described.append(FieldType("active", "Active", FieldKind.FLAG, choices=("yes", "no")))
        kind = name if name in KINDS else ""
        return ObjectType(
            name, name.title(), tuple(described), kind, merging=Merging.EMULATED, inactive_field=("active", "no")
        )
