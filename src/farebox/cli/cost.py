"""`farebox cost`: what was spent, at a glance. Imports click, reports and cli."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import click

from farebox.cli.asking import Asked, asks, forms
from farebox.cli.export import write
from farebox.cli.moments import parse_moment
from farebox.cli.show import show_all


@click.command(epilog="Example: farebox cost --session 4711 --detailed --export costs.csv")
@click.option("--session", metavar="ID", help="Only calls of this session, whenever they were.")
@click.option("--detailed", is_flag=True, help="Show the same by provider and model, and by task.")
@click.option(
    "--export", "target", metavar="FILE", help="Write the single calls to a .csv, .jsonl or .parquet file too."
)
@click.option("--force", is_flag=True, help="Replace the file of --export.")
@asks()
@forms
def cost(*, session: str | None, detailed: bool, target: str | None, force: bool, asked: Asked, form: str) -> None:
    """What was spent today, in the last seven days and this month (UTC), or in a session or a period.

    Details and --export are of the session or period, or else of today.
    """
    from farebox.reports.cost import cost as report
    from farebox.reports.models import models
    from farebox.reports.spend import spend

    start = asked.since
    if session is not None:
        asked = asked._replace(where={**asked.where, "session_id": session}, since=0 if start is None else start)
    elif start is None and asked.until is None:
        start = parse_moment("today", now=datetime.now(UTC), what="--since")
    filters: dict[str, Any] = {**asked.filters, "since": start}
    with asked.opened() as ledger:
        tables = [report(ledger, **asked.filters)]
        if detailed:
            tables += [models(ledger, **filters), spend(ledger, ("task_type",), **filters)]
        show_all(tables, form)
        if target is not None:
            number = write(ledger, target, None, filters, force=force)
            click.echo(f"{number:,} calls are written to {target}.", file=sys.stderr)
