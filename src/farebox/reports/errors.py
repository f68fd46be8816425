"""What did not end well, why, and what it cost all the same. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from farebox.core import semconv
from farebox.core.answers import Moment
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import by_titles, scope

_WHY = ("status", "error_type")


def errors(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Calls that ended in an error, were cancelled, abandoned, lost or refused, by their error's type, the most frequent first.

    Args:
        ledger: where the events are. Single calls are read, so that only those count that are still kept.
        by: dimensions to tell apart beside status and type.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    asked = scope(since, until, where)
    by = tuple(name for name in by if name not in _WHY)
    # Rates are of the same calls as the errors: of those that are kept one by one.
    kept = asked._replace(since=max(asked.since or 0, ledger.reach("error_type")))
    all_calls: dict[tuple[Any, ...], int] = {}
    statuses: set[str] = set()
    for row in ledger.by(*by, "status", **kept.filters):
        key = tuple(row[name] for name in by)
        all_calls[key] = all_calls.get(key, 0) + row["calls"]
        statuses.add(row["status"])
    # Only sums know how many calls there were quickly, and only single calls know the type: those that ended well are not read.
    bad = [
        row
        for status in sorted(statuses - {semconv.STATUS_OK})
        if asked.where.get("status", status) == status
        for row in ledger.by(*by, *_WHY, **{**kept.filters, "where": {**asked.where, "status": status}})
    ]
    bad.sort(key=lambda row: -row["calls"])
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            *groups.values_of((*by, *_WHY), row),
            row["calls"],
            groups.ratio(row["calls"], all_calls[tuple(row[name] for name in by)]),
            groups.cost_of(row),
        )
        for row in bad
    )
    unknown = sum(row["unpriced"] for row in bad)
    return Table(
        title=f"Calls that did not end well{by_titles(by)}{asked}",
        columns=(
            *groups.columns_of((*by, *_WHY)),
            Column("calls", "calls", "count"),
            Column("rate", "of all calls", "percent", detail=True),
            Column("cost", "cost", "money"),
        ),
        rows=rows,
        totals=(*groups.total_of((*by, *_WHY)), *_totals(bad, sum(all_calls.values()))) if bad else None,
        notes=(
            *((f"{unknown:,} of them have no known cost: the sum is a lower bound.",) if unknown else ()),
            *asked.unseen(ledger, *by, *_WHY),
        ),
        empty="Every call ended well.",
    )


def _totals(bad: Sequence[Mapping[str, Any]], calls: int) -> tuple[Cell, ...]:
    total = {name: sum(row[name] for row in bad) for name in ("calls", "unpriced", "cost_nano")}
    return total["calls"], groups.ratio(total["calls"], calls), groups.cost_of(total)
