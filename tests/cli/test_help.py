"""What `farebox` says of itself, and what shells complete."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from farebox.cli import main
from farebox.cli.app import COMMANDS
from farebox.reports.registry import REPORTS


def walk(command, path=()):
    """Every command, with the names that lead to it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*path, name))


EVERY = dict(walk(main))


@pytest.mark.parametrize("path", EVERY, ids=lambda path: " ".join(("farebox", *path)))
def test_every_help_text_has_an_example_of_that_very_command(farebox_command, path):
    result = farebox_command(*path, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    example = " ".join(("Example: farebox", *path))
    said = " ".join(result.stdout.split())
    assert example in said if path else "Example: farebox" in said
    assert all(option.help for option in EVERY[path].params if isinstance(option, click.Option))


def test_the_walk_reaches_every_command():
    assert {path[0] for path in EVERY if path} == set(COMMANDS)
    assert len(EVERY) > len(COMMANDS) + 10


def test_the_help_of_report_names_every_report(farebox_command):
    text = farebox_command("report", "--help").stdout
    for name, report in REPORTS.items():
        assert f"{name:<10}{report.about}" in text


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o"), ("zsh", "#compdef farebox"), ("fish", "complete --no-files")]
)
def test_a_shell_is_told_how_to_complete(farebox_command, shell, mark):
    result = farebox_command("completion", shell)
    assert (result.exit_code, result.stderr) == (0, "")
    assert mark in result.stdout
    assert "_FAREBOX_COMPLETE" in result.stdout


def test_bash_completes_commands_and_reports():
    def complete(*words):
        environment = {
            "_FAREBOX_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        program = "from farebox.cli import main; main(prog_name='farebox')"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**environment, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return {line.partition(",")[2] for line in done.stdout.splitlines()}

    assert {"report", "reprice"} <= complete("farebox", "rep")
    assert {"latency", "latest"} == complete("farebox", "report", "lat")
