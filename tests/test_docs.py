"""The README is true: its programs run, its commands are those of the CI, its tables are those of the code."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from farebox.cli.app import COMMANDS
from farebox.config import PARSERS, Settings
from farebox.core import semconv
from farebox.testing import FakeProvider

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PROGRAMS = [text for language, text in BLOCKS if language == "python"]
COMMAND_LINES = [line for language, text in BLOCKS if language == "bash" for line in text.splitlines()]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """SDKs that find a loopback provider where the real one would be, and one ledger for the whole README."""
    directory = tmp_path_factory.mktemp("readme")
    with FakeProvider() as provider:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FAREBOX_", "COV_CORE"))},
            "OPENAI_API_KEY": "offline",
            "OPENAI_BASE_URL": provider.openai_base_url,
            "ANTHROPIC_API_KEY": "offline",
            "ANTHROPIC_BASE_URL": provider.url,
            "FAREBOX_LEDGER": str(directory / "ledger.db"),
            "HOME": str(directory),
            "PYTHONWARNINGS": "error",
        }


def run(command, environment):
    return subprocess.run(
        command, env=environment, cwd=environment["HOME"], capture_output=True, text=True, timeout=120, check=False
    )


def test_every_block_has_a_language_that_is_checked():
    assert {language for language, _ in BLOCKS} == {"python", "bash"}
    assert len(PROGRAMS) >= 6
    assert README.count("```") == 2 * len(BLOCKS)


def test_every_program_of_the_readme_runs_and_every_report_answers(environment):
    for program in PROGRAMS:
        done = run([sys.executable, "-c", program], environment)
        assert done.returncode == 0, program + done.stderr
        assert done.stderr == "", program + done.stderr
    reports = [line for line in COMMAND_LINES if line.startswith("farebox report")]
    assert reports
    for line in reports:
        done = run([sys.executable, "-m", *shlex.split(line)], environment)
        assert done.returncode == 0, line + done.stderr
        assert "gpt-5-mini" in done.stdout or "acme" in done.stdout


def test_the_two_commands_of_the_readme_are_run_by_the_ci_as_they_stand():
    script = (PROJECT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in COMMAND_LINES if not line.startswith("farebox report")]
    assert len(commands) == 2
    assert all(command in script for command in commands)
    assert script[-1] == commands[1]


def test_every_setting_is_in_the_table_with_its_variable_and_default():
    for name in PARSERS:
        (row,) = re.findall(rf"^\| `{name}` \| `FAREBOX_{name.upper()}` \| (.*?) \| .+ \|$", README, re.MULTILINE)
        default = getattr(Settings(), name)
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        assert row.startswith("none") if default in (None, ()) else row == f"`{shown}`", name


def test_every_command_and_every_cost_status_is_named():
    for command in COMMANDS:
        assert f"farebox {command}" in README
    for name, status in vars(semconv).items():
        if name.startswith("COST_"):
            assert f"| `{status}` |" in README


def test_every_example_is_named():
    for path in (PROJECT / "examples").glob("*.py"):
        assert f"`{path.name}`" in README


def test_every_endpoint_is_on_the_page_of_what_is_metered():
    from farebox.instruments import anthropic, google_genai, google_interactions, openai

    page = (PROJECT / "docs" / "metering.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `([a-z-]+)`\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL))
    rows = {
        "openai": openai.ENDPOINTS,
        "anthropic": anthropic.ENDPOINTS,
        "google-genai": (*google_genai.ENDPOINTS, *google_interactions.ENDPOINTS),
    }
    for name, endpoints in rows.items():
        cells = " ".join(line.split("|")[1] for line in sections[name].splitlines() if line.startswith("|"))
        named = set(re.findall(r"`([^`]+)`(?: \((GET|PATCH)\))?", cells))
        assert named == {
            (endpoint.path, "" if endpoint.method == "post" else endpoint.method.upper()) for endpoint in endpoints
        }
