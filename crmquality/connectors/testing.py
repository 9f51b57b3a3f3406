"""The contract as tests: give your connector a `Bench`, and run every check over it.

    @pytest.mark.parametrize("check", system_checks(), ids=lambda check: check.__name__)
    def test_my_connector_keeps_the_contract(check, bench):
        check(bench)

A bench is the connector with a system it can reach (a real one, or a small fake written from the published API) that
holds a few rows, made anew for every check. Each check raises AssertionError, with a sentence, where the contract is
broken. `table_checks` are those of a `TableConnector`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import polars as pl

from crmquality.connectors import delivering
from crmquality.connectors.contract import (
    Call,
    Line,
    Merge,
    Merging,
    ObjectType,
    Plan,
    Row,
    System,
    SystemConnector,
    Write,
)
from crmquality.connectors.faults import Denied, Differs, Invalid, QuotaSpent, Stale, SystemFault
from crmquality.connectors.settings import read, require_secrets
from crmquality.connectors.tables import Table


class Bench(ABC):
    """A connector with a system to try it on.

    connector, given: what a person would fill in, secrets among it.
    about: name of an object with five rows or more, all in use. text_field: a field of it that holds any text.
    """

    connector: SystemConnector
    given: Mapping[str, Any]
    about: str
    text_field: str

    @abstractmethod
    def edit(self, key: str, name: str, value: str | None) -> None:
        """Change a value as somebody else would, in the system itself."""

    @abstractmethod
    def deactivate(self, key: str) -> bool:
        """Take a row out of use in the system itself; False if rows cannot be."""

    def delete(self, key: str) -> bool:
        """Delete a row in the system itself; False if that is not to be tried."""
        return False

    def wrong_login(self) -> Mapping[str, Any] | None:
        """What to fill in so that the system refuses the login; None if it knows none."""
        return None

    def webhook(self) -> tuple[Mapping[str, str], bytes] | None:
        """Headers and body of a webhook that the system would post to HOOK; None if it sends none."""
        return None

    def connect(self, line: Line | None = None, given: Mapping[str, Any] | None = None) -> System:
        """Open a connection."""
        settings, secrets = read(self.connector.settings, self.given if given is None else given)
        return self.connector.connect(settings, secrets, line or Line())


Check = Callable[[Bench], None]
HOOK = "https://crm.example.com/api/v1/hooks/00000000-0000-4000-8000-000000000000/"
"""Where webhooks are posted to."""


def system_checks() -> list[Check]:
    """Every check of a connector to a system."""
    return [
        settings_are_typed_and_secrets_are_kept_apart,
        it_says_who_it_is,
        objects_are_described,
        everything_is_pulled_once_as_text,
        a_pull_goes_on_from_any_page,
        a_pull_since_the_last_cursor_gives_what_changed,
        rows_out_of_use_are_pulled_and_marked,
        rows_are_got_as_they_are_pulled,
        what_stands_there_can_be_written_again,
        a_write_is_done_once_and_read_back,
        a_stale_version_is_refused_and_nothing_is_written,
        what_somebody_changed_meanwhile_is_not_overwritten,
        a_preview_sends_nothing,
        every_request_is_counted_and_none_is_made_without_quota,
        a_merge_is_taken_back_to_what_was_before,
        a_wrong_login_is_denied_without_saying_the_secret,
        webhooks_are_verified,
    ]


def settings_are_typed_and_secrets_are_kept_apart(bench: Bench) -> None:
    """Names are unique, secrets come apart, and what is missing is said."""
    names = [one.name for one in bench.connector.settings]
    assert len(set(names)) == len(names), "two settings of one name"
    plain, secrets = read(bench.connector.settings, bench.given)
    require_secrets(bench.connector.settings, secrets)
    assert not set(plain) & set(secrets)
    for one in bench.connector.settings:
        looks_secret = any(word in one.name for word in ("password", "secret", "token"))
        assert one.secret or not looks_secret, f"{one.name} looks like a secret, and would be shown"
        assert one.label, f"{one.name} has no label"


def it_says_who_it_is(bench: Bench) -> None:
    """`check` gives a sentence that holds no secret."""
    _, secrets = read(bench.connector.settings, bench.given)
    with bench.connect() as system:
        said = system.check()
    assert said
    assert not any(value in said for value in secrets.values()), "the sentence holds a secret"


def objects_are_described(bench: Bench) -> None:
    """Objects and fields have unique names, and references point at objects that there are."""
    with bench.connect() as system:
        objects = list(system.describe())
    names = [one.name for one in objects]
    assert len(set(names)) == len(names)
    assert bench.about in names
    for one in objects:
        assert one.fields, f"{one.name} has no fields"
        assert len(set(one.names)) == len(one.names), f"{one.name} has two fields of one name"
        assert not one.fields[0].writable, f"the key of {one.name} must not be writable"
        for name in (one.inactive_field or ("",))[:1]:
            assert not name or name in one.names
    about = next(one for one in objects if one.name == bench.about)
    assert about.field(bench.text_field).writable


def everything_is_pulled_once_as_text(bench: Bench) -> None:
    """All columns are text, keys are there and unique, cursors are text."""
    with bench.connect() as system:
        about = _about(system, bench)
        pages = list(system.pull(bench.about, about.names, None))
    assert pages, "a pull has one page at least"
    keys: list[str] = []
    for page in pages:
        assert tuple(page.frame.columns) == about.names, "the columns are those asked for, in their order"
        assert set(page.frame.dtypes) <= {pl.String}
        assert not page.frame.height or not (page.frame == "").fill_null(False).to_numpy().any(), "blank cells are null"
        assert isinstance(page.cursor, str)
        assert page.cursor
        keys += page.frame[about.key].to_list()
    assert all(keys)
    assert len(set(keys)) == len(keys) >= 5


def a_pull_goes_on_from_any_page(bench: Bench) -> None:
    """The rows of a page and those since its cursor are all rows."""
    with bench.connect() as system:
        about = _about(system, bench)
        everything = set(_pulled(system, about, None))
        seen: set[str] = set()
        for page in system.pull(bench.about, about.names, None):
            seen |= set(page.frame[about.key].to_list())
            rest = _pulled(system, about, page.cursor)
            assert seen | set(rest) == everything, "rows are lost where a pull goes on"


def a_pull_since_the_last_cursor_gives_what_changed(bench: Bench) -> None:
    """A row that somebody changed comes, with its new value."""
    with bench.connect() as system:
        about = _about(system, bench)
        pages = list(system.pull(bench.about, about.names, None))
        key = sorted(_pulled(system, about, None))[0]
        bench.edit(key, bench.text_field, "Changed meanwhile")
        since = _pulled(system, about, pages[-1].cursor)
        assert since.get(key, {}).get(bench.text_field) == "Changed meanwhile"
        if about.tells_deleted and bench.delete(sorted(since)[-1]):
            told = [one for page in system.pull(bench.about, about.names, pages[-1].cursor) for one in page.deleted]
            assert told, "a deleted row is not told"


def rows_out_of_use_are_pulled_and_marked(bench: Bench) -> None:
    """A row that was taken out of use still comes, named among `inactive`."""
    with bench.connect() as system:
        about = _about(system, bench)
        key = sorted(_pulled(system, about, None))[0]
        if not bench.deactivate(key):
            return
        pages = list(system.pull(bench.about, about.names, None))
        assert key in [one for page in pages for one in page.frame[about.key]], "rows out of use are not pulled"
        assert key in [one for page in pages for one in page.inactive], "rows out of use are not marked"
        assert system.get(bench.about, [key])[key].inactive


def rows_are_got_as_they_are_pulled(bench: Bench) -> None:
    """The same values both ways; what is not there is left out; a version changes with its row."""
    with bench.connect() as system:
        about = _about(system, bench)
        pulled = _pulled(system, about, None)
        keys = sorted(pulled)
        got = system.get(bench.about, [*keys, "no-such-key"])
        assert set(got) == set(keys)
        for key in keys:
            held = {name: got[key].values.get(name) or None for name in about.names}
            assert held == pulled[key], f"row {key} is got otherwise than it is pulled"
        bench.edit(keys[0], bench.text_field, "Changed meanwhile")
        again = system.get(bench.about, keys[:2])
        assert again[keys[0]].version != got[keys[0]].version, "the version did not change with the row"
        assert again[keys[1]].version == got[keys[1]].version, "the version changed without the row"


def what_stands_there_can_be_written_again(bench: Bench) -> None:
    """The text of every writable field is one that the system takes back: it makes a call, and no fault."""
    with bench.connect() as system:
        about = _about(system, bench)
        row = _some_row(system, about)
        for one in about.fields:
            value = row.values.get(one.name)
            if one.writable and value:
                system.calls(Write(about.name, row.id, {one.name: (value, value)}), row)


def a_write_is_done_once_and_read_back(bench: Bench) -> None:
    """Writing the same twice changes the row once; blanks and letters of all kinds come back as they were sent."""
    with bench.connect() as system:
        about = _about(system, bench)
        row = _some_row(system, about)
        first = row.values.get(bench.text_field)
        for key, value in (("first", "Zoë O'Neill, 日本 “x” 50%"), ("second", "plain")):
            before = system.get(bench.about, [row.id])[row.id].values.get(bench.text_field)
            write = Write(bench.about, row.id, {bench.text_field: (before, value)})
            assert delivering.do(system, write, key=key) is delivering.Done.WRITTEN
            version = system.get(bench.about, [row.id])[row.id].version
            assert delivering.do(system, write, key=key) is delivering.Done.ALREADY
            assert system.get(bench.about, [row.id])[row.id].version == version, "it was written twice"
        back = Write(bench.about, row.id, {bench.text_field: ("plain", first)})
        delivering.do(system, back, key="back")
        assert _values(system, about, row.id) == _held(row, about)


def a_stale_version_is_refused_and_nothing_is_written(bench: Bench) -> None:
    """Calls made for a row that changed since are refused by the system."""
    with bench.connect() as system:
        about = _about(system, bench)
        row = _some_row(system, about)
        calls = system.calls(Write(bench.about, row.id, {bench.text_field: (None, "Mine")}), row)
        bench.edit(row.id, bench.text_field, "Theirs")
        send = lambda: [system.send(call, key=f"stale-{place}") for place, call in enumerate(calls)]  # noqa: E731
        _fault(Stale, send, "a stale version was not refused")
        assert _values(system, about, row.id)[bench.text_field] == "Theirs"


def what_somebody_changed_meanwhile_is_not_overwritten(bench: Bench) -> None:
    """A field that holds neither what it should before nor after is left, and told."""
    with bench.connect() as system:
        about = _about(system, bench)
        row = _some_row(system, about)
        bench.edit(row.id, bench.text_field, "Theirs")
        write = Write(bench.about, row.id, {bench.text_field: (row.values.get(bench.text_field), "Mine")})
        fault = _fault(Differs, lambda: delivering.do(system, write, key="differs"), "what was written was overwritten")
        assert fault.now == {bench.text_field: "Theirs"}
        assert _values(system, about, row.id)[bench.text_field] == "Theirs"


def a_preview_sends_nothing(bench: Bench) -> None:
    """The calls of a write can be seen, as plain JSON, and the row stays."""
    with bench.connect() as system:
        about = _about(system, bench)
        row = _some_row(system, about)
        write = Write(bench.about, row.id, {bench.text_field: (row.values.get(bench.text_field), "Preview")})
        calls = delivering.preview(system, [write])
        assert calls
        for call in calls:
            assert call.method
            assert call.address
            json.dumps(call.body)
        assert _values(system, about, row.id) == _held(row, about)


def every_request_is_counted_and_none_is_made_without_quota(bench: Bench) -> None:
    """`Line.spend` is called for reading and writing, and what it raises stops them."""
    meter = Meter()
    with bench.connect(Line(spend=meter.spend)) as system:
        about = _about(system, bench)
        row = _some_row(system, about)
        before = meter.spent
        assert before, "reading was not counted"
        write = Write(bench.about, row.id, {bench.text_field: (row.values.get(bench.text_field), "Counted")})
        delivering.do(system, write, key="counted")
        assert meter.spent >= before + 3, "comparing, writing and reading back are three requests at least"
        meter.left = 0
        for asked in (
            lambda: system.get(bench.about, [row.id]),
            lambda: list(system.pull(bench.about, about.names, None)),
            lambda: delivering.do(system, write.reversed(), key="too late"),
        ):
            _fault(QuotaSpent, asked, "a request was made without quota")
        meter.left = None
        assert _values(system, about, row.id)[bench.text_field] == "Counted"


def a_merge_is_taken_back_to_what_was_before(bench: Bench) -> None:
    """Merging takes the losers out of use and moves what refers to them; undoing restores every field of every row."""
    with bench.connect() as system:
        about = _about(system, bench)
        if about.merging is Merging.NONE:
            return
        before = _everything(system)
        keys = sorted(_pulled(system, about, None))
        value = system.get(bench.about, keys[:1])[keys[0]].values.get(bench.text_field)
        merge = Merge(bench.about, keys[0], (keys[1],), {bench.text_field: (value, "Survivor")})
        plan = system.plan_merge(merge)
        kept = delivering.plan_from_json(json.loads(json.dumps(delivering.plan_to_json(plan))))
        assert kept == plan, "a plan must survive being kept as JSON"
        assert _everything(system) == before, "planning wrote something"
        _merge_with_a_failure_half_way(system, plan)
        assert _values(system, about, keys[0])[bench.text_field] == "Survivor"
        loser = system.get(bench.about, [keys[1]]).get(keys[1])
        assert loser is None or loser.inactive, "the loser is still in use"
        if about.unmerge and not plan.irreversible:
            delivering.carry_out(system, plan.undo, key="undo")
            assert _everything(system) == before, "undoing did not restore everything"


def a_wrong_login_is_denied_without_saying_the_secret(bench: Bench) -> None:
    """The fault is Denied, and holds no secret."""
    given = bench.wrong_login()
    if given is None:
        return
    _, secrets = read(bench.connector.settings, given)

    def asked() -> None:
        with bench.connect(given=given) as system:
            system.check()

    fault = _fault(Denied, asked, "a wrong login was let in")
    assert not any(value in str(fault) for value in secrets.values()), "the message holds a secret"


def webhooks_are_verified(bench: Bench) -> None:
    """A webhook gives hints; with another body, or no signature, it is refused."""
    given = bench.webhook()
    if given is None:
        assert not bench.connector.hears
        return
    headers, body = given
    _, secrets = read(bench.connector.settings, bench.given)
    assert bench.connector.hear(headers, body, secrets, address=HOOK), "the webhook gave no hint"
    for changed in ((headers, body + b" "), ({}, body)):
        heard = partial(bench.connector.hear, *changed, secrets, address=HOOK)
        _fault((Denied, Invalid), heard, "an unsigned webhook was believed")


@dataclass
class Meter:
    """Counts what is spent. left: how many more may be; None: any number."""

    spent: int = 0
    left: int | None = None

    def spend(self) -> None:
        """Count one. Raises QuotaSpent."""
        if self.left == 0:
            raise QuotaSpent("No more calls today.")
        self.spent += 1
        self.left = None if self.left is None else self.left - 1


def _merge_with_a_failure_half_way(system: System, plan: Plan) -> None:
    """The line breaks after the first request; then it is done again, and once more."""
    sent: list[str] = []
    send = system.send

    def broken(call: Call, *, key: str) -> None:
        if sent:
            raise ConnectionError("the line broke")
        sent.append(key)
        send(call, key=key)

    system.send = broken  # type: ignore[method-assign]
    with suppress(ConnectionError):
        delivering.carry_out_whole(system, plan, key="merge")
    system.send = send  # type: ignore[method-assign]
    delivering.carry_out_whole(system, plan, key="merge")
    done = delivering.carry_out(system, plan.steps, key="merge")
    assert set(done) == {delivering.Done.ALREADY}, "doing it again did something again"


F = TypeVar("F", bound=SystemFault)


def _fault(kind: type[F] | tuple[type[F], ...], asked: Callable[[], object], otherwise: str) -> F:
    """The fault that asking raises; an AssertionError if it raises none."""
    try:
        asked()
    except kind as fault:
        return fault
    raise AssertionError(otherwise)


def _about(system: System, bench: Bench) -> ObjectType:
    return next(one for one in system.describe() if one.name == bench.about)


def _pulled(system: System, about: ObjectType, since: str | None) -> dict[str, dict[str, str | None]]:
    pages = system.pull(about.name, about.names, since)
    return {row[about.key]: row for page in pages for row in page.frame.iter_rows(named=True)}


def _some_row(system: System, about: ObjectType) -> Row:
    key = sorted(_pulled(system, about, None))[0]
    return system.get(about.name, [key])[key]


def _held(row: Row, about: ObjectType) -> dict[str, str | None]:
    """What a person may write; times of changes and the like go on."""
    return {one.name: row.values.get(one.name) or None for one in about.fields if one.writable}


def _values(system: System, about: ObjectType, key: str) -> dict[str, str | None]:
    return _held(system.get(about.name, [key])[key], about)


def _everything(system: System) -> dict[tuple[str, str], tuple[dict[str, str | None], bool]]:
    found = {}
    for about in system.describe():
        if about.writable:
            keys = list(_pulled(system, about, None))
            for key, row in system.get(about.name, keys).items():
                found[about.name, key] = _held(row, about), row.inactive
    return found


# Tables

TableCheck = Callable[[Table], None]


def table_checks() -> list[TableCheck]:
    """Every check of an open table."""
    return [columns_are_named_once, blocks_are_text_with_a_line_a_row, reading_again_gives_the_same]


def columns_are_named_once(table: Table) -> None:
    """Names are unique and not empty; options are plain JSON."""
    description = table.describe()
    assert len(set(description.columns)) == len(description.columns)
    assert all(description.columns)
    json.dumps(dict(description.options))


def blocks_are_text_with_a_line_a_row(table: Table) -> None:
    """Every column of a block is text, blank cells are null, every row has its line and its raw text."""
    columns = table.describe().columns
    lines: list[int] = []
    for block in table.blocks():
        assert tuple(block.frame.columns) == columns
        assert set(block.frame.dtypes) <= {pl.String}
        assert block.frame.height == len(block.lines) == len(block.raw)
        assert not block.frame.height or not any((block.frame[name] == "").any() for name in columns)
        assert all(row.reason and row.line >= 1 for row in block.rejected)
        lines += block.lines.to_list()
    assert lines == sorted(set(lines))


def reading_again_gives_the_same(table: Table) -> None:
    """A table can be read from its beginning again and again."""
    first, second = (_cells(table) for _ in range(2))
    assert first == second


def _cells(table: Table) -> Sequence[tuple[str | None, ...]]:
    return [row for block in table.blocks() for row in block.frame.iter_rows()]
