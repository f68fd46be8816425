"""`farebox top`: what is being spent, live. Imports click, reports and cli; rich."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import structs

from farebox.cli.asking import Asked, asks
from farebox.cli.show import console
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import Scope

if TYPE_CHECKING:
    from farebox.budgets.status import BudgetStatus

_MINUTE: Final = 60 * 10**9
_DAY: Final = 1440 * _MINUTE
_ROWS: Final = 8
_BAR: Final = 20


@click.command(epilog="Example: farebox top --where tenant=acme --interval 5")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Print one look and end; exit code 3 when a budget is used up.")
@asks()
@click.pass_context
def top(context: click.Context, *, interval: float, once: bool, asked: Asked) -> None:
    """What is being spent now, by all programs that write to this ledger; Ctrl-C ends it.

    --since says from when on models are summed [default: today, UTC]; budgets stand as they stand, whatever --where says.
    """
    from farebox.cli.budgets import OVER, statuses

    out = console()
    with asked.opened() as ledger:
        if once:
            found = statuses(asked.ledger)
            out.print(view(ledger, asked, found, time.time_ns(), out.width))
            context.exit(OVER if any(one.over for one in found) else 0)
        _watch(ledger, asked, interval, out)


def _watch(ledger: Ledger, asked: Asked, interval: float, out: Any) -> None:
    from rich.live import Live

    from farebox.cli.budgets import statuses

    try:
        with Live(console=out, screen=out.is_terminal, auto_refresh=False) as live:
            while True:
                live.update(view(ledger, asked, statuses(asked.ledger), time.time_ns(), out.width), refresh=True)
                time.sleep(interval)
    except KeyboardInterrupt:
        return


def view(ledger: Ledger, asked: Asked, statuses: Sequence[BudgetStatus], now: int, width: int) -> Any:
    """One look, as rich draws it."""
    from rich.console import Group
    from rich.text import Text

    from farebox.reports.calls import latest
    from farebox.reports.render import to_terminal
    from farebox.reports.spend import spend

    since = now - now % _DAY if asked.since is None else asked.since
    filters: dict[str, Any] = {**asked.filters, "since": since}
    models = spend(ledger, ("provider", "model"), **filters)
    fullest = sorted(statuses, key=lambda one: -one.utilization)
    more = [f"{len(fullest) - _ROWS} more budgets are less full."] if len(fullest) > _ROWS else []
    newest = structs.replace(_narrow(latest(ledger, **asked.filters, limit=_ROWS)), notes=())
    head = Text(f"farebox top  {datetime.fromtimestamp(now // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC", style="bold")
    # What matters most comes first: a low terminal shows the upper part.
    return Group(
        head,
        to_terminal(paces(ledger, asked, now), width),
        *map(_bar, fullest[:_ROWS]),
        *(Text(text, style="dim") for text in more),
        to_terminal(structs.replace(models, rows=models.rows[:_ROWS]), width),
        to_terminal(newest, width),
    )


def paces(ledger: Ledger, asked: Asked, now: int) -> Table:
    """What the last minutes, the last hour and today cost, and what an hour costs at that pace."""
    counts = ("calls", "errors", "refused", "unpriced")
    rows: list[tuple[Cell, ...]] = []
    for name, length in (("last 5 minutes", 5 * _MINUTE), ("last hour", 60 * _MINUTE), ("today", now % _DAY or 1)):
        total = groups.summed(groups.grouped(ledger, (), Scope(now - length, None, asked.where)))
        cost = groups.cost_of(total)
        per_hour = None if cost is None else Money.from_nano(total["cost_nano"] * 60 * _MINUTE // length)
        rows.append((name, *(total[count] for count in counts), cost, per_hour))
    return Table(
        title=f"Pace{Scope(None, None, asked.where)}",
        columns=(
            Column("period", "UTC"),
            *(Column(name, name, "count") for name in counts),
            Column("cost", "cost", "money"),
            Column("per_hour", "per hour", "money"),
        ),
        rows=tuple(rows),
    )


_SHOWN: Final = ("started", "model", "status", "tenant_id", "task_type", "output_tokens", "duration_ns", "cost")


def _narrow(table: Table) -> Table:
    """The columns that matter while one watches."""
    at = [index for index, column in enumerate(table.columns) if column.name in _SHOWN]
    return structs.replace(
        table,
        columns=tuple(table.columns[index] for index in at),
        rows=tuple(tuple(row[index] for index in at) for row in table.rows),
    )


def _bar(status: BudgetStatus) -> Any:
    """A budget as a line: how full it is, and when it will be."""
    from rich.text import Text

    from farebox.reports.budgets import exhausted_at
    from farebox.reports.render import visible

    share = min(status.utilization, 1.0)
    full = round(share * _BAR)
    sign = "$" if status.unit == "usd" else ""
    unit = "" if status.unit == "usd" else f" {status.unit}"
    who = f"{status.name} {status.bucket or ''}".strip()
    gone = exhausted_at(status, datetime.now(UTC))
    end = "used up" if status.over else "" if gone is None else f"used up {gone:%Y-%m-%d %H:%M} at this pace"
    text = f"{who}: {'█' * full}{'░' * (_BAR - full)} {sign}{status.spent} of {sign}{status.limit}{unit} ({status.window}) {end}"
    return Text(visible(text.rstrip()), style="red" if status.over else "yellow" if share >= 0.8 else "")
