"""The count of a journal: what was appended and cannot be read any more is told to the last event, whoever reads and whenever."""

from __future__ import annotations

import os

import pytest

from farebox.journal import Journal
from farebox.journal.layout import Mark, segment_path, slots_path
from farebox.journal.recover import claim
from farebox.journal.slots import SLOT
from farebox.journal.tally import _END, _READ_AT, unread
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import adopt
from farebox.sinks.writer import Writer

START = Mark(0, 0)


class Told:
    """An alarm that remembers."""

    def __init__(self):
        self.problems = []

    def tell(self, _kind, *, problem, count):
        self.problems.append((problem, count))


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "x.journal"


@pytest.fixture
def journal(directory):
    made = Journal(directory, slots=8)
    yield made
    made.close()


def fill(journal, make_event, count=50):
    """Appends events; the place behind each."""
    ends = []
    for _ in range(count):
        journal.append(make_event())
        ends.append(journal.end())
    return ends


def cut(journal, at):
    os.truncate(segment_path(journal.directory, journal.id, at.segment), at.offset)


def missing(directory, journal):
    with claim(directory, journal.id) as orphan:
        return orphan.missing()


def keep(journal, limit, times=10**9):
    """Reads as a writer does, whose ledger takes everything; how many were found to be missing."""
    mark, found = journal_mark.get(journal.id, START), 0
    while times and mark < journal.end():
        batch = journal.read(mark, limit=limit)
        found, mark, times = found + journal.ingested(batch), batch.mark, times - 1
    journal_mark[journal.id] = mark
    return found


journal_mark: dict[str, Mark] = {}


@pytest.mark.parametrize("kept", [0, 1, 17, 49, 50])
def test_a_tail_that_was_cut_off_a_dead_journal_is_told_to_the_last_event(directory, journal, make_event, kept):
    ends = fill(journal, make_event)
    journal.close()
    cut(journal, ends[kept - 1] if kept else Mark(1, 200))
    assert missing(directory, journal) == 50 - kept


def test_segments_that_are_gone_are_told_too(tmp_path, make_event):
    journal = Journal(tmp_path, segment_bytes=3000, reserve_bytes=3000, slots=8)
    ends = fill(journal, make_event)
    journal.close()
    for number in (2, ends[-1].segment):
        segment_path(tmp_path, journal.id, number).unlink()
    left = sum(end.segment not in (2, ends[-1].segment) for end in ends)
    assert missing(tmp_path, journal) == 50 - left > 2


def test_what_the_ledger_had_before_the_cut_is_not_missing(directory, journal, make_event):
    ends = fill(journal, make_event)
    assert keep(journal, 10, times=3) == 0
    journal.close()
    cut(journal, ends[9])
    assert missing(directory, journal) == 20


def test_a_journal_that_is_whole_misses_nothing_however_far_it_was_read(tmp_path, make_event):
    for read in range(4):
        journal = Journal(tmp_path, slots=8)
        fill(journal, make_event, 30)
        keep(journal, 10, times=read)
        journal.close()
        assert missing(tmp_path, journal) == 0


def test_each_damaged_line_is_one_event(directory, journal, make_event, tmp_path):
    ends = fill(journal, make_event)
    journal.close()
    with segment_path(directory, journal.id, 1).open("r+b") as file:
        for at in (ends[5], ends[20], ends[30]):
            file.seek(at.offset + 40)
            file.write(b"\xff")
    with SQLiteLedger(tmp_path / "x.db") as ledger:
        adopted = adopt(directory, ledger)
    assert (adopted.events, adopted.damaged, adopted.dropped) == (47, 3, 3)


@pytest.mark.parametrize("spoilt", ["half a number", "half a place", "the first format", "no table"])
def test_without_a_count_that_agrees_with_itself_nothing_is_claimed(directory, journal, make_event, spoilt):
    ends = fill(journal, make_event)
    journal.close()
    path = slots_path(directory, journal.id)
    page = bytearray(path.read_bytes())
    if spoilt == "half a number":
        page[16] ^= 1
    elif spoilt == "half a place":
        page[_READ_AT + 3] ^= 1
    else:
        page[:SLOT] = b"farebox slots 1\n".ljust(SLOT, b"\0")
    path.write_bytes(page)
    if spoilt == "no table":
        path.unlink()
    cut(journal, ends[9])
    assert missing(directory, journal) == 0


def test_a_table_that_ends_early_says_nothing():
    assert unread(b"\0" * (_END - 1)) is None


def test_a_living_writer_tells_what_vanished_under_it(journal, make_event, tmp_path):
    told = Told()
    ends = fill(journal, make_event)
    cut(journal, ends[9])
    fill(journal, make_event, 5)
    writer = Writer(journal, lambda: SQLiteLedger(tmp_path / "x.db"), interval=0.01, batch_size=7, alarm=told)
    assert writer.flush(10)
    fill(journal, make_event, 5)
    assert writer.flush(10)
    assert writer.shutdown(10)
    assert journal.health().dropped == 40
    assert told.problems[-1] == ("dropped", 40)
    with SQLiteLedger(tmp_path / "x.db") as ledger:
        assert ledger.summary().calls == 20


def test_a_living_journal_that_ends_in_half_a_line_does_not_keep_its_reader(journal, make_event):
    ends = fill(journal, make_event)
    cut(journal, Mark(1, ends[9].offset + 30))
    assert keep(journal, 100) == 40
    assert journal.health().damaged == 1


def test_a_tail_cut_off_a_living_journal_is_told_although_nothing_came_after_it(journal, make_event):
    ends = fill(journal, make_event)
    cut(journal, ends[9])
    assert keep(journal, 100) == 40
    assert keep(journal, 100) == 0
    assert journal.health().dropped == 40


def test_events_that_were_not_kept_are_not_counted_twice(journal, make_event, monkeypatch):
    fill(journal, make_event, 3)
    with monkeypatch.context() as patched:
        patched.setattr(journal, "_put", lambda _: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            journal.append(make_event())
    assert keep(journal, 100) == 0
    assert journal.health().dropped == 1


def test_an_interrupt_between_a_line_and_its_count_hides_nothing_later(journal, make_event, monkeypatch):
    fill(journal, make_event, 3)
    with monkeypatch.context() as patched:
        patched.setattr(journal._tally, "count", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            journal.append(make_event())
    assert keep(journal, 100) == 0
    ends = fill(journal, make_event, 10)
    cut(journal, ends[3])
    assert keep(journal, 100) == 6


def test_a_ledger_that_was_replaced_makes_nothing_missing(journal, make_event, directory):
    fill(journal, make_event)
    keep(journal, 20)
    fill(journal, make_event)
    journal_mark[journal.id] = Mark(1, 0)
    assert keep(journal, 20, times=2) == 0
    assert keep(journal, 20) == 0
    ends = fill(journal, make_event, 10)
    journal.close()
    cut(journal, ends[3])
    assert missing(directory, journal) == 6


def test_a_process_that_died_while_it_read_anew_is_not_judged(journal, make_event, directory):
    fill(journal, make_event)
    keep(journal, 20)
    journal_mark[journal.id] = Mark(1, 0)
    keep(journal, 20, times=1)
    journal.close()
    assert missing(directory, journal) == 0


def test_in_memory_nothing_can_vanish(tmp_path, make_event):
    journal = Journal(tmp_path, durability="memory")
    for _ in range(3):
        journal.append(make_event())
    assert keep(journal, 2) == 0
    assert journal.health().dropped == 0


def test_the_count_begins_anew_with_each_journal(journal, make_event):
    fill(journal, make_event, 5)
    first = journal.id
    cut(journal, Mark(1, 200))
    assert keep(journal, 100) == 5
    journal.close()
    fill(journal, make_event, 2)
    assert journal.id != first
    assert keep(journal, 100) == 0
    assert journal.health().dropped == 5
