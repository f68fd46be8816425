"""Who and what spent most, and which values a dimension has. Imports core, reports and the dashboard's parts."""

from __future__ import annotations

import msgspec

from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reports import spend as reports
from farebox.reports.groups import grouped
from farebox.reports.report import Column, Table
from farebox.reports.scope import Scope


def spend(sources: Sources, asked: Question) -> Table:
    """The report of spend by the view's dimension, its dearest rows."""
    ledger = sources.ledger
    times = asked.period(ledger, sources.clock())
    table = reports.spend(ledger, (asked.by,), since=times.since, until=times.until, where=asked.filters)
    left = len(table.rows) - asked.limit
    if left <= 0:
        return table
    note = f"{left:,} more are in the totals; the export has them all."
    return msgspec.structs.replace(table, rows=table.rows[: asked.limit], notes=(*table.notes, note))


def values(sources: Sources, asked: Question) -> Table:
    """The values of a dimension in the period, dearest first, whatever else is filtered by it."""
    ledger = sources.ledger
    times = asked.period(ledger, sources.clock())
    where = {name: value for name, value in asked.filters.items() if name != asked.by}
    found = grouped(ledger, (asked.by,), Scope(times.since, times.until, where))
    names = [str(group[asked.by]) for group in found if group[asked.by] is not None]
    return Table(
        title=f"Values of {asked.by}",
        columns=(Column("value", asked.by),),
        rows=tuple((name,) for name in names[: asked.limit]),
    )
