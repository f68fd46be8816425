"""What was billed by kind: input, cache reads and writes, output, sounds, images, searches. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from farebox.core import semconv
from farebox.core.answers import Moment
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import NOBODY, by_titles, scope

SIDES: Final = {
    "in": semconv.INPUT_UNITS,
    "in, read from the cache": semconv.CACHE_READ_UNITS,
    "in, written to the cache": semconv.CACHE_WRITE_UNITS,
    "out": semconv.OUTPUT_UNITS,
}
"""Which side of a call a kind of token is on; what is on none is no token."""


def tokens(
    ledger: Ledger,
    by: Sequence[str] = (),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Billed amounts by kind, which are disjoint: tokens, and what else was counted. The total is of tokens only.

    Args:
        ledger: where the events are. Single calls are read, so that only those count that are still kept.
        by: dimensions that the ledger knows.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    asked = scope(since, until, where)
    found = [amount for amount in ledger.units(*by, **asked.filters) if amount.amount]
    whole = sum(int(one.amount) for one in found if one.unit in semconv.TOKEN_UNITS)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            *(NOBODY if value is None else value for value in one.group.values()),
            one.unit,
            _side(one.unit),
            one.calls,
            one.amount if isinstance(one.amount, int) else Decimal(repr(round(one.amount, 6))),
            groups.ratio(int(one.amount), whole) if one.unit in semconv.TOKEN_UNITS else None,
        )
        for one in found
    )
    columns = (
        *groups.columns_of(by),
        Column("unit", "kind"),
        Column("side", "side"),
        Column("calls", "calls using it", "count", detail=True),
        Column("amount", "amount", "number"),
        Column("share", "of tokens", "percent"),
    )
    labels = (*groups.total_of((*by, "unit")), "tokens")
    return Table(
        title=f"Billed units{by_titles(by)}{asked}",
        columns=columns,
        rows=rows,
        totals=(*labels, None, whole, Decimal(1)) if whole else None,
        # `id` is told apart by no sums: what they alone remember is left out.
        notes=asked.unseen(ledger, *by, "id"),
        empty="No call says what it used.",
    )


def _side(unit: str) -> str:
    return next((side for side, units in SIDES.items() if unit in units), "other than tokens")
