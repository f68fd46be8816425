"""The root of the `farebox` command: which commands there are, and how errors end it. Imports click and core."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from farebox.core.errors import ConfigurationError, FareboxError

COMMANDS: Final = {
    "alerts": "farebox.cli.alerts:alerts",
    "budgets": "farebox.cli.budgets:budgets",
    "calls": "farebox.cli.calls:calls",
    "completion": "farebox.cli.completion:completion",
    "cost": "farebox.cli.cost:cost",
    "dashboard": "farebox.cli.dashboard:dashboard",
    "demo": "farebox.cli.demo:demo",
    "doctor": "farebox.cli.doctor:doctor",
    "export": "farebox.cli.export:export",
    "forecast": "farebox.cli.report:forecast",
    "ledger": "farebox.cli.ledger:ledger",
    "metrics": "farebox.cli.metrics:metrics",
    "prices": "farebox.cli.prices:prices",
    "reconcile": "farebox.cli.reconcile:reconcile",
    "reprice": "farebox.cli.reprice:reprice",
    "report": "farebox.cli.report:report",
    "savings": "farebox.cli.savings:savings",
    "top": "farebox.cli.top:top",
}
"""Each command's name and place; its file is imported when it is called, or listed."""

ERROR: Final = 1
USAGE: Final = 2
"""Exit codes: something is wrong with the ledger or the world; something is wrong with what was typed or set."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours is one line on stderr, and an exit code."""
        try:
            return super().invoke(ctx)
        except FareboxError as error:
            click.echo(f"farebox: {error}", err=True)
            ctx.exit(USAGE if isinstance(error, ConfigurationError) else ERROR)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: farebox report --by tenant --since 7d",
)
@click.version_option(package_name="farebox", message="farebox %(version)s")
def main() -> None:
    """What a program spends on language models: metered, bounded, written down."""
