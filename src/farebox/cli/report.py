"""`farebox report`: what was spent, on what. Imports click, the runtime, reports and cli."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import click

from farebox.cli.moments import parse_moment
from farebox.cli.show import FORMS, show
from farebox.core.errors import ConfigurationError, LedgerError
from farebox.core.ports import Ledger

SHORT: Final = {
    "tenant": "tenant_id",
    "workspace": "workspace_id",
    "user": "user_id",
    "task": "task_type",
    "chain": "chain_id",
    "session": "session_id",
}
"""Shorter names of dimensions."""


def dimension(name: str) -> str:
    """The ledger's name of a dimension."""
    return SHORT.get(name, name)


@click.command(
    epilog="Example: farebox report --by tenant --by model --since month --csv > spend.csv",
)
@click.option(
    "--by",
    "by",
    multiple=True,
    metavar="DIMENSION",
    help="Group by model, provider, operation, task, tenant, workspace, user, day, hour, status, ...; may be given again. [default: model]",
)
@click.option("--since", metavar="WHEN", help="First moment that counts: 2026-11-01, today, month, 7d, 24h. UTC.")
@click.option("--until", metavar="WHEN", help="First moment that no longer counts.")
@click.option(
    "--where", multiple=True, metavar="DIMENSION=VALUE", help="Only calls with this value; an empty one means none."
)
@click.option("--ledger", metavar="PATH", help="Ledger to read. [default: FAREBOX_LEDGER, farebox.toml, or the user's]")
@click.option("--read-only", is_flag=True, help="Do not bring in what programs that died left behind.")
@click.option("--format", "form", type=click.Choice(["table", *FORMS]), default="table", help="How to print it.")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--csv", "form", flag_value="csv", help="The same as --format csv.")
def report(
    *,
    by: tuple[str, ...],
    since: str | None,
    until: str | None,
    where: tuple[str, ...],
    ledger: str | None,
    read_only: bool,
    form: str,
) -> None:
    """Calls, tokens and cost, grouped, dearest first."""
    from farebox.reports.spend import spend

    now = datetime.now(UTC)
    start = None if since is None else parse_moment(since, now=now, what="--since")
    end = None if until is None else parse_moment(until, now=now, what="--until")
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(f"--since {since} is not before --until {until}: no moment lies between them")
    conditions = dict(_condition(text) for text in where)
    opened = open_existing(ledger, read_only=read_only)
    try:
        dimensions = tuple(dict.fromkeys(map(dimension, by or ("model",))))
        show(spend(opened, dimensions, since=start, until=end, where=conditions), form)
    finally:
        opened.close()


def open_existing(ledger: str | None, *, read_only: bool) -> Ledger:
    """Open a ledger that is there already: a question must not make an empty one at a misspelt path.

    Raises:
        LedgerError: there is none, or it cannot be read.
    """
    from farebox import runtime
    from farebox.ledger.locate import journal_directory, ledger_path

    where = ledger_path(ledger) if ledger else runtime.current().ledger_path
    if where.scheme == "sqlite" and not where.path.exists() and not journal_directory(where).exists():
        raise LedgerError(
            f"there is no ledger at {where.path} yet: a program that calls farebox.instrument() makes it;"
            " name another one with --ledger or FAREBOX_LEDGER"
        )
    return runtime.current().open_ledger(where.url, read_only=read_only)


def _condition(text: str) -> tuple[str, str | None]:
    name, mark, value = text.partition("=")
    if not mark:
        raise ConfigurationError(f"--where {text!r} has no value: write for example tenant=acme")
    return dimension(name), value or None
