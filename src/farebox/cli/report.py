"""`farebox report` and `farebox forecast`: the reports of the registry. Imports click, the runtime, reconcile, reports and cli."""

from __future__ import annotations

from typing import Any

import click

from farebox.cli.asking import BY, Asked, asks, dimensions, forms
from farebox.cli.show import show
from farebox.core.errors import ConfigurationError
from farebox.reports.registry import REPORTS, Report
from farebox.reports.report import Table

_LIST = "\n".join(f"  {name:<10}{report.about}" for name, report in REPORTS.items())


@click.command(
    help=f"Print a report.\n\n\b\n{_LIST}",
    epilog="Example: farebox report spend --by tenant --by model --since month --csv > spend.csv",
)
@click.argument("name", type=click.Choice(list(REPORTS)), default="spend", metavar="[REPORT]")
@BY
@click.option("--limit", type=click.IntRange(min=1), metavar="ROWS", help="Rows at most, of single calls.")
@click.option(
    "--billed",
    is_flag=True,
    help="What was billed, for closed days that farebox reconcile has a whole statement of; what was computed, for others."
    " Of spend, by day, week, month, provider and model.",
)
@click.option("--cursor", metavar="PLACE", help="Go on behind this place, which the page before names.")
@asks()
@forms
@click.pass_context
def report(context: click.Context, /, *, name: str, asked: Asked, form: str, billed: bool, **given: Any) -> None:
    """Print a report of the registry."""
    chosen = REPORTS[name]
    given["by"] = dimensions(given["by"])
    more = {argument: value for argument, value in given.items() if value}
    for argument in more:
        if argument not in chosen.arguments:
            raise ConfigurationError(f"the report {name} takes no --{argument}: {_takes(chosen)}")
    if billed:
        if name != "spend":
            raise ConfigurationError(f"the report {name} takes no --billed: farebox report spend does")
        show(_billed(asked, given["by"]), form)
        return
    if chosen.asks == "budgets":
        from farebox.cli.budgets import show_status

        if asked.since or asked.until or asked.where:
            raise ConfigurationError("the report budgets takes no --since, --until or --where: each has its own window")
        context.exit(show_status(asked.ledger, form))
    with asked.opened() as ledger:
        show(chosen.run(ledger, **asked.filters, **more), form)


def _billed(asked: Asked, by: tuple[str, ...]) -> Table:
    from farebox import runtime
    from farebox.ledger.locate import ledger_path
    from farebox.reconcile.store import stored_results
    from farebox.reports.billed import billed

    path = (ledger_path(asked.ledger) if asked.ledger else runtime.current().ledger_path).path
    with asked.opened() as ledger:
        results, _ = stored_results(path)
        return billed(ledger, results, by or ("day", "provider"), **asked.filters)


@click.command(epilog="Example: farebox forecast --by tenant --json")
@BY
@asks()
@forms
def forecast(*, by: tuple[str, ...], asked: Asked, form: str) -> None:
    """What this calendar month (UTC) will have cost at its end, with a range; --until looks from another moment."""
    with asked.opened() as ledger:
        show(REPORTS["forecast"].run(ledger, by=dimensions(by), **asked.filters), form)


def _takes(chosen: Report) -> str:
    return f"it takes --{', --'.join(chosen.arguments)}" if chosen.arguments else "it takes only filters"
