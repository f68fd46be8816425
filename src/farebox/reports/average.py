"""What a call costs and uses on average. Imports core and reports only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from farebox.core.answers import Moment
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import by_titles, scope

_COLUMNS = (
    Column("calls", "calls", "count"),
    Column("cost", "cost", "money"),
    Column("cost_per_call", "per call", "money"),
    Column("input_tokens_per_call", "tokens in", "number", detail=True),
    Column("output_tokens_per_call", "tokens out", "number", detail=True),
)


def average(
    ledger: Ledger,
    by: Sequence[str] = ("model",),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """Cost and tokens of an average call, by dimensions. Costs are averages over the calls whose cost is known.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows; none: one average of all.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    asked = scope(since, until, where)
    found = [group for group in groups.grouped(ledger, by, asked) if group["calls"]]
    total = groups.summed(found)
    notes = ["An average cost is that of the calls whose cost is known."] if total["unpriced"] else []
    if total["estimated"] or total["unpriced"]:
        notes.append("Calls that do not say what they used count as calls without tokens.")
    return Table(
        title=f"Average call{by_titles(by)}{asked}",
        columns=(*groups.columns_of(by), *_COLUMNS),
        rows=tuple((*groups.values_of(by, group), *_cells(group)) for group in found),
        totals=(*groups.total_of(by), *_cells(total)) if found and by else None,
        notes=(*notes, *groups.cautions(total), *asked.unseen(ledger, *by)),
    )


def average_cost(group: groups.Group) -> Money | None:
    """Cost by call of those whose cost is known, to the nano-dollar; None where there is none."""
    known = group["calls"] - group["unpriced"]
    return Money.from_nano(round(Decimal(group["cost_nano"]) / known)) if known else None


def _cells(group: groups.Group) -> tuple[Cell, ...]:
    return (
        group["calls"],
        groups.cost_of(group),
        average_cost(group),
        _mean(group["input_tokens"], group["calls"]),
        _mean(group["output_tokens"], group["calls"]),
    )


def _mean(amount: int, calls: int) -> Decimal | None:
    return (Decimal(amount) / calls).quantize(Decimal("0.1")) if calls else None
