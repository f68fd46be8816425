"""`farebox reprice`: the ledger's costs by the prices of today's book. Imports click, the runtime, pricing, reports and cli."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from farebox.cli.asking import JSON, open_existing
from farebox.cli.moments import parse_moment
from farebox.cli.show import show
from farebox.core.money import Money
from farebox.pricing.reprice import Repricing
from farebox.reports.report import Cell, Column, Table

_COLUMNS = (
    Column("provider", "provider"),
    Column("model", "model"),
    Column("calls", "calls changed", "count"),
    Column("filled", "had no cost", "count"),
    Column("before", "before", "money"),
    Column("after", "after", "money"),
    Column("difference", "difference", "money"),
)


@click.command(epilog="Example: farebox reprice --since month --model gpt-5-mini --dry-run")
@click.option(
    "--since", metavar="WHEN", help="First moment that counts: 2026-11-01, today, month, 7d. UTC. [default: all]"
)
@click.option("--model", metavar="NAME", help="Only calls that asked for this model, or were answered by it.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--ledger", metavar="PATH", help="Ledger to correct. [default: FAREBOX_LEDGER, farebox.toml, or the user's]"
)
@JSON
def reprice(*, since: str | None, model: str | None, dry_run: bool, ledger: str | None, form: str) -> None:
    """Price stored calls anew, each as of its own time: fills in unknown costs, and corrects those of a wrong rate.

    Calls and sums change in one transaction. What the provider stated, and what was estimated, stays.
    """
    from farebox import runtime
    from farebox.pricing import installed

    start = None if since is None else parse_moment(since, now=datetime.now(UTC), what="--since")
    runtime.current()
    book = installed.current()
    repricing = Repricing(book)
    opened = open_existing(ledger, read_only=False)
    try:
        opened.rewrite(repricing, since=start, model=model, dry_run=dry_run)
    finally:
        opened.close()
    show(_table(repricing, dry_run=dry_run, book=f"{book.hash} of {book.as_of}"), form)


def _table(repricing: Repricing, *, dry_run: bool, book: str) -> Table:
    ordered = sorted(repricing.tallies.items(), key=lambda item: (-abs(item[1].after - item[1].before), item[0]))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            *name,
            tally.calls,
            tally.filled,
            *map(Money.from_nano, (tally.before, tally.after, tally.after - tally.before)),
        )
        for name, tally in ordered
    )
    tallies = repricing.tallies.values()
    before, after = sum(tally.before for tally in tallies), sum(tally.after for tally in tallies)
    totals: tuple[Cell, ...] = (
        "total",
        "",
        sum(tally.calls for tally in tallies),
        sum(tally.filled for tally in tallies),
        *map(Money.from_nano, (before, after, after - before)),
    )
    notes = [f"{repricing.looked:,} calls were looked at, by the price book {book}"]
    if dry_run:
        notes.append("dry run: nothing was changed")
    if repricing.unpriced:
        notes.append(f"{repricing.unpriced:,} calls still have no cost: set their prices, or update the book")
    if repricing.unsure:
        notes.append(f"{repricing.unsure:,} calls stay as they are, because their new cost would be less sure")
    return Table(
        title="Repriced", columns=_COLUMNS, rows=rows, totals=totals, notes=tuple(notes), empty="Nothing changed."
    )
