"""`farebox completion`: what a shell needs to complete commands and options. Imports click and cli."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

VARIABLE = "_FAREBOX_COMPLETE"
"""Set by the shell when it asks `farebox` what could come next."""


@click.command(epilog="Example: farebox completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that makes a shell complete farebox commands; fish takes it in ~/.config/fish/completions/farebox.fish."""
    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    script = found(context.find_root().command, {}, "farebox", VARIABLE)
    click.echo(script.source_template % script.source_vars())
