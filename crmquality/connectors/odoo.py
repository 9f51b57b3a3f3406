"""Odoo (14 to 19) over JSON-RPC: partners, leads and opportunities.

Known traps, and what is done about them. Archived rows vanish from every search unless the context says
`active_test: False`. `write_date` is read to the second and kept to the microsecond, so it cannot tell two changes of
one second: a row's version is a digest of all its values. Odoo has no condition on a write, so a row is read once more
right before it is written, and refused if it changed; what somebody writes in the milliseconds between is found when
the row is read back. Empty fields are `false`. Odoo's own merging cannot be taken back; so rows are merged by writes,
which can be undone.

(OdooRPC was last released in August 2023; two methods of JSON-RPC are all that is needed.) Written from Odoo's
published API, tested against a small server made from it; not run against the live service.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from xxhash import xxh3_128_hexdigest

from crmquality.connectors import vendors
from crmquality.connectors.contract import (
    Call,
    FieldKind,
    FieldType,
    Line,
    Merge,
    Merging,
    ObjectType,
    Page,
    Plan,
    Row,
    Step,
    System,
    SystemConnector,
    Write,
    emulated_merge,
)
from crmquality.connectors.faults import Denied, Gone, Invalid, Stale, SystemFault, Unreachable
from crmquality.connectors.http import Http
from crmquality.connectors.settings import Setting, SettingKind
from detectors.roles import Role

PAGE_ROWS = 500
PARTNER, LEAD = "res.partner", "crm.lead"
EVERYTHING = {"active_test": False, "lang": "en_US"}
_STANDARD = {
    PARTNER: (
        "name", "is_company", "parent_id", "email", "phone", "mobile", "street", "street2", "zip", "city", "state_id",
        "country_id", "vat", "website", "function", "ref", "lang", "comment", "user_id", "create_date", "active",
    ),
    LEAD: (
        "name", "type", "partner_id", "contact_name", "partner_name", "email_from", "phone", "street", "zip", "city",
        "state_id", "country_id", "expected_revenue", "probability", "stage_id", "date_deadline", "date_closed",
        "user_id", "create_date", "active",
    ),
}  # fmt: skip
"""Of Odoo's own fields; those that an administrator added (x_...) are pulled too."""

_LABELS, _KINDS = {PARTNER: "Partners", LEAD: "Leads and opportunities"}, {PARTNER: "contacts", LEAD: "opportunities"}
_FIELD_KINDS = {
    "boolean": FieldKind.FLAG, "integer": FieldKind.NUMBER, "float": FieldKind.NUMBER, "monetary": FieldKind.NUMBER,
    "date": FieldKind.DATE, "datetime": FieldKind.TIME, "selection": FieldKind.CHOICE, "many2one": FieldKind.REFERENCE,
    "char": FieldKind.TEXT, "text": FieldKind.TEXT, "html": FieldKind.TEXT,
}  # fmt: skip
_ROLES = {
    "name": Role.NAME, "zip": Role.POSTCODE, "vat": Role.TAX_ID, "function": Role.JOB_TITLE, "state_id": Role.REGION,
    "country_id": Role.COUNTRY, "user_id": Role.OWNER, "stage_id": Role.STAGE, "expected_revenue": Role.AMOUNT,
    "probability": Role.PROBABILITY, "date_closed": Role.CLOSED_AT, "create_date": Role.CREATED_AT,
    "email_from": Role.EMAIL, "active": Role.IGNORE, "parent_id": Role.IGNORE, "comment": Role.TEXT,
}  # fmt: skip
_REFERRING = (
    ("sale.order", "partner_id"), ("sale.order", "partner_invoice_id"), ("sale.order", "partner_shipping_id"),
    ("purchase.order", "partner_id"), ("account.move", "partner_id"), ("project.project", "partner_id"),
    ("project.task", "partner_id"), ("stock.picking", "partner_id"), ("res.users", "partner_id"),
)  # fmt: skip
"""What refers to a partner besides partners and leads, where the module is there."""


class OdooConnector(SystemConnector):
    """Odoo's server, by the address and API key of a user there."""

    name: ClassVar[str] = "odoo"
    title: ClassVar[str] = "Odoo"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("address", "Address", SettingKind.URL, required=True, address=True, help="https://company.odoo.com"),
        Setting("database", "Database", required=True, address=True),
        Setting("user", "User", required=True, help="The login: often an e-mail address."),
        Setting("api_key", "API key", required=True, secret=True, help="Made in the user’s preferences."),
    )

    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> System:
        """A session, begun with the first request."""
        return Odoo(settings, secrets["api_key"], line)


class Odoo(System):
    """One session."""

    def __init__(self, settings: Mapping[str, Any], key: str, line: Line) -> None:
        self.settings = settings
        self.http = Http(settings["address"], line)
        self._key = key
        self._user_id: int | None = None
        self._objects: dict[str, ObjectType] = {}
        self._known: set[str] | None = None

    def check(self) -> str:
        """Who we are there."""
        version = self._ask("common", "version")["server_version"]
        name = self.model("res.users", "read", [self.user_id()], ["name"])[0]["name"]
        return f"Odoo {version} answers; we are {name} there."

    def describe(self) -> Sequence[ObjectType]:
        """Partners, and leads where that module is there."""
        for name in (PARTNER, LEAD):
            if name not in self._objects and (name == PARTNER or name in self._models()):
                self._objects[name] = self._described(name)
        return list(self._objects.values())

    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        """By id, page after page, archived or not."""
        at = vendors.state_of(since, since=None, high=None, after=0)
        at["high"] = at["high"] or self._latest(name)
        changed = [["write_date", ">=", at["since"]]] if at["since"] else []
        total = self.model(name, "search_count", changed, context=EVERYTHING) if not at["after"] else 0
        while True:
            domain = [*changed, ["id", ">", at["after"]]]
            rows = list(self._rows(name, domain, limit=PAGE_ROWS).values())
            at["after"] = int(rows[-1].id) if rows else at["after"]
            is_last = len(rows) < PAGE_ROWS
            if is_last:
                at = {"since": vendors.earlier(at["high"], "%Y-%m-%d %H:%M:%S"), "high": None, "after": 0}
            yield Page.of(rows, fields, vendors.cursor(**at), total=total)
            if is_last:
                return

    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Rows by id."""
        wanted = sorted({int(one) for one in ids if one.isascii() and one.isdigit()})
        found: dict[str, Row] = {}
        for part in vendors.parts(wanted, PAGE_ROWS):
            found |= self._rows(name, [["id", "in", part]])
        return found

    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        """One write."""
        if not isinstance(step, Write):
            raise Invalid(f"There is no act {step.name!r}.")
        values: dict[str, Any] = {}
        for name, (_, after) in step.values.items():
            value = self._native(step.object, name, after)
            values[name] = False if value is None else value
        body = {"ids": [int(step.id)], "values": values, "version": row.version}
        return [Call(f"{step.object}.write", f"{step.object},{step.id}", body)]

    def send(self, call: Call, *, key: str) -> None:
        """One write, if the row is still of the version that was compared."""
        name, body = call.method.rpartition(".")[0], call.body
        (row_id,) = body["ids"]
        now = self.get(name, [str(row_id)]).get(str(row_id))
        if now is None:
            raise Gone("The row is there no more.")
        if now.version != body["version"]:
            raise Stale("The row changed there meanwhile.")
        self.model(name, "write", body["ids"], body["values"])

    def plan_merge(self, merge: Merge) -> Plan:
        """By writes: values, what refers to the losers, the losers archived."""
        plan = emulated_merge(self, merge)
        if merge.object != PARTNER:
            return plan
        steps = list(plan.steps[: -len(merge.losers)])
        for name, field in _REFERRING:
            if name in self._models():
                found = self.referring(name, field, merge.losers)
                steps += [Write(name, key, {field: (loser, merge.survivor)}) for key, loser in sorted(found.items())]
        steps += plan.steps[-len(merge.losers) :]
        undo = [step.reversed() for step in reversed(steps) if isinstance(step, Write)]
        return Plan(tuple(steps), tuple(undo))

    def referring(self, name: str, field: str, ids: Sequence[str]) -> Mapping[str, str]:
        """By a search, archived ones too."""
        domain = [[field, "in", [int(one) for one in ids]]]
        found = self.model(name, "search_read", domain, fields=[field], context=EVERYTHING)
        return {str(one["id"]): str(one[field][0]) for one in found}

    def close(self) -> None:
        """Close the session."""
        self.http.close()

    # JSON-RPC

    def user_id(self) -> int:
        """Who we are there; logs in if need be. Raises Denied."""
        if self._user_id is None:
            login = (self.settings["database"], self.settings["user"], self._key)
            found = self._ask("common", "authenticate", *login, {})
            if not found:
                raise Denied("Odoo refuses the user or the API key.")
            self._user_id = int(found)
        return self._user_id

    def model(self, name: str, method: str, *given: Any, **named: Any) -> Any:
        """A method of a model. Raises Denied, Gone, Invalid, Unreachable, and what `Http.ask` raises."""
        login = (self.settings["database"], self.user_id(), self._key)
        return self._ask("object", "execute_kw", *login, name, method, list(given), named)

    def _ask(self, service: str, method: str, *given: Any) -> Any:
        params = {"service": service, "method": method, "args": list(given)}
        body = {"jsonrpc": "2.0", "method": "call", "id": 0, "params": params}
        try:
            found = self.http.ask("POST", "/jsonrpc", body).json()
        except ValueError:
            raise Unreachable(f"{self.http.base} answers, but not as Odoo does.") from None
        if "error" in found:
            raise _fault(found["error"])
        return found.get("result")

    # Rows

    def _rows(self, name: str, domain: Sequence[Any], **more: Any) -> dict[str, Row]:
        """Rows by id, in its order; of models that are not described only what refers to partners."""
        about = next((one for one in self.describe() if one.name == name), None)
        fields = list(about.names) if about else [field for model, field in _REFERRING if model == name]
        references = {one.name for one in about.fields if one.refers_to} if about else set(fields)
        asked = {"fields": [*fields, "write_date"], "order": "id", "context": EVERYTHING, **more}
        found = {}
        for one in self.model(name, "search_read", list(domain), **asked):
            flags = {field.name for field in about.fields if field.kind is FieldKind.FLAG} if about else set()
            values = {field: _text(one[field], field in references, field in flags) for field in fields}
            key = str(one["id"])
            values["id"] = key
            digest = xxh3_128_hexdigest(json.dumps([values, one["write_date"]], sort_keys=True).encode())
            found[key] = Row(key, digest, values, inactive=values.get("active") == "no")
        return found

    def _latest(self, name: str) -> str:
        last = self.model(
            name, "search_read", [["write_date", "!=", False]],
            fields=["write_date"], order="write_date desc", limit=1, context=EVERYTHING,
        )  # fmt: skip
        return str(last[0]["write_date"]) if last else "1970-01-01 00:00:00"

    def _native(self, name: str, field: str, value: str | None) -> Any:
        about = self._objects.get(name)
        kind = vendors.writable_field(about, field).kind if about else FieldKind.REFERENCE
        if kind is not FieldKind.REFERENCE:
            return vendors.native(field, kind, value)
        if value is not None and not value.isdecimal():
            raise Invalid(f"{field}: the id of a row is needed.")
        return int(value) if value else None

    # What is there

    def _models(self) -> set[str]:
        if self._known is None:
            wanted = [LEAD, *(name for name, _ in _REFERRING)]
            found = self.model("ir.model", "search_read", [["model", "in", wanted]], fields=["model"])
            self._known = {one["model"] for one in found}
        return self._known

    def _described(self, name: str) -> ObjectType:
        attributes = ["string", "type", "readonly", "required", "size", "selection", "relation", "store"]
        given = self.model(name, "fields_get", [], attributes=attributes, context=EVERYTHING)
        names = [one for one in _STANDARD[name] if one in given]
        names += sorted(one for one in given if one.startswith("x_") and given[one]["type"] in _FIELD_KINDS)
        key = FieldType("id", "ID", writable=False, role=Role.ID)
        fields = tuple(_field(one, given[one]) for one in names if given[one]["type"] in _FIELD_KINDS)
        return ObjectType(
            name, _LABELS[name], (key, *fields), _KINDS[name],
            merging=Merging.EMULATED, inactive_field=("active", "no"),
        )  # fmt: skip


def _text(value: Any, is_reference: bool, is_flag: bool) -> str | None:
    """A value as text; `false` is blank where the field is no flag; a row of another kind is what it is called."""
    if isinstance(value, list | tuple):
        return str(value[0]) if is_reference else vendors.text(value[1])
    return None if value is False and not is_flag else vendors.text(value)


def _field(name: str, given: Mapping[str, Any]) -> FieldType:
    kind, refers_to = _FIELD_KINDS[given["type"]], given.get("relation") or ""
    is_reference = kind is FieldKind.REFERENCE and refers_to == PARTNER
    named = kind is FieldKind.REFERENCE and not is_reference
    return FieldType(
        name, given["string"], FieldKind.TEXT if named else kind,
        writable=not (given["readonly"] or named or name == "create_date"),
        required=bool(given["required"]),
        length=given.get("size") or None,
        choices=tuple(str(value) for value, _ in given.get("selection") or ()),
        refers_to=refers_to if is_reference else "",
        role=_ROLES.get(name),
    )  # fmt: skip


def _fault(error: Mapping[str, Any]) -> SystemFault:
    data = error.get("data") or {}
    said = str(data.get("message") or error.get("message") or "")[:300]
    match str(data.get("name", "")).rpartition(".")[2]:
        case "AccessDenied" | "AccessError" | "SessionExpiredException":
            return Denied(f"Odoo refuses it: {said}")
        case "MissingError":
            return Gone("The row is there no more.")
        case "OperationalError" | "SerializationFailure" | "LockError":
            return Unreachable("Odoo was busy with the row.")
    return Invalid(f"Odoo refuses it: {said}")
