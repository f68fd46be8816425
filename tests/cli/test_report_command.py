"""`farebox report`: what it prints where, and how it fails."""

from __future__ import annotations

import csv
import importlib
import io
import json
import sqlite3
import subprocess
import sys

import pytest

import farebox.cli
from farebox.cli.app import COMMANDS


def test_a_report_is_a_table_of_models(farebox_command, written):
    result = farebox_command("report", "--ledger", str(written))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Spend by model" in result.stdout
    assert "gpt-5-mini" in result.stdout
    assert "unknown" in result.stdout
    assert "! 1 call has no known price: every sum over them is a lower bound." in result.stdout


def test_short_names_of_dimensions_may_be_given_again(farebox_command, written):
    result = farebox_command(
        "report", "--by", "tenant", "--by", "task", "--by", "tenant", "--csv", "--ledger", str(written)
    )
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["tenant_id"], row["task_type"], row["cost"]) for row in rows] == [
        ("acme", "analysis", "0.003"),
        ("acme", "search", "0.001"),
        ("globex", "(none)", ""),
    ]


def test_json_is_one_object_and_conditions_bind(farebox_command, written):
    result = farebox_command("report", "--json", "--where", "tenant=acme", "--ledger", str(written))
    data = json.loads(result.stdout)
    assert [row["calls"] for row in data["rows"]] == [2]
    nobody = farebox_command("report", "--json", "--where", "task=", "--ledger", str(written))
    assert [row["calls"] for row in json.loads(nobody.stdout)["rows"]] == [1]


def test_markdown_is_a_table_too(farebox_command, written):
    result = farebox_command("report", "--format", "markdown", "--ledger", str(written))
    assert result.stdout.startswith("## Spend by model\n\n| model | calls |")


def test_a_period_that_holds_nothing_is_empty_and_no_error(farebox_command, written):
    result = farebox_command("report", "--until", "2020-01-01", "--ledger", str(written))
    assert result.exit_code == 0
    assert "No calls." in result.stdout


def test_the_ledger_of_the_environment_is_the_default(farebox_command, written, monkeypatch):
    monkeypatch.setenv("FAREBOX_LEDGER", str(written))
    assert "gpt-5-mini" in farebox_command("report").stdout


def test_reading_only_leaves_the_ledger_as_it_was(farebox_command, written):
    before = written.read_bytes()
    assert farebox_command("report", "--read-only", "--ledger", str(written)).exit_code == 0
    assert written.read_bytes() == before


def test_a_missing_ledger_is_named_with_the_remedy_and_not_made(farebox_command, tmp_path):
    missing = tmp_path / "nope.db"
    result = farebox_command("report", "--ledger", str(missing))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no ledger at {missing} yet" in result.stderr
    assert "--ledger or FAREBOX_LEDGER" in result.stderr
    assert not missing.exists()


def test_what_is_no_ledger_of_ours_is_named_and_left_alone(farebox_command, tmp_path):
    text = tmp_path / "notes.db"
    text.write_text("my notes, which are long enough to look like a header of something, at least to a hurried reader")
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (id)")
        connection.execute("PRAGMA application_id = 7")
    connection.close()
    for path, reason in ((tmp_path, "is a directory"), (text, "no SQLite database"), (foreign, "another program")):
        result = farebox_command("report", "--ledger", str(path))
        assert (result.exit_code, result.stdout) == (1, "")
        assert reason in result.stderr
        assert str(path) in result.stderr
    assert text.read_text().startswith("my notes")


def test_a_newer_ledger_asks_for_a_newer_farebox(farebox_command, written):
    with sqlite3.connect(written) as connection:
        connection.execute("UPDATE migrations SET number = 9999 WHERE number = (SELECT max(number) FROM migrations)")
    connection.close()
    result = farebox_command("report", "--ledger", str(written))
    assert result.exit_code == 1
    assert "newer" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--by", "modle"), "'modle' is no dimension"),
        (("--since", "soon"), "--since 'soon' is no moment"),
        (("--since", "today", "--until", "yesterday"), "--since today is not before --until yesterday"),
        (("--where", "acme"), "--where 'acme' has no value"),
        (("--format", "xml"), "'xml' is not one of"),
        (("--bogus",), "--bogus"),
    ],
)
def test_a_mistyped_option_is_named_and_exits_with_2(farebox_command, written, arguments, reason):
    result = farebox_command("report", "--ledger", str(written), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=str)
def test_every_help_text_has_an_example(farebox_command, command):
    result = farebox_command(*command, "--help")
    assert result.exit_code == 0
    assert "Example: farebox" in result.stdout


def test_an_unknown_command_is_refused(farebox_command):
    result = farebox_command("reprot")
    assert result.exit_code == 2
    assert "reprot" in result.stderr


def test_the_module_runs_as_the_command_and_loads_no_report_for_its_version():
    program = (
        "import sys; sys.argv = ['farebox', '--version']\n"
        "import runpy\n"
        "try: runpy.run_module('farebox', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "loaded = {'rich', 'sqlite3', 'farebox.cli.demo', 'farebox.cli.report', 'openai'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-1][0].isdigit()


def test_the_module_is_the_command_and_does_not_run_when_it_is_imported():
    assert importlib.import_module("farebox.__main__").main is farebox.cli.main


def test_no_colour_codes_go_into_a_pipe(written):
    done = subprocess.run(
        [sys.executable, "-m", "farebox", "report", "--ledger", str(written)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
