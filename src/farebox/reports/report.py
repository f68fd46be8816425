"""What a report is: a table of values that knows what its columns hold, and nothing of how it is drawn. Imports core only."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from farebox.core.money import Money

Kind: TypeAlias = Literal["text", "id", "money", "count", "percent", "time", "duration", "number", "amount"]
"""What a column holds: `str`, `str` (never broken into lines), `Money` (US dollars), `int`, `Decimal` (1 is everything), `str` (ISO 8601, UTC), `int` (nanoseconds),
`Decimal` (any number), `str` (a number whose unit another column says). None is unknown."""

Cell: TypeAlias = str | int | Money | Decimal | None


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        name: its name in JSON and CSV.
        title: its heading for people.
        kind: what it holds.
        detail: whether it is the first to go where there is no room.
    """

    name: str
    title: str
    kind: Kind = "text"
    detail: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question. Renderers show all of it: notes say what the numbers leave out.

    Attributes:
        title: what was asked.
        columns: from left to right.
        rows: one cell a column.
        totals: a last row, or None.
        notes: sentences that the reader must not miss.
        empty: what a reader is told when there are no rows.
        cursor: where the next page begins; None: there is none.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[Cell, ...] | None = None
    notes: tuple[str, ...] = ()
    empty: str = "No calls."
    cursor: str | None = None

    def records(self) -> list[dict[str, Any]]:
        """The rows, totals left out, as dicts by column name."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]
