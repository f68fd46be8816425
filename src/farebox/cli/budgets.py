"""`farebox budgets`: see and set standing budgets. Imports click, the runtime, budgets, reports and cli."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from farebox.cli.asking import JSON, forms
from farebox.cli.show import show
from farebox.core.errors import ConfigurationError
from farebox.core.money import Money
from farebox.reports.budgets import budgets as report
from farebox.reports.report import Cell, Column, Table

if TYPE_CHECKING:
    from farebox.budget_settings import BudgetRow
    from farebox.budgets.status import BudgetStatus
    from farebox.budgets.store import BudgetStore

OVER: Final = 3
"""Exit code: a limit is reached."""

LEDGER: Final = click.option(
    "--ledger",
    metavar="PATH",
    help="Ledger that the budgets lie beside. [default: FAREBOX_LEDGER, farebox.toml, or the user's]",
)


@click.group(invoke_without_command=True, epilog="Example: farebox budgets")
@click.pass_context
def budgets(context: click.Context) -> None:
    """Standing budgets: what is set, and what is left of it. Without a command, how they stand."""
    if context.invoked_subcommand is None:
        context.exit(show_status(None, "table"))


@budgets.command("list", epilog="Example: farebox budgets list")
@LEDGER
@JSON
def list_(*, ledger: str | None, form: str) -> None:
    """Every budget: those of the settings, those set here, and those that programs have used."""
    rows = _rows(_place(ledger))
    columns = ("name", "limit", "window", "per", "match", "strength", "overrides")
    found: tuple[tuple[Cell, ...], ...] = tuple(
        (
            row.name,
            _limit(row.unit, row.limit),
            row.window,
            row.per,
            ", ".join(f"{name}={'|'.join(values)}" for name, values in row.match.items()) or None,
            row.strength,
            ", ".join(f"{name}={_limit(row.unit, limit) or 'no limit'}" for name, limit in row.overrides.items())
            or None,
            source,
        )
        for row, source in rows
    )
    table = Table(
        title="Standing budgets",
        columns=(*(Column(name, name) for name in columns), Column("set_by", "set by")),
        rows=found,
        empty="No budgets.",
    )
    show(table, form)


@budgets.command(
    "set", epilog="Example: farebox budgets set 'each tenant' --limit 20 --window 'day Europe/Berlin' --per tenant_id"
)
@click.argument("name")
@click.option("--limit", required=True, metavar="AMOUNT", help="US dollars, or '500 calls', or '1000000 tokens'.")
@click.option("--window", required=True, help="hour, day, week or month, with a time zone or without; or 24h, 7d, ...")
@click.option("--per", metavar="DIMENSION", help="A bucket for each tenant_id, user_id, model, tag:NAME, ...")
@click.option("--match", multiple=True, metavar="DIMENSION=VALUE", help="Only such calls; may be repeated.")
@click.option(
    "--override", multiple=True, metavar="VALUE=AMOUNT", help="The limit of one value of --per; may be repeated."
)
@click.option("--soft", "strength", flag_value="soft", help="Count, and never refuse.")
@click.option("--strict", "strength", flag_value="strict", help="Refuse whatever might not fit: it is never overspent.")
@LEDGER
def set_(
    *,
    name: str,
    limit: str,
    window: str,
    per: str | None,
    match: tuple[str, ...],
    override: tuple[str, ...],
    strength: str | None,
    ledger: str | None,
) -> None:
    """Set a budget for every program that writes to this ledger; it wins over what they say. Running ones heed it within 30 seconds."""
    import msgspec

    from farebox.budget_settings import budget_row
    from farebox.budgets.store import Kept

    matches: dict[str, list[str]] = {}
    for dimension, value in (_pair(one, "--match") for one in match):
        matches.setdefault(dimension, []).append(value)
    row = budget_row(
        name,
        limit=_amount(limit),
        window=window,
        per=per,
        match=matches,
        strength=strength or "hard",
        overrides={value: _amount(amount) for value, amount in (_pair(one, "--override") for one in override)},
    )
    _ask(_place(ledger), lambda store: store.keep(Kept(row.name, msgspec.json.encode(row).decode(), binding=True)))
    click.echo(f"Budget {row.name!r} is set.")


@budgets.command(epilog="Example: farebox budgets unset 'each tenant'")
@click.argument("name")
@LEDGER
def unset(*, name: str, ledger: str | None) -> None:
    """Take back a budget that was set here; what settings and programs say holds again. What it has spent stays."""
    place = _place(ledger)
    if name not in [row.name for row, source in _rows(place) if source == "command"]:
        raise ConfigurationError(f"no budget {name!r} was set here: see farebox budgets list")
    _ask(place, lambda store: store.drop(name))
    click.echo(f"Budget {name!r} is set no more.")


@budgets.command(epilog="Example: farebox budgets reset 'each tenant'")
@click.argument("name")
@LEDGER
def reset(*, name: str, ledger: str | None) -> None:
    """Forget what a budget has spent; what calls in flight hold stays held."""
    place = _place(ledger)
    if name not in [row.name for row, _ in _rows(place)]:
        raise ConfigurationError(f"there is no budget {name!r}: see farebox budgets list")
    touched = _ask(place, lambda store: store.reset(name)) or 0
    click.echo(f"Budget {name!r} starts anew; {touched} bucket{'' if touched == 1 else 's'} had spent something.")


@budgets.command(epilog="Example: farebox budgets status --tenant acme || echo 'acme is over'")
@click.argument("name", required=False)
@click.option("--tenant", metavar="ID", help="Only budgets per tenant, and of those this tenant's bucket.")
@LEDGER
@forms
@click.pass_context
def status(context: click.Context, *, name: str | None, tenant: str | None, ledger: str | None, form: str) -> None:
    """What is spent, held and left, bucket by bucket, how fast, and when it is gone; exit code 3 when a limit is reached."""
    context.exit(show_status(ledger, form, name=name, tenant=tenant))


def show_status(ledger: str | None, form: str, *, name: str | None = None, tenant: str | None = None) -> int:
    """Print how budgets stand. Returns the exit code: `OVER` when a limit is reached."""
    found = statuses(ledger, name=name, tenant=tenant)
    show(report(found), form)
    return OVER if any(one.over for one in found) else 0


def statuses(ledger: str | None, *, name: str | None = None, tenant: str | None = None) -> list[BudgetStatus]:
    """How every budget stands that is in force somewhere; holds of dead processes are charged first.

    Raises:
        ConfigurationError: there is no budget of that name.
    """
    from farebox.budgets.matching import Standing
    from farebox.budgets.owner import is_dead
    from farebox.budgets.status import status as stands

    place = _place(ledger)
    rows = [row for row, _ in _rows(place) if name is None or row.name == name]
    if name is not None and not rows:
        raise ConfigurationError(f"there is no budget {name!r}: see farebox budgets list")
    now = time.time_ns()
    zone = place.settings.time_zone
    in_force = [Standing(row, zone) for row in rows]

    def look(store: BudgetStore) -> list[BudgetStatus]:
        store.expire(now, is_dead)
        return stands(in_force, store, now, tenant_id=tenant)

    if not in_force or not place.budgets.path.exists():  # to look makes no file
        return stands(in_force, None, now, tenant_id=tenant)
    found: list[BudgetStatus] = _ask(place, look)
    return found


def _place(ledger: str | None) -> Any:
    """The runtime of the settings, for the ledger that was named."""
    from farebox import runtime

    if ledger is not None:
        runtime.configure(ledger=ledger)
    return runtime.current()


def _ask(place: Any, question: Callable[[BudgetStore], Any]) -> Any:
    """The answer of the file beside the ledger."""
    store = place.budgets.store()
    try:
        return question(store)
    finally:
        store.close()


def _rows(place: Any) -> list[tuple[BudgetRow, str]]:
    """Every row in force somewhere, by name, and who set it: the settings, a program, or this command."""
    import msgspec

    from farebox.budget_settings import BudgetRow

    rows = {row.name: (row, "settings") for row in place.settings.budgets}
    if place.budgets.path.exists():
        for kept in _ask(place, lambda store: store.kept()):
            if kept.binding or kept.name not in rows:
                row = msgspec.json.decode(kept.row, type=BudgetRow)
                rows[kept.name] = (row, "command" if kept.binding else "program")
    return [rows[name] for name in sorted(rows)]


def _limit(unit: str, limit: int | None) -> str | None:
    if limit is None:
        return None
    return f"${Money.from_nano(limit)}" if unit == "usd" else f"{limit:,} {unit}"


def _amount(text: str) -> str | dict[str, int] | None:
    """A limit as it is typed: dollars, or a number of calls or tokens; "none" is no limit."""
    number, _, unit = text.strip().partition(" ")
    if text.strip() == "none":
        return None
    return {unit.strip(): int(number)} if number.isdigit() and unit.strip() else text.removeprefix("$")


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ConfigurationError(f"{option} {text!r} cannot be used: give NAME=VALUE, for example tenant_id=acme")
    return name, value
