"""Standing budgets as they stand, and how one was spent in its window. Imports budgets, core, reports and the dashboard's parts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from farebox.budgets.matching import Standing
from farebox.budgets.refusal import counted
from farebox.budgets.status import BudgetStatus
from farebox.core.errors import ConfigurationError
from farebox.core.ports import Ledger
from farebox.dashboard import period
from farebox.dashboard.period import iso
from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reports import budgets as reports
from farebox.reports.report import Cell, Column, Table

_BURN: Final = (
    Column("moment", "at", "time"),
    Column("spent", "spent by then"),
    Column("remaining", "left"),
    Column("forecast", "forecast"),
)


def budgets(sources: Sources, asked: Question) -> Table:  # noqa: ARG001 - budgets have windows of their own
    """The report of standing budgets, in their windows of now; the view's range and filters do not apply."""
    now = sources.clock()
    return reports.budgets(sources.budgets.status(now), now=now)


def burn(sources: Sources, asked: Question) -> Table:
    """How the budget `name` (its `bucket`) was used up in its window, from the calls of the ledger, and where that leads.

    The forecast goes on at the window's rate so far, from what the budget says is spent: a plain line, and no promise.
    """
    now, zone = sources.clock(), ZoneInfo(asked.zone)
    one = _one(sources.budgets.status(now), asked)
    standing = next(row for row in sources.budgets.rows() if row.name == one.name)
    start, end = _window(standing, one, now)
    times = period.between(period.local(start, zone), period.local(end, zone), now)
    rows: list[tuple[Cell, ...]] = [(iso(start, zone), *_texts(one, 0), None)]
    used = 0
    for since, until in zip(times.edges, times.edges[1:], strict=False):
        if since > now:
            break
        used += _used(sources.ledger, standing, one.bucket, since, min(until, now + 1))
        rows.append((iso(min(until, now), zone), *_texts(one, used), None))
    notes = []
    if not standing.window.rolling and now > start:
        rate = Decimal(one.spent) * (end - now) / (now - start)
        rows.append((iso(now, zone), *_texts(one, used), f"{one.spent}"))
        rows.append((iso(end, zone), None, None, f"{Decimal(one.spent) + rate:.6f}"))
    if counted(one.unit, used) != one.spent:
        notes.append(
            f"The budget itself says {one.spent} spent: it counts what was held by calls that never settled too."
        )
    return Table(title=f"{one.name} {one.bucket or ''}".strip(), columns=_BURN, rows=tuple(rows), notes=tuple(notes))


def _one(found: list[BudgetStatus], asked: Question) -> BudgetStatus:
    for one in found:
        if one.name == asked.name and (one.bucket or "") == asked.bucket:
            return one
    raise ConfigurationError(
        f"there is no budget {asked.name!r} with a bucket {asked.bucket!r}: see the list of budgets"
    )


def _window(standing: Standing, one: BudgetStatus, now: int) -> tuple[int, int]:
    if standing.window.rolling:
        return standing.window.place(now)[1], now + 1000  # a call of this very microsecond counts
    return period.nanoseconds(one.start), period.nanoseconds(one.end)


def _texts(one: BudgetStatus, used: int) -> tuple[str, str]:
    spent = counted(one.unit, used)
    return f"{spent}", f"{max(Decimal(0), Decimal(one.limit) - spent)}"


def _used(ledger: Ledger, standing: Standing, bucket: str | None, since: int, until: int) -> int:
    """What calls of the bucket used, in the budget's unit. Values that are beginnings are compared here."""
    match = standing.row.match
    where: dict[str, str | None] = {
        name: values[0] for name, values in match.items() if len(values) == 1 and not values[0].endswith("*")
    }
    rest = {name: values for name, values in match.items() if name not in where}
    if standing.row.per is not None:
        where[standing.row.per] = bucket
    found = ledger.by(*rest, since=since, until=until, where=where)
    return sum(_measure(row, standing.row.unit) for row in found if all(_meets(row[name], rest[name]) for name in rest))


def _meets(value: str | None, values: tuple[str, ...]) -> bool:
    return value is not None and any(
        value.startswith(one[:-1]) if one.endswith("*") else value == one for one in values
    )


def _measure(row: dict[str, Any], unit: str) -> int:
    if unit == "usd":
        return int(row["cost_nano"])
    return int(row["calls"] if unit == "calls" else row["input_tokens"] + row["output_tokens"])
