"""Copies and merges: everything counted once, whichever of two ledgers has removed what."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from farebox.core.errors import LedgerError
from farebox.core.identity import new_id
from farebox.ledger.sqlite import SQLiteLedger

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
MIDNIGHT = 1_795_000_000_000_000_000 // DAY * DAY


@pytest.fixture
def ledger(tmp_path):
    with SQLiteLedger(tmp_path / "x.db") as opened:
        yield opened


@pytest.fixture
def other(tmp_path):
    with SQLiteLedger(tmp_path / "other.db") as opened:
        yield opened


def put(ledger, *events):
    ledger.ingest(events, journal=new_id(0), segment=1, offset=1)


def calls_of_days(make_event, *days, **fields):
    return [make_event(started_at=MIDNIGHT + day * DAY + 5, duration_ns=10**9, **fields) for day in days]


def retain(ledger, before):
    while ledger.retain(before):
        pass


def merge(ledger, other):
    return ledger.merge(other.location.path)


def test_calls_of_both_are_there_once(ledger, other, make_event):
    shared, mine, theirs = (calls_of_days(make_event, *days) for days in ((0, 1), (2,), (3, 4, 5)))
    put(ledger, *shared, *mine)
    put(other, *shared, *theirs)
    done = merge(ledger, other)
    assert (done.read, done.changed, done.summed) == (5, 3, 0)
    assert merge(ledger, other).changed == 0
    assert ledger.summary().calls == 6
    assert ledger.check() == []
    assert other.summary().calls == 5


def test_what_is_known_better_wins_in_either_direction(ledger, other, make_event):
    (real,) = calls_of_days(make_event, 0)
    lost = type(real)(id=real.id, started_at=real.started_at, provider="openai", operation="chat", status="lost")
    put(ledger, lost)
    put(other, real)
    assert merge(ledger, other).changed == 1
    assert merge(other, ledger).changed == 0
    assert list(ledger.calls()) == list(other.calls()) == [real]


def test_sums_without_calls_are_added_once(ledger, other, make_event):
    put(ledger, *calls_of_days(make_event, 0, 1, 2, tenant_id="a"))
    put(other, *calls_of_days(make_event, 0, 1, 2, tenant_id="b"))
    retain(other, MIDNIGHT + 2 * DAY)
    done = merge(ledger, other)
    assert (done.read, done.changed, done.summed) == (1, 1, 2)
    assert merge(ledger, other).summed == 0
    assert {row["tenant_id"]: row["calls"] for row in ledger.by("tenant_id")} == {"a": 3, "b": 3}
    assert ledger.percentiles()[0].calls == 6
    assert ledger.summary().retained_since == MIDNIGHT + 2 * DAY
    assert ledger.check() == []


def test_a_ledger_that_removed_more_since_the_last_merge_is_refused(ledger, other, make_event):
    put(other, *calls_of_days(make_event, 0, 1, 2))
    merge(ledger, other)
    retain(other, MIDNIGHT + DAY)
    with pytest.raises(LedgerError, match="has removed old calls since: merge a backup"):
        merge(ledger, other)
    assert ledger.summary().calls == 3
    assert ledger.check() == []


def test_what_was_removed_here_does_not_come_back_from_a_copy(ledger, tmp_path, make_event):
    put(ledger, *calls_of_days(make_event, 0, 1, 2))
    ledger.backup(tmp_path / "copy.db")
    retain(ledger, MIDNIGHT + 2 * DAY)
    assert ledger.merge(tmp_path / "copy.db").changed == 0
    assert ledger.summary().calls == 3
    assert ledger.check() == []


def test_a_copy_brings_back_what_was_lost_after_it_was_made(ledger, tmp_path, make_event):
    put(ledger, *calls_of_days(make_event, 0, 1))
    ledger.backup(tmp_path / "copy.db")
    with SQLiteLedger(tmp_path / "copy.db") as copy:
        put(copy, *calls_of_days(make_event, 2))
        assert merge(ledger, copy).changed == 1
        retain(copy, MIDNIGHT + DAY)
        with pytest.raises(LedgerError, match="has removed old calls since"):
            merge(ledger, copy)
    assert ledger.summary().calls == 3


def test_a_ledger_with_calls_that_are_about_to_go_is_refused(ledger, other, make_event):
    put(other, *calls_of_days(make_event, 0, 3))
    retain(other, MIDNIGHT + 2 * DAY)
    put(other, *calls_of_days(make_event, 1))
    with pytest.raises(LedgerError, match="about to remove 1 old calls"):
        merge(ledger, other)
    assert ledger.summary().calls == 0
    assert ledger.check() == []


def test_a_merge_that_fails_leaves_nothing_behind(ledger, other, make_event, monkeypatch):
    from farebox.ledger import ingest

    put(ledger, *calls_of_days(make_event, 0))
    put(other, *calls_of_days(make_event, 1, 2))
    honest = ingest.merge

    def fails(connection, events):
        honest(connection, events)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(ingest, "merge", fails)
    with pytest.raises(LedgerError, match="disk I/O error"):
        merge(ledger, other)
    monkeypatch.undo()
    assert ledger.summary().calls == 1
    assert merge(ledger, other).changed == 2


@pytest.mark.parametrize("name", ["none.db", "text", "theirs.db", "future.db"])
def test_what_is_no_ledger_of_this_schema_is_named_and_not_merged(ledger, tmp_path, name):
    path = tmp_path / name
    if name == "text":
        path.write_text("hello" * 100)
    elif name == "theirs.db":
        with sqlite3.connect(path) as theirs:
            theirs.execute("CREATE TABLE theirs (x)")
    elif name == "future.db":
        with SQLiteLedger(path) as future:
            future._file._connection.execute("INSERT INTO migrations VALUES (99, 'from_the_future', 0)")
    with pytest.raises(LedgerError, match=str(path)):
        ledger.merge(path)
    assert ledger.summary().calls == 0


def test_a_copy_is_for_its_owner_only_and_made_nowhere_it_cannot_be(ledger, tmp_path):
    ledger.backup(tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    with pytest.raises(LedgerError, match=r"cannot be copied to .*none.* name another file"):
        ledger.backup(tmp_path / "none" / "copy.db")


def test_a_copy_that_fails_leaves_no_file(ledger, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise sqlite3.OperationalError("disk full")

    from farebox.ledger import upkeep

    monkeypatch.setattr(upkeep.sqlite3, "connect", fails)
    with pytest.raises(LedgerError, match="disk full"):
        ledger.backup(Path(tmp_path / "copy.db"))
    assert not (tmp_path / "copy.db").exists()
