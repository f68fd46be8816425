"""`farebox export`: single calls as a file. Imports click, reports and cli."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from farebox.cli.asking import Asked, asks
from farebox.core.errors import ConfigurationError
from farebox.core.ports import Ledger

FORMATS: Final = ("csv", "jsonl", "parquet")


@click.command(epilog="Example: farebox export calls.parquet --since month --where tenant=acme")
@click.argument("out", metavar="OUT")
@click.option("--format", "form", type=click.Choice(FORMATS), help="[default: as OUT ends]")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@asks()
def export(*, out: str, form: str | None, force: bool, asked: Asked) -> None:
    """Write single calls to OUT, newest first; - is stdout.

    All columns of the ledger, the start as a time and the cost in dollars beside them. Text that a spreadsheet would run is made harmless
    in CSV. Parquet needs pyarrow (farebox[parquet]).
    """
    from farebox.reports.scope import Scope

    with asked.opened() as ledger:
        number = write(ledger, out, form, asked.filters, force=force)
        left_out = Scope(asked.since, asked.until, asked.where).unseen(ledger, "id")
    for note in left_out:
        click.echo(f"! {note}", err=True)
    click.echo(f"{number:,} calls are written to {'stdout' if out == '-' else out}.", err=True)


def write(ledger: Ledger, out: str, form: str | None, filters: Mapping[str, Any], *, force: bool) -> int:
    """Write calls, with a progress bar on stderr where that is a terminal. Returns how many."""
    from farebox.reports.export import export_calls, form_of

    if out == "-":
        if form is None:
            raise ConfigurationError(f"stdout has no name that says the format: give --format {'|'.join(FORMATS)}")
        return export_calls(ledger, sys.stdout.buffer, form, **filters)
    chosen = form_of(out) if form is None else form
    if not sys.stderr.isatty():
        return export_calls(ledger, out, chosen, **filters, force=force)
    with click.progressbar(length=ledger.summary(**filters).calls, label=f"Writing {out}", file=sys.stderr) as bar:
        return export_calls(ledger, out, chosen, **filters, force=force, progress=bar.update)
