"""`farebox metrics`: the ledger in Prometheus' words. Imports click, sinks and cli."""

from __future__ import annotations

import click

from farebox.cli.asking import open_existing


@click.command(epilog="Example: farebox metrics > /var/lib/node_exporter/farebox.prom")
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="VALUES",
    help="Values of a label that are named; the rest is 'other'.",
)
@click.option("--ledger", metavar="PATH", help="Ledger to read. [default: FAREBOX_LEDGER, farebox.toml, or the user's]")
@click.option("--read-only", is_flag=True, help="Do not bring in what programs that died left behind.")
def metrics(*, top: int, ledger: str | None, read_only: bool) -> None:
    """Print cost, tokens, calls, durations and budgets as Prometheus reads them (needs prometheus_client: farebox[prometheus]).

    They are read from the ledger, so all programs that write to it are in them, and they go on growing when old calls are removed.
    """
    from farebox.cli.budgets import statuses
    from farebox.sinks.prometheus import LedgerCollector, exposition

    opened = open_existing(ledger, read_only=read_only)
    try:
        text, _ = exposition(LedgerCollector(opened, budgets=lambda: statuses(ledger), top=top))
    finally:
        opened.close()
    click.echo(text, nl=False)
