"""`farebox prices`: what things cost, where that is written, and newer prices. Imports click, the runtime, pricing, reports and cli."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from farebox.cli.asking import JSON
from farebox.cli.moments import parse_moment
from farebox.cli.show import show
from farebox.core.errors import LedgerError, PriceError
from farebox.core.event import CallEvent
from farebox.reports.report import Column, Table


@click.group(epilog="Example: farebox prices show gpt-5-mini --at 2026-06-01")
def prices() -> None:
    """What models cost, where that is written, and newer prices."""


@prices.command(epilog="Example: farebox prices update --accept openai/gpt-5-mini")
@click.option(
    "--accept",
    multiple=True,
    metavar="PROVIDER/MODEL",
    help="A model whose price jump is meant; may be given again. '*' accepts all.",
)
@JSON
@click.argument("where", required=False, metavar="[URL-OR-FILE]")
def update(*, where: str | None, accept: tuple[str, ...], form: str) -> None:
    """Fetch newer prices, by default from prices.source or the published data. What is not to be trusted stays as it was, and is named."""
    from farebox import runtime
    from farebox.pricing import update as updates
    from farebox.pricing.freshness import today

    settings = runtime.current().settings.prices
    chosen = where or (settings.source if settings else None)
    done = updates.update(chosen, today=today(), accept=accept)
    rows = [
        *((provider, model, "new", "", None, None) for provider, model in done.added),
        *((row.provider, row.model, "changed", _unit(row), row.before, row.after) for row in done.changed),
        *((row.provider, row.model, "quarantined", _unit(row), row.before, row.after) for row in done.quarantined),
        *((provider, model, f"kept: {why}", "", None, None) for provider, model, why in done.kept),
    ]
    names = (("provider", "provider"), ("model", "model"), ("what", "what"), ("unit", "unit"), ("before", "before"))
    columns = tuple(Column(name, title) for name, title in (*names, ("after", "after")))
    notes = [
        f"stored as {done.stored}: in force from now on"
        if done.stored
        else "the prices in force are the newest: nothing was changed"
    ]
    if done.quarantined:
        named = sorted({f"{row.provider}/{row.model}" for row in done.quarantined})
        notes.append(
            f"{len(named)} models are quarantined, because a price jumped by more than half; they keep their old prices. "
            f"If the new ones are right: farebox prices update {' '.join(f'--accept {name}' for name in named[:3])}"
            + (" ..." if len(named) > 3 else "")
        )
    _tell(Table(title=f"Prices of {done.as_of}", columns=columns, rows=tuple(rows), notes=tuple(notes)), form)


@prices.command(
    "show", epilog="Example: farebox prices show claude-opus-5 --provider aws-bedrock --at 2026-06-01 --json"
)
@click.argument("model")
@click.option("--provider", metavar="NAME", help="Who bills it. [default: every provider that has the model]")
@click.option("--at", metavar="WHEN", help="As of when: 2026-06-01, 30d, ... UTC. [default: now]")
@JSON
def show_model(*, model: str, provider: str | None, at: str | None, form: str) -> None:
    """Every rate of a model, its conditions, and where it is written."""
    from farebox.pricing.listing import rates_of

    moment = _moment(at)
    book = _book()
    rows = rates_of(book, model, provider, moment)
    if not rows:
        who = f" of {provider}" if provider else ""
        raise PriceError(
            f"model {model!r}{who} has no known price: see farebox prices list, or set one under [prices.rates]"
        )
    columns = tuple(
        Column(name, title)
        for name, title in (
            ("provider", "provider"),
            ("model", "model"),
            ("conditions", "conditions"),
            ("unit", "unit"),
            ("price", "USD"),
            ("per", "per"),
            ("source", "source"),
        )
    )
    cells = tuple(
        (row.provider, row.model, row.conditions, row.unit, row.price, f"{row.per:,}", row.source) for row in rows
    )
    show(
        Table(
            title=f"Prices of {model} at {_iso(moment)} (book {book.hash} of {book.as_of})", columns=columns, rows=cells
        ),
        form,
    )


@prices.command("list", epilog="Example: farebox prices list openai")
@click.argument("provider", required=False)
@JSON
def list_models(*, provider: str | None, form: str) -> None:
    """Models that have a price now, with what a million plain tokens cost."""
    from farebox.pricing.listing import models

    book = _book()
    if provider is not None and provider not in book.providers():
        raise PriceError(f"{provider!r} is no provider with prices: use one of {', '.join(book.providers())}")
    rows = models(book, provider, _moment(None))
    columns = tuple(Column(name, name) for name in ("provider", "model", "input", "cache_read", "output"))
    show(
        Table(title=f"Prices in USD a million tokens (book {book.hash} of {book.as_of})", columns=columns, rows=rows),
        form,
    )


@prices.command(epilog="Example: farebox prices diff bundled newest")
@click.argument("old")
@click.argument("new")
@JSON
def diff(*, old: str, new: str, form: str) -> None:
    """What differs between two books: files, hashes of stored ones, 'bundled' or 'newest'."""
    from farebox.pricing import compare

    one, other = compare.entries(_data(old)), compare.entries(_data(new))
    rows = [
        (row.provider, row.model, _unit(row), row.before, row.after)
        for name in sorted(one.keys() | other.keys())
        for row in compare.changes(one.get(name), other.get(name), *name)
    ]
    columns = tuple(Column(name, name) for name in ("provider", "model", "unit", "before", "after"))
    notes = () if rows else ("both have the same prices",)
    _tell(Table(title=f"From {old} to {new}", columns=columns, rows=tuple(rows), notes=notes), form)


@prices.command(epilog="Example: farebox prices explain 0199f3a2-7c41-7abc-8def-0123456789ab")
@click.argument("event_id")
@click.option("--ledger", metavar="PATH", help="Ledger to read. [default: FAREBOX_LEDGER, farebox.toml, or the user's]")
@JSON
def explain(*, event_id: str, ledger: str | None, form: str) -> None:
    """The arithmetic of one call's cost: units, rates, conditions and sources, by the book in force."""
    from farebox.cli.asking import open_existing
    from farebox.reports.explanation import explanation

    opened = open_existing(ledger, read_only=False)
    try:
        event: CallEvent | None = next(iter(opened.calls(where={"id": event_id}, limit=1)), None)
    finally:
        opened.close()
    if event is None:
        raise LedgerError(f"the ledger has no call with the id {event_id!r}: farebox report shows what it has")
    _tell(explanation(event, _book()), form)


def _tell(table: Table, form: str) -> None:
    """Print a table; of one without rows its notes only."""
    if table.rows or form != "table":
        show(table, form)
    else:
        click.echo("\n".join((table.title, *table.notes)))


def _unit(change: Any) -> str:
    return f"{change.unit} from {change.since} on" if change.since else change.unit


def _book() -> Any:
    from farebox import runtime
    from farebox.pricing import installed

    runtime.current()
    return installed.current()


def _data(name: str) -> bytes:
    from farebox.pricing import installed, shelf

    if name == "bundled":
        return installed.BUNDLED.read_bytes()
    return installed.book_data() if name == "newest" else shelf.find(name)


def _moment(at: str | None) -> int:
    now = datetime.now(UTC)
    return parse_moment(at or "now", now=now, what="--at")


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
