"""Which models answered: their shares of calls, tokens and cost. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farebox.core.answers import Moment
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.average import average_cost
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import by_titles, scope

_COLUMNS = (
    Column("calls", "calls", "count"),
    Column("share_of_calls", "of calls", "percent", detail=True),
    Column("tokens", "tokens", "count", detail=True),
    Column("share_of_tokens", "of tokens", "percent", detail=True),
    Column("cost", "cost", "money"),
    Column("share_of_cost", "of cost", "percent"),
    Column("cost_per_call", "per call", "money", detail=True),
)


def models(
    ledger: Ledger,
    by: Sequence[str] = ("provider", "model"),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """The distribution of calls, tokens and cost over models, or over other dimensions.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    asked = scope(since, until, where)
    found = [{**group, "tokens": _tokens(group)} for group in groups.grouped(ledger, by, asked)]
    found = [group for group in found if group["calls"]]
    total = groups.summed(found)
    total["tokens"] = _tokens(total)
    return Table(
        title=f"Distribution{by_titles(by)}{asked}",
        columns=(*groups.columns_of(by), *_COLUMNS),
        rows=tuple((*groups.values_of(by, group), *_cells(group, total)) for group in found),
        totals=(*groups.total_of(by), *_cells(total, total)) if found else None,
        notes=(*groups.cautions(total), *asked.unseen(ledger, *by)),
    )


def _tokens(group: groups.Group) -> int:
    tokens: int = group["input_tokens"] + group["output_tokens"]
    return tokens


def _cells(group: groups.Group, total: groups.Group) -> tuple[Cell, ...]:
    return (
        group["calls"],
        groups.share("calls", group, total),
        group["tokens"],
        groups.share("tokens", group, total),
        groups.cost_of(group),
        groups.share("cost_nano", group, total),
        average_cost(group),
    )
