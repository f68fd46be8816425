"""`farebox alerts`: who is told of what, and whether it arrives. Imports click, the runtime, reports and cli."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from farebox.cli.asking import JSON
from farebox.cli.show import show
from farebox.core.errors import ConfigurationError
from farebox.reports.report import Column, Table

if TYPE_CHECKING:
    from farebox.alerts.lane import Lane

UNDELIVERED: Final = 1
"""Exit code: a test alert did not arrive."""


@click.group(epilog="Example: farebox alerts test --channel pager")
def alerts() -> None:
    """See who is told of alerts, and try whether they arrive."""


@alerts.command("list", epilog="Example: farebox alerts list --json")
@JSON
def list_receivers(*, form: str) -> None:
    """Who is told of what, by the settings in force here. URLs and secrets are not shown."""
    from farebox import runtime

    settings = runtime.current().settings
    rows = tuple(
        (
            lane.row.name,
            lane.row.channel,
            lane.channel.address,
            lane.row.format if lane.row.url is not None else None,
            "yes" if lane.row.secret is not None else "no",
            ", ".join(lane.row.kinds),
            lane.row.severity,
        )
        for lane in runtime.current().alerts.lanes
    )
    names = ("name", "channel", "address", "format", "signed", "kinds", "severity")
    shares = ", ".join(f"{share * 100:g} %" for share in settings.alert_at) or "never"
    note = f"Budgets are told of at: {shares} of the limit (alert_at)."
    show(
        Table(
            title="Receivers of alerts", columns=tuple(Column(name, name) for name in names), rows=rows, notes=(note,)
        ),
        form,
    )


@alerts.command(epilog="Example: farebox alerts test --channel pager")
@click.option("--channel", "name", metavar="NAME", help="Only the receiver of that name. [default: all]")
@click.pass_context
def test(context: click.Context, *, name: str | None) -> None:
    """Send a marked test alert to each receiver now, once, and say what happened; exit code 1 if one did not arrive."""
    from farebox import runtime

    failed = False
    for lane, error in runtime.current().alerts.test(_chosen(name)):
        failed = failed or error is not None
        said = "sent" if error is None else f"not delivered: {error}"
        click.echo(f"{'✗' if error else '✓'} {lane.row.name} ({lane.channel.address}): {said}")
    context.exit(UNDELIVERED if failed else 0)


def _chosen(name: str | None) -> list[Lane]:
    from farebox import runtime

    lanes = runtime.current().alerts.lanes
    if name is None:
        return lanes
    chosen = [lane for lane in lanes if lane.row.name == name]
    if not chosen:
        raise ConfigurationError(
            f"--channel {name!r} is no receiver: use one of {', '.join(lane.row.name for lane in lanes)}"
        )
    return chosen
