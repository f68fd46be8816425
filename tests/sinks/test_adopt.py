"""Adoption: orphaned journals reach the ledger once, whoever adopts, however often, and whatever goes wrong halfway."""

from __future__ import annotations

import threading

import pytest

from farebox.core.errors import LedgerError
from farebox.journal import Journal
from farebox.journal.layout import journals
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import Adopted, adopt


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "x.journal"


@pytest.fixture
def ledger(tmp_path):
    with SQLiteLedger(tmp_path / "x.db", busy_timeout=10) as opened:
        yield opened


def orphan(directory, events, in_flight=(), **sizes):
    """A journal as a killed process leaves it."""
    journal = Journal(directory, **sizes)
    for event in in_flight:
        journal.occupy(event)
    for event in events:
        journal.append(event)
    journal.close()
    return journal.id


def test_a_directory_that_is_not_there_has_no_orphans(directory, ledger):
    assert adopt(directory, ledger) == Adopted()


def test_events_and_calls_in_flight_are_brought_in_and_the_files_go(directory, ledger, make_event):
    done = [make_event() for _ in range(1300)]
    flying = [make_event(), make_event(), done[0]]
    orphan(directory, done, flying, segment_bytes=50_000, reserve_bytes=10_000)
    assert adopt(directory, ledger) == Adopted(journals=1, events=1300, lost=2)
    assert adopt(directory, ledger) == Adopted()
    assert {row["status"]: row["calls"] for row in ledger.by("status")} == {"ok": 1300, "lost": 2}
    assert ledger.check() == []
    assert list(directory.iterdir()) == []


def test_a_living_journal_is_left_alone(directory, ledger, make_event):
    with_owner = Journal(directory)
    with_owner.append(make_event())
    assert adopt(directory, ledger) == Adopted()
    assert ledger.totals()["calls"] == 0
    with_owner.close()
    assert adopt(directory, ledger).events == 1


def test_what_the_writer_had_moved_already_is_not_moved_again(directory, ledger, make_event):
    events = [make_event() for _ in range(10)]
    journal = Journal(directory)
    for event in events:
        journal.append(event)
    batch = journal.read(journal.end()._replace(offset=0), limit=6)
    ledger.ingest(batch.events, journal=journal.id, segment=batch.mark.segment, offset=batch.mark.offset)
    journal.close()
    assert adopt(directory, ledger) == Adopted(journals=1, events=4)
    assert ledger.totals()["calls"] == 10


def test_damage_is_counted_and_kept_for_a_person(directory, ledger, make_event):
    events = [make_event() for _ in range(10)]
    name = orphan(directory, events, [make_event()])
    path = directory / f"{name}.000001.segment"
    content = bytearray(path.read_bytes())
    content[content.index(events[4].id.encode())] ^= 2
    path.write_bytes(content)
    slots = directory / f"{name}.slots"
    table = bytearray(slots.read_bytes())
    table[530] ^= 2
    slots.write_bytes(table)
    assert adopt(directory, ledger) == Adopted(journals=1, events=9, lost=0, damaged=2, dropped=1)
    assert [file.name for file in directory.iterdir()] == [f"{name}.damaged"]
    assert adopt(directory, ledger) == Adopted()


def test_a_lock_file_alone_is_tidied_away(directory, ledger, make_event):
    orphan(directory, [])
    for path in [*directory.glob("*.segment"), *directory.glob("*.slots")]:
        path.unlink()
    assert adopt(directory, ledger) == Adopted()  # it is no journal
    assert list(directory.iterdir()) == []


class Fails:
    """A ledger that fails at the n-th use of a method."""

    def __init__(self, ledger, method, at):
        self.ledger, self.method, self.left = ledger, method, at

    def __getattr__(self, name):
        if name == self.method:
            self.left -= 1
            if self.left == 0:
                raise LedgerError("the adopter dies here")
        return getattr(self.ledger, name)


@pytest.mark.parametrize("method", ["mark", "ingest", "checkpoint", "forget"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_adopter_that_dies_halfway_leaves_the_rest_to_the_next(directory, ledger, make_event, method, at):
    for _ in range(3):
        orphan(directory, [make_event() for _ in range(600)], [make_event()])
    with pytest.raises(LedgerError, match="dies here"):
        adopt(directory, Fails(ledger, method, at))
    adopt(directory, ledger)
    assert {row["status"]: row["calls"] for row in ledger.by("status")} == {"ok": 1800, "lost": 3}
    assert ledger.check() == []
    assert list(directory.iterdir()) == []


def test_files_stay_until_the_ledger_has_made_them_safe(directory, ledger, make_event, monkeypatch):
    name = orphan(directory, [make_event()], [make_event()])
    monkeypatch.setattr(SQLiteLedger, "checkpoint", lambda self: False)
    assert adopt(directory, ledger) == Adopted(journals=1, events=1, lost=1)
    assert journals(directory) == [name]
    monkeypatch.undo()
    assert adopt(directory, ledger) == Adopted(journals=1)
    assert journals(directory) == []
    assert ledger.totals()["calls"] == 2


def test_a_wrong_adoption_heals_itself(directory, ledger, make_event):
    # Somebody removed the lock's file, so that a living process's journal was taken for an orphan.
    journal = Journal(directory)
    call = make_event(tenant_id="acme")
    journal.occupy(call)
    (directory / f"{journal.id}.lock").unlink()
    assert adopt(directory, ledger).lost == 1
    assert ledger.by("status")[0]["status"] == "lost"
    assert ledger.ingest([call], journal="its own", segment=1, offset=1) == 1
    assert list(ledger.calls()) == [call]
    assert ledger.check() == []
    journal.close()


def test_two_adopters_at_once_bring_each_event_in_once(directory, tmp_path, make_event):
    for _ in range(12):
        orphan(directory, [make_event() for _ in range(50)], [make_event()])
    results = []

    def work():
        with SQLiteLedger(tmp_path / "x.db", busy_timeout=30) as mine:
            results.append(adopt(directory, mine))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with SQLiteLedger(tmp_path / "x.db") as ledger:
        adopt(directory, ledger)  # what another adopter's reading kept from being made safe
        assert {row["status"]: row["calls"] for row in ledger.by("status")} == {"ok": 600, "lost": 12}
        assert ledger.check() == []
    assert sum(result.events for result in results) == 600
    assert sum(result.lost for result in results) == 12
    assert list(directory.iterdir()) == []
