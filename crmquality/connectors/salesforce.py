"""Salesforce by its REST and Bulk 2.0 APIs, over the client simple-salesforce.

Everything is read in the order of `SystemModstamp`, so any page's last row is where a pull goes on, whichever API gave
it. Large first pulls come by Bulk 2.0, which spends a few calls where REST spends one per 2,000 rows. `queryAll` gives
deleted rows too. A write carries `If-Unmodified-Since`: Salesforce refuses it with 412 if the row changed since, to the
second. Salesforce merges by SOAP and Apex only, and for good; so rows are merged by writes, which can be undone, where
an admin names the field that takes a row out of use. `Sforce-Limit-Info`, with every answer, tells of the quota.

Written from Salesforce's published API (version 62.0), tested against a small server made from it; not run against the
live service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, ClassVar

import polars as pl
import requests

from crmquality.connectors import vendors
from crmquality.connectors.contract import (
    Call,
    FieldKind,
    FieldType,
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
from crmquality.connectors.faults import Denied, Invalid, QuotaSpent, SystemFault, Unreachable
from crmquality.connectors.http import Lent
from crmquality.connectors.settings import Setting, SettingKind
from detectors.roles import Role

VERSION = "62.0"
BULK_ROWS, IDS_AT_ONCE = 50_000, 100
BULK_WAIT = 2.0
"""Seconds between two looks at a Bulk job."""

STAMP, DELETED = "SystemModstamp", "IsDeleted"
_KINDS = {"Account": "accounts", "Contact": "contacts", "Lead": "leads", "Opportunity": "opportunities"}
_FIELD_KINDS = {
    "boolean": FieldKind.FLAG, "double": FieldKind.NUMBER, "currency": FieldKind.NUMBER, "percent": FieldKind.NUMBER,
    "int": FieldKind.NUMBER, "long": FieldKind.NUMBER, "date": FieldKind.DATE, "datetime": FieldKind.TIME,
    "reference": FieldKind.REFERENCE, "picklist": FieldKind.CHOICE,
}  # fmt: skip
_NOT_PULLED = {"address", "location", "base64", "complexvalue", "anyType"}
"""Types that are other fields in one, or files."""

_ROLES = {
    "Id": Role.ID, "AccountId": Role.ACCOUNT_REF, "OwnerId": Role.OWNER, "CreatedDate": Role.CREATED_AT,
    "CloseDate": Role.CLOSED_AT, STAMP: Role.UPDATED_AT, "StageName": Role.STAGE, DELETED: Role.IGNORE,
}  # fmt: skip
_KEY = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NAME = re.compile(r"[A-Za-z]\w{0,79}")


class SalesforceConnector(SystemConnector):
    """Salesforce, by a connected app with the client-credentials flow."""

    name: ClassVar[str] = "salesforce"
    title: ClassVar[str] = "Salesforce"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "address", "My Domain", SettingKind.URL, required=True, address=True,
            help="https://your-company.my.salesforce.com",
        ),
        Setting("consumer_key", "Consumer key", required=True, help="Of a connected app with client credentials."),
        Setting("consumer_secret", "Consumer secret", required=True, secret=True),
        Setting(
            "objects", "Objects", SettingKind.LINES, default=list(_KINDS), help="By their API names, one a line.",
        ),
        Setting(
            "inactive", "Rows out of use", SettingKind.LINES,
            help="Such as Contact.Inactive__c=yes, one a line: needed to merge rows of that object.",
        ),
        Setting(
            "bulk_from", "Bulk API from so many rows", SettingKind.NUMBER, default=20_000, least=1, most=10_000_000,
        ),
    )  # fmt: skip

    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> System:
        """A session, begun with the first request."""
        vendors.require_client("simple_salesforce", "salesforce")
        wrong = [name for name in settings["objects"] if not _NAME.fullmatch(name)]
        if wrong:
            raise Invalid(f"No object is called {', '.join(map(repr, wrong))}.")
        return SalesforceSystem(settings, secrets["consumer_secret"], line)


class _Session(Lent):
    """Salesforce says by 403 too that the day's calls are spent, and by 400 that a client is unknown."""

    def fault(self, answer: requests.Response) -> SystemFault:
        """What an answer of 300 or more means."""
        if "REQUEST_LIMIT_EXCEEDED" in answer.text[:2_000]:
            return QuotaSpent("Salesforce: all calls of these 24 hours are spent.")
        if "UNABLE_TO_LOCK_ROW" in answer.text[:2_000]:
            return Unreachable("Salesforce: the row is locked at the moment.")
        if answer.url.endswith("/oauth2/token") and answer.status_code in (400, 401):
            return Denied("Salesforce refuses the consumer key and secret.")
        return super().fault(answer)


class SalesforceSystem(System):
    """One session."""

    def __init__(self, settings: Mapping[str, Any], secret: str, line: Line) -> None:
        self.settings = settings
        self.session = _Session(settings["address"], line)
        self._secret = secret
        self._client: Any = None
        self._objects: dict[str, ObjectType] = {}
        self._inactive = vendors.lines_as_pairs(settings["inactive"], "Rows out of use")

    @property
    def client(self) -> Any:
        """The vendor's client over our session; logs in if need be. Raises Denied."""
        if self._client is None:
            from simple_salesforce import Salesforce  # an optional extra: only who connects to Salesforce needs it

            base = self.session.base
            given = {"grant_type": "client_credentials", "client_id": self.settings["consumer_key"]}
            answer = self.session.post(
                f"{base}/services/oauth2/token", data={**given, "client_secret": self._secret}
            ).json()
            client = Salesforce(
                instance_url=base, session_id=answer["access_token"], session=self.session, version=VERSION,
                parse_float=Decimal,
            )  # fmt: skip
            client.base_url = f"{base}/services/data/v{VERSION}/"  # it would take https and no port for granted
            client.bulk2_url = f"{client.base_url}jobs/"
            client.oauth2_url = f"{base}/services/oauth2/"
            self._client = client
        return self._client

    def check(self) -> str:
        """Who we are there."""
        found = self.client.oauth2("userinfo")
        return f"Salesforce answers with API {VERSION}; we are {found['preferred_username']} there."

    def describe(self) -> Sequence[ObjectType]:
        """The objects asked for, as far as we may see them; one request each."""
        for name in self.settings["objects"]:
            if name not in self._objects:
                self._objects[name] = self._described(self.client.restful(f"sobjects/{name}/describe"))
        return list(self._objects.values())

    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        """In the order of the last change; by Bulk 2.0 where everything is asked for and that is much."""
        at = vendors.state_of(since, stamp=None, after="")
        wanted = list(dict.fromkeys([*fields, STAMP, DELETED]))
        asked = f"SELECT {', '.join(wanted)} FROM {name}"  # noqa: S608 - names of the object's own fields
        where = _behind(at["stamp"], at["after"])
        total = self._count(name) if not since else 0
        many = total >= self.settings["bulk_from"]
        query = f"{asked}{where} ORDER BY {STAMP} ASC, Id ASC"
        last = (at["stamp"], at["after"])
        for frame in self._bulk(name, query, wanted) if many else self._rest(query, wanted):
            if frame.height:
                last = (frame[STAMP][-1], frame["Id"][-1])
                yield self._page(name, frame, fields, vendors.cursor(stamp=last[0], after=last[1]), total)
        stamp = vendors.earlier(last[0], "%Y-%m-%dT%H:%M:%S.000Z") if last[0] and last[1] else last[0]
        empty = pl.DataFrame(schema=dict.fromkeys(wanted, pl.String))
        yield self._page(name, empty, fields, vendors.cursor(stamp=stamp, after=""), total)

    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Rows by key, a hundred a request."""
        about = self._object(name)
        wanted = list(dict.fromkeys([*about.names, STAMP, DELETED]))
        found = {}
        for part in vendors.parts([one for one in dict.fromkeys(ids) if _KEY.fullmatch(one)], IDS_AT_ONCE):
            keys = ", ".join(f"'{one}'" for one in part)
            query = f"SELECT {', '.join(wanted)} FROM {name} WHERE Id IN ({keys})"  # noqa: S608 - letters and digits
            for frame in self._rest(query, wanted, deleted=False):
                for values in frame.iter_rows(named=True):
                    held = {one: values[one] for one in about.names}
                    found[values["Id"]] = Row(values["Id"], values[STAMP], held, self._is_inactive(name, held))
        return found

    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        """One PATCH, refused by Salesforce if the row changed since."""
        if not isinstance(step, Write):
            raise Invalid(f"There is no act {step.name!r}.")
        about = self._object(step.object)
        values = {}
        for name, (_, after) in step.values.items():
            field = vendors.writable_field(about, name)
            values[name] = vendors.native(name, field.kind, after)
        address = f"sobjects/{step.object}/{step.id}"
        return [Call("PATCH", address, {"values": values, "version": row.version})]

    def send(self, call: Call, *, key: str) -> None:
        """One request."""
        stamp = datetime.fromisoformat(call.body["version"].replace("Z", "+00:00"))
        headers = {"If-Unmodified-Since": format_datetime(stamp, usegmt=True)}
        self.session.request(
            call.method,
            self.client.base_url + call.address,
            json=call.body["values"],
            headers={**self.client.headers, **headers},
        )

    def referring(self, name: str, field: str, ids: Sequence[str]) -> Mapping[str, str]:
        """By a query."""
        if not all(_KEY.fullmatch(one) for one in ids):
            raise Invalid("A key of Salesforce has 15 or 18 letters and digits.")
        keys = ", ".join(f"'{one}'" for one in ids)
        query = f"SELECT Id, {field} FROM {name} WHERE {field} IN ({keys})"  # noqa: S608 - letters and digits
        frames = list(self._rest(query, ["Id", field], deleted=False))
        return {key: value for frame in frames for key, value in frame.iter_rows()}

    def quota(self) -> Quota | None:
        """What Sforce-Limit-Info last said."""
        said = re.search(r"api-usage=(\d+)/(\d+)", self.session.headers_seen.get("Sforce-Limit-Info", ""))
        return Quota(int(said[2]), int(said[1])) if said else None

    def close(self) -> None:
        """Close the session; its token runs out by itself."""
        self.session.close()

    # What is there

    def _object(self, name: str) -> ObjectType:
        self.describe()
        return vendors.known_object(self._objects, name)

    def _described(self, given: Mapping[str, Any]) -> ObjectType:
        key = next(one for one in given["fields"] if one["name"] == "Id")
        others = [one for one in given["fields"] if one is not key and one["type"] not in _NOT_PULLED]
        inactive = self._inactive.get(given["name"])
        return ObjectType(
            given["name"], given.get("labelPlural") or given["label"], tuple(_field(one) for one in (key, *others)),
            _KINDS.get(given["name"], ""),
            tells_deleted=True,
            writable=bool(given["updateable"]),
            merging=Merging.EMULATED if inactive else Merging.NONE,
            inactive_field=inactive,
        )  # fmt: skip

    def _is_inactive(self, name: str, values: Mapping[str, str | None]) -> bool:
        field, value = self._inactive.get(name, ("", ""))
        return bool(field) and values.get(field) == value

    # Reading

    def _count(self, name: str) -> int:
        query = f"SELECT COUNT() FROM {name}"  # noqa: S608 - the name of an object
        return int(self.client.query(query, include_deleted=True)["totalSize"])

    def _rest(self, query: str, wanted: Sequence[str], *, deleted: bool = True) -> Iterator[pl.DataFrame]:
        """Pages of a query, 2,000 rows each."""
        found = self.client.query(query, include_deleted=deleted)
        while True:
            cells = [[_text(one.get(name)) for name in wanted] for one in found["records"]]
            yield pl.DataFrame(cells, dict.fromkeys(wanted, pl.String), orient="row")
            if found["done"]:
                return
            more = found["nextRecordsUrl"].split(f"/services/data/v{VERSION}/", 1)[-1]
            found = self.client.restful(more)

    def _bulk(self, name: str, query: str, wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Pages of a Bulk 2.0 job: CSV, blank cells empty."""
        from simple_salesforce.exceptions import SalesforceOperationError

        flags = [one.name for one in self._object(name).fields if one.kind is FieldKind.FLAG and one.name in wanted]
        spelt = [pl.col(one).replace({"true": "yes", "false": "no"}) for one in {*flags, DELETED}]
        try:
            for text in getattr(self.client.bulk2, name).query_all(query, max_records=BULK_ROWS, wait=BULK_WAIT):
                yield pl.read_csv(text.encode(), infer_schema=False).select(wanted).with_columns(*spelt)
        except SalesforceOperationError:
            raise Unreachable("Salesforce gave the Bulk job up.") from None

    def _page(self, name: str, frame: pl.DataFrame, fields: Sequence[str], at: str, total: int) -> Page:
        deleted = frame[DELETED] == "yes"
        there = frame.filter(~deleted)
        field, value = self._inactive.get(name, ("", ""))
        inactive = there.filter(pl.col(field) == value)["Id"].to_list() if field in there.columns else []
        gone = frame.filter(deleted)["Id"].to_list()
        return Page(there.select(fields), at, inactive=inactive, deleted=gone, total=total)


def _behind(stamp: str | None, after: str) -> str:
    """What comes behind a row in the order of changes; from a time on, if no row is named."""
    if stamp is None:
        return ""
    if not after:
        return f" WHERE {STAMP} >= {stamp}"
    return f" WHERE {STAMP} > {stamp} OR ({STAMP} = {stamp} AND Id > '{after}')"


def _text(value: Any) -> str | None:
    """A value as text; times of REST as Bulk writes them."""
    found = vendors.text(value)
    return f"{found[:-5]}Z" if found and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+0000", found) else found


def _field(given: Mapping[str, Any]) -> FieldType:
    name, refers_to = given["name"], given.get("referenceTo") or []
    kind = _FIELD_KINDS.get(given["type"], FieldKind.TEXT)
    restricted = given["type"] == "picklist" and given.get("restrictedPicklist")
    return FieldType(
        name, given["label"], kind,
        writable=bool(given["updateable"]),
        required=not given["nillable"],
        length=given.get("length") or None,
        choices=tuple(one["value"] for one in given["picklistValues"] if one["active"]) if restricted else (),
        refers_to=refers_to[0] if len(refers_to) == 1 else "",
        role=_ROLES.get(name),
    )  # fmt: skip
