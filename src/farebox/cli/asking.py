"""The options of every command that asks a ledger, and what they come to. Imports click, the runtime and cli."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

import click

from farebox.cli.moments import parse_moment
from farebox.cli.show import FORMS
from farebox.core.errors import ConfigurationError, LedgerError
from farebox.core.ports import Ledger

SHORT: Final = {
    "tenant": "tenant_id",
    "workspace": "workspace_id",
    "user": "user_id",
    "task": "task_type",
    "chain": "chain_id",
    "session": "session_id",
    "request": "parent_id",
    "parent": "parent_id",
}
"""Shorter names of dimensions."""

Command = TypeVar("Command", bound=Callable[..., Any])


class Asked(NamedTuple):
    """Which calls of which ledger.

    Attributes:
        since: first moment that counts, nanoseconds UTC.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.
        ledger: path or URL; None: that of the settings.
        read_only: whether what dead programs left behind stays where it is.
    """

    since: int | None
    until: int | None
    where: Mapping[str, str | None]
    ledger: str | None
    read_only: bool

    @property
    def filters(self) -> dict[str, Any]:
        """The arguments of every report."""
        return {"since": self.since, "until": self.until, "where": self.where}

    @contextlib.contextmanager
    def opened(self) -> Iterator[Ledger]:
        """The ledger, closed afterwards."""
        opened = open_existing(self.ledger, read_only=self.read_only)
        try:
            yield opened
        finally:
            opened.close()


def asks(since: str | None = None) -> Callable[[Command], Command]:
    """Options that say which calls of which ledger; the command gets them as one argument, `asked`.

    Args:
        since: what `--since` is when it is not given.
    """
    default = f" [default: {since}]" if since else ""
    options = (
        click.option(
            "--since",
            default=since,
            metavar="WHEN",
            help=f"First moment that counts: 2026-11-01, today, month, 7d, 24h. UTC.{default}",
        ),
        click.option("--until", metavar="WHEN", help="First moment that no longer counts."),
        click.option(
            "--where",
            multiple=True,
            metavar="DIMENSION=VALUE",
            help="Only calls with this value; an empty one means none.",
        ),
        click.option(
            "--ledger", metavar="PATH", help="Ledger to read. [default: FAREBOX_LEDGER, farebox.toml, or the user's]"
        ),
        click.option("--read-only", is_flag=True, help="Do not bring in what programs that died left behind."),
    )

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(
            *,
            since: str | None,
            until: str | None,
            where: tuple[str, ...],
            ledger: str | None,
            read_only: bool,
            **more: Any,
        ) -> Any:
            return command(asked=_asked(since, until, where, ledger, read_only=read_only), **more)

        made: Any = wrapped
        for option in reversed(options):
            made = option(made)
        found: Command = made
        return found

    return decorate


def forms(command: Command) -> Command:
    """Options that say how a table is printed; the command gets `form`."""

    @functools.wraps(command)
    def wrapped(*, form: str, as_json: bool, as_csv: bool, **more: Any) -> Any:
        return command(form="json" if as_json else "csv" if as_csv else form, **more)

    # Flags of their own: what two options of one name are by default differs between the versions of click.
    made: Any = wrapped
    for option in (
        click.option("--csv", "as_csv", is_flag=True, help="The same as --format csv."),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option(
            "--format", "form", type=click.Choice(["table", *FORMS]), default="table", help="How to print it."
        ),
    ):
        made = option(made)
    found: Command = made
    return found


def json_or_table(_context: click.Context, _parameter: click.Parameter, value: bool) -> str:
    """The form that a flag `--json` asks for."""
    return "json" if value else "table"


JSON: Final = click.option("--json", "form", is_flag=True, callback=json_or_table, help="Print JSON.")
"""For commands that print a table or JSON; the command gets `form`."""

BY: Final = click.option(
    "--by",
    multiple=True,
    metavar="DIMENSION",
    help="Tell apart by model, provider, operation, task, tenant, workspace, user, session, chain, request, day, week, month, hour, status,"
    " tag:NAME, ...; may be given again.",
)


def dimension(name: str) -> str:
    """The ledger's name of a dimension."""
    return SHORT.get(name, name)


def dimensions(names: tuple[str, ...]) -> tuple[str, ...]:
    """The ledger's names, each once."""
    return tuple(dict.fromkeys(map(dimension, names)))


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


def _asked(
    since: str | None, until: str | None, where: tuple[str, ...], ledger: str | None, *, read_only: bool
) -> Asked:
    now = datetime.now(UTC)
    start = None if since is None else parse_moment(since, now=now, what="--since")
    end = None if until is None else parse_moment(until, now=now, what="--until")
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(f"--since {since} is not before --until {until}: no moment lies between them")
    return Asked(start, end, dict(map(_condition, where)), ledger, read_only)


def _condition(text: str) -> tuple[str, str | None]:
    name, mark, value = text.partition("=")
    if not mark:
        raise ConfigurationError(f"--where {text!r} has no value: write for example tenant=acme")
    return dimension(name), value or None
