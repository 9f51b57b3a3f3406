"""A party of Tryton as one row: itself, its first address, and its first contact of each kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crmquality.connectors.contract import Call, FieldKind, FieldType, Row, Write
from crmquality.connectors.faults import Invalid
from crmquality.connectors.tryton_rpc import Rpc, text
from detectors.roles import Role

ADDRESS, CONTACT, IDENTIFIER = "party.address", "party.contact_mechanism", "party.identifier"
MODELS = (ADDRESS, CONTACT)
PARTS = ("addresses", "contact_mechanisms")
ANY = ["active", "in", [True, False]]
OWN = {"name": Role.NAME, "active": Role.STATUS}
CONTACTS = {
    "email": Role.EMAIL, "phone": Role.PHONE, "mobile": Role.PHONE, "fax": Role.FAX, "website": Role.WEBSITE,
}  # fmt: skip
PLACES = {
    "street": Role.STREET, "postal_code": Role.POSTCODE, "city": Role.CITY, "country": Role.COUNTRY,
    "subdivision": Role.REGION,
}  # fmt: skip
_PLAIN = ("street", "postal_code", "city")
_STRUCTURED = ("street_name", "building_number", "unit_number", "floor_number", "room_number", "post_box")

FIELDS = (
    FieldType("id", "ID", writable=False, role=Role.ID),
    FieldType("name", "Name", role=Role.NAME),
    FieldType("code", "Code", writable=False, role=Role.TEXT),
    *(FieldType(name, name.capitalize(), role=role) for name, role in CONTACTS.items()),
    *(FieldType(name, name.replace("_", " ").capitalize(), role=role) for name, role in PLACES.items()),
    FieldType("tax_identifier", "Tax identifier", writable=False, role=Role.TAX_ID),
    FieldType("active", "In use", FieldKind.FLAG, choices=("yes", "no"), role=Role.IGNORE),
)


def rows(rpc: Rpc, ids: Sequence[int]) -> dict[str, Row]:
    """Parties by id, in use or not: four requests, whatever their number."""
    wanted = ["id", "in", list(ids)]
    fields = ["name", "code", "active", "create_uid", "_timestamp"]
    found = rpc.model("party.party", "search_read", [ANY, wanted], 0, None, [["id", "ASC"]], fields)
    inside = {model: _children(rpc, model, ids) for model in (ADDRESS, CONTACT, IDENTIFIER)} if found else {}
    ours = rpc.user_id()
    return {
        str(one["id"]): _row(one, {model: inside[model].get(one["id"], []) for model in inside}, ours) for one in found
    }


def calls(rpc: Rpc, write: Write, row: Row) -> list[Call]:
    """The calls that write values of a party: of itself, of its contacts, of its address."""
    known = json.loads(row.version)
    values = {name: after for name, (_, after) in write.values.items()}
    unknown = sorted(set(values) - OWN.keys() - CONTACTS.keys() - PLACES.keys())
    if unknown:
        raise Invalid(f"Of a party {', '.join(unknown)} cannot be written.")
    found = []
    own: dict[str, Any] = {name: value for name, value in values.items() if name in OWN}
    if "active" in own:
        own["active"] = own["active"] == "yes"
    if own:
        found.append(_write("party.party", int(row.id), own, known["party"]))
    for name in CONTACTS:
        if name in values:
            found.append(_contact_call(int(row.id), name, values[name], known["contacts"].get(name, [])))
    if places := {name: value for name, value in values.items() if name in PLACES}:
        found.append(_address_call(rpc, int(row.id), places, known["address"]))
    for call in found:
        call.body["insist"] = write.insist
    return found


def earlier(when: str, seconds: float) -> dict[str, Any]:
    """A time some seconds before, as JSON-RPC has it."""
    moment = datetime.fromisoformat(when) - timedelta(seconds=seconds)
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{part: getattr(moment, part) for part in parts}}


def _children(rpc: Rpc, model: str, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Party -> its addresses, contacts or identifiers in their order, those out of use too."""
    fields = {
        ADDRESS: [*_PLAIN, "country.code", "subdivision.name", *_STRUCTURED, "create_uid", "write_uid"],
        CONTACT: ["type", "value", "create_uid", "write_uid", "name", "comment"],
        IDENTIFIER: ["code"],
    }[model]
    asked = [*fields, "party", "active", "sequence", "_timestamp"]
    found: dict[int, list[dict[str, Any]]] = {}
    for one in rpc.model(model, "search_read", [ANY, ["party", "in", list(ids)]], 0, None, [["id", "ASC"]], asked):
        found.setdefault(one["party"], []).append(one)
    for children in found.values():
        children.sort(key=lambda one: (one["sequence"] is not None, one["sequence"] or 0, one["id"]))
    return found


def _row(party: Mapping[str, Any], inside: Mapping[str, Sequence[Mapping[str, Any]]], ours: int) -> Row:
    addresses = [one for one in inside[ADDRESS] if one["active"]]
    identifiers = [one for one in inside[IDENTIFIER] if one["active"]]
    address = addresses[0] if addresses else {}
    contacts = {name: [one for one in inside[CONTACT] if one["type"] == name] for name in CONTACTS}
    values = {
        "id": str(party["id"]),
        "name": text(party["name"]),
        "code": text(party["code"]),
        "active": text(bool(party["active"])),
        "tax_identifier": text(identifiers[0]["code"]) if identifiers else None,
        **{name: text(address.get(name)) for name in _PLAIN},
        "country": text((address.get("country.") or {}).get("code")),
        "subdivision": text((address.get("subdivision.") or {}).get("name")),
    }
    for name, found in contacts.items():
        values[name] = text(next((one["value"] for one in found if one["active"]), None))
    version = {
        "party": party["_timestamp"],
        "address": [
            address["id"],
            address["_timestamp"],
            any(address[part] for part in _STRUCTURED),
            _by_us(address, ours),
            [name for name in PLACES if values[name]],
        ]
        if address
        else None,
        "contacts": {
            name: [
                [one["id"], one["_timestamp"], one["active"], one["value"], _by_us(one, ours) and not one["name"]]
                for one in found
            ]
            for name, found in contacts.items()
            if found
        },
    }
    return Row(str(party["id"]), json.dumps(version, sort_keys=True), values, inactive=not party["active"])


def _by_us(part: Mapping[str, Any], ours: int) -> bool:
    """Whether our login made it and nobody else wrote it since: once blank, it is deleted rather than kept unused."""
    return part["create_uid"] == ours and part["write_uid"] in (None, ours)


def _write(model: str, key: int, values: Mapping[str, Any], timestamp: str) -> Call:
    about = f"{model},{key}"
    return Call(f"model.{model}.write", about, {"ids": [key], "values": dict(values), "timestamp": {about: timestamp}})


def _delete(model: str, key: int, timestamp: str) -> Call:
    about = f"{model},{key}"
    return Call(f"model.{model}.delete", about, {"ids": [key], "timestamp": {about: timestamp}})


def _contact_call(party: int, name: str, value: str | None, there: Sequence[Sequence[Any]]) -> Call:
    """Change the first contact of a kind; make one; or put one out of use, where it is to be blank."""
    in_use = [one for one in there if one[2]]
    if value is None:
        if len(in_use) > 1:
            raise Invalid(f"The party has another {name}, which would take the place of the blank one.")
        key, timestamp, _, _, may_go = in_use[0]
        if may_go:
            return _delete(CONTACT, key, timestamp)
        return _write(CONTACT, key, {"active": False}, timestamp)
    if in_use:
        return _write(CONTACT, in_use[0][0], {"value": value}, in_use[0][1])
    again = next((one for one in there if one[3] == value), None)
    if again is not None:
        return _write(CONTACT, again[0], {"active": True}, again[1])
    made = {"party": party, "type": name, "value": value}
    return Call(f"model.{CONTACT}.create", f"party.party,{party}", {"values": made})


def _address_call(rpc: Rpc, party: int, places: Mapping[str, str | None], there: Sequence[Any] | None) -> Call:
    values: dict[str, Any] = {name: places[name] for name in ("postal_code", "city") if name in places}
    if "street" in places:
        if there and there[2]:
            raise Invalid("The street is kept in parts there (street name, number ...): change it in Tryton.")
        values["street"] = places["street"]
    if "country" in places:
        values["country"] = _looked_up(rpc, "country.country", "code", places["country"])
    if "subdivision" in places:
        values["subdivision"] = _looked_up(rpc, "country.subdivision", "name", places["subdivision"])
    if not there:
        return Call(f"model.{ADDRESS}.create", f"party.party,{party}", {"values": {"party": party, **values}})
    key, timestamp, _, by_us, filled = there
    if by_us and not any(places.values()) and set(filled) <= places.keys():
        return _delete(ADDRESS, key, timestamp)
    return _write(ADDRESS, key, values, timestamp)


def _looked_up(rpc: Rpc, model: str, field: str, value: str | None) -> int | None:
    if value is None:
        return None
    found = rpc.model(model, "search", [[field, "=", value]], 0, 2)
    if len(found) != 1:
        raise Invalid(f"Tryton knows {'no' if not found else 'more than one'} {model.split('.')[1]} {value!r}.")
    return int(found[0])
