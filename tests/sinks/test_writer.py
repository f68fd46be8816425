"""The writer: batches, back-off, flush and shutdown, a ledger that is locked, deleted or replaced, forks, finalisers, exit."""

from __future__ import annotations

import _thread
import gc
import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from farebox.core import guard
from farebox.core.errors import LedgerError
from farebox.journal import Journal
from farebox.journal.frame import frame
from farebox.journal.layout import Mark, journals, segments
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import adopt
from farebox.sinks.writer import Writer


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.db"


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "x.journal", slots=16, segment_bytes=20_000, reserve_bytes=20_000)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def traced_threads(monkeypatch):
    """Threads that `_thread` starts are seen by coverage like those of `threading`."""
    start = _thread.start_new_thread

    def traced(function, args):
        def run():
            sys.settrace(threading.gettrace())
            function(*args)

        return start(run, ())

    monkeypatch.setattr(_thread, "start_new_thread", traced)


def opener(path):
    return lambda: SQLiteLedger(path, busy_timeout=0.02)


@pytest.fixture
def writer(journal, path):
    made = Writer(journal, opener(path), interval=0.01, batch_size=50)
    yield made
    made.shutdown(1)


def append(journal, writer, *events):
    for event in events:
        journal.append(event)
        writer.wake()


def stored(path):
    with SQLiteLedger(path) as ledger:
        assert ledger.check() == []
        return {event.id for event in ledger.calls()}


def test_what_was_appended_is_in_the_ledger_after_a_flush(journal, writer, path, make_event):
    events = [make_event() for _ in range(333)]
    append(journal, writer, *events)
    assert writer.flush(10) is True
    assert stored(path) == {event.id for event in events}
    health = writer.health()
    assert (health.ingested, health.failures, health.last_error, health.alive) == (333, 0, None, True)
    assert segments(journal.directory, journal.id)[0] > 1  # what the ledger made safe is deleted


def test_nothing_runs_before_the_first_event(journal, writer, path):
    before = threading.active_count()
    assert not writer.health().alive
    assert not path.exists()
    assert threading.active_count() == before


def test_the_writer_moves_events_without_being_asked(journal, writer, path, make_event):
    event = make_event()
    append(journal, writer, event)
    done = threading.Event()
    for _ in range(500):
        if writer.health().ingested:
            break
        done.wait(0.01)
    assert stored(path) == {event.id}


def test_flush_without_a_thread_works_in_the_callers(journal, path, make_event, monkeypatch):
    def refused(*_):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(_thread, "start_new_thread", refused)
    writer = Writer(journal, opener(path), interval=0.01)
    event = make_event()
    append(journal, writer, event)
    assert not writer.health().alive
    assert writer.flush(5) is True
    assert writer.shutdown(5) is True
    assert stored(path) == {event.id}


def test_shutdown_stops_the_thread_and_the_journal_can_go(tmp_path, path, make_event):
    journal = Journal(tmp_path / "x.journal")
    writer = Writer(journal, opener(path), interval=0.01)
    append(journal, writer, make_event())
    assert writer.shutdown(10) is True
    assert not writer.health().alive
    journal.close()
    assert list((tmp_path / "x.journal").iterdir()) == []
    with SQLiteLedger(path) as ledger:
        assert ledger.mark(journal.id) == (0, 0)


def test_after_shutdown_events_wait_in_the_journal_and_a_flush_still_brings_them_in(journal, writer, path, make_event):
    append(journal, writer, make_event())
    assert writer.shutdown(5) is True
    late = make_event()
    append(journal, writer, late)
    assert not writer.health().alive
    assert writer.flush(5) is True
    assert late.id in stored(path)


def test_a_locked_ledger_keeps_events_in_the_journal_until_it_is_free(journal, writer, path, make_event, caplog):
    append(journal, writer, make_event())
    assert writer.flush(5) is True
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    events = [make_event() for _ in range(120)]
    append(journal, writer, *events)
    assert writer.flush(0.3) is False
    health = writer.health()
    assert health.failures >= 1
    assert "another process is writing" in health.last_error
    assert writer.shutdown(0.2) is False
    other.execute("ROLLBACK")
    other.close()
    assert writer.flush(5) is True
    assert len(stored(path)) == 121
    assert writer.health().last_error is None
    assert sum("could not meter: writer" in record.message for record in caplog.records) == 1  # said once, then counted
    assert guard.faults["writer: LedgerError"] == writer.health().failures


def test_a_ledger_that_cannot_be_opened_is_tried_again(journal, make_event, path):
    tries = []

    def open_ledger():
        tries.append(1)
        if len(tries) < 3:
            raise LedgerError("not yet")
        return SQLiteLedger(path)

    writer = Writer(journal, open_ledger, interval=0.01)
    event = make_event()
    append(journal, writer, event)
    assert writer.flush(10) is True
    assert writer.shutdown(5) is True
    assert stored(path) == {event.id}


def test_a_deleted_ledger_gets_back_what_the_journal_still_has(journal, writer, path, make_event):
    first = [make_event() for _ in range(5)]
    append(journal, writer, *first)
    assert writer.flush(5) is True
    for file in path.parent.glob("x.db*"):
        file.unlink()
    then = make_event()
    append(journal, writer, then)
    assert writer.flush(5) is True
    assert stored(path) == {event.id for event in (*first, then)}


def test_a_ledger_deleted_while_nothing_happens_is_there_again_after_a_flush(journal, writer, path, make_event):
    event = make_event()
    append(journal, writer, event)
    assert writer.flush(5) is True
    for file in path.parent.glob("x.db*"):
        file.unlink()
    assert writer.flush(5) is True
    assert stored(path) == {event.id}


def test_a_ledger_restored_from_a_backup_is_brought_up_to_date(journal, writer, path, tmp_path, make_event):
    before, after = make_event(), make_event()
    append(journal, writer, before)
    assert writer.flush(5) is True
    source, backup = sqlite3.connect(path), sqlite3.connect(tmp_path / "backup")
    source.backup(backup)
    source.close()
    backup.close()
    append(journal, writer, after)
    assert writer.flush(5) is True
    for file in path.parent.glob("x.db*"):
        file.unlink()
    (tmp_path / "backup").replace(path)
    last = make_event()
    append(journal, writer, last)
    assert writer.flush(5) is True
    assert stored(path) == {before.id, after.id, last.id}


class DiesAfterCommit:
    """A ledger whose process dies after the commit, before anybody hears of it."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.deaths = 0

    def ingest(self, *args, **kwargs):
        count = self.ledger.ingest(*args, **kwargs)
        self.deaths += 1
        if self.deaths == 1:
            raise OSError("killed between commit and acknowledgement")
        return count

    def __getattr__(self, name):
        return getattr(self.ledger, name)


def test_a_writer_that_dies_between_commit_and_acknowledgement_counts_nothing_twice(journal, path, make_event):
    writer = Writer(journal, lambda: DiesAfterCommit(SQLiteLedger(path)), interval=0.01, batch_size=7)
    events = [make_event() for _ in range(30)]
    append(journal, writer, *events)
    assert writer.flush(10) is True
    assert writer.health().failures == 1
    assert writer.shutdown(5) is True
    with SQLiteLedger(path) as ledger:
        assert ledger.totals()["calls"] == 30
        assert ledger.check() == []


def test_segments_that_vanished_are_said(journal, writer, make_event, path):
    journal.append(make_event())
    for number in segments(journal.directory, journal.id):
        (journal.directory / f"{journal.id}.{number:06d}.segment").unlink()
    writer.wake()
    assert writer.flush(0.2) is False
    assert "has lost its files" in writer.health().last_error


def test_damaged_lines_do_not_hold_up_the_others(journal, writer, path, make_event):
    events = [make_event() for _ in range(3)]
    journal.append(events[0])
    os.write(journal._store._descriptor, b"\x1e0000000900000000broken it\n")
    journal.append(events[1])
    journal.append(events[2])
    assert writer.flush(5) is True
    assert stored(path) == {event.id for event in events}
    assert journal.health().damaged == 1


def test_memory_durability_reaches_the_ledger_and_lets_go(tmp_path, path, make_event):
    journal = Journal(tmp_path / "none", durability="memory")
    writer = Writer(journal, opener(path), interval=0.01, batch_size=10)
    events = [make_event() for _ in range(25)]
    append(journal, writer, *events)
    assert writer.flush(5) is True
    assert len(journal._store._events) == 0
    assert writer.shutdown(5) is True
    assert stored(path) == {event.id for event in events}


def test_wake_from_a_finaliser_that_interrupts_a_thread_start_does_not_hang(journal, writer, path, make_event):
    event = make_event()

    class Dropped:
        def __init__(self):
            self.me = self

        def __del__(self):
            journal.append(event)
            writer.wake()

    with threading._active_limbo_lock:  # what Thread.start holds when the collector may run
        Dropped()
        gc.collect()
    assert writer.flush(5) is True
    assert stored(path) == {event.id}


def test_a_writer_that_was_left_starts_nothing(journal, writer, make_event):
    writer.leave_in_child()
    append(journal, writer, make_event())
    assert not writer.health().alive


def test_a_failing_flush_in_the_callers_thread_gives_up_in_time(journal, make_event):
    def never():
        raise LedgerError("never")

    writer = Writer(journal, never, interval=0.01)
    writer.shutdown(0)
    journal.append(make_event())
    assert writer.flush(0.05) is False
    assert writer.health().failures > 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_forgets_the_parents_writer_and_both_are_counted_once(journal, path, tmp_path, make_event):
    ledger = SQLiteLedger(path)
    writer = Writer(journal, lambda: ledger, interval=0.001, batch_size=5)
    events = [make_event() for _ in range(60)]
    theirs = make_event()
    append(journal, writer, *events[:30])
    ledger.before_fork()
    child = os.fork()
    ledger.after_fork()
    if child == 0:
        code = 1
        try:
            writer.leave_in_child()
            journal.leave_in_child()
            own = Journal(tmp_path / "x.journal", slots=4)
            moved = Writer(own, opener(path), interval=0.01)
            append(own, moved, theirs)
            assert moved.shutdown(10) is True
            own.close()
            code = 0
        finally:
            os._exit(code)
    append(journal, writer, *events[30:])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert writer.shutdown(5) is True
    assert stored(path) == {event.id for event in (*events, theirs)}


EXITS = """
import atexit, sys
from pathlib import Path
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.journal import Journal
from farebox.ledger import journal_directory, open_ledger
from farebox.sinks.writer import Writer

journal = Journal(journal_directory(sys.argv[1]))
writer = Writer(journal, lambda: open_ledger(sys.argv[1]), interval=3600)

def record():
    event = CallEvent(id=new_id(10**18), started_at=10**18, provider="p", operation="o")
    journal.append(event)
    writer.wake()

class Late:
    def __del__(self):
        record()

def leave():
    print(writer.shutdown(5))
    journal.close()

atexit.register(leave)
late = Late()
record()
"""


def test_the_interpreters_exit_loses_nothing_and_the_latest_finaliser_is_adopted(path, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", EXITS, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.stdout, result.stderr) == ("True\n", "")
    assert len(stored(path)) == 1
    with SQLiteLedger(path) as ledger:
        adopt(tmp_path / "x.journal", ledger)
        assert ledger.totals()["calls"] == 2
    assert list((tmp_path / "x.journal").iterdir()) == []


def test_a_journal_opened_anew_after_close_is_read_from_its_start(journal, writer, path, make_event):
    append(journal, writer, *[make_event() for _ in range(10)])
    assert writer.flush(5) is True
    journal.release(Mark(9, 0))
    journal.close()
    event = make_event()
    append(journal, writer, event)
    assert writer.flush(5) is True
    assert event.id in stored(path)


def test_an_idle_writer_brings_in_what_a_dead_process_left(journal, writer, path, make_event):
    own, left = make_event(), make_event()
    dead = Journal(journal.directory, slots=4)
    dead.append(left)
    dead.close()
    append(journal, writer, own)
    for _ in range(1000):
        if journals(journal.directory) == [journal.id]:
            break
        threading.Event().wait(0.01)
    assert stored(path) == {own.id, left.id}
    assert writer.health().failures == 0


def test_what_a_newer_farebox_left_holds_up_nothing(journal, writer, path, make_event, caplog):
    guard.raise_faults(enabled=False)
    newer = Journal(journal.directory, slots=4)
    newer.append(make_event())
    newer.close()
    first = journal.directory / f"{newer.id}.000001.segment"
    first.write_bytes(frame(b'{"journal":"x","segment":1,"farebox_journal":99}'))
    events = [make_event(), make_event()]
    append(journal, writer, events[0])
    for _ in range(1000):
        if guard.faults["adoption: LedgerError"]:
            break
        threading.Event().wait(0.01)
    append(journal, writer, events[1])
    assert writer.flush(5) is True
    assert stored(path) == {event.id for event in events}
    assert "newer farebox" in caplog.text
    assert first.exists()
