"""Salesforce's REST and Bulk 2.0 APIs, version 62.0, as far as the connector asks.

developer.salesforce.com: REST API Developer Guide (sObject Describe, Rows, Query, QueryAll, If-Unmodified-Since) and
Bulk API 2.0 (query jobs, results by locator).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from tests.connectors.fakes import Answer, Asked, Fake

KEY, SECRET, TOKEN = "consumer-key", "consumer-secret", "00D-token"
BASE = "/services/data/v62.0/"
PAGE = 3
FIELDS: dict[str, dict[str, str]] = {
    "Account": {"Name": "string", "BillingCity": "string", "AnnualRevenue": "currency", "IsActive__c": "boolean"},
    "Contact": {
        "FirstName": "string", "LastName": "string", "Email": "email", "AccountId": "reference", "Birthdate": "date",
        "IsActive__c": "boolean",
    },
}  # fmt: skip
_OWN = {"Id": "id", "SystemModstamp": "datetime", "IsDeleted": "boolean"}


class Salesforce(Fake):
    """An org. Rows: field -> native value."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, list[dict[str, Any]]] = {}
        self.left: dict[str, list[dict[str, Any]]] = {}
        self.objects = {name: {} for name in FIELDS}

    def add(self, about: str, key: str, **values: Any) -> None:
        """A row."""
        blank = dict.fromkeys(FIELDS[about])
        self.objects[about][key] = {**blank, "IsActive__c": True, **values, "Id": key, "IsDeleted": False}
        self.edit(about, key)

    def edit(self, about: str, key: str, **values: Any) -> None:
        """What somebody changes in the org."""
        stamp = self.tick().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        self.objects[about][key] |= {**values, "SystemModstamp": stamp}

    def answer(self, asked: Asked) -> Answer:
        """By path."""
        if asked.path == "/services/oauth2/token":
            known = asked.form["client_id"] == KEY and asked.form["client_secret"] == SECRET
            return Answer({"access_token": TOKEN}) if known else Answer({"error": "invalid_client"}, 400)
        if asked.headers["Authorization"] != f"Bearer {TOKEN}":
            return Answer([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired"}], 401)
        found = self._answer(asked)
        found.headers["Sforce-Limit-Info"] = f"api-usage={self.calls}/15000"
        return found

    def _answer(self, asked: Asked) -> Answer:
        if asked.path == "/services/oauth2/userinfo":
            return Answer({"preferred_username": "quality@example.com"})
        match asked.path.removeprefix(BASE).strip("/").split("/"):
            case ["sobjects", name, "describe"]:
                return Answer(self._describe(name)) if name in FIELDS else Answer([{"message": "no such"}], 404)
            case ["sobjects", name, key]:
                return self._write(name, key, asked)
            case ["query" | "queryAll" as how]:
                return self._query(asked.query["q"], deleted=how == "queryAll")
            case ["query" | "queryAll", rest]:
                return self._some(self.left.pop(rest), more=False)
            case ["jobs", "query"]:
                job = f"job{len(self.jobs)}"
                self.jobs[job] = self._selected(asked.form["query"], deleted=asked.form["operation"] == "queryAll")
                return Answer({"id": job, "state": "UploadComplete"})
            case ["jobs", "query", job]:
                return Answer({"id": job, "state": "JobComplete"})
            case ["jobs", "query", job, "results"]:
                return self._results(job, int(asked.query.get("locator", 0)))
        return Answer([{"errorCode": "NOT_FOUND", "message": asked.path}], 404)

    def _describe(self, name: str) -> dict[str, Any]:
        def field(one: str, kind: str) -> dict[str, Any]:
            refers = ["Account"] if kind == "reference" else []
            return {
                "name": one, "label": one, "type": kind, "updateable": one not in _OWN, "nillable": True,
                "length": 80 if kind == "string" else 0, "picklistValues": [], "referenceTo": refers,
            }  # fmt: skip

        fields = [field(one, kind) for one, kind in {**FIELDS[name], "MailingAddress": "address", **_OWN}.items()]
        return {"name": name, "label": name, "labelPlural": f"{name}s", "updateable": True, "fields": fields}

    def _write(self, name: str, key: str, asked: Asked) -> Answer:
        row = self.objects[name].get(key)
        if row is None or row["IsDeleted"]:
            return Answer([{"errorCode": "ENTITY_IS_DELETED", "message": "entity is deleted"}], 404)
        stamp = self.clock.__class__.fromisoformat(row["SystemModstamp"].replace("+0000", "+00:00"))
        if stamp > parsedate_to_datetime(asked.headers["If-Unmodified-Since"]):
            return Answer([{"errorCode": "PRECONDITION_FAILED", "message": "changed"}], 412)
        if set(asked.form) - set(FIELDS[name]):
            return Answer([{"errorCode": "INVALID_FIELD", "message": "no such column"}], 400)
        self.edit(name, key, **asked.form)
        return Answer(None, 204)

    def _query(self, query: str, *, deleted: bool) -> Answer:
        rows = self._selected(query, deleted=deleted)
        if "COUNT()" in query:
            return Answer({"totalSize": len(rows), "done": True, "records": []})
        return self._some(rows, more=True)

    def _some(self, rows: list[dict[str, Any]], *, more: bool) -> Answer:
        first, rest = (rows[:PAGE], rows[PAGE:]) if more else (rows, [])
        body: dict[str, Any] = {"totalSize": len(rows), "done": not rest, "records": first}
        if rest:
            key = f"01g{len(self.left)}-{PAGE}"
            self.left[key] = rest
            body["nextRecordsUrl"] = f"{BASE}query/{key}"
        return Answer(body)

    def _results(self, job: str, start: int) -> Answer:
        rows, size = self.jobs[job], 4
        out = io.StringIO()
        names = list(rows[0]) if rows else ["Id"]
        writer = csv.DictWriter(out, [name for name in names if name != "attributes"], extrasaction="ignore")
        writer.writeheader()
        for row in rows[start : start + size]:
            writer.writerow({name: _spelt(value) for name, value in row.items()})
        locator = str(start + size) if start + size < len(rows) else "null"
        headers = {"Sforce-Locator": locator, "Sforce-NumberOfRecords": str(len(rows[start : start + size]))}
        return Answer(out.getvalue(), headers=headers)

    def _selected(self, query: str, *, deleted: bool) -> list[dict[str, Any]]:
        """SELECT a, b FROM c [WHERE ...] [ORDER BY SystemModstamp ASC, Id ASC]: the conditions the connector makes."""
        found = re.fullmatch(r"SELECT (.+) FROM (\w+)(?: WHERE (.+?))?(?: ORDER BY SystemModstamp ASC, Id ASC)?", query)
        assert found, query
        names, about, where = found.groups()
        keep = _condition(where or "")
        rows = [row for row in self.objects[about].values() if keep(row) and (deleted or not row["IsDeleted"])]
        rows.sort(key=lambda row: (row["SystemModstamp"], row["Id"]))
        return [
            {"attributes": {"type": about}, **{name: row[name] for name in names.split(", ") if name != "COUNT()"}}
            for row in rows
        ]


def _condition(where: str) -> Callable[[dict[str, Any]], bool]:
    stamp = r"(\d{4}-\d\d-\d\dT[\d:]+)\.000Z"
    if not where:
        return lambda row: True
    if found := re.fullmatch(rf"SystemModstamp >= {stamp}", where):
        return lambda row: row["SystemModstamp"][:19] >= found[1]
    if found := re.fullmatch(rf"SystemModstamp > {stamp} OR \(SystemModstamp = {stamp} AND Id > '(\w+)'\)", where):
        return lambda row: (row["SystemModstamp"][:19], row["Id"]) > (found[1], found[3])
    found = re.fullmatch(r"(\w+) IN \((.+)\)", where)
    assert found, where
    keys = re.findall(r"'(\w+)'", found[2])
    return lambda row: row[found[1]] in keys


def _spelt(value: Any) -> str:
    """A value as Bulk 2.0 writes it into CSV."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value).replace("+0000", "Z")
