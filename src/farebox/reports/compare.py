"""A period against the one before it, of the same length. Imports core and reports only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from farebox.core.answers import Moment, nanoseconds
from farebox.core.errors import ConfigurationError
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import DAY_NS, Scope, by_titles, moment, scope

_WEEK: Final = 7 * DAY_NS

_COLUMNS = (
    Column("calls", "calls", "count", detail=True),
    Column("calls_before", "before", "count", detail=True),
    Column("cost", "cost", "money"),
    Column("cost_before", "before", "money"),
    Column("difference", "difference", "money"),
    Column("change", "change", "percent"),
)


def compare(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Calls and cost of a period beside those of the equally long one directly before, by the largest difference.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows; none: one row.
        since: first moment of the period. [default: seven days before its end]
        until: first moment behind it. [default: now]
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension, or the period is empty.
    """
    end = nanoseconds(until)
    end = time.time_ns() if end is None else end
    start = nanoseconds(since)
    start = end - _WEEK if start is None else start
    if start >= end:
        raise ConfigurationError(
            f"the period from {moment(start)} to {moment(end)} is empty: since must be before until"
        )
    now, before = scope(start, end, where), scope(2 * start - end, start, where)
    rows = _joined(by, groups.grouped(ledger, by, now), groups.grouped(ledger, by, before))
    rows.sort(key=lambda pair: -abs(pair[1]["cost_nano"] - pair[2]["cost_nano"]))
    totals = groups.summed(row for _, row, _ in rows), groups.summed(row for _, _, row in rows)
    return Table(
        title=f"Spend{by_titles(by)}{now} against {moment(before.since or 0)} to {moment(start)}",
        columns=(*groups.columns_of(by), *_COLUMNS),
        rows=tuple((*key, *_cells(one, other)) for key, one, other in rows),
        totals=(*groups.total_of(by), *_cells(*totals)) if rows and by else None,
        notes=(
            *groups.cautions(totals[0]),
            *(f"Before: {note}" for note in groups.cautions(totals[1])),
            *_beginning(ledger, before),
            *Scope(before.since, end, now.where).unseen(ledger, *by),
        ),
    )


def _joined(
    by: Sequence[str], now: Sequence[groups.Group], before: Sequence[groups.Group]
) -> list[tuple[tuple[str, ...], groups.Group, groups.Group]]:
    nothing: dict[str, Any] = dict.fromkeys(groups.SUMS, 0)
    first, second = ({groups.values_of(by, row): row for row in rows} for rows in (now, before))
    return [(key, first.get(key, nothing), second.get(key, nothing)) for key in {**first, **second}]


def _cells(now: groups.Group, before: groups.Group) -> tuple[Cell, ...]:
    known = not groups.is_unknown(now) and not groups.is_unknown(before)
    difference = now["cost_nano"] - before["cost_nano"]
    return (
        now["calls"],
        before["calls"],
        groups.cost_of(now),
        groups.cost_of(before),
        Money.from_nano(difference) if known else None,
        groups.ratio(difference, before["cost_nano"]) if known else None,
    )


def _beginning(ledger: Ledger, before: Scope) -> tuple[str, ...]:
    """A ledger that begins inside the earlier period says nothing of what was spent before."""
    if before.since is None or ledger.summary(until=before.since).calls:
        return ()
    first = next(iter(ledger.series("hour", until=before.until)), None)
    if first is None:
        return ("The ledger has no calls of the period before: there is nothing to compare with.",)
    if first.start <= before.since:
        return ()
    return (f"The ledger begins on {moment(first.start)}: the period before is not whole.",)
