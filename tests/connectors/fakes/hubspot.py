"""HubSpot's CRM API v3, as far as the connector asks.

developers.hubspot.com: objects (list, batch read, update, merge), search, properties, account details, rate limits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import datetime
from typing import Any

from tests.connectors.fakes import Answer, Asked, Fake

TOKEN, SECRET = "pat-token", "app-secret"
PAGE = 3
FIELDS = {
    "companies": {"name": "string", "city": "string", "annualrevenue": "number", "ours": "string", "score": "number"},
    "contacts": {"firstname": "string", "lastname": "string", "email": "string", "associatedcompanyid": "number"},
}
_STATISTICS = {"hs_analytics_num_visits": "number"}


def signed(body: bytes, address: str, *, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of a webhook posted to an address. at: seconds since 1970; None: now."""
    sent_at = str(int((time.time() if at is None else at) * 1000))
    said = b"POST" + address.encode() + body + sent_at.encode()
    signature = base64.b64encode(hmac.new(secret.encode(), said, hashlib.sha256).digest()).decode()
    return {
        "x-hubspot-signature-v3": signature,
        "x-hubspot-request-timestamp": sent_at,
        "x-hubspot-signature-version": "v1",
        "x-hubspot-signature": hashlib.sha256(secret.encode() + body).hexdigest(),
    }


class HubSpot(Fake):
    """An account. Rows: {"properties", "updatedAt"}; merged: key -> its survivor."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = {name: {} for name in FIELDS}
        self.merged: dict[str, str] = {}

    def add(self, about: str, key: str, **values: str | None) -> None:
        """A row."""
        self.objects[about][key] = {"id": key, "properties": {**dict.fromkeys(FIELDS[about]), **values}}
        self.edit(about, key)

    def edit(self, about: str, key: str, **values: str | None) -> None:
        """What somebody changes in the account."""
        row = self.objects[about][key]
        row["properties"] |= values
        row["updatedAt"] = self.tick().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def answer(self, asked: Asked) -> Answer:
        """By path."""
        if asked.headers["Authorization"] != f"Bearer {TOKEN}":
            return Answer({"status": "error", "message": "Authentication credentials not found"}, 401)
        found = self._answer(asked)
        left = str(1_000 - self.calls)
        found.headers |= {"X-HubSpot-RateLimit-Daily": "1000", "X-HubSpot-RateLimit-Daily-Remaining": left}
        return found

    def _answer(self, asked: Asked) -> Answer:
        match asked.method, asked.path.strip("/").split("/"):
            case "GET", ["account-info", "v3", "details"]:
                return Answer({"portalId": 62515})
            case "GET", ["crm", "v3", "properties", name]:
                return Answer({"results": [*_properties(FIELDS[name]), *_properties(_STATISTICS, ours=True)]})
            case "GET", ["crm", "v3", "objects", name]:
                rows = sorted(self.objects[name].values(), key=lambda row: int(row["id"]))
                rows = [row for row in rows if int(row["id"]) > int(asked.query.get("after", 0))]
                return Answer(_paged(rows, str(rows[PAGE - 1]["id"]) if len(rows) > PAGE else None))
            case "POST", ["crm", "v3", "objects", name, "search"]:
                return self._search(name, asked.form)
            case "POST", ["crm", "v3", "objects", name, "batch", "read"]:
                keys = [self.merged.get(one["id"], one["id"]) for one in asked.form["inputs"]]
                rows = [self.objects[name][key] for key in keys if key in self.objects[name]]
                return Answer({"status": "COMPLETE", "results": rows}, 200 if len(rows) == len(keys) else 207)
            case "POST", ["crm", "v3", "objects", name, "merge"]:
                return self._merge(name, asked.form["primaryObjectId"], asked.form["objectIdToMerge"])
            case method, ["crm", "v3", "objects", name, key]:
                if key not in self.objects[name]:
                    return Answer({"status": "error", "message": "resource not found"}, 404)
                if method == "PATCH":
                    values = asked.form["properties"]
                    if set(values) - set(FIELDS[name]):
                        return Answer({"status": "error", "message": "Property does not exist"}, 400)
                    self.edit(name, key, **{one: value or None for one, value in values.items()})
                return Answer(self.objects[name][key])
        return Answer({"status": "error", "message": asked.path}, 404)

    def _search(self, name: str, form: dict[str, Any]) -> Answer:
        (sort,) = form["sorts"]
        assert sort["propertyName"] == ("lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate")
        descending = sort["direction"] == "DESCENDING"
        rows = sorted(self.objects[name].values(), key=lambda row: row["updatedAt"], reverse=descending)
        for group in form.get("filterGroups", []):
            (condition,) = group["filters"]
            assert condition["operator"] == "GTE"
            rows = [row for row in rows if _milliseconds(row["updatedAt"]) >= int(condition["value"])]
        size, start = min(form["limit"], PAGE), int(form.get("after", 0))
        more = str(start + size) if start + size < len(rows) else None
        return Answer({"total": len(rows), **_paged(rows[start:], more, size)})

    def _merge(self, name: str, primary: str, other: str) -> Answer:
        if not {primary, other} <= self.objects[name].keys():
            return Answer({"status": "error", "message": "cannot merge"}, 400)
        del self.objects[name][other]
        self.merged[other] = primary
        self.edit(name, primary, hs_merged_object_ids=other)
        for key, row in self.objects["contacts"].items():
            if row["properties"]["associatedcompanyid"] == other:
                self.edit("contacts", key, associatedcompanyid=primary)
        return Answer(self.objects[name][primary])


def _properties(fields: dict[str, str], *, ours: bool = False) -> list[dict[str, Any]]:
    return [
        {
            "name": name, "label": name, "type": kind, "fieldType": "text", "options": [],
            "hubspotDefined": ours or name not in ("ours", "score"), "calculated": ours,
            "modificationMetadata": {"readOnlyValue": ours},
        }
        for name, kind in fields.items()
    ]  # fmt: skip


def _paged(rows: list[dict[str, Any]], after: str | None, size: int = PAGE) -> dict[str, Any]:
    return {"results": rows[:size], **({"paging": {"next": {"after": after}}} if after else {})}


def _milliseconds(when: str) -> int:
    return int(datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp() * 1000)
