"""Odoo's JSON-RPC (services common and object), as far as the connector asks.

odoo.com/documentation: External API (authenticate, execute_kw: fields_get, search_read, search_count, read, write).
Times are read to the second; empty fields are false; archived rows are found only without `active_test`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from tests.connectors.fakes import Answer, Asked, Fake

DATABASE, USER, KEY = "crm", "quality@example.com", "api-key-1"
FIELDS: dict[str, dict[str, dict[str, Any]]] = {
    "res.partner": {
        "name": {"type": "char", "required": True}, "city": {"type": "char"}, "email": {"type": "char"},
        "is_company": {"type": "boolean"}, "active": {"type": "boolean"},
        "parent_id": {"type": "many2one", "relation": "res.partner"},
        "country_id": {"type": "many2one", "relation": "res.country"},
        "x_score": {"type": "float"}, "image_1920": {"type": "binary"},
    },
    "crm.lead": {
        "name": {"type": "char", "required": True}, "partner_id": {"type": "many2one", "relation": "res.partner"},
        "expected_revenue": {"type": "monetary"}, "active": {"type": "boolean"},
        "date_deadline": {"type": "date"},
    },
    "sale.order": {
        name: {"type": "many2one", "relation": "res.partner"}
        for name in ("partner_id", "partner_invoice_id", "partner_shipping_id")
    },
}  # fmt: skip
_COMPARE = {
    ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne, "in": lambda one, other: one in other,
}  # fmt: skip


class Refused(Exception):
    """What Odoo raises: (name of the exception, message)."""


class Odoo(Fake):
    """A database. Rows: field -> native value; many2one as the id, or False."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = {name: {} for name in FIELDS}

    def add(self, about: str, key: int, **values: Any) -> None:
        """A row."""
        blank = dict.fromkeys(FIELDS[about], False)
        self.objects[about][str(key)] = {**blank, "active": True, **values, "id": key}
        self.edit(about, str(key))

    def edit(self, about: str, key: str, **values: Any) -> None:
        """What somebody changes in the database."""
        changed = {name: False if value is None else value for name, value in values.items()}
        self.objects[about][key] |= {**changed, "write_date": self.tick().strftime("%Y-%m-%d %H:%M:%S")}

    def answer(self, asked: Asked) -> Answer:
        """One call."""
        params = asked.form["params"]
        try:
            return Answer({"jsonrpc": "2.0", "id": 0, "result": self._called(params)})
        except Refused as refused:
            name, message = refused.args
            data = {"name": name, "message": message}
            return Answer({"jsonrpc": "2.0", "id": 0, "error": {"code": 200, "message": "Odoo", "data": data}})

    def _called(self, params: Mapping[str, Any]) -> Any:
        match params["service"], params["method"], params["args"]:
            case "common", "version", []:
                return {"server_version": "18.0"}
            case "common", "authenticate", [database, user, key, {}]:
                return 7 if (database, user, key) == (DATABASE, USER, KEY) else False
            case "object", "execute_kw", [_, 7, key, model, method, given, named] if key == KEY:
                return self._executed(model, method, given, named)
        raise Refused("odoo.exceptions.AccessDenied", "Access Denied")

    def _executed(self, model: str, method: str, given: list[Any], named: dict[str, Any]) -> Any:
        if (model, method) == ("res.users", "read"):
            return [{"id": 7, "name": "CRM Quality"}]
        if model == "ir.model":
            return [{"model": name} for name in given[0][0][2] if name in FIELDS]
        if method == "fields_get":
            common = {"readonly": False, "required": False, "store": True}
            return {name: {"string": name, **common, **field} for name, field in FIELDS[model].items()}
        if method == "write":
            (key,), values = given
            if set(values) - set(FIELDS[model]):
                raise Refused("builtins.ValueError", "Invalid field")
            self.edit(model, str(key), **values)
            return True
        rows = [row for row in self.objects[model].values() if all(_fits(row, one) for one in given[0])]
        if named["context"].get("active_test", True):
            rows = [row for row in rows if row["active"]]
        if method == "search_count":
            return len(rows)
        column, _, descending = named.get("order", "id").partition(" ")
        rows.sort(key=lambda row: row[column], reverse=bool(descending))
        return [self._read(model, row, named["fields"]) for row in rows[: named.get("limit")]]

    def _read(self, model: str, row: Mapping[str, Any], fields: list[str]) -> dict[str, Any]:
        found = {"id": row["id"]}
        for name in fields:
            value = row[name]
            is_link = FIELDS[model].get(name, {}).get("type") == "many2one"
            found[name] = [value, f"#{value}"] if is_link and value else value
        return found


def _fits(row: Mapping[str, Any], condition: list[Any]) -> bool:
    name, how, value = condition
    return bool(_COMPARE[how](row[name], value))
