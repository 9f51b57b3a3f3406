"""The few expressions that DuckDB and Spark spell differently, so that every comparison is written once."""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("duckdb", "spark")


@dataclass(frozen=True)
class Dialect:
    """One SQL dialect as Splink names it. Raises ValueError if it is not one of `NAMES`."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"{self.name!r} is no dialect of ours; there are {' and '.join(NAMES)}")

    @property
    def duckdb(self) -> bool:
        return self.name == "duckdb"

    def item(self, items: str, place: str) -> str:
        """The item at a place counted from 1."""
        return f"{items}[{place}]" if self.duckdb else f"{items}[({place}) - 1]"

    def array(self, *items: str) -> str:
        return f"[{', '.join(items)}]" if self.duckdb else f"array({', '.join(items)})"

    def struct(self, **parts: str) -> str:
        if self.duckdb:
            return "{" + ", ".join(f"'{name}': {value}" for name, value in parts.items()) + "}"
        return "named_struct(" + ", ".join(f"'{name}', {value}" for name, value in parts.items()) + ")"

    def size(self, items: str) -> str:
        return f"len({items})" if self.duckdb else f"size({items})"

    def let(self, name: str, value: str, body: str) -> str:
        """`body` with `name` standing for `value`, worked out once; columns inside `body` stay unseen by Splink."""
        if self.duckdb:
            return f"list_transform([{value}], lambda {name}: {body})[1]"
        return f"transform(array({value}), {name} -> {body})[0]"

    def best(self, size: str, name: str, body: str) -> str:
        """The largest `body` over name = 1 ... size."""
        if self.duckdb:
            return f"list_max(list_transform(range(1, {size} + 1), lambda {name}: {body}))"
        return f"array_max(transform(sequence(1, {size}), {name} -> {body}))"

    def fold(self, size: str, start: str, held: str, name: str, body: str) -> str:
        """`body` applied to what is held, over name = 1 ... size."""
        if self.duckdb:
            return f"list_reduce(range(1, {size} + 1), lambda {held}, {name}: {body}, {start})"
        return f"aggregate(sequence(1, {size}), {start}, ({held}, {name}) -> {body})"

    def bit(self, place: str) -> str:
        """A whole number with one bit set."""
        return (
            f"(CAST(1 AS BIGINT) << CAST({place} AS INT))"
            if self.duckdb
            else (f"shiftleft(CAST(1 AS BIGINT), CAST({place} AS INT))")
        )

    def overlap(self, one: str, other: str) -> str:
        """Whether two arrays share an item."""
        return f"list_has_any({one}, {other})" if self.duckdb else f"arrays_overlap({one}, {other})"

    def starts(self, whole: str, part: str) -> str:
        return f"starts_with({whole}, {part})" if self.duckdb else f"startswith({whole}, {part})"

    def upper_half(self, value: str) -> str:
        """The upper 32 bits of a whole number."""
        return f"({value} >> 32)" if self.duckdb else f"shiftright({value}, 32)"
