"""What has no known price, or only a part of one. Imports core, reports and the dashboard's parts."""

from __future__ import annotations

from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reports.groups import grouped
from farebox.reports.report import Column, Table
from farebox.reports.scope import NOBODY


def unpriced(sources: Sources, asked: Question) -> Table:
    """Models whose cost is unknown, a lower bound or an estimate, most calls first."""
    ledger = sources.ledger
    times = asked.period(ledger, sources.clock())
    found = grouped(ledger, ("provider", "model"), asked.scope(times))
    unsure = [group for group in found if group["unpriced"] or group["partial"] or group["estimated"]]
    unsure.sort(key=lambda group: (-group["unpriced"], -group["partial"], -group["estimated"]))
    return Table(
        title="Costs that are not sure",
        columns=(
            Column("provider", "provider"),
            Column("model", "model"),
            Column("unpriced", "unknown", "count"),
            Column("partial", "lower bound", "count"),
            Column("estimated", "estimated", "count"),
            Column("calls", "of calls", "count"),
        ),
        rows=tuple(
            (
                group["provider"],
                group["model"] or NOBODY,
                group["unpriced"],
                group["partial"],
                group["estimated"],
                group["calls"],
            )
            for group in unsure[: asked.limit]
        ),
        empty="Every call of this view has an exact cost.",
    )
