"""Queries whose SQL is built once: for the few that run in every decision, where building costs more than running.

Django builds a query's SQL anew each time it runs: for a short query by primary key that is half of its cost to the
web process. A `Prepared` query is built at its first use, with holes where values go, and gives model instances as the
queryset it was built from would, `select_related` and annotations included.

It rests on the compiler behind `QuerySet` (`SQLCompiler.as_sql`, `results_iter`, `ModelIterable`), which is Django's
own and not documented: the version is pinned, and `tests/crmquality/test_prepared.py` holds it against the queryset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import BooleanField, Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Hole:
    """Where a value goes."""

    name: str


def where(sql: str, *names: str) -> RawSQL:
    """A condition in SQL for `filter`, each %s a hole of these names: where('"auth_user"."id" = %s', "user")."""
    holes = [Hole(name) for name in names]
    return RawSQL(sql, holes, output_field=BooleanField())  # noqa: S611 - values never enter the text


class Prepared(Generic[M]):
    """A query with holes.

    build: gives the queryset; called once, at first use. A row-locking one must first be used inside a transaction.
    """

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        self._build = build
        self._made: tuple[str, tuple[Any, ...], Any, QuerySet[M]] | None = None

    def all(self, **values: Any) -> list[M]:
        """The instances for these values of the holes, in the queryset's order."""
        sql, params, compiler, rows = self._made or self._make()
        with connection.cursor() as cursor:
            cursor.execute(sql, [values[one.name] if isinstance(one, Hole) else one for one in params])
            found = cursor.fetchall()
        return _instances(compiler, rows, found) if found else []

    def first(self, **values: Any) -> M | None:
        """The first of them, None if there is none."""
        return next(iter(self.all(**values)), None)

    def _make(self) -> tuple[str, tuple[Any, ...], Any, QuerySet[M]]:
        rows = self._build()
        compiler = rows.query.get_compiler(rows.db)
        sql, params = compiler.as_sql()
        self._made = (sql, tuple(params), compiler, rows)
        return self._made


def _instances(compiler: Any, rows: QuerySet[M], found: list[tuple[Any, ...]]) -> list[M]:
    """As `ModelIterable` makes them."""
    known = compiler.klass_info
    fields = known["select_fields"]
    start, end = fields[0], fields[-1] + 1
    names = [column[0].target.attname for column in compiler.select[start:end]]
    related = get_related_populators(known, compiler.select, rows.db)  # type: ignore[call-arg] # stubs of Django 6.1
    made = []
    for row in compiler.results_iter([found]):
        one = known["model"].from_db(rows.db, names, row[start:end])
        for populator in related:
            populator.populate(row, one)
        for name, place in compiler.annotation_col_map.items():
            setattr(one, name, row[place])
        made.append(one)
    return made
