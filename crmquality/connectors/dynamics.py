"""Dynamics 365 (Dataverse) by its Web API, version 9.2: accounts, contacts, leads, opportunities.

A row's version is its ETag, and a write carries it as If-Match, so Dataverse itself refuses a stale one. Rows are read
in the order of `modifiedon`; where a pull was stopped it goes on from the last change it saw. Lookups are read as
`_name_value` and written by `name@odata.bind`. Dataverse merges for good; so rows are merged by writes, which can be
undone: references move, and the losers are set inactive.

Plain HTTP by `requests`, since each write must carry its condition. Written from the published Web API, tested against
a small server made from it; not run against the live service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

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
    Row,
    Step,
    System,
    SystemConnector,
    Write,
)
from crmquality.connectors.faults import Denied, Invalid, SystemFault
from crmquality.connectors.http import Http, Lent
from crmquality.connectors.settings import Setting, SettingKind
from detectors.roles import Role

BASE = "/api/data/v9.2"
PAGE_ROWS, IDS_AT_ONCE = 5_000, 50
STATE, CHANGED = "statecode", "modifiedon"
_STATES = {0: "active", 1: "inactive"}
_SHOWN = "@OData.Community.Display.V1.FormattedValue"
_KINDS = {"account": "accounts", "contact": "contacts", "lead": "leads", "opportunity": "opportunities"}
_PLACE = (
    "address1_line1", "address1_line2", "address1_city", "address1_stateorprovince", "address1_postalcode",
    "address1_country",
)  # fmt: skip
_END = ("createdon", CHANGED, "ownerid", STATE)
_STANDARD = {
    "account": (
        "name", "accountnumber", "emailaddress1", "telephone1", "fax", "websiteurl", "parentaccountid",
        "primarycontactid", "revenue", "numberofemployees", "description", *_PLACE, *_END,
    ),
    "contact": (
        "firstname", "middlename", "lastname", "fullname", "emailaddress1", "emailaddress2", "telephone1",
        "mobilephone", "jobtitle", "birthdate", "parentcustomerid", "description", *_PLACE, *_END,
    ),
    "lead": (
        "subject", "firstname", "lastname", "companyname", "emailaddress1", "telephone1", "mobilephone", "jobtitle",
        "websiteurl", "parentaccountid", "parentcontactid", "description", *_PLACE, *_END,
    ),
    "opportunity": (
        "name", "parentaccountid", "parentcontactid", "estimatedvalue", "closeprobability", "estimatedclosedate",
        "actualvalue", "actualclosedate", "description", *_END,
    ),
}  # fmt: skip
"""Of Dataverse's own columns; custom ones of plain types are pulled too."""

_LOOKUPS = {
    "parentaccountid": ("account", "parentaccountid"),
    "primarycontactid": ("contact", "primarycontactid"),
    "parentcontactid": ("contact", "parentcontactid"),
    "parentcustomerid": ("account", "parentcustomerid_account"),
}
"""Lookup -> what it refers to, and the navigation property by which it is written."""

_FIELD_KINDS = {
    "String": FieldKind.TEXT, "Memo": FieldKind.TEXT, "Integer": FieldKind.NUMBER, "BigInt": FieldKind.NUMBER,
    "Decimal": FieldKind.NUMBER, "Double": FieldKind.NUMBER, "Money": FieldKind.NUMBER, "DateTime": FieldKind.TIME,
    "Boolean": FieldKind.FLAG,
}  # fmt: skip
_ROLES = {
    "ownerid": Role.OWNER, "createdon": Role.CREATED_AT, CHANGED: Role.UPDATED_AT, STATE: Role.IGNORE,
    "parentcustomerid": Role.ACCOUNT_REF, "estimatedvalue": Role.AMOUNT, "closeprobability": Role.PROBABILITY,
    "actualclosedate": Role.CLOSED_AT, "address1_line1": Role.STREET, "subject": Role.TEXT,
}  # fmt: skip
_DEFINITION: dict[str, Any] = {
    "$select": "LogicalName,EntitySetName,PrimaryIdAttribute,DisplayCollectionName",
    "$expand": "Attributes($select=LogicalName,AttributeType,DisplayName,IsValidForRead,IsValidForUpdate,"
    "RequiredLevel,IsCustomAttribute)",
}
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TENANT = re.compile(r"[A-Za-z0-9.-]{1,255}", re.ASCII)


class DynamicsConnector(SystemConnector):
    """Dynamics 365, by an application user with a client secret."""

    name: ClassVar[str] = "dynamics"
    title: ClassVar[str] = "Dynamics 365"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "address", "Environment", SettingKind.URL, required=True, address=True,
            help="https://company.crm.dynamics.com",
        ),
        Setting("tenant", "Tenant", required=True, address=True, help="The id or domain of the directory."),
        Setting("client_id", "Application (client) id", required=True),
        Setting("client_secret", "Client secret", required=True, secret=True),
        Setting(
            "login", "Login", SettingKind.URL, default="https://login.microsoftonline.com", address=True,
            help="Another one for national clouds.",
        ),
        Setting("objects", "Tables", SettingKind.LINES, default=list(_KINDS), help="By their logical names."),
    )  # fmt: skip

    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> System:
        """A session, begun with the first request."""
        wrong = [name for name in settings["objects"] if name not in _KINDS]
        if wrong:
            raise Invalid(f"Tables are {', '.join(_KINDS)}, not {', '.join(map(repr, wrong))}.")
        if not _TENANT.fullmatch(settings["tenant"]):
            raise Invalid("A tenant is an id or a domain.")
        return Dynamics(settings, secrets["client_secret"], line)


class _Login(Lent):
    """Microsoft's login says by 400 that a client or secret is wrong."""

    def fault(self, answer: requests.Response) -> SystemFault:
        """What an answer of 300 or more means."""
        if answer.status_code in (400, 401):
            return Denied("Microsoft’s login refuses the application or its secret.")
        return super().fault(answer)


class _Table:
    """What a table is to the Web API. set: its name in addresses. asked: its fields as they are selected."""

    def __init__(self, about: ObjectType, address: str) -> None:
        self.about = about
        self.set = address
        self.asked = [_asked(one) for one in about.fields]


class Dynamics(System):
    """One session."""

    def __init__(self, settings: Mapping[str, Any], secret: str, line: Line) -> None:
        self.settings = settings
        self._secret = secret
        self._line = line
        self._http: Http | None = None
        self._tables: dict[str, _Table] = {}

    @property
    def http(self) -> Http:
        """The Web API; logs in if need be. Raises Denied."""
        if self._http is None:
            given = {"grant_type": "client_credentials", "client_id": self.settings["client_id"]}
            scope = {"scope": f"{self.settings['address']}/.default", "client_secret": self._secret}
            with _Login(self.settings["login"], self._line) as login:
                address = f"{login.base}/{self.settings['tenant']}/oauth2/v2.0/token"
                token = login.post(address, data={**given, **scope}).json()["access_token"]
            headers = {"OData-Version": "4.0", "OData-MaxVersion": "4.0", "Authorization": f"Bearer {token}"}
            self._http = Http(self.settings["address"], self._line, headers)
        return self._http

    def check(self) -> str:
        """Who we are there."""
        user = self.http.ask("GET", f"{BASE}/WhoAmI").json()["UserId"]
        version = self.http.ask("GET", f"{BASE}/RetrieveVersion").json()["Version"]
        return f"Dataverse {version} answers; we are user {user} there."

    def describe(self) -> Sequence[ObjectType]:
        """The tables asked for; one request each."""
        return [self._table(name).about for name in self.settings["objects"]]

    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        """In the order of the last change, inactive rows too."""
        at = vendors.state_of(since, since=None)
        table, last = self._table(name), at["since"]
        condition = f"{CHANGED} ge {last}" if last else None
        for found in self._pages(table, condition, order=f"{CHANGED} asc"):
            last = found[-1][CHANGED] if found else last
            rows = [_row(table, one) for one in found]
            yield Page.of(rows, fields, vendors.cursor(since=last))
        end = vendors.earlier(last) if last else "1970-01-01T00:00:00Z"
        yield Page.of([], fields, vendors.cursor(since=end))

    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Rows by key, fifty a request."""
        table = self._table(name)
        found: dict[str, Row] = {}
        for part in vendors.parts([one for one in dict.fromkeys(ids) if _GUID.fullmatch(one)], IDS_AT_ONCE):
            condition = " or ".join(f"{table.about.key} eq {one}" for one in part)
            for page in self._pages(table, condition):
                found |= {row.id: row for row in (_row(table, one) for one in page)}
        return found

    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        """One PATCH with If-Match."""
        if not isinstance(step, Write):
            raise Invalid(f"There is no act {step.name!r}.")
        table = self._table(step.object)
        values: dict[str, Any] = {}
        for name, (_, after) in step.values.items():
            values |= self._native(vendors.writable_field(table.about, name), after)
        return [Call("PATCH", f"{BASE}/{table.set}({row.id})", {"values": values, "version": row.version})]

    def send(self, call: Call, *, key: str) -> None:
        """One request; If-Match keeps it from making a row that is there no more, too."""
        self.http.ask(call.method, call.address, call.body["values"], headers={"If-Match": call.body["version"]})

    def referring(self, name: str, field: str, ids: Sequence[str]) -> Mapping[str, str]:
        """By a filter."""
        if not all(_GUID.fullmatch(one) for one in ids):
            raise Invalid("A key of Dataverse is a GUID.")
        table = self._table(name)
        condition = " or ".join(f"_{field}_value eq {one}" for one in ids)
        rows = [_row(table, one) for page in self._pages(table, condition) for one in page]
        return {row.id: str(row.values[field]) for row in rows}

    def close(self) -> None:
        """Close the session; its token runs out by itself."""
        if self._http is not None:
            self._http.close()

    def _pages(self, table: _Table, condition: str | None, *, order: str | None = None) -> Iterator[list[Any]]:
        """Rows as the Web API gives them, page after page by its own links."""
        headers = {"Prefer": f'odata.maxpagesize={PAGE_ROWS},odata.include-annotations="*"'}
        query = {"$select": ",".join(table.asked), "$filter": condition, "$orderby": order}
        found = self.http.ask("GET", f"{BASE}/{table.set}", headers=headers, **query).json()
        while True:
            yield found["value"]
            more = found.get("@odata.nextLink")
            if not more:
                return
            found = self.http.session.get(more, headers=headers).json()

    def _native(self, field: FieldType, value: str | None) -> dict[str, Any]:
        if field.name == STATE:
            numbers = {shown: number for number, shown in _STATES.items()}
            if value not in numbers:
                raise Invalid(f"{STATE}: active or inactive.")
            return {STATE: numbers[value]}
        if field.kind is not FieldKind.REFERENCE:
            return {field.name: vendors.native(field.name, field.kind, value)}
        target, navigation = _LOOKUPS[field.name]
        if value is not None and not _GUID.fullmatch(value):
            raise Invalid(f"{field.name}: the key of a row is needed.")
        return {f"{navigation}@odata.bind": f"/{self._table(target).set}({value})" if value else None}

    def _table(self, name: str) -> _Table:
        if name not in _KINDS:
            raise Invalid(f"{name!r} is not among the tables of this connection.")
        if name not in self._tables:
            answer = self.http.ask("GET", f"{BASE}/EntityDefinitions(LogicalName='{name}')", None, **_DEFINITION)
            given = answer.json()
            self._tables[name] = _Table(_object_type(name, given), given["EntitySetName"])
        return self._tables[name]


def _object_type(name: str, given: Mapping[str, Any]) -> ObjectType:
    known = {one["LogicalName"]: one for one in given["Attributes"] if one["IsValidForRead"]}
    standard = [one for one in _STANDARD[name] if one in known]
    custom = [one for one in known if known[one]["IsCustomAttribute"] and known[one]["AttributeType"] in _FIELD_KINDS]
    key = FieldType(given["PrimaryIdAttribute"], "ID", writable=False, role=Role.ID)
    closes = name in ("account", "contact")
    return ObjectType(
        name, _label(given["DisplayCollectionName"]) or name,
        (key, *(_field(one, known[one]) for one in dict.fromkeys((*standard, *sorted(custom))))),
        _KINDS[name],
        merging=Merging.EMULATED if closes else Merging.NONE,
        inactive_field=(STATE, "inactive") if closes else None,
    )  # fmt: skip


def _field(name: str, given: Mapping[str, Any]) -> FieldType:
    refers_to = _LOOKUPS.get(name, ("", ""))[0]
    kind = FieldKind.REFERENCE if refers_to else _FIELD_KINDS.get(given["AttributeType"], FieldKind.TEXT)
    is_state = name == STATE
    shown_only = given["AttributeType"] in ("Owner", "Customer", "Lookup", "Picklist", "Status") and not refers_to
    return FieldType(
        name, _label(given["DisplayName"]) or name, FieldKind.CHOICE if is_state else kind,
        writable=is_state or bool(given["IsValidForUpdate"] and not shown_only and name not in ("fullname", *_END)),
        required=given["RequiredLevel"]["Value"] in ("SystemRequired", "ApplicationRequired"),
        choices=tuple(_STATES.values()) if is_state else (),
        refers_to=refers_to,
        role=_ROLES.get(name),
    )  # fmt: skip


def _label(given: Mapping[str, Any]) -> str:
    return str((given.get("UserLocalizedLabel") or {}).get("Label") or "")


def _asked(field: FieldType) -> str:
    return f"_{field.name}_value" if field.refers_to or field.name == "ownerid" else field.name


def _row(table: _Table, given: Mapping[str, Any]) -> Row:
    values: dict[str, str | None] = {}
    for field, asked in zip(table.about.fields, table.asked, strict=True):
        found = given.get(asked)
        if field.name == STATE:
            values[STATE] = _STATES.get(found, given.get(asked + _SHOWN)) if found is not None else None
        elif field.name == "ownerid":
            values["ownerid"] = vendors.text(given.get(asked + _SHOWN) or found)
        else:
            values[field.name] = vendors.text(found)
    key = str(values[table.about.key])
    return Row(key, given["@odata.etag"], values, inactive=values.get(STATE) == "inactive")
