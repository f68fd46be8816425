"""`farebox ledger`: what a person does with a whole ledger file. Imports click, the runtime, ledger and cli."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from farebox.cli.asking import open_existing
from farebox.core.errors import ConfigurationError
from farebox.ledger.locate import Location, ledger_path

if TYPE_CHECKING:  # SQLite is imported when a command runs
    from farebox.ledger.sqlite import SQLiteLedger

LEDGER: Final = click.option(
    "--ledger", "place", metavar="PATH", help="The ledger. [default: FAREBOX_LEDGER, farebox.toml, or the user's]"
)
A_FILE: Final = click.Path(path_type=Path)


@click.group(epilog="Example: farebox ledger backup /backups/ledger-2026-11-22.db")
def ledger() -> None:
    """Check, compact, copy, migrate or merge a ledger file."""


@ledger.command(epilog="Example: farebox ledger check --ledger ./ledger.db --json")
@LEDGER
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, *, place: str | None, as_json: bool) -> None:
    """See that the file is whole and every sum is that of its calls; exit code 1 if not. Reads all of it."""
    with _opened(place, read_only=True) as opened:
        problems, summary = opened.check(), opened.summary()
    if as_json:
        found = {"ledger": str(opened.location.path), "calls": summary.calls, "problems": problems}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(f"! {problem}")
        verdict = f"{len(problems)} problems: restore a backup, or keep this file aside" if problems else "sound"
        click.echo(f"{opened.location.path}: {summary.calls:,} calls, {verdict}.")
    context.exit(1 if problems else 0)


@ledger.command(epilog="Example: farebox ledger compact")
@LEDGER
def compact(*, place: str | None) -> None:
    """Write the file anew without gaps. Programs wait meanwhile, and the disk needs room for a second copy."""
    with _opened(place) as opened:
        before, after = opened.compact()
    click.echo(f"{opened.location.path}: {before:,} bytes before, {after:,} now.")


@ledger.command(epilog="Example: farebox ledger migrate --ledger ./ledger.db")
@LEDGER
def migrate(*, place: str | None) -> None:
    """Bring the file up to the schema of this farebox. Opening it for writing does the same."""
    from farebox.ledger.locate import SCHEMA_VERSION
    from farebox.ledger.upkeep import version_of

    where = _located(place)
    before = version_of(where.path)
    with _opened(place):
        pass
    done = "it is up to date" if before == SCHEMA_VERSION else f"brought up from schema {before}"
    click.echo(f"{where.path}: schema {SCHEMA_VERSION}, {done}.")


@ledger.command(epilog="Example: farebox ledger backup /backups/ledger-2026-11-22.db")
@click.argument("target", type=A_FILE)
@LEDGER
def backup(*, target: Path, place: str | None) -> None:
    """Copy the ledger to TARGET as it is at one moment, while programs go on writing it."""
    with _opened(place) as opened:
        opened.backup(target)
    click.echo(f"{opened.location.path} is copied to {target}: {target.stat().st_size:,} bytes.")


@ledger.command(epilog="Example: farebox ledger merge host-a.db host-b.db --ledger all.db --new")
@click.argument("others", nargs=-1, required=True, type=A_FILE, metavar="OTHER.db...")
@LEDGER
@click.option("--new", is_flag=True, help="Make the ledger if it is not there.")
def merge(*, others: tuple[Path, ...], place: str | None, new: bool) -> None:
    """Bring other ledgers' calls and sums in; they are not changed. Again brings in what is new, and counts nothing twice.

    Of times for which another ledger has sums only, this one keeps sums only too.
    """
    with _opened(place, new=new) as opened:
        for other in others:
            done = opened.merge(other)
            summed = f", and sums of {done.summed:,} calls that are not kept singly" if done.summed else ""
            click.echo(f"{other}: {done.read:,} calls read, {done.changed:,} of them new or changed{summed}.")


def _located(place: str | None) -> Location:
    """Where the ledger is, if it is a file."""
    from farebox import runtime

    where = ledger_path(place) if place else runtime.current().ledger_path
    if where.scheme != "sqlite":
        raise ConfigurationError(f"{where.url} is no file: `farebox ledger` is for ledgers in SQLite files")
    return where


@contextlib.contextmanager
def _opened(place: str | None, *, read_only: bool = False, new: bool = False) -> Iterator[SQLiteLedger]:
    """The ledger, closed afterwards. It must be there already, unless it may be made `new`."""
    from farebox import runtime
    from farebox.ledger.sqlite import SQLiteLedger

    where = _located(place)
    opened = (
        runtime.current().open_ledger(where.url, read_only=False) if new else open_existing(place, read_only=read_only)
    )
    assert isinstance(opened, SQLiteLedger)
    try:
        yield opened
    finally:
        opened.close()
