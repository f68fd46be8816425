"""`farebox ledger`: checking, compacting, copying and merging ledgers, and what it refuses."""

from __future__ import annotations

import json
import sqlite3

import pytest

from farebox.ledger import migrations
from farebox.ledger.locate import SCHEMA_VERSION
from farebox.ledger.sqlite import SQLiteLedger


@pytest.fixture
def other(tmp_path, make_event):
    with SQLiteLedger(tmp_path / "other.db") as ledger:
        ledger.ingest([make_event(tenant_id="initech")], journal="j", segment=1, offset=1)
    return tmp_path / "other.db"


def damage(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE spend_by_day SET cost_nano = cost_nano + 1")
    connection.close()


def test_a_sound_ledger_is_said_to_be_sound(farebox_command, written):
    result = farebox_command("ledger", "check", "--ledger", str(written))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("calls, sound.\n")


def test_damage_is_listed_and_the_exit_code_is_1(farebox_command, written):
    damage(written)
    result = farebox_command("ledger", "check", "--ledger", str(written))
    assert result.exit_code == 1
    assert "! spend_by_day is not the sum of calls at" in result.stdout
    assert "restore a backup" in result.stdout
    as_json = farebox_command("ledger", "check", "--json", "--ledger", str(written))
    found = json.loads(as_json.stdout)
    assert (as_json.exit_code, found["ledger"], found["calls"] > 0) == (1, str(written), True)
    assert all("spend_by_day" in problem for problem in found["problems"])


def test_compacting_keeps_every_call(farebox_command, written):
    with SQLiteLedger(written) as ledger:
        before = list(ledger.calls())
    result = farebox_command("ledger", "compact", "--ledger", str(written))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "bytes before" in result.stdout
    with SQLiteLedger(written) as ledger:
        assert list(ledger.calls()) == before
        assert ledger.check() == []


def test_migrating_a_ledger_that_is_up_to_date_changes_nothing(farebox_command, written):
    result = farebox_command("ledger", "migrate", "--ledger", str(written))
    assert (result.exit_code, result.stdout) == (0, f"{written}: schema {SCHEMA_VERSION}, it is up to date.\n")


def test_migrating_brings_an_earlier_schema_up_and_says_from_where(farebox_command, tmp_path, monkeypatch):
    path = tmp_path / "old.db"
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        SQLiteLedger(path).close()  # what is in it is looked after in tests/ledger
    refused = farebox_command("ledger", "check", "--ledger", str(path))
    assert refused.exit_code == 1
    assert f"has schema 1 and needs {SCHEMA_VERSION}" in refused.stderr
    result = farebox_command("ledger", "migrate", "--ledger", str(path))
    assert result.stdout == f"{path}: schema {SCHEMA_VERSION}, brought up from schema 1.\n"
    assert farebox_command("ledger", "check", "--ledger", str(path)).exit_code == 0


def test_a_backup_is_a_whole_ledger_and_overwrites_nothing(farebox_command, written, tmp_path):
    target = tmp_path / "copy.db"
    assert farebox_command("ledger", "backup", str(target), "--ledger", str(written)).exit_code == 0
    with SQLiteLedger(written) as ledger, SQLiteLedger(target, read_only=True) as copy:
        assert list(copy.calls()) == list(ledger.calls())
        assert copy.check() == []
    content = target.read_bytes()
    again = farebox_command("ledger", "backup", str(target), "--ledger", str(written))
    assert again.exit_code == 1
    assert f"{target} is there already: name another file" in again.stderr
    assert target.read_bytes() == content


def test_merging_twice_counts_nothing_twice(farebox_command, written, other):
    first = farebox_command("ledger", "merge", str(other), "--ledger", str(written))
    assert (first.exit_code, first.stdout) == (0, f"{other}: 1 calls read, 1 of them new or changed.\n")
    second = farebox_command("ledger", "merge", str(other), "--ledger", str(written))
    assert "1 calls read, 0 of them new or changed" in second.stdout
    with SQLiteLedger(written) as ledger:
        assert ledger.summary(tenant_id="initech").calls == 1
        assert ledger.check() == []


def test_several_ledgers_become_a_new_one_only_where_that_is_asked_for(farebox_command, written, other, tmp_path):
    arguments = ["ledger", "merge", str(written), str(other), "--ledger", str(tmp_path / "all.db")]
    refused = farebox_command(*arguments)
    assert refused.exit_code == 1
    assert "there is no ledger at" in refused.stderr
    assert not (tmp_path / "all.db").exists()
    assert farebox_command(*arguments, "--new").exit_code == 0
    with SQLiteLedger(tmp_path / "all.db") as ledger, SQLiteLedger(written) as part:
        assert ledger.summary().calls == part.summary().calls + 1
        assert ledger.check() == []


@pytest.mark.parametrize("command", [["check"], ["compact"], ["migrate"], ["backup", "copy.db"], ["merge", "x.db"]])
def test_a_ledger_that_is_not_there_is_named(farebox_command, tmp_path, command):
    result = farebox_command("ledger", *command, "--ledger", str(tmp_path / "none.db"))
    assert result.exit_code == 1
    assert str(tmp_path / "none.db") in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_on_a_server_is_none_of_these_commands(farebox_command):
    result = farebox_command("ledger", "check", "--ledger", "postgres://host/db")
    assert result.exit_code == 2
    assert "is for ledgers in SQLite files" in result.stderr
