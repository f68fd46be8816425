"""A disk that is really full: a small file system of its own where one may be mounted, and a limit on file sizes everywhere else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from farebox.core.errors import LedgerError
from farebox.journal import Journal
from farebox.journal.layout import Mark

START = Mark(0, 0)


@contextmanager
def small_disk(path, size):
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as path:
        yield path


def fill(path):
    """Take every byte that is left."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (1 << 16, 1 << 12, 1):
        try:
            while True:
                os.write(descriptor, b"\xff" * size)
        except OSError:
            pass
    os.close(descriptor)


def everything(journal):
    return journal.read(START, limit=10**9)


def append_until_dropped(journal, make_event, most=5000):
    kept = []
    for _ in range(most):
        event = make_event(tags={"pad": "x" * 300})
        try:
            journal.append(event)
        except OSError:
            return kept
        kept.append(event)
    raise AssertionError("the disk never was full")


def test_the_reserve_takes_over_and_every_event_that_was_kept_is_read(disk, make_event):
    journal = Journal(disk, reserve_bytes=256 << 10, slots=64)
    before = [make_event() for _ in range(10)]
    for event in before:
        journal.append(event)
    fill(disk / "filler")
    kept = append_until_dropped(journal, make_event)
    assert len(kept) > 300  # more than the page or two that the first segment still had
    batch = everything(journal)
    assert batch.events == before + kept
    assert batch.damaged == []
    health = journal.health()
    assert (health.appended, health.dropped, health.reserve_left) == (10 + len(kept), 1, 0)
    assert journal.occupy(make_event()) >= 0  # its room was allocated long ago: no SIGBUS
    (disk / "filler").unlink()
    again = make_event()
    journal.append(again)
    assert everything(journal).events == [*before, *kept, again]
    journal.ingested(everything(journal))
    assert journal.health().reserve_left == 256 << 10
    journal.close()


def test_a_disk_that_is_full_from_the_start_is_a_clear_error(disk):
    fill(disk / "filler")
    with pytest.raises(LedgerError, match="make room"):
        Journal(disk / "j")


def test_without_room_for_the_table_events_are_kept_and_calls_in_flight_counted(disk, make_event):
    journal = Journal(disk, slots=8192)  # 4 MiB on a disk of 2
    assert journal.occupy(make_event()) == -1
    event = make_event()
    journal.append(event)
    assert everything(journal).events == [event]
    assert journal.health().unslotted == 1
    journal.release(journal.end())
    journal.close()
    assert list(disk.iterdir()) == []


def test_a_line_torn_by_the_disks_end_is_cut_away(disk, make_event):
    journal = Journal(disk, reserve_bytes=64 << 10, slots=8)
    fill(disk / "filler")
    kept = append_until_dropped(journal, make_event)
    longer = 0
    for _ in range(20):
        try:
            journal.append(make_event(tags={"pad": "y" * 3000}))
        except OSError:
            longer += 1
    assert longer == 20
    batch = everything(journal)
    assert (batch.events, batch.damaged) == (kept, [])
    journal.close()


def test_a_write_that_fails_outright_goes_to_the_reserve_unless_it_is_too_long_for_it(
    tmp_path, make_event, monkeypatch
):
    journal = Journal(tmp_path, reserve_bytes=2000, slots=2)
    write, first = os.write, journal._store._descriptor

    def full(descriptor, data):
        if descriptor == first:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append(make_event(tags={"pad": "x" * 3000}))
    assert journal.health().reserve_left == 2000
    event = make_event()
    journal.append(event)
    assert everything(journal).events == [event]
    assert (journal.health().appended, journal.health().dropped) == (1, 1)
    monkeypatch.undo()
    journal.close()


def test_where_no_next_segment_can_be_made_the_present_one_goes_on(tmp_path, make_event, monkeypatch):
    journal = Journal(tmp_path, segment_bytes=1000, reserve_bytes=1000, slots=2)

    def refused(number, *, room):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(journal._store, "_create", refused)
    events = [make_event() for _ in range(20)]
    for event in events:
        journal.append(event)
    assert everything(journal).events == events
    assert journal.end().segment == 2
    assert journal.health().reserve_left == 0
    journal.close()


LIMITED = """
import resource, sys
from pathlib import Path
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.journal import Journal
from farebox.journal.layout import Mark

journal = Journal(Path(sys.argv[1]), reserve_bytes=40_000, slots=8)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
kept = []
for _ in range(2000):
    now = 1_795_000_000_000_000_000 + len(kept)
    event = CallEvent(id=new_id(now), started_at=now, provider="openai", operation="chat", tags={"pad": "x" * 200})
    journal.append(event)
    kept.append(event)
batch = journal.read(Mark(0, 0), limit=10**9)
assert batch.events == kept, (len(batch.events), len(kept))
assert batch.damaged == []
health = journal.health()
assert (health.appended, health.dropped) == (len(kept), 0)
print(journal.end().segment)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_limit_on_file_sizes_tears_no_line(tmp_path):
    result = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 10  # segments of at most 50 000 bytes
