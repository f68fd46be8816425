"""What was spent today, in the last seven days and this month, or in one period. Imports core and reports only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from farebox.core.answers import Moment, nanoseconds
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.average import average_cost
from farebox.reports.report import Column, Table
from farebox.reports.scope import DAY_NS, Scope, scope


def cost(
    ledger: Ledger,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """One row of sums for a period; or, where none is given, for today, the last seven days and this month, in UTC.

    Args:
        ledger: where the events are.
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.
    """
    asked = scope(since, until, where)
    if since is None and until is None:
        periods = list(_usual(time.time_ns(), asked))
    else:
        periods = [(str(Scope(asked.since, asked.until, {})).strip(), asked)]
    found = [(name, groups.summed(groups.grouped(ledger, (), one))) for name, one in periods]
    widest = max((total for _, total in found), key=lambda total: int(total["calls"]))
    counts = [name for name in groups.COUNTS if any(total[name] for _, total in found)]
    return Table(
        title=f"Cost{Scope(None, None, asked.where)}",
        columns=(
            Column("period", "UTC"),
            Column("calls", "calls", "count"),
            *(Column(name, name, "count", detail=True) for name in counts),
            Column("input_tokens", "tokens in", "count", detail=True),
            Column("output_tokens", "tokens out", "count", detail=True),
            Column("cost", "cost", "money"),
            Column("cost_per_call", "per call", "money", detail=True),
        ),
        rows=tuple(
            (
                name,
                total["calls"],
                *(total[count] for count in counts),
                total["input_tokens"],
                total["output_tokens"],
                groups.cost_of(total),
                average_cost(total),
            )
            for name, total in found
        ),
        notes=(*groups.cautions(widest), *min(periods, key=lambda one: one[1].since or 0)[1].unseen(ledger)),
    )


def _usual(now: int, asked: Scope) -> Iterator[tuple[str, Scope]]:
    day = datetime.fromtimestamp(now // 10**9, UTC)
    month = nanoseconds(datetime(day.year, day.month, 1, tzinfo=UTC))
    yield "today", asked._replace(since=now - now % DAY_NS)
    yield "last 7 days", asked._replace(since=now - 7 * DAY_NS)
    yield f"{day:%Y-%m}", asked._replace(since=month)
