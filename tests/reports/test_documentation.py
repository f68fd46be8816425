"""The page on reports is true: its commands and programs run, and it names every report, option and metric."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farebox.ledger.registry import open_ledger
from farebox.reports.registry import REPORTS
from farebox.reports.render import FORMATS
from farebox.sinks.prometheus import LedgerCollector

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if language == "bash" for line in text.splitlines()]
PROGRAMS = [text for language, text in BLOCKS if language == "python"]


@pytest.fixture
def run(tmp_path, make_event):
    """Run something beside a ledger of two calls of this moment."""
    path = tmp_path / "ledger.db"
    now = time.time_ns()
    with open_ledger(path) as ledger:
        events = [make_event(started_at=now - 1, tenant_id="acme", task_type="analysis"), make_event(started_at=now)]
        ledger.ingest(events, journal="test", segment=0, offset=1)

    def run(*command):
        environment = {**os.environ, "FAREBOX_LEDGER": str(path), "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            [sys.executable, *command], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_page_runs(run, line):
    done = run("-m", *shlex.split(line))
    assert (
        "acme" in done.stdout or "gpt-5-mini" in done.stdout or "0.0018" in done.stdout or "written to" in done.stderr
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_of_the_page_runs(run, program):
    done = run("-c", program)
    assert done.stderr == ""
    assert done.stdout


def test_every_block_is_one_of_these():
    assert len(COMMANDS) + len(PROGRAMS) >= 8
    assert {language for language, _ in BLOCKS} == {"bash", "python"}


def test_every_report_format_and_metric_is_named(tmp_path):
    for name in (*REPORTS, *FORMATS):
        assert f"`{name}`" in PAGE
    with open_ledger(tmp_path / "empty.db") as ledger:
        names = {family.name for family in LedgerCollector(ledger).collect()}
    for name in names:
        plain = re.sub("^farebox_(tenant|task|operation)_", "farebox_", name)
        ends = (plain, f"{plain}_total", plain.removeprefix("farebox_budget"))
        assert any(f"`{end}`" in PAGE for end in ends), name
