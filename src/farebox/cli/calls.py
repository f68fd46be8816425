"""`farebox calls`: single calls, newest first. Imports click, reports and cli."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import click

from farebox.cli.asking import Asked, asks, forms
from farebox.cli.show import show
from farebox.core.errors import ConfigurationError

if TYPE_CHECKING:
    from farebox.core.event import CallEvent
    from farebox.core.ports import Ledger

POLL: Final = 1.0
"""Seconds between two looks of `--follow`."""

_LONGEST: Final = 600 * 10**9
"""Nanoseconds that a call may take and still be seen by `--follow`."""


@click.command(epilog="Example: farebox calls --where status=error --since 24h --limit 20")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="ROWS", help="Rows at most."
)
@click.option("--cursor", metavar="PLACE", help="Go on behind this place, which the page before names.")
@click.option(
    "--follow",
    is_flag=True,
    help="Go on and print calls as they come into the ledger, a line each, or a JSON object each; Ctrl-C ends it.",
)
@asks()
@forms
def calls(*, limit: int, cursor: str | None, follow: bool, asked: Asked, form: str) -> None:
    """Single calls with their cost, newest first. Ids are shown where there is room, and in --json and --csv."""
    from farebox.reports.calls import latest

    with asked.opened() as ledger:
        if follow:
            _follow(_coming(ledger, asked, time.time_ns() if asked.since is None else asked.since), form)
            return
        table = latest(ledger, **asked.filters, limit=limit, cursor=cursor)
        show(table, form)
    if table.cursor is not None and form != "json":
        click.echo(f"There are more: farebox calls --cursor {table.cursor}", err=True)


def _follow(coming: Iterator[CallEvent], form: str) -> None:
    from farebox.reports.export import line_of

    if form not in ("table", "json"):
        raise ConfigurationError(f"--follow prints lines, and no {form}: take --json, or neither")
    for event in coming:
        click.echo(line_of(event) if form == "json" else line(event))


def line(event: CallEvent) -> str:
    """A call in one line."""
    from farebox.reports.render import visible
    from farebox.reports.scope import iso

    cost = "unknown" if event.cost is None else f"${event.cost:f}"
    who = " ".join(value for value in (event.tenant_id, event.task_type) if value)
    model = event.request_model or event.response_model or ""
    tokens = f"{event.input_tokens or 0:,} in {event.output_tokens or 0:,} out"
    return visible(
        f"{iso(event.started_at)}  {event.provider}/{model}  {event.status}  {tokens}  {cost}  {who}".rstrip()
    )


def _coming(
    ledger: Ledger, asked: Asked, since: int, sleep: Callable[[float], object] = time.sleep
) -> Iterator[CallEvent]:
    """Calls as they come, oldest first. One that began earlier may come later, because it took longer: each look goes back a while."""
    seen: dict[str, int] = {}
    start = since
    while True:
        found = ledger.calls(since=start, until=asked.until, where=asked.where)
        for event in reversed([event for event in found if event.id not in seen]):
            seen[event.id] = event.started_at
            yield event
        start = max(since, time.time_ns() - _LONGEST)
        seen = {name: started for name, started in seen.items() if started >= start}
        sleep(POLL)
