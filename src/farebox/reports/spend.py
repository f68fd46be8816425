"""What was spent, on what: sums of the ledger grouped by dimensions. Imports core and reports only.

An unknown cost is said and never counted as 0; what is estimated, lost or refused is said too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from farebox.core.answers import Moment
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.groups import COUNTS
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import by_titles, scope


def spend(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Calls, tokens and cost by dimensions, dearest first; months, weeks, days and hours in order.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows, for example ("tenant_id", "model").
        since: first moment that counts, nanoseconds UTC or a `datetime` with its zone.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    asked = scope(since, until, where)
    found = groups.grouped(ledger, by, asked)
    total = groups.summed(found)
    columns = (*groups.columns_of(by), *_columns(total))
    picked = [column.name for column in columns[len(by) :]]
    return Table(
        title=f"Spend{by_titles(by)}{asked}",
        columns=columns,
        rows=tuple((*groups.values_of(by, group), *(_cell(name, group, total) for name in picked)) for group in found),
        totals=(*groups.total_of(by), *(_cell(name, total, total) for name in picked)) if found and by else None,
        notes=(*groups.cautions(total), *asked.unseen(ledger, *by)),
    )


def _columns(total: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of sums; those of `COUNTS` appear only when there is something to count."""
    return (
        Column("calls", "calls", "count"),
        *(Column(name, name, "count", detail=True) for name in COUNTS if total[name]),
        Column("input_tokens", "tokens in", "count", detail=True),
        Column("cached", "cached", "percent", detail=True),
        Column("output_tokens", "tokens out", "count", detail=True),
        Column("cost", "cost", "money"),
        Column("share", "share", "percent"),
    )


def _cell(name: str, group: Mapping[str, Any], total: Mapping[str, Any]) -> Cell:
    if name == "cost":
        return groups.cost_of(group)
    if name == "share":
        return groups.share("cost_nano", group, total)
    if name == "cached":
        return groups.ratio(group["cache_read_tokens"], group["input_tokens"])
    value: int = group[name]
    return value
