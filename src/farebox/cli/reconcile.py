"""`farebox reconcile`: the providers' bills against the ledger. Imports click, the runtime, reconcile, reports and cli."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

import click
import msgspec

from farebox.cli.asking import json_or_table, open_existing
from farebox.cli.moments import parse_moment
from farebox.cli.show import show
from farebox.core.errors import ConfigurationError
from farebox.reconcile_settings import BillSource, ReconcileSettings
from farebox.reports.report import Table

DIFFERS: Final = 3
INCOMPLETE: Final = 4
"""Exit codes, beside 0, 1 (the ledger cannot be used) and 2 (what was typed or set cannot be used)."""


@click.command(
    epilog="Exit codes: 0 every closed day is within 1 %; 3 a closed day differs by more; 4 a part of a statement could not be had,"
    " and nothing else differs; 1 the ledger cannot be used; 2 an option or setting cannot be used."
    " Example: farebox reconcile --provider openai --since 7d"
)
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME",
    help="openai, anthropic, google, google-vertex, or one of the settings; may be given again."
    " [default: those that the ledger has calls of, and those of the settings]",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="First day: 2026-11-01, month, 30d. UTC. [default: 6 days ago, or the first that was left open]",
)
@click.option("--until", metavar="WHEN", help="Last day. [default: today]")
@click.option(
    "--files",
    multiple=True,
    metavar="PROVIDER=PATH",
    help="Exported files of a provider's bill, CSV or JSON lines; a pattern such as export-*.csv names several.",
)
@click.option("--again", is_flag=True, help="Fetch days anew that are final.")
@click.option("--stored", is_flag=True, help="Show what the last runs found; fetch nothing.")
@click.option("--by-day", is_flag=True, help="Tokens and money day by day.")
@click.option(
    "--ledger", metavar="PATH", help="Ledger to compare. [default: FAREBOX_LEDGER, farebox.toml, or the user's]"
)
@click.option("--json", "form", is_flag=True, callback=json_or_table, help="Print one JSON object with all tables.")
def reconcile(
    *,
    providers: tuple[str, ...],
    since: str | None,
    until: str | None,
    files: tuple[str, ...],
    again: bool,
    stored: bool,
    by_day: bool,
    ledger: str | None,
    form: str,
) -> None:
    """Compare providers' bills with the ledger, day by day, and name the cause of each difference.

    Reads usage and costs by an admin key (OPENAI_ADMIN_KEY, ANTHROPIC_ADMIN_KEY, or a file that the settings name), which is never
    stored or shown. Days that are final are fetched once.
    """
    from farebox import runtime
    from farebox.ledger.locate import ledger_path
    from farebox.reconcile import outcome
    from farebox.reconcile.run import reconcile as run
    from farebox.reconcile.store import StatementStore, statements_path
    from farebox.reports import reconciliation

    first, last = _day(since, "--since"), _day(until, "--until")
    settings = _with_files(runtime.current().settings.reconcile or ReconcileSettings(), files)
    path = (ledger_path(ledger) if ledger else runtime.current().ledger_path).path
    opened = open_existing(ledger, read_only=stored)
    try:
        if stored:
            with StatementStore(statements_path(path), read_only=True) as store:
                results = store.results(since=first, until=last)
                gaps = [gap for found in store.gaps().values() for gap in found]
            results = [result for result in results if not providers or result.provider in providers]
        else:
            found = run(opened, path, settings=settings, providers=providers, since=first, until=last, again=again)
            results, gaps = list(found.results), list(found.gaps)
    finally:
        opened.close()
    tables = {
        "tokens": reconciliation.tokens(results, by_day=by_day),
        "money": reconciliation.money(results, by_day=by_day),
        "causes": reconciliation.causes(results),
        "days": reconciliation.reconciliation(results, gaps),
    }
    _print(tables, form)
    if any(result.status == outcome.DIFFERS for result in results):
        click.get_current_context().exit(DIFFERS)
    if gaps or any(result.status == outcome.MISSING for result in results):
        click.get_current_context().exit(INCOMPLETE)


def _print(tables: dict[str, Table], form: str) -> None:
    if form == "json":
        from farebox.reports.render import to_json

        click.echo(json.dumps({name: json.loads(to_json(table)) for name, table in tables.items()}, indent=2))
        return
    for table in tables.values():
        show(table, form)


def _day(when: str | None, what: str) -> str | None:
    if when is None:
        return None
    moment = parse_moment(when, now=datetime.now(UTC), what=what)
    return datetime.fromtimestamp(moment // 10**9, UTC).date().isoformat()


def _with_files(settings: ReconcileSettings, files: tuple[str, ...]) -> ReconcileSettings:
    sources = dict(settings.sources)
    for text in files:
        provider, mark, path = text.partition("=")
        if not mark or not path:
            raise ConfigurationError(f"--files {text!r} has no path: write for example google=export.jsonl")
        sources[provider] = msgspec.structs.replace(sources.get(provider, BillSource()), files=path)
    return msgspec.structs.replace(settings, sources=sources)
