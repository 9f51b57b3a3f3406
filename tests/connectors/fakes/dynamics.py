"""Dataverse's Web API, version 9.2, and Microsoft's login, as far as the connector asks.

learn.microsoft.com: query data ($select, $filter, $orderby, odata.maxpagesize, @odata.nextLink), conditional operations
(@odata.etag, If-Match), update rows, entity definitions.
"""

from __future__ import annotations

import re
from typing import Any

from tests.connectors.fakes import Answer, Asked, Fake

TENANT, CLIENT, SECRET, TOKEN = "contoso.example.com", "client-1", "client-secret", "ey-token"
BASE = "/api/data/v9.2/"
PAGE = 3
SETS = {"account": "accounts", "contact": "contacts"}
FIELDS = {
    "account": {
        "accountid": "Uniqueidentifier", "name": "String", "address1_city": "String", "revenue": "Money",
        "primarycontactid": "Lookup", "modifiedon": "DateTime", "statecode": "State", "ownerid": "Owner",
        "new_score": "Integer", "new_thing": "Lookup", "versionnumber": "BigInt",
    },
    "contact": {
        "contactid": "Uniqueidentifier", "firstname": "String", "lastname": "String", "fullname": "String",
        "emailaddress1": "String", "parentcustomerid": "Customer", "modifiedon": "DateTime", "statecode": "State",
    },
}  # fmt: skip
BINDS = {"primarycontactid": "primarycontactid", "parentcustomerid_account": "parentcustomerid"}


def guid(kind: int, number: int) -> str:
    """A key."""
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


class Dynamics(Fake):
    """An environment. Rows: column -> native value."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = {name: {} for name in FIELDS}

    def add(self, about: str, key: str, **values: Any) -> None:
        """A row."""
        self.objects[about][key] = {**dict.fromkeys(FIELDS[about]), "statecode": 0, **values, f"{about}id": key}
        self.edit(about, key)

    def edit(self, about: str, key: str, **values: Any) -> None:
        """What somebody changes in the environment."""
        when = self.tick()
        row = self.objects[about][key]
        row |= {**values, "modifiedon": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "etag": f'W/"{int(when.timestamp())}"'}

    def answer(self, asked: Asked) -> Answer:
        """By path."""
        if asked.path == f"/{TENANT}/oauth2/v2.0/token":
            known = (asked.form["client_id"], asked.form["client_secret"]) == (CLIENT, SECRET)
            assert asked.form["scope"] == f"{self.address}/.default"
            return Answer({"access_token": TOKEN}) if known else Answer({"error": "invalid_client"}, 401)
        if asked.headers["Authorization"] != f"Bearer {TOKEN}":
            return Answer({"error": {"message": "unauthorized"}}, 401)
        path = asked.path.removeprefix(BASE)
        if path == "WhoAmI":
            return Answer({"UserId": guid(9, 9)})
        if path == "RetrieveVersion":
            return Answer({"Version": "9.2.25084.189"})
        if found := re.fullmatch(r"EntityDefinitions\(LogicalName='(\w+)'\)", path):
            return Answer(_definition(found[1]))
        if found := re.fullmatch(r"(\w+)\((.+)\)", path):
            return self._write(found[1], found[2], asked)
        return self._read(path, asked)

    def _write(self, address: str, key: str, asked: Asked) -> Answer:
        name = next(one for one, its in SETS.items() if its == address)
        row = self.objects[name].get(key)
        if row is None:
            return Answer({"error": {"code": "0x80040217", "message": "does not exist"}}, 404)
        if asked.headers["If-Match"] != row["etag"]:
            return Answer({"error": {"code": "0x80060882", "message": "version does not match"}}, 412)
        values = {}
        for given, value in asked.form.items():
            column, is_bind = given.removesuffix("@odata.bind"), given.endswith("@odata.bind")
            if is_bind:
                values[BINDS[column]] = value.partition("(")[2].rstrip(")") if value else None
            elif column in FIELDS[name]:
                values[column] = value
            else:
                return Answer({"error": {"message": f"Invalid property {column}"}}, 400)
        self.edit(name, key, **values)
        return Answer(None, 204)

    def _read(self, address: str, asked: Asked) -> Answer:
        name = next(one for one, its in SETS.items() if its == address)
        rows = sorted(self.objects[name].values(), key=lambda row: (row["modifiedon"], row[f"{name}id"]))
        rows = [row for row in rows if _fits(row, asked.query.get("$filter", ""))]
        start = int(asked.query.get("$skiptoken", 0))
        body: dict[str, Any] = {
            "value": [_read(row, asked.query["$select"].split(",")) for row in rows[start : start + PAGE]]
        }
        if start + PAGE < len(rows):
            kept = "&".join(f"{one}={value}" for one, value in asked.query.items() if one != "$skiptoken")
            body["@odata.nextLink"] = f"{self.address}{BASE}{address}?{kept}&$skiptoken={start + PAGE}"
        return Answer(body)


def _fits(row: dict[str, Any], condition: str) -> bool:
    if not condition:
        return True
    if found := re.fullmatch(r"modifiedon ge (\S+)", condition):
        return bool(row["modifiedon"] >= found[1])
    wanted = [re.fullmatch(r"(\w+) eq ([0-9a-f-]+)", one) for one in condition.split(" or ")]
    return any(row[one[1].removeprefix("_").removesuffix("_value")] == one[2] for one in wanted if one)


def _read(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    found = {name: row[name.removeprefix("_").removesuffix("_value")] for name in names}
    return {"@odata.etag": row["etag"], **found}


def _definition(name: str) -> dict[str, Any]:
    def label(text: str) -> dict[str, Any]:
        return {"UserLocalizedLabel": {"Label": text}}

    attributes = [
        {
            "LogicalName": one, "AttributeType": kind, "DisplayName": label(one), "IsValidForRead": True,
            "IsValidForUpdate": kind != "Uniqueidentifier", "RequiredLevel": {"Value": "None"},
            "IsCustomAttribute": one.startswith("new_"),
        }
        for one, kind in FIELDS[name].items()
    ]  # fmt: skip
    return {
        "LogicalName": name, "EntitySetName": SETS[name], "PrimaryIdAttribute": f"{name}id",
        "DisplayCollectionName": label(SETS[name].title()), "Attributes": attributes,
    }  # fmt: skip
