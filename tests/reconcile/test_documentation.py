"""The page about bills is true: its settings can be read, its commands are those of the program, its causes and providers are all."""

from __future__ import annotations

import re
import shlex
import textwrap
import tomllib
from pathlib import Path

from click.testing import CliRunner

from farebox.cli import main, reconcile
from farebox.reconcile.outcome import MEANINGS
from farebox.reconcile.readers import READERS
from farebox.reconcile_settings import Columns, parse_reconcile

PAGE = (Path(__file__).parents[2] / "docs" / "reconcile.md").read_text(encoding="utf-8")
BLOCKS = [
    textwrap.dedent(block).strip() for block in re.findall(r"(?:^    .*\n|^\n)+", PAGE, re.MULTILINE) if block.strip()
]
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("farebox ")]


def test_the_settings_of_the_page_can_be_read():
    (block,) = [block for block in BLOCKS if block.startswith("[reconcile]")]
    found = parse_reconcile(tomllib.loads(block)["reconcile"])
    assert set(found.sources) == {"openai", "anthropic", "google", "groq"}
    assert found.sources["groq"].columns.units == {"input": "Input tokens", "output": "Output tokens"}


def test_every_column_of_a_table_is_named():
    for name in Columns.__struct_fields__:
        assert f"`{name}`" in PAGE or f"{name} = " in PAGE


def test_every_command_of_the_page_is_one_of_the_program():
    assert len(COMMANDS) >= 7
    for line in COMMANDS:
        name, *arguments = shlex.split(line)[1:]
        command = main.get_command(None, name)
        command.make_context(name, arguments)
    options = {option for parameter in reconcile.reconcile.params for option in parameter.opts}
    page_and_help = PAGE + CliRunner().invoke(main, ["reconcile", "--help"]).output
    assert all(option in page_and_help for option in options)


def test_every_cause_provider_and_exit_code_is_on_the_page():
    for kind in MEANINGS:
        assert f"| `{kind}` |" in PAGE
    for name in READERS:
        assert name == "table" or f"`{name}`" in PAGE
    for code in (0, 1, 2, reconcile.DIFFERS, reconcile.INCOMPLETE):
        assert f"| {code} |" in PAGE
