"""What connectors to vendors' web APIs share: values as text and back, cursors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from itertools import islice
from typing import Any, TypeVar

from crmquality.connectors.contract import FieldKind, FieldType, ObjectType
from crmquality.connectors.faults import Invalid

OVERLAP = timedelta(minutes=2)
"""Rows this much older than the last change seen are read again: their transaction may have been slow to end."""

T = TypeVar("T")


def require_client(module: str, extra: str) -> None:
    """Raises Invalid if a vendor's client is not installed, saying how to install it."""
    if find_spec(module) is None:
        raise Invalid(f"The client {module} is not installed: pip install 'crmquality[{extra}]'.")


def parts(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of so many at most."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def known_object(objects: Mapping[str, ObjectType], name: str) -> ObjectType:
    """An object by its name. Raises Invalid if the connection has none of it."""
    if name not in objects:
        raise Invalid(f"{name!r} is not among the objects of this connection.")
    return objects[name]


def writable_field(about: ObjectType, name: str) -> FieldType:
    """A field of an object that may be written. Raises Invalid."""
    field = about.field(name) if name in about.names else None
    if field is None or not field.writable:
        raise Invalid(f"{about.label}: {name!r} cannot be written.")
    return field


def text(value: Any) -> str | None:
    """A value of JSON as text; "" is blank."""
    match value:
        case None | "":
            return None
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return format(value, "f")
    return str(value)


def native(name: str, kind: FieldKind, value: str | None) -> Any:
    """A text as a value of JSON. Raises Invalid if it is none of its kind."""
    if value is None or value == "":
        return None
    try:
        match kind:
            case FieldKind.NUMBER:
                number = Decimal(value)
                if not number.is_finite():
                    raise ValueError
                return int(number) if number == number.to_integral_value() else float(number)
            case FieldKind.FLAG:
                return {"yes": True, "no": False}[value]
            case FieldKind.DATE | FieldKind.TIME:
                datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (ValueError, InvalidOperation, KeyError):
        raise Invalid(f"{name}: {kind} is needed, and the text is none.") from None
    return value


def earlier(when: str, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A time of UTC some minutes before (`OVERLAP`), written as the system does."""
    return (datetime.fromisoformat(when.replace("Z", "+00:00")) - OVERLAP).strftime(form)


def cursor(**state: Any) -> str:
    """A state as the text of a cursor."""
    return json.dumps(state, sort_keys=True)


def state_of(since: str | None, /, **first: Any) -> dict[str, Any]:
    """The state of a cursor; `first` for a pull of everything."""
    return {**first, **(json.loads(since) if since else {})}


def lines_as_pairs(lines: Sequence[str], label: str) -> dict[str, tuple[str, str]]:
    """Lines such as Contact.Inactive__c=yes as object -> (field, value). Raises Invalid."""
    found = {}
    for line in lines:
        where, equals, value = line.partition("=")
        name, dot, field = where.strip().partition(".")
        if not (equals and dot and name and field and value.strip()):
            raise Invalid(f"{label}: lines such as Contact.Inactive__c=yes are needed, not {line!r}.")
        found[name] = (field, value.strip())
    return found
