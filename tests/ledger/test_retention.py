"""Retention: single calls go step by step, sums stay, and every question says what it still can."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest

from farebox.journal import Journal
from farebox.ledger import retention
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.writer import Writer

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
MIDNIGHT = 1_795_000_000_000_000_000 // DAY * DAY


@pytest.fixture
def ledger(tmp_path):
    with SQLiteLedger(tmp_path / "x.db") as opened:
        yield opened


@pytest.fixture
def filled(ledger, make_event):
    """Six hours apart, ten days up to midnight; a tenth of a second and a hundredth to answer."""
    events = [
        make_event(
            started_at=MIDNIGHT - 10 * DAY + number * 6 * HOUR + 60 * 10**9,
            tenant_id=f"t{number % 3}",
            user_id="u",
            duration_ns=10**8,
            first_chunk_ns=10**7,
        )
        for number in range(40)
    ]
    ledger.ingest(events, journal="j", segment=1, offset=1)
    return events


def retain_all(ledger, before):
    steps = 1
    while ledger.retain(before):
        steps += 1
    return steps


def test_a_damaged_sum_is_still_found_after_retention(ledger, filled):
    retain_all(ledger, MIDNIGHT - DAY)
    ledger._file._connection.execute(
        "UPDATE tenant_tasks_by_hour SET calls = calls + 1 WHERE hour >= ?", (MIDNIGHT - DAY,)
    )
    assert len(ledger.check()) == 8
    ledger._file._connection.execute("UPDATE latency_by_day SET histogram = '{}' WHERE day >= ?", (MIDNIGHT - DAY,))
    assert len(ledger.check()) == 10


def test_each_step_is_bounded_and_the_file_shrinks(ledger, tmp_path, make_event, monkeypatch):
    events = [make_event(started_at=MIDNIGHT - DAY + number, tags={"pad": "x" * 2000}) for number in range(1200)]
    ledger.ingest(events, journal="j", segment=1, offset=1)
    ledger.checkpoint()
    before = (tmp_path / "x.db").stat().st_size
    monkeypatch.setattr(retention, "_ROWS", 100)
    monkeypatch.setattr(retention, "_PAGES", 50)
    assert ledger.retain(MIDNIGHT) is True
    assert len(list(ledger.calls())) == 1100
    assert ledger.check() == []  # also between two steps
    assert retain_all(ledger, MIDNIGHT) > 12
    ledger.checkpoint()
    assert (tmp_path / "x.db").stat().st_size < before / 5
    assert ledger.check() == []


def test_a_step_that_fails_leaves_everything(ledger, filled, monkeypatch):
    def fails(connection, before):
        connection.execute("DELETE FROM calls")
        raise sqlite3.OperationalError("no more")

    monkeypatch.setattr(retention, "_remove", fails)
    with pytest.raises(Exception, match="no more"):
        ledger.retain(MIDNIGHT)
    monkeypatch.undo()
    assert len(list(ledger.calls())) == 40
    assert ledger.summary().retained_since == 0


def test_the_writer_retains_when_it_is_idle_and_not_again_that_day(tmp_path, make_event):
    journal = Journal(tmp_path / "x.journal", slots=16)
    done, cutoffs = threading.Event(), []

    class Watched(SQLiteLedger):
        def retain(self, before):
            more = super().retain(before)
            cutoffs.append(before)
            if not more:
                done.set()
            return more

    writer = Writer(journal, lambda: Watched(tmp_path / "x.db"), interval=0.01, retention_days=30)
    now = time.time_ns()
    old, new = make_event(started_at=now - 32 * DAY), make_event(started_at=now)
    for event in (old, new):
        journal.append(event)
    writer.wake()
    assert done.wait(20)
    count = len(cutoffs)
    journal.append(make_event(started_at=now))
    assert writer.flush(10) is True
    assert writer.shutdown(10) is True
    journal.close()
    assert len(cutoffs) == count
    assert abs(cutoffs[0] - (now - 30 * DAY)) < HOUR
    with SQLiteLedger(tmp_path / "x.db") as ledger:
        assert len(list(ledger.calls())) == 2
        assert ledger.summary().calls == 3
        assert ledger.check() == []
