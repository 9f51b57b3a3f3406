"""The connector contract over every connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crmquality.connectors import sql_engines
from crmquality.connectors.testing import Bench, Check, system_checks
from tests.connectors.benches import SqlBench, TrytonBench, little_bench, sql_engines_of
from tests.connectors.vendor_benches import VENDORS, vendor_bench
from tests.tryton_server import serving

KINDS = ["littlecrm", "postgresql", "mysql", "sqlite", "two of postgresql", "two of mysql", "two of sqlite", "tryton"]
KINDS += list(VENDORS)


@pytest.fixture(scope="module")
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Bench]]:
    """Makes a bench anew for every check, on databases that are made once."""
    kind: str = request.param
    with ExitStack() as stack:
        if kind == "littlecrm":
            yield lambda: stack.enter_context(little_bench())
            return
        if kind in VENDORS:
            yield lambda: stack.enter_context(vendor_bench(kind))
            return
        folder = tmp_path_factory.mktemp("databases")
        if kind == "tryton":
            tryton = stack.enter_context(serving(folder, parties=6))
            yield lambda: TrytonBench(tryton)
            return
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sql_engines, "sqlite_folder", lambda: folder)
            patch.setattr("crmquality.connectors.sql_system.PAGE_ROWS", 3)
            count = 2 if kind.startswith("two of ") else 1
            engines, given = stack.enter_context(sql_engines_of(kind.removeprefix("two of "), count, Path(folder)))
            yield lambda: SqlBench(engines, given)


@pytest.mark.parametrize("check", system_checks(), ids=lambda check: check.__name__)
@pytest.mark.parametrize("make", KINDS, indirect=True)
def test_a_connector_keeps_the_contract(check: Check, make: Callable[[], Bench]) -> None:
    check(make())
