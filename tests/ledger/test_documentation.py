"""The page about the ledger is true: its SQL runs in plain SQLite, its Python runs, its tables and columns are those of the file."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from farebox.ledger import schema
from farebox.ledger.sqlite import SQLiteLedger

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def path(tmp_path, make_event):
    path = tmp_path / "ledger.db"
    with SQLiteLedger(path) as ledger:
        plain = [
            make_event(
                tenant_id="acme", task_type="chat", duration_ns=10**9, tags={"team": "search"}, baseline_model="gpt-5"
            )
            for _ in range(9)
        ]
        failed = make_event(
            status="error", error_type="RateLimitError", tenant_id="acme", cost_status="unpriced", cost_nano=None
        )
        ledger.ingest([*plain, failed], journal="j", segment=1, offset=1)
    return path


@pytest.mark.parametrize("sql", [text for language, text in BLOCKS if language == "sql"])
def test_every_statement_answers_in_plain_sqlite(path, sql):
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as plain:
        assert plain.execute(sql).fetchall()


def test_the_statements_say_what_they_are_said_to(path):
    models, days, *_ = (text for language, text in BLOCKS if language == "sql")
    with contextlib.closing(sqlite3.connect(path)) as plain:
        assert plain.execute(models).fetchall() == [("openai", "gpt-5-mini", 10, 0.0081)]
        assert [row[1:] for row in plain.execute(days)] == [("acme", 10, 0.0081)]


def test_every_program_runs(path, monkeypatch):
    monkeypatch.setenv("FAREBOX_LEDGER", str(path))
    for program in [text for language, text in BLOCKS if language == "python"]:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_tables_and_columns_are_those_of_the_file(path):
    cells = " ".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`([a-z_]+)`", cells))
    with contextlib.closing(sqlite3.connect(path)) as plain:
        tables = {row[0] for row in plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {row[1] for row in plain.execute("PRAGMA table_info(calls)")}
    assert named == (tables - {"calls"}) | columns
    for family in (*schema.FAMILIES, *schema.SAVING_FAMILIES, schema.LATENCY):
        row = next(line for line in PAGE.splitlines() if f"`{family.table('day')}`" in line)
        assert re.findall(r"`([a-z_]+)`", row.split("|")[2])[: len(family.dimensions)] == [*family.dimensions]
