"""HubSpot by its CRM API (v3): contacts, companies, deals and custom objects, a hundred a request.

HubSpot has no condition on a write, so a row is read once more right before it is written and refused if it changed;
what somebody writes in the milliseconds between is found when the row is read back. Its search gives 10,000 rows at
most and lags some seconds, so what changed is read in the order of changes, and two minutes are read again. Merging is
HubSpot's own, for good. Webhooks are signed (X-HubSpot-Signature-v3, over method, URI, body and time).

The vendor's client (hubspot-api-client 12.0.0, Apache-2.0) was tried: 52 MB for six requests, last released in May
2025, it counts no request and prints faults to the standard output. Plain requests need none of it.

Written from HubSpot's published API, tested against a small server made from it; not run against the live service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import requests

from crmquality.connectors import vendors
from crmquality.connectors.contract import (
    Act,
    Call,
    FieldKind,
    FieldType,
    Hint,
    Line,
    Merge,
    Merging,
    ObjectType,
    Page,
    Plan,
    Quota,
    Row,
    Step,
    System,
    SystemConnector,
    Write,
)
from crmquality.connectors.faults import Denied, Gone, Invalid, QuotaSpent, Stale, SystemFault
from crmquality.connectors.http import Http, Lent
from crmquality.connectors.settings import Setting, SettingKind
from detectors.roles import Role

AT_ONCE, PAGE_ROWS, SEARCH_AT_MOST = 100, 100, 10_000
_KINDS = {"contacts": "contacts", "companies": "accounts", "deals": "opportunities"}
_HEARD = {"contact": "contacts", "company": "companies", "deal": "deals"}
_TYPE_IDS = {"0-1": "contacts", "0-2": "companies", "0-3": "deals"}
_STANDARD = {
    "contacts": (
        "firstname", "lastname", "email", "phone", "mobilephone", "jobtitle", "company", "address", "city", "state",
        "zip", "country", "website", "lifecyclestage", "associatedcompanyid", "createdate", "hubspot_owner_id",
    ),
    "companies": (
        "name", "domain", "website", "phone", "address", "address2", "city", "state", "zip", "country", "industry",
        "annualrevenue", "numberofemployees", "lifecyclestage", "createdate", "hubspot_owner_id",
    ),
    "deals": ("dealname", "amount", "dealstage", "pipeline", "closedate", "createdate", "hubspot_owner_id"),
}  # fmt: skip
"""Of HubSpot's own properties; custom ones are pulled too, the hundreds of statistics are not."""

_FIELD_KINDS = {
    "number": FieldKind.NUMBER, "date": FieldKind.DATE, "datetime": FieldKind.TIME, "enumeration": FieldKind.CHOICE,
    "bool": FieldKind.CHOICE,
}  # fmt: skip
_ROLES = {
    "dealname": Role.NAME, "dealstage": Role.STAGE, "amount": Role.AMOUNT, "closedate": Role.CLOSED_AT,
    "createdate": Role.CREATED_AT, "hubspot_owner_id": Role.OWNER, "associatedcompanyid": Role.ACCOUNT_REF,
    "domain": Role.WEBSITE, "address": Role.STREET, "zip": Role.POSTCODE, "state": Role.REGION,
}  # fmt: skip
OLDEST = timedelta(minutes=5)
_ENCODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""What HubSpot decodes in a URI before it signs it: : / ? @ ! $ ' ( ) * , ; and nothing else."""
_MERGED = "hs_merged_object_ids"


class HubSpotConnector(SystemConnector):
    """HubSpot, by the token of a private app."""

    name: ClassVar[str] = "hubspot"
    title: ClassVar[str] = "HubSpot"
    hears: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("address", "Address", SettingKind.URL, default="https://api.hubapi.com", address=True),
        Setting("token", "Access token", required=True, secret=True, help="Of a private app."),
        Setting("client_secret", "Client secret", secret=True, help="Of the app: only for its webhooks."),
        Setting("objects", "Objects", SettingKind.LINES, default=list(_KINDS), help="By their API names, one a line."),
    )

    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> System:
        """A session; nothing is asked yet."""
        wrong = [name for name in settings["objects"] if not name.replace("_", "").replace("-", "").isalnum()]
        if wrong:
            raise Invalid(f"No object is called {', '.join(map(repr, wrong))}.")
        return HubSpot(settings, secrets["token"], line)

    def hear(
        self, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str], *, address: str
    ) -> Sequence[Hint]:
        """Objects whose rows changed."""
        if not secrets.get("client_secret"):
            raise Denied("The client secret is not given, so no webhook can be verified.")
        _verify(headers, body, secrets["client_secret"], address)
        try:
            events = json.loads(body)
            found = [(_object_of(one), str(one["objectId"])) for one in events]
        except (ValueError, TypeError, KeyError):
            raise Invalid("This is no webhook of HubSpot.") from None
        return [Hint(name, key) for name, key in found if name]


class _Session(Lent):
    """HubSpot tells by one status of two limits: of some seconds, and of the day."""

    def fault(self, answer: requests.Response) -> SystemFault:
        """What an answer of 300 or more means."""
        if answer.status_code == 429 and "DAILY" in answer.text[:2_000]:
            return QuotaSpent("HubSpot: all calls of the day are spent.")
        return super().fault(answer)


class HubSpot(System):
    """One session."""

    def __init__(self, settings: Mapping[str, Any], token: str, line: Line) -> None:
        self.names: list[str] = settings["objects"]
        session = _Session(settings["address"], line)
        self.http = Http(session.base, line, {"Authorization": f"Bearer {token}"}, session)
        self._objects: dict[str, ObjectType] = {}

    def check(self) -> str:
        """Which account it is."""
        found = self.http.ask("GET", "/account-info/v3/details").json()
        return f"HubSpot answers, with account {found['portalId']}."

    def describe(self) -> Sequence[ObjectType]:
        """The objects asked for; one request each."""
        for name in self.names:
            if name not in self._objects:
                given = self.http.ask("GET", f"/crm/v3/properties/{name}").json()["results"]
                self._objects[name] = _object_type(name, given)
        return list(self._objects.values())

    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        """Everything by key; what changed, in the order of changes."""
        at = vendors.state_of(since, since=None, high=None, after=None)
        if at["since"] is not None:
            yield from self._changed(name, fields, at["since"])
            return
        high = at["high"] or self._latest(name)
        after = at["after"]
        while True:
            asked = {"limit": PAGE_ROWS, "after": after, "properties": ",".join(_asked(fields))}
            found = self.http.ask("GET", f"/crm/v3/objects/{name}", **asked).json()
            after = found.get("paging", {}).get("next", {}).get("after")
            state = vendors.cursor(high=high, after=after) if after else vendors.cursor(since=vendors.earlier(high))
            yield Page.of([_row(one, fields) for one in found["results"]], fields, state)
            if not after:
                return

    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Rows by key, a hundred a request. One that was merged away is given under its survivor's key: left out."""
        about = self._object(name)
        wanted = [one for one in dict.fromkeys(ids) if one.isascii() and one.isdigit()]
        found: dict[str, Row] = {}
        for part in vendors.parts(wanted, AT_ONCE):
            body = {"properties": _asked(about.names), "inputs": [{"id": one} for one in part]}
            answer = self.http.ask("POST", f"/crm/v3/objects/{name}/batch/read", body).json()
            found |= {one["id"]: _row(one, about.names) for one in answer["results"] if one["id"] in part}
        return found

    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        """One PATCH, or one merge."""
        if isinstance(step, Act):
            return [Call("POST", f"/crm/v3/objects/{step.object}/merge", dict(step.arguments))]
        about = self._object(step.object)
        values = {}
        for name, (_, after) in step.values.items():
            kind = vendors.writable_field(about, name).kind
            vendors.native(name, kind, after)  # it has to be one of its kind; HubSpot is given the text all the same
            values[name] = after or ""
        body = {"properties": values, "version": row.version}
        return [Call("PATCH", f"/crm/v3/objects/{step.object}/{step.id}", body)]

    def send(self, call: Call, *, key: str) -> None:
        """One request; a write only if the row is still of the version that was compared."""
        if call.method == "POST":
            self.http.ask("POST", call.address, call.body)
            return
        now = self.http.ask("GET", call.address).json()
        if now.get("archived"):
            raise Gone("The row is archived there.")
        if now["updatedAt"] != call.body["version"]:
            raise Stale("The row changed there meanwhile.")
        self.http.ask("PATCH", call.address, {"properties": call.body["properties"]})

    def plan_merge(self, merge: Merge) -> Plan:
        """By HubSpot, loser after loser, which moves what refers to them."""
        steps: list[Step] = [Write(merge.object, merge.survivor, merge.values)] if merge.values else []
        for loser in merge.losers:
            arguments = {"primaryObjectId": merge.survivor, "objectIdToMerge": loser}
            steps.append(Act("merge", merge.object, loser, arguments))
        return Plan(tuple(steps), irreversible="HubSpot merged these records; it cannot take that back.")

    def acted(self, act: Act) -> bool:
        """Whether a row was merged away: it is given under another key, or not at all."""
        return act.id not in self.get(act.object, [act.id])

    def quota(self) -> Quota | None:
        """What the headers of the last answer say."""
        said = self.http.session.headers_seen
        limit, left = said.get("X-HubSpot-RateLimit-Daily"), said.get("X-HubSpot-RateLimit-Daily-Remaining")
        return Quota(int(limit), int(limit) - int(left)) if limit and left else None

    def close(self) -> None:
        """Close the session."""
        self.http.close()

    def _object(self, name: str) -> ObjectType:
        self.describe()
        return vendors.known_object(self._objects, name)

    def _changed(self, name: str, fields: Sequence[str], since: str) -> Iterator[Page]:
        after, last = 0, since
        while True:
            found = self._search(name, fields, since, after=after)
            rows = [_row(one, fields) for one in found["results"]]
            last = found["results"][-1]["updatedAt"] if rows else last
            more = found.get("paging", {}).get("next", {}).get("after")
            yield Page.of(rows, fields, vendors.cursor(since=last if more else vendors.earlier(last)))
            if not more:
                return
            after = int(more)
            if after + PAGE_ROWS > SEARCH_AT_MOST:  # a search gives no more: go on from the last change seen
                after, since = 0, last

    def _latest(self, name: str) -> str:
        """When anything of an object last changed; the beginning of time if there is nothing."""
        found = self._search(name, [], None, direction="DESCENDING", limit=1)["results"]
        return str(found[0]["updatedAt"]) if found else "1970-01-01T00:00:00Z"

    def _search(
        self, name: str, fields: Sequence[str], since: str | None, *, after: int = 0, direction: str = "ASCENDING",
        limit: int = PAGE_ROWS,
    ) -> Any:  # fmt: skip
        when = "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate"
        body: dict[str, Any] = {"sorts": [{"propertyName": when, "direction": direction}], "limit": limit}
        if since is not None:
            moment = int(datetime.fromisoformat(since.replace("Z", "+00:00")).timestamp() * 1000)
            condition = {"propertyName": when, "operator": "GTE", "value": str(moment)}
            body["filterGroups"] = [{"filters": [condition]}]
        body |= {"properties": _asked(fields)} | ({"after": str(after)} if after else {})
        return self.http.ask("POST", f"/crm/v3/objects/{name}/search", body).json()


def _verify(headers: Mapping[str, str], body: bytes, secret: str, address: str) -> None:
    """Raise Denied unless HubSpot signed just this, for this address, at most five minutes ago.

    Source: developers.hubspot.com, "Validating requests from HubSpot", version 3: base64 of HMAC-SHA256, keyed by the
    client secret, of method, URI with the listed characters decoded, body and X-HubSpot-Request-Timestamp. The older
    versions that HubSpot sends beside it sign no time, so that one could be replayed: they are not looked at.
    """
    sent_at = headers.get("x-hubspot-request-timestamp", "")
    if not sent_at.isascii() or not sent_at.isdigit() or len(sent_at) > 15:
        raise Denied("The webhook does not say when it was sent.")
    if abs(time.time() * 1000 - int(sent_at)) > OLDEST.total_seconds() * 1000:
        raise Denied("The webhook was sent more than five minutes ago, or the clock of this machine is wrong.")
    said = b"".join([b"POST", _decoded(address).encode(), body, sent_at.encode()])
    signature = base64.b64encode(hmac.new(secret.encode(), said, hashlib.sha256).digest())
    if not hmac.compare_digest(headers.get("x-hubspot-signature-v3", "").encode(), signature):
        raise Denied(
            "The webhook is not signed by this app for this address. Behind a proxy CRMQUALITY_ADDRESS has to be the "
            "address that HubSpot calls."
        )


def _decoded(address: str) -> str:
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), address)


def _object_of(event: Mapping[str, Any]) -> str:
    kind = str(event["subscriptionType"]).partition(".")[0]
    return _HEARD.get(kind) or _TYPE_IDS.get(str(event.get("objectTypeId", "")), "")


def _asked(fields: Sequence[str]) -> list[str]:
    return [name for name in fields if name != "id"]


def _row(given: Mapping[str, Any], fields: Sequence[str]) -> Row:
    values = {name: given["properties"].get(name) or None for name in _asked(fields)}
    return Row(given["id"], given["updatedAt"], {"id": given["id"], **values})


def _object_type(name: str, given: Sequence[Mapping[str, Any]]) -> ObjectType:
    known = {one["name"]: one for one in given}
    standard = [one for one in _STANDARD.get(name, ()) if one in known]
    custom = [one["name"] for one in given if not one.get("hubspotDefined") and one["name"] not in standard]
    key = FieldType("id", "ID", writable=False, role=Role.ID)
    fields = [_field(known[one]) for one in (*standard, *custom)]
    return ObjectType(
        name, name.replace("_", " ").capitalize(), (key, *fields), _KINDS.get(name, ""),
        merging=Merging.NATIVE, merge_at_most=2, unmerge=False,
    )  # fmt: skip


def _field(given: Mapping[str, Any]) -> FieldType:
    name, kind = given["name"], _FIELD_KINDS.get(given["type"], FieldKind.TEXT)
    is_reference = name == "associatedcompanyid"
    read_only = given.get("modificationMetadata", {}).get("readOnlyValue") or given.get("calculated")
    return FieldType(
        name, given["label"], FieldKind.REFERENCE if is_reference else kind,
        writable=not (read_only or is_reference),
        choices=tuple(one["value"] for one in given.get("options", [])) if kind is FieldKind.CHOICE else (),
        refers_to="companies" if is_reference else "",
        role=_ROLES.get(name),
    )  # fmt: skip
