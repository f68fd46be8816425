"""`farebox savings`: what routes and caches saved. Imports click, reports and cli."""

from __future__ import annotations

import click

from farebox.cli.asking import BY, Asked, asks, dimensions, forms
from farebox.cli.show import show
from farebox.reports.registry import REPORTS


@click.command(epilog="Example: farebox savings --by tenant --since month --where method=routing")
@BY
@asks()
@forms
def savings(*, by: tuple[str, ...], asked: Asked, form: str) -> None:
    """What was saved by routing, by the provider's prompt cache and by local caches, each against its baseline. It may be negative."""
    with asked.opened() as ledger:
        more = {"by": dimensions(by)} if by else {}
        show(REPORTS["savings"].run(ledger, **asked.filters, **more), form)
