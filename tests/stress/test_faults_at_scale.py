"""Every fault of the fault suite, injected for real and at its full scale: `nox -s stress` runs it and prints the table.

A slice of each stands in the ordinary tests beside the part that it is about.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from farebox.journal import Journal
from farebox.journal.layout import journals
from farebox.ledger import journal_directory
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import adopt
from farebox.sinks.writer import Writer

pytestmark = [pytest.mark.stress, pytest.mark.timeout(900), pytest.mark.skipif(sys.platform == "win32", reason="POSIX")]

PROGRAM = """
import os, sys, time, json
import farebox
from farebox import runtime
from farebox.core.event import CallEvent
from farebox.core.identity import new_id

path, count, said = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "ab", buffering=0)
step = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
farebox.configure(ledger=path, flush_interval=0.002, durability="process")
recorder = runtime.current().recorder
waits = []
for number in range(count):
    now = time.time_ns() - (3_600_000_000_000 if step.get("back") and number > count // 2 else 0)
    event = CallEvent(id=new_id(now), started_at=now, provider="openai", operation="chat", tenant_id=f"t{number % 7}",
        request_model="gpt-5-mini", cost_nano=number, cost_status="priced", duration_ns=1000 * number, raw_usage={"prompt_tokens": number})
    began = time.perf_counter_ns()
    recorder.append(event)
    waits.append(time.perf_counter_ns() - began)
    said.write(event.id.encode() + b"\\n")
    if step.get("pause"):
        time.sleep(step["pause"])
    if step.get("fork") and number % step["fork"] == 0 and os.fork() == 0:
        os.environ["FORKED"] = "1"
        now = time.time_ns()
        event = CallEvent(id=new_id(now), started_at=now, provider="openai", operation="chat", cost_nano=1, cost_status="priced")
        recorder = runtime.current().recorder
        recorder.append(event)
        said.write(event.id.encode() + b"\\n")
        if number % (2 * step["fork"]) == 0:
            farebox.flush(60)
        os._exit(0)
if step.get("fork"):
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
waits.sort()
print(json.dumps({"dropped": recorder.dropped + recorder.journal.health().dropped, "p999": waits[int(len(waits) * 0.999)]}), flush=True)
farebox.shutdown(120)
"""


@pytest.fixture
def place():
    """A directory in memory, so that the disk's own stalls are not measured."""
    made = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def run(place, count, *, ledger="x.db", said="said", **step):
    import json

    arguments = [sys.executable, "-c", PROGRAM, str(place / ledger), str(count), str(place / said), json.dumps(step)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def returned(place):
    """Ids of the calls that returned; what the kill cut short did not."""
    return [line for path in place.glob("said*") for line in path.read_text().split("\n")[:-1]]


def verdict(place, path=None):
    """(returned, lost, counted twice) after whoever comes next has adopted everything."""
    path = path or place / "x.db"
    said = returned(place)
    with SQLiteLedger(path, busy_timeout=60) as ledger:
        adopt(journal_directory(path), ledger)
        found = [event.id for event in ledger.calls()]
        assert ledger.check() == []
        assert ledger.summary().calls == len(found)
    assert len(set(said)) == len(said)
    return len(said), len(set(said) - set(found)), len(found) - len(set(found))


def ended(process):
    import json

    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    return json.loads(out.splitlines()[0])


def bare_wait(place, count=20_000):
    """Nanoseconds that 99.9 % of bare `os.write` calls of a line's size do not exceed, in this run."""
    descriptor, line, waits = os.open(place / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND), b"x" * 300, []
    for _ in range(count):
        began = time.perf_counter_ns()
        os.write(descriptor, line)
        waits.append(time.perf_counter_ns() - began)
    os.close(descriptor)
    return sorted(waits)[int(count * 0.999)]


def waits_of(place, *answers):
    worst = max(answer["p999"] for answer in answers)
    return f"{worst / 1000:.0f} us (bare os.write {bare_wait(place) / 1000:.0f} us)"


def test_kill_9_at_two_hundred_random_moments_of_four_processes(place, told):
    chance = random.Random(1)
    for round_ in range(50):
        processes = [run(place, 1_000_000, said=f"said-{round_}-{number}", pause=0.0001) for number in range(4)]
        time.sleep(0.35)
        for process in processes:
            time.sleep(chance.random() * 0.15)
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.communicate()
    total, lost, twice = verdict(place)
    told("kill -9 at 200 random moments, 4 processes at a time", returned=total, lost=lost, twice=twice)
    assert (lost, twice) == (0, 0)
    assert total > 10_000
    assert journals(place / "x.journal") == []


def test_the_ledger_is_locked_for_a_minute(place, told):
    SQLiteLedger(place / "x.db").close()
    lock = sqlite3.connect(place / "x.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    process = run(place, 12_000, pause=0.004)
    time.sleep(60)
    lock.execute("ROLLBACK")
    lock.close()
    answer = ended(process)
    total, lost, twice = verdict(place)
    told("ledger locked for 60 s", returned=total, lost=lost, twice=twice, waits=waits_of(place, answer))
    assert (total, lost, twice) == (12_000, 0, 0)


def replace_by_empty(path):
    path.with_name("new").touch()
    path.with_name("new").replace(path)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def delete(path):
    for file in path.parent.glob("x.db*"):
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("fault", [delete, replace_by_empty])
def test_the_ledger_goes_while_it_is_written(place, told, fault):
    process = run(place, 20_000, pause=0.0001)
    time.sleep(1.2)
    for _ in range(3):
        time.sleep(0.4)
        fault(place / "x.db")
    answer = ended(process)
    total, lost, twice = verdict(place)
    name = f"ledger: {fault.__name__.replace('_', ' ')}, three times in use"
    told(name, returned=total, lost=lost, twice=twice, waits=waits_of(place, answer))
    assert (total, lost, twice) == (20_000, 0, 0)


def test_the_ledger_is_read_only_for_a_while(place, told):
    # Root may write anything, so a directory stands where the ledger should be made, instead of a mode.
    (place / "x.db").mkdir()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM.replace(
                "farebox.configure",
                "from farebox.runtime import Location; Location.check = lambda *a, **k: True; farebox.configure",
            ),
            str(place / "x.db"),
            "5000",
            str(place / "said"),
            '{"pause": 0.001}',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(3)
    (place / "x.db").rmdir()
    answer = ended(process)
    total, lost, twice = verdict(place)
    told("ledger cannot be opened for 3 s", returned=total, lost=lost, twice=twice, waits=waits_of(place, answer))
    assert (total, lost, twice) == (5000, 0, 0)


def test_the_clock_steps_back_by_an_hour(place, told):
    answer = ended(run(place, 20_000, back=True))
    total, lost, twice = verdict(place)
    told("clock stepped back by an hour", returned=total, lost=lost, twice=twice, waits=waits_of(place, answer))
    assert (total, lost, twice) == (20_000, 0, 0)


def test_a_storm_of_forks(place, told):
    answers = [ended(process) for process in [run(place, 4_000, said=f"said-{n}", fork=20) for n in range(2)]]
    total, lost, twice = verdict(place)
    told(
        "fork storm: 400 children, half end by os._exit unflushed",
        returned=total,
        lost=lost,
        twice=twice,
        waits=waits_of(place, *answers),
    )
    assert (total, lost, twice) == (8_400, 0, 0)


def test_four_processes_with_fifty_thousand_calls_each(place, told):
    answers = [ended(process) for process in [run(place, 50_000, said=f"said-{n}") for n in range(4)]]
    total, lost, twice = verdict(place)
    told(
        "4 processes x 50 000 calls, one file", returned=total, lost=lost, twice=twice, waits=waits_of(place, *answers)
    )
    assert (total, lost, twice) == (200_000, 0, 0)


@pytest.mark.parametrize("damage", ["truncated", "bit flipped"])
def test_a_journal_is_damaged_and_only_what_was_hit_is_missing_and_counted(place, told, make_event, damage):
    chance, missing, counted, total = random.Random(3), 0, 0, 0
    for number in range(100):
        directory, journal = place / f"{number}.journal", None
        journal = Journal(directory, slots=16)
        events = [make_event() for _ in range(50)]
        for event in events:
            journal.append(event)
        end = journal.end().offset
        journal.close()
        (segment,) = directory.glob("*.segment")
        with segment.open("r+b") as file:
            at = chance.randrange(200, end)
            if damage == "truncated":
                file.truncate(at)
            else:
                file.seek(at)
                byte = file.read(1)[0] ^ 1 << chance.randrange(8)
                file.seek(at)
                file.write(bytes([byte]))
        with SQLiteLedger(place / f"{number}.db") as ledger:
            adopted = adopt(directory, ledger)
            found = {event.id for event in ledger.calls()}
            assert ledger.check() == []
        gone = [event.id for event in events if event.id not in found]
        total += len(events)
        missing += len(gone)
        counted += adopted.damaged
        if damage == "bit flipped":
            assert len(gone) <= 1
            assert adopted.damaged >= len(gone)
        else:
            # A tail cut off leaves no trace but the torn line: what is before it is all there, in order.
            assert found == {event.id for event in events[: len(found)]}
    told(f"journal {damage}, 100 journals", returned=total, lost=0, twice=0, dropped=counted, missing=missing)


def test_a_full_disk_uses_the_reserve_and_then_counts_what_it_drops(told, make_event):
    mount = Path(tempfile.mkdtemp())
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", mount], capture_output=True, check=False
    ).returncode:
        mount.rmdir()
        pytest.skip("FAREBOX_CORPUS aside, needs the right to mount a tmpfs")
    try:
        journal = Journal(mount / "x.journal", slots=16, reserve_bytes=256 << 10)
        (mount / "fill").write_bytes(b"")
        kept, dropped = [], 0
        with (mount / "fill").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        for _ in range(3000):
            event = make_event()
            try:
                journal.append(event)
                kept.append(event.id)
            except OSError:
                dropped += 1
        assert journal.health().dropped == dropped > 0
        assert len(kept) > 500
        (mount / "fill").unlink()
        writer = Writer(journal, lambda: SQLiteLedger(mount / "x.db"), interval=0.01)
        assert writer.flush(30)
        assert writer.shutdown(30)
        journal.close()
        with SQLiteLedger(mount / "x.db") as ledger:
            assert {event.id for event in ledger.calls()} == set(kept)
            assert ledger.check() == []
        told(
            "disk full: reserve used, then dropped",
            returned=len(kept),
            lost=0,
            twice=0,
            dropped=dropped,
            missing=3000 - len(kept),
        )
    finally:
        subprocess.run(["umount", mount], check=True)
        mount.rmdir()


ADOPTS = """
import sys
from farebox.ledger import journal_directory, open_ledger
from farebox.sinks.adopt import adopt
ledger = open_ledger(sys.argv[1])
adopt(journal_directory(sys.argv[1]), ledger)
"""


def test_adopters_race_each_other_and_a_living_process(place, told):
    """The living one forks, so that its children share its lock; nobody may take its journal."""
    for number in range(20):
        process = run(place, 2_000, said=f"said-{number}")
        time.sleep(0.3 + number * 0.01)
        process.kill()
        process.communicate()
    living = run(place, 30_000, said="said-living", fork=3000)
    adopters = [
        subprocess.Popen([sys.executable, "-c", ADOPTS, str(place / "x.db")], stderr=subprocess.PIPE) for _ in range(6)
    ]
    for adopter in adopters:
        adopter.communicate(timeout=120)
    answer = ended(living)
    total, lost, twice = verdict(place)
    told(
        "6 adopters beside a living, forking process",
        returned=total,
        lost=lost,
        twice=twice,
        waits=waits_of(place, answer),
    )
    assert (lost, twice) == (0, 0)


class DiesAtRandom:
    """A ledger whose writer is killed between commit and acknowledgement, half of the time."""

    def __init__(self, ledger):
        self.ledger, self.chance = ledger, random.Random(5)

    def ingest(self, *arguments, **keywords):
        count = self.ledger.ingest(*arguments, **keywords)
        if self.chance.random() < 0.5:
            raise OSError("killed between commit and acknowledgement")
        return count

    def __getattr__(self, name):
        return getattr(self.ledger, name)


def test_the_writer_dies_between_commit_and_acknowledgement(place, told, make_event):
    from farebox.core import guard

    guard.raise_faults(enabled=False)
    journal = Journal(place / "x.journal", slots=16)
    events = [make_event() for _ in range(5000)]
    threads = []
    for event in events:
        journal.append(event)
    ledger = DiesAtRandom(SQLiteLedger(place / "x.db"))
    writer = Writer(journal, lambda: ledger, interval=0.001, batch_size=20)
    threads.append(threading.Thread(target=writer.flush, args=(60,)))
    threads[0].start()
    threads[0].join()
    assert writer.flush(60)
    writer.shutdown(10)
    journal.close()
    with SQLiteLedger(place / "x.db") as opened:
        found = [event.id for event in opened.calls()]
        assert opened.check() == []
    lost, twice = len({event.id for event in events} - set(found)), len(found) - len(set(found))
    told("writer killed between commit and acknowledgement", returned=5000, lost=lost, twice=twice)
    assert (len(found), lost, twice) == (5000, 0, 0)
