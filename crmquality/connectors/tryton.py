"""Tryton (6.8 to 8.2) over JSON-RPC: parties, each with its address and its contacts as one row, and opportunities.

Known traps, and what is done about them. Parties out of use vanish from every search that does not name `active`. A
row's `write_date` may be null. The optimistic lock is `_timestamp` in the context of a call. `party.replace`, Tryton's
own merging, warns first, lets no field survive, cannot be taken back, and moves addresses that no other call can move;
so parties are merged by writes, which can be undone. Where a document does not let itself be moved by a write (a posted
invoice), merging is refused, unless an admin chose the wizard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from crmquality.connectors import tryton_parties as parties
from crmquality.connectors.contract import (
    Act,
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
from crmquality.connectors.faults import Invalid
from crmquality.connectors.settings import Setting, SettingKind
from crmquality.connectors.tryton_rpc import Rpc, decoded, encoded, text
from detectors.roles import Role

PAGE_ROWS = 200
PARTY, OPPORTUNITY = "party.party", "sale.opportunity"
ANY = ["active", "in", [True, False]]
OVERLAP = 120.0
"""Seconds: rows this much older than the last change seen are read again; their transaction may have ended late."""

_NO_LINE = Line()
_OPPORTUNITY = {
    "party": FieldType("party", "Party", FieldKind.REFERENCE, refers_to=PARTY, role=Role.ACCOUNT_REF),
    "reference": FieldType("reference", "Reference"),
    "description": FieldType("description", "Description", role=Role.TEXT),
    "amount": FieldType("amount", "Amount", FieldKind.NUMBER, role=Role.AMOUNT),
    "conversion_probability": FieldType(
        "conversion_probability", "Conversion probability", FieldKind.NUMBER, required=True, role=Role.PROBABILITY
    ),
    "start_date": FieldType("start_date", "Start date", FieldKind.DATE, required=True, role=Role.CREATED_AT),
    "end_date": FieldType("end_date", "End date", FieldKind.DATE, role=Role.CLOSED_AT),
    "address": FieldType("address", "Address", FieldKind.REFERENCE, role=Role.IGNORE),
    "lost_reason": FieldType("lost_reason", "Reason for loss", role=Role.REASON),
    "comment": FieldType("comment", "Comment", role=Role.TEXT),
    "number": FieldType("number", "Number", writable=False, role=Role.TEXT),
    "currency": FieldType("currency", "Currency", writable=False, role=Role.CURRENCY),
    "employee": FieldType("employee", "Employee", writable=False, role=Role.OWNER),
    "state": FieldType("state", "State", FieldKind.CHOICE, writable=False, role=Role.STAGE),
}
_NAMED = {"currency": "code", "employee": "rec_name"}
"""References shown by what they are called."""

_REFERRING = (
    ("sale.sale", "party"), ("sale.sale", "invoice_party"), ("sale.sale", "shipment_party"),
    ("account.invoice", "party"), ("account.move.line", "party"), ("account.invoice.line", "party"),
    ("purchase.purchase", "party"), ("project.work", "party"),
    ("company.employee", "party"), ("stock.shipment.in", "supplier"), ("stock.shipment.in.return", "supplier"),
    ("stock.shipment.out", "customer"), ("stock.shipment.out.return", "customer"),
)  # fmt: skip
"""What refers to a party besides opportunities, where the module is there; as `party.replace` names them."""


class TrytonConnector(SystemConnector):
    """Tryton's server, by the address and login of a user there."""

    name: ClassVar[str] = "tryton"
    title: ClassVar[str] = "Tryton"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("address", "Address", SettingKind.URL, required=True, address=True, help="https://tryton.example.com"),
        Setting("database", "Database", required=True, address=True),
        Setting("user", "User", required=True, help="One whose rights let it read, and write what is to be corrected."),
        Setting("password", "Password", required=True, secret=True),
        Setting(
            "merging", "Parties are merged", SettingKind.CHOICE, default="writes",
            choices=(("writes", "by writes, which can be undone"), ("wizard", "by Tryton’s wizard, for good")),
        ),
    )  # fmt: skip

    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line = _NO_LINE) -> System:
        """A session, begun with the first request."""
        rpc = Rpc(settings["address"], settings["database"], settings["user"], secrets["password"], line)
        return Tryton(rpc, wizard=settings["merging"] == "wizard")


class Tryton(System):
    """One session."""

    def __init__(self, rpc: Rpc, *, wizard: bool = False) -> None:
        self.rpc = rpc
        self.wizard = wizard
        self._models: set[str] | None = None

    def check(self) -> str:
        """Who we are there."""
        name = self.rpc.model("res.user", "read", [self.rpc.user_id()], ["rec_name"])[0]["rec_name"]
        return f"Tryton {self.rpc.version()} answers; we are {name} there."

    def describe(self) -> Sequence[ObjectType]:
        """Parties, and opportunities where that module is there."""
        by_wizard = self.wizard
        found = [
            ObjectType(
                PARTY, "Parties", parties.FIELDS, "accounts",
                merging=Merging.NATIVE if by_wizard else Merging.EMULATED,
                merge_at_most=2 if by_wizard else None,
                unmerge=not by_wizard,
                inactive_field=("active", "no"),
            )
        ]  # fmt: skip
        if OPPORTUNITY in self._known_models():
            key = FieldType("id", "ID", writable=False, role=Role.ID)
            found.append(ObjectType(OPPORTUNITY, "Opportunities", (key, *_OPPORTUNITY.values()), "opportunities"))
        return found

    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        """By id, page after page, out of use or not; of parties, what changed of their addresses and contacts too."""
        at: dict[str, Any] = json.loads(since) if since else {"since": None, "high": None, "after": 0}
        if at["high"] is None:
            at["high"] = self._latest(name)
        changed = self._changed_since(name, at["since"])
        total = self.rpc.model(name, "search_count", self._domain(name, changed)) if at["after"] == 0 else 0
        while True:
            domain = [*self._domain(name, changed), ["id", ">", at["after"]]]
            ids = self.rpc.model(name, "search", domain, 0, PAGE_ROWS, [["id", "ASC"]])
            rows = list(self.get(name, list(map(str, ids))).values())
            at["after"] = ids[-1] if ids else at["after"]
            is_last = len(ids) < PAGE_ROWS
            if is_last:
                at = {"since": at["high"], "high": None, "after": 0}
            yield Page.of(rows, fields, json.dumps(at), total=total)
            if is_last:
                return

    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Rows by id."""
        wanted = sorted({int(one) for one in ids if one.isascii() and one.isdigit()})
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), PAGE_ROWS):
            part = wanted[start : start + PAGE_ROWS]
            found |= parties.rows(self.rpc, part) if name == PARTY else self._rows(name, part)
        return found

    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        """Writes of the party itself, of its address and its contacts; or of the one row."""
        if isinstance(step, Act):
            return [Call(f"wizard.{step.name}.execute", f"{step.object},{step.id}", dict(step.arguments))]
        if step.object == PARTY:
            return parties.calls(self.rpc, step, row)
        values = {name: self._native(step.object, name, after) for name, (_, after) in step.values.items()}
        about = f"{step.object},{step.id}"
        body = {"ids": [int(step.id)], "values": values, "timestamp": {about: row.version}, "insist": step.insist}
        return [Call(f"model.{step.object}.write", about, body)]

    def send(self, call: Call, *, key: str) -> None:
        """One call; a warning is acknowledged only where a person insisted."""
        if call.method.startswith("wizard."):
            self._replace(**call.body)
            return
        kind, _, method = call.method.rpartition(".")
        body = call.body
        arguments = {"write": [body.get("ids"), body.get("values")], "create": [[body.get("values")]]}
        given = arguments.get(method, [body.get("ids")])
        timestamp = body.get("timestamp", {})
        self.rpc.call(f"{kind}.{method}", *given, timestamp=timestamp, insist=bool(body.get("insist")))

    def referring(self, name: str, field: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Opportunities, sales and the like of these parties."""
        keys = [int(one) for one in ids]
        domain = [[field, "in", keys], *([ANY] if name == PARTY else [])]
        found = self.rpc.model(name, "search_read", domain, 0, None, None, [field])
        return {str(one["id"]): str(one[field]) for one in found}

    def plan_merge(self, merge: Merge) -> Plan:
        """By writes: values, what refers to the losers, the losers out of use. By the wizard: for good."""
        if self.wizard:
            return self._wizard_plan(merge)
        plan = emulated_merge(self, merge)
        out_of_use = plan.steps[-len(merge.losers) :]
        steps = [self._with_address(step) for step in plan.steps[: -len(merge.losers)] if isinstance(step, Write)]
        known = self._known_models()
        for name, field in _REFERRING:
            if name in known:
                found = self.referring(name, field, merge.losers)
                steps += [Write(name, key, {field: (loser, merge.survivor)}) for key, loser in sorted(found.items())]
        steps += [step for step in out_of_use if isinstance(step, Write)]
        return Plan(tuple(steps), tuple(step.reversed() for step in reversed(steps)))

    def acted(self, act: Act) -> bool:
        """Whether a party was replaced by another."""
        found = self.rpc.model(PARTY, "read", [int(act.arguments["source"])], ["replaced_by"])
        return bool(found) and found[0]["replaced_by"] == int(act.arguments["destination"])

    def close(self) -> None:
        """End the session."""
        self.rpc.close()

    # Rows of one model

    def _rows(self, name: str, ids: Sequence[int]) -> dict[str, Row]:
        fields = list(_OPPORTUNITY) if name == OPPORTUNITY else [one for model, one in _REFERRING if model == name]
        asked = [*fields, *(f"{one}.{_NAMED[one]}" for one in fields if one in _NAMED), "_timestamp"]
        domain = [["id", "in", list(ids)]]
        found = self.rpc.model(name, "search_read", domain, 0, None, [["id", "ASC"]], asked)
        rows = {}
        for one in found:
            values = {field: text(decoded(one[field])) for field in fields}
            for field in values.keys() & _NAMED.keys():
                values[field] = text((one.get(f"{field}.") or {}).get(_NAMED[field]))
            key = str(one["id"])
            rows[key] = Row(key, one["_timestamp"], {"id": key, **values})
        return rows

    def _native(self, name: str, field: str, value: str | None) -> Any:
        about = _OPPORTUNITY.get(field) if name == OPPORTUNITY else FieldType(field, kind=FieldKind.REFERENCE)
        if about is None or not about.writable:
            raise Invalid(f"{name}: {field!r} cannot be written.")
        return encoded(field, about.kind, value, is_float=field == "conversion_probability")

    # What changed

    @staticmethod
    def _domain(name: str, changed: Sequence[Any]) -> list[Any]:
        return [*([ANY] if name == PARTY else []), *([changed] if changed else [])]

    def _changed_since(self, name: str, since: str | None) -> list[Any]:
        """A domain; `write_date` may be null, so when it was made counts too."""
        if since is None:
            return []
        when = parties.earlier(since, OVERLAP)
        own = [["write_date", ">=", when], ["create_date", ">=", when]]
        inside = [[part, "where", [ANY, ["OR", *own]]] for part in parties.PARTS] if name == PARTY else []
        return ["OR", *own, *inside]

    def _latest(self, name: str) -> str:
        """When anything of this object last changed, as the server dates it."""
        found = []
        for model in (name, *(parties.MODELS if name == PARTY else ())):
            domain = [ANY] if model in (PARTY, *parties.MODELS) else []
            for field in ("create_date", "write_date"):
                last = self.rpc.model(
                    model, "search_read", [*domain, [field, "!=", None]], 0, 1, [[field, "DESC"]], [field]
                )
                found += [text(decoded(one[field])) or "" for one in last]
        return max(found, default="1970-01-01 00:00:00")

    # Merging

    def _with_address(self, step: Write) -> Write:
        """An opportunity that moves to another party cannot keep the address of the one before."""
        if step.object != OPPORTUNITY:
            return step
        address = self.get(OPPORTUNITY, [step.id])[step.id].values["address"]
        return Write(step.object, step.id, {**step.values, "address": (address, None)}) if address else step

    def _wizard_plan(self, merge: Merge) -> Plan:
        acts = [
            Act("party.replace", PARTY, loser, {"source": int(loser), "destination": int(merge.survivor)})
            for loser in merge.losers
        ]
        values = [Write(PARTY, merge.survivor, merge.values)] if merge.values else []
        return Plan((*values, *acts), irreversible="Tryton’s wizard merged these parties; it cannot take that back.")

    def _replace(self, source: int, destination: int) -> None:
        """Run the wizard, past its warnings that names or numbers differ: a steward has compared them."""
        session, *_ = self.rpc.call("wizard.party.replace.create")
        data = {"ask": {"source": source, "destination": destination}}
        try:
            self.rpc.call("wizard.party.replace.execute", session, data, "replace", insist=True)
        finally:
            self.rpc.call("wizard.party.replace.delete", session)

    def _known_models(self) -> set[str]:
        if self._models is None:
            wanted = [OPPORTUNITY, *(name for name, _ in _REFERRING)]
            found = self.rpc.model("ir.model", "search_read", [["name", "in", wanted]], 0, None, None, ["name"])
            self._models = {one["name"] for one in found}
        return self._models
