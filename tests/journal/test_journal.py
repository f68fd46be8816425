"""The journal: appends, re-entrancy, rotation, the table of calls in flight, and what a fork leaves."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from farebox.core.errors import ConfigurationError, LedgerError
from farebox.journal import Journal
from farebox.journal.frame import scan
from farebox.journal.layout import Mark, journals, segments
from farebox.journal.recover import claim, orphans
from farebox.journal.slots import Slots, left_behind

START = Mark(0, 0)


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "j", slots=8)
    yield made
    made.close()


def everything(journal):
    return journal.read(START, limit=10**9)


def test_appended_events_are_read_back_in_order(journal, make_event):
    written = [make_event(tags={"n": str(number)}) for number in range(20)]
    for event in written:
        journal.append(event)
    batch = everything(journal)
    assert batch.events == written
    assert batch.mark == journal.end()
    assert journal.health().appended == 20


def test_reading_goes_on_from_a_mark_in_batches(journal, make_event):
    written = [make_event() for _ in range(10)]
    for event in written:
        journal.append(event)
    mark, found = START, []
    while (batch := journal.read(mark, limit=3)).mark > mark:
        found += batch.events
        assert len(batch.events) <= 3
        mark = batch.mark
    assert found == written


def test_files_are_for_their_owner_only(journal, tmp_path):
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o700
    for path in (tmp_path / "j").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_segments_rotate_and_are_deleted_only_when_released(tmp_path, make_event):
    journal = Journal(tmp_path, segment_bytes=2000, reserve_bytes=4000, slots=2)
    written = [make_event() for _ in range(40)]
    for event in written:
        journal.append(event)
    assert len(segments(tmp_path, journal.id)) > 4
    assert everything(journal).events == written
    assert journal.releasable(journal.end())
    middle = journal.read(START, limit=20).mark
    journal.release(middle)
    assert min(segments(tmp_path, journal.id)) == middle.segment
    assert journal.read(middle, limit=100).events == written[20:]
    journal.close()
    assert journals(tmp_path) == [journal.id]


def test_closing_removes_a_journal_that_the_ledger_has_made_safe(tmp_path, make_event):
    journal = Journal(tmp_path)
    journal.append(make_event())
    journal.release(journal.end())
    journal.close()
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_keeps_a_call_in_flight_for_whoever_adopts(tmp_path, make_event):
    journal = Journal(tmp_path)
    event = make_event()
    journal.occupy(event)
    journal.release(journal.end())
    journal.close()
    (found,) = journals(tmp_path)
    assert found == journal.id
    for orphan in orphans(tmp_path):
        assert [lost.id for lost in orphan.lost()] == [event.id]


def test_an_event_after_close_opens_a_new_journal(tmp_path, make_event):
    journal = Journal(tmp_path)
    first = journal.id
    journal.release(journal.end())
    journal.close()
    event = make_event()
    journal.append(event)
    assert journal.id != first
    assert everything(journal).events == [event]
    assert journal.health().dropped == 0
    journal.close()


def test_a_finaliser_that_interrupts_an_append_is_served_by_it(journal, make_event, monkeypatch):
    outer, inner = make_event(), make_event()
    put, calls = journal._put, []

    def interrupted(item):
        if not calls:
            calls.append(1)
            journal.append(inner)  # as the garbage collector would, on this very thread
            assert journal.health().appended == 0
        put(item)

    monkeypatch.setattr(journal, "_put", interrupted)
    journal.append(outer)
    assert everything(journal).events == [outer, inner]


def test_what_a_finalisers_event_meets_is_counted_and_does_not_hit_the_interrupted_append(
    journal, make_event, monkeypatch
):
    outer, inner = make_event(), make_event()
    put, calls = journal._put, []

    def failing(item):
        calls.append(item)
        if len(calls) == 1:
            journal.append(inner)
            put(item)
        else:
            raise OSError(errno.EIO, "gone")

    monkeypatch.setattr(journal, "_put", failing)
    journal.append(outer)
    assert everything(journal).events == [outer]
    assert (journal.health().appended, journal.health().dropped) == (1, 1)


def test_an_interrupt_in_the_middle_leaves_the_journal_usable(journal, make_event, monkeypatch):
    put = journal._put

    def interrupted(item):
        put(item)
        raise KeyboardInterrupt

    monkeypatch.setattr(journal, "_put", interrupted)
    first, second = make_event(), make_event()
    with pytest.raises(KeyboardInterrupt):
        journal.append(first)
    monkeypatch.setattr(journal, "_put", put)
    journal.append(second)
    assert everything(journal).events == [first, second]


def test_threads_append_without_losing_or_mixing_lines(journal, make_event):
    groups = [[make_event() for _ in range(200)] for _ in range(6)]
    slots = []

    def work(group):
        for event in group:
            slot = journal.occupy(event)
            journal.append(event)
            journal.vacate(slot)
            slots.append(slot)

    threads = [threading.Thread(target=work, args=(group,)) for group in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batch = everything(journal)
    assert sorted(event.id for event in batch.events) == sorted(event.id for group in groups for event in group)
    assert batch.damaged == []
    assert journal.health().occupied == 0


def test_text_that_utf8_cannot_hold_costs_the_tags_and_not_the_event(journal, make_event):
    journal.append(make_event(tenant_id="a\ud800b", tags={"k": "\udfff"}, raw_usage={"x": object()}))
    (event,) = everything(journal).events
    assert event.tenant_id == "a?b"
    assert event.cost_nano == 900_000
    assert event.tags is None


def test_whatever_no_line_can_hold_is_left_out_and_the_cost_is_kept(journal, make_event):
    journal.append(
        make_event(units={"input": object()}, input_tokens=2**80, cost_missing=("\ud800",), duration_ns=object())
    )
    (event,) = everything(journal).events
    assert (event.units, event.input_tokens, event.cost_missing, event.duration_ns) == (None, None, (), None)
    assert (event.cost_nano, event.output_tokens, event.stream, event.attempts) == (900_000, 300, False, 1)


def test_an_event_too_long_for_a_line_goes_without_its_free_form_parts(journal, make_event):
    journal.append(make_event(tags={"k": "x" * (1 << 24)}))
    (event,) = everything(journal).events
    assert (event.tags, event.cost_nano) == (None, 900_000)


def test_damaged_lines_are_set_aside_and_counted(journal, make_event, tmp_path):
    written = [make_event() for _ in range(5)]
    for event in written:
        journal.append(event)
    (path,) = (tmp_path / "j").glob("*.000001.segment")
    content = bytearray(path.read_bytes())
    third = content.index(written[2].id.encode())
    content[third] ^= 0xFF
    path.write_bytes(content)
    batch = everything(journal)
    assert batch.events == written[:2] + written[3:]
    journal.ingested(batch)
    assert journal.health().damaged == 1
    assert len((tmp_path / "j" / f"{journal.id}.damaged").read_bytes()) > 100


def test_a_line_that_is_whole_but_no_event_counts_as_damaged(journal, make_event):
    from farebox.journal.frame import frame

    journal._put(frame(b'{"id":1}'))
    journal.append(make_event())
    batch = everything(journal)
    assert (len(batch.events), batch.damaged_lines) == (1, 1)


def test_one_stretch_of_damage_may_be_longer_than_what_is_read_at_once(journal, make_event):
    journal.append(make_event())
    os.write(journal._store._descriptor, b"rubbish " * 200_000)
    journal.append(make_event())
    batch = everything(journal)
    assert (len(batch.events), batch.damaged_lines) == (2, 1)


def test_a_newer_journal_is_left_untouched(journal, tmp_path):
    from farebox.journal.frame import frame

    (path,) = (tmp_path / "j").glob("*.000001.segment")
    content = frame(b'{"journal":"x","segment":1,"farebox_journal":2}')
    path.write_bytes(content)
    journal.append_end = journal.end()
    with pytest.raises(LedgerError, match="newer farebox"):
        everything(journal)
    assert path.read_bytes() == content


def test_every_segment_says_in_which_version_it_is_written(tmp_path, make_event):
    journal = Journal(tmp_path, segment_bytes=2000, reserve_bytes=4000, slots=2)
    for _ in range(20):
        journal.append(make_event())
    begun = [path.read_bytes() for path in sorted(tmp_path.glob("*.segment"))]
    begun = [content for content in begun if content.strip(b"\0")]
    assert len(begun) > 3
    for number, content in enumerate(begun, start=1):
        _, _, first = next(scan(content, final=True))
        assert json.loads(first) == {"journal": journal.id, "segment": number, "farebox_journal": 1}
    journal.close()


def test_what_is_set_aside_is_for_its_owner_only(journal, make_event, tmp_path):
    os.write(journal._store._descriptor, b"\x1e0000000900000000broken it\n")
    journal.append(make_event())
    journal.ingested(everything(journal))
    (damaged,) = (tmp_path / "j").glob("*.damaged")
    assert stat.S_IMODE(damaged.stat().st_mode) == 0o600


# --- calls in flight


def test_a_call_in_flight_becomes_a_lost_event(tmp_path, make_event):
    journal = Journal(tmp_path, slots=4)
    stays = make_event(status="ok", tenant_id="acme")
    unpriced = make_event(cost_nano=None, cost_status="unpriced")
    goes = make_event()
    journal.occupy(stays)
    journal.occupy(unpriced)
    journal.vacate(journal.occupy(goes))
    assert journal.health().occupied == 2
    journal.close()
    orphan = claim(tmp_path, journal.id)
    found = orphan.lost()
    orphan.release()
    assert [(event.id, event.status, event.cost_status) for event in found] == [
        (stays.id, "lost", "estimated"),
        (unpriced.id, "lost", "unpriced"),
    ]
    assert found[0].tenant_id == "acme"


def test_a_full_table_is_counted_and_refuses_no_call(journal, make_event):
    slots = [journal.occupy(make_event()) for _ in range(10)]
    assert slots.count(-1) == 2
    assert journal.health().unslotted == 2
    for slot in slots:
        journal.vacate(slot)
        journal.vacate(slot)  # a second time is nothing
    assert journal.health().occupied == 0
    assert len({journal.occupy(make_event()) for _ in range(8)}) == 8


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"tags": {"k": "x" * 900}, "tenant_id": "acme"}, "acme"),
        ({"route_reason": "x" * 900, "tenant_id": "acme"}, "acme"),
        ({"session_id": "é" * 400, "tenant_id": "acme"}, "acme"),
        ({"tenant_id": "x" * 900}, None),
        ({"raw_usage": {"k": object()}, "tenant_id": "acme"}, "acme"),
        ({"session_id": "\ud800", "tenant_id": "acme"}, "acme"),
    ],
)
def test_what_is_too_large_for_a_slot_goes_without_its_least_part(tmp_path, make_event, fields, kept):
    journal = Journal(tmp_path, slots=4)
    event = make_event(**fields)
    assert journal.occupy(event) >= 0
    journal.close()
    orphan = claim(tmp_path, journal.id)
    (lost,) = orphan.lost()
    orphan.release()
    assert (lost.id, lost.tenant_id, lost.cost_nano) == (event.id, kept, 900_000)


def test_a_call_that_fits_no_slot_is_counted(journal, make_event):
    assert journal.occupy(make_event(provider="x" * 600)) == -1
    assert journal.health().unslotted == 1
    assert journal.health().occupied == 0


def test_a_damaged_slot_is_told_and_the_others_are_read(tmp_path, make_event):
    journal = Journal(tmp_path, slots=4)
    journal.occupy(make_event())
    second = make_event()
    journal.occupy(second)
    journal.close()
    (path,) = tmp_path.glob("*.slots")
    content = bytearray(path.read_bytes())
    content[520] ^= 1
    path.write_bytes(content)
    orphan = claim(tmp_path, journal.id)
    first, other = orphan.lost()
    assert first is None
    assert other.id == second.id
    from binascii import crc32

    content[513:520] = b"\0" + (2).to_bytes(2, "little") + crc32(b"{}").to_bytes(4, "little")
    content[520:522] = b"{}"  # whole, and no event
    path.write_bytes(content)
    assert [event is None for event in orphan.lost()] == [True, False]
    content[:8] = b"FAREBOX!"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="newer farebox"):
        orphan.lost()
    orphan.release()


# --- durability and bad input


def test_system_durability_syncs_each_line(tmp_path, make_event, monkeypatch):
    from farebox.journal import system

    journal = Journal(tmp_path, durability="system")
    synced = []
    real = system.sync
    monkeypatch.setattr(system, "sync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
    journal.append(make_event())
    assert len(synced) == 1

    def failing(descriptor):
        raise OSError(errno.EIO, "the disk does not answer")

    monkeypatch.setattr(system, "sync", failing)
    with pytest.raises(OSError, match="does not answer"):
        journal.append(make_event())
    assert (journal.health().appended, journal.health().dropped, journal.health().unsynced) == (2, 0, 1)
    assert len(everything(journal).events) == 2
    journal.close()


def test_memory_keeps_no_file_and_counts_what_it_cannot_hold(tmp_path, make_event):
    journal = Journal(tmp_path / "none", durability="memory")
    journal._store._capacity = 3
    written = [make_event() for _ in range(4)]
    for event in written[:3]:
        journal.append(event)
    with pytest.raises(OSError, match="has not taken"):
        journal.append(written[3])
    assert journal.occupy(written[0]) == -1
    journal.vacate(-1)
    batch = journal.read(START, limit=2)
    assert batch.events == written[:2]
    journal.ingested(batch)
    rest = journal.read(batch.mark, limit=10)
    assert rest.events == written[2:3]
    assert not journal.releasable(rest.mark)
    health = journal.health()
    assert (health.appended, health.dropped, health.unslotted) == (3, 1, 0)
    assert not (tmp_path / "none").exists()
    journal.close()


def test_an_unknown_durability_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="durability='never'"):
        Journal(tmp_path, durability="never")


def test_a_file_in_the_directorys_place_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerError, match="is a file"):
        Journal(tmp_path / "file")
    with pytest.raises(LedgerError, match="cannot be made"):
        Journal(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "x"


# --- ownership and forks


def test_a_living_journal_cannot_be_claimed_and_a_dead_one_only_once(tmp_path, make_event):
    journal = Journal(tmp_path)
    journal.append(make_event())
    assert claim(tmp_path, journal.id) is None
    journal.close()
    first = claim(tmp_path, journal.id)
    assert first is not None
    assert claim(tmp_path, journal.id) is None
    first.release()
    again = claim(tmp_path, journal.id)
    again.remove()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LedgerError, match="not claimed"):
        again.remove()


def test_a_lock_that_cannot_be_made_is_no_claim(tmp_path):
    assert claim(tmp_path / "none", "0" * 36) is None


def test_where_the_system_cannot_allocate_room_is_written(tmp_path, make_event, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)  # as on macOS and Windows
    journal = Journal(tmp_path, slots=300)
    (slots,) = tmp_path.glob("*.slots")
    assert slots.stat().st_blocks * 512 >= 301 * 512
    event = make_event()
    journal.occupy(event)
    journal.close()
    orphan = claim(tmp_path, journal.id)
    assert [lost.id for lost in orphan.lost()] == [event.id]
    orphan.release()


def test_a_claim_on_a_file_that_was_removed_meanwhile_is_none(tmp_path, monkeypatch):
    from farebox.journal import system

    journal = Journal(tmp_path)
    journal.close()
    real = system.try_lock

    def removed(descriptor):
        (tmp_path / f"{journal.id}.lock").unlink()
        return real(descriptor)

    monkeypatch.setattr(system, "try_lock", removed)
    assert claim(tmp_path, journal.id) is None


def test_a_new_journal_whose_lock_somebody_took_begins_anew(tmp_path, monkeypatch):
    from farebox.journal import system

    real, tries = system.try_lock, []

    def taken_once(descriptor):
        tries.append(descriptor)
        return len(tries) > 1 and real(descriptor)

    monkeypatch.setattr(system, "try_lock", taken_once)
    journal = Journal(tmp_path)
    assert len(tries) == 2
    assert claim(tmp_path, journal.id) is None
    journal.close()


def in_child(work):
    """Run `work` in a forked child; its exit code is 0 when it raised nothing."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that hangs is a child that died
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def finished(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("durability", ["process", "memory"])
def test_a_journal_that_was_left_refuses_and_touches_nothing(tmp_path, make_event, durability):
    journal = Journal(tmp_path, durability=durability)
    journal.append(make_event())
    slot = journal.occupy(make_event())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    journal.leave_in_child()
    with pytest.raises(OSError, match="forked"):
        journal.append(make_event())
    journal.vacate(slot)
    journal.close()
    journal.leave_in_child()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_leaves_its_parents_journal_alone_and_makes_its_own(journal, make_event, tmp_path):
    slot = journal.occupy(make_event())
    inherited, own = make_event(), make_event()

    def work():
        journal.leave_in_child()
        journal.leave_in_child()
        journal.vacate(slot)
        with pytest.raises(OSError, match="forked"):
            journal.append(inherited)
        assert journal.occupy(inherited) == -1
        mine = Journal(tmp_path / "j")
        mine.append(own)

    assert finished(in_child(work)) == 0
    assert journal.health().occupied == 1
    assert claim(tmp_path / "j", journal.id) is None
    journal.append(make_event())
    assert len(everything(journal).events) == 1
    (name,) = set(journals(tmp_path / "j")) - {journal.id}
    orphan = claim(tmp_path / "j", name)
    assert orphan.read(START, limit=9).events == [own]
    orphan.remove()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_childs_death_does_not_free_the_parents_journal_and_the_parents_does(tmp_path):
    program = """
import os, sys, time
from pathlib import Path
from farebox.journal import Journal
journal = Journal(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    journal.leave_in_child()
    print("left", flush=True)
    sys.stdin.readline()
    os._exit(0)
sys.stdout.flush()
os.waitpid(child, 0) if sys.argv[2] == "wait" else time.sleep(60)
print("child gone", flush=True)
sys.stdin.readline()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path), "wait"], **pipes) as parent:
        assert parent.stdout.readline() == "left\n"
        (name,) = journals(tmp_path)
        assert claim(tmp_path, name) is None
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "child gone\n"
        assert claim(tmp_path, name) is None
        parent.communicate("\n")
    claim(tmp_path, name).remove()
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path), "stay"], **pipes) as parent:
        assert parent.stdout.readline() == "left\n"
        (name,) = journals(tmp_path)
        parent.kill()
        parent.wait()
        orphan = claim(tmp_path, name)  # the child lives, and holds nothing
        assert orphan is not None
        orphan.remove()
        parent.stdin.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_held_at_the_fork_does_not_hang_the_child(journal, make_event, tmp_path):
    held, go = threading.Event(), threading.Event()

    def hold():
        with journal._lock:
            journal._busy = True
            held.set()
            go.wait()
            journal._busy = False

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def work():
        journal.leave_in_child()
        with pytest.raises(OSError, match="forked"):
            journal.append(make_event())
        journal.health()
        Journal(tmp_path / "j").append(make_event())

    child = in_child(work)
    try:
        assert finished(child) == 0
    finally:
        go.set()
        thread.join()
    journal.append(make_event())


def test_in_memory_too_an_event_loses_what_no_ledger_can_hold_and_not_itself(tmp_path, make_event):
    journal = Journal(tmp_path, durability="memory")
    journal.append(make_event(tags={"odd": "\ud800"}, user_id="\ud800"))
    journal.append(make_event(units={"input": 3}))
    batch = journal.read(Mark(0, 0), limit=10)
    assert [event.tags for event in batch.events] == [None, None]
    assert batch.events[0].user_id == "?"
    journal.close()


def test_a_call_in_flight_takes_another_id_in_its_slot(tmp_path, make_event):
    table = Slots(tmp_path / "a.slots", 4)
    event = make_event(task_type="x")
    slot = table.occupy(event)
    other = make_event().id
    table.rename(slot, event.id, other)
    table.close(remove=False)
    (left,) = left_behind(tmp_path / "a.slots")
    assert (left.id, left.task_type, left.status) == (other, "x", "lost")


def test_a_slot_that_is_free_or_was_never_taken_is_not_renamed(tmp_path, make_event):
    journal = Journal(tmp_path)
    event = make_event()
    slot = journal.occupy(event)
    journal.vacate(slot)
    journal.rename(slot, event.id, make_event().id)
    journal.rename(-1, event.id, make_event().id)
    journal.close()
    journal.rename(slot, event.id, make_event().id)
    assert journal.health().occupied == 0
