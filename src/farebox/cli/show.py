"""Where the commands' words go: data to stdout, messages to stderr. Imports click and reports; rich when a table is drawn."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from farebox.reports import render
from farebox.reports.report import Table

PIPED_WIDTH: Final = 160
"""Columns of a table that no terminal cuts."""

FORMS: Final = tuple(render.FORMATS)
"""How a table is written when it is not drawn."""


def console() -> Any:
    """The console of rich on stdout; it heeds NO_COLOR and draws no colours into a pipe."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def show(table: Table, form: str) -> None:
    """Print a table to stdout.

    Args:
        table: what to print.
        form: one of `FORMS`, or "table" for people.
    """
    show_all([table], form)


def show_all(tables: Sequence[Table], form: str) -> None:
    """Print tables to stdout, one below the other; several in JSON are a list.

    Args:
        tables: what to print.
        form: one of `FORMS`, or "table" for people.
    """
    if form not in FORMS:
        out = console()
        out.print(*(render.to_terminal(table, out.width) for table in tables), sep="\n")
        return
    texts = [render.FORMATS[form].render(table).rstrip("\n") for table in tables]
    whole = ",\n".join(texts) if form == "json" else "\n\n".join(texts)
    click.echo(f"[\n{whole}\n]" if form == "json" and len(texts) > 1 else whole)
