"""Standing budgets as they stand: what is spent, how fast, and when it is gone. Imports core, budgets and reports only."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from farebox.budgets.status import BudgetStatus
from farebox.core.money import Money
from farebox.core.windows import Window
from farebox.reports.report import Cell, Column, Table

_HOUR: Final = 3600

_COLUMNS: Final = (
    Column("budget", "budget"),
    Column("bucket", "bucket"),
    Column("window", "window"),
    Column("unit", "unit", detail=True),
    Column("limit", "limit", "amount"),
    Column("spent", "spent", "amount"),
    Column("held", "held", "amount", detail=True),
    Column("remaining", "remaining", "amount"),
    Column("utilization", "used", "percent"),
    Column("calls", "calls", "count", detail=True),
    Column("burn_per_hour", "per hour", "amount", detail=True),
    Column("exhausted_at", "used up at (UTC)", "time"),
    Column("start", "from (UTC)", "time", detail=True),
    Column("end", "until (UTC)", "time", detail=True),
)


def budgets(statuses: Iterable[BudgetStatus], *, now: int | None = None) -> Table:
    """Every bucket of standing budgets in its window of now.

    Args:
        statuses: of `budget_status()`.
        now: nanoseconds UTC. [default: the present moment]
    """
    found = list(statuses)
    moment = datetime.fromtimestamp((time.time_ns() if now is None else now) // 10**9, UTC)
    over = sum(one.over for one in found)
    notes = []
    if over:
        notes.append(f"{over} of {len(found)} {'is' if over == 1 else 'are'} used up.")
    if any(one.held for one in found):
        notes.append("What calls in flight hold is not spent yet, and cannot be spent twice.")
    return Table(
        title="Standing budgets",
        columns=_COLUMNS,
        rows=tuple(_row(one, moment) for one in found),
        notes=tuple(notes),
        empty="No budgets.",
    )


def burn_per_hour(status: BudgetStatus, now: datetime) -> Decimal:
    """What an hour of the window took on average so far, in the budget's unit."""
    seconds = max(1, int((now - status.start).total_seconds()))
    rate = Decimal(status.spent) * _HOUR / seconds
    return Money.from_nano(round(rate.scaleb(9))) if status.unit == "usd" else rate.quantize(Decimal("0.1"))


def exhausted_at(status: BudgetStatus, now: datetime) -> datetime | None:
    """When nothing is left, if spending goes on at the rate of the window so far.

    None where the window ends before, where nothing is being spent, and where the window rolls: there, spending at one rate leaves the
    sum as it is. The present moment where the limit is reached already.
    """
    if status.over:
        return now
    rate = burn_per_hour(status, now)
    if not rate or Window(status.window).rolling:
        return None
    seconds = (Decimal(status.limit) - Decimal(status.spent)) * _HOUR / rate
    left = (status.end - now).total_seconds()
    return None if seconds >= left else now + timedelta(seconds=int(seconds))


def _row(status: BudgetStatus, now: datetime) -> tuple[Cell, ...]:
    exhausted = exhausted_at(status, now)
    return (
        status.name,
        status.bucket,
        status.window,
        status.unit,
        *(f"{amount}" for amount in (status.limit, status.spent, status.held, status.remaining)),
        Decimal(repr(status.utilization)),
        status.calls,
        f"{burn_per_hour(status, now)}",
        None if exhausted is None else "now" if status.over else exhausted.isoformat(),
        status.start.isoformat(),
        status.end.isoformat(),
    )
