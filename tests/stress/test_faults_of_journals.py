"""Faults of journals and of those who adopt them, each injected for real and at its full scale: `nox -s stress` prints the table."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from farebox.journal import Journal
from farebox.journal.layout import journals
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import adopt
from farebox.sinks.writer import Writer

pytestmark = [pytest.mark.stress, pytest.mark.timeout(900), pytest.mark.skipif(sys.platform == "win32", reason="POSIX")]


@pytest.mark.parametrize("damage", ["truncated", "bit flipped"])
def test_a_journal_is_damaged_and_exactly_what_was_hit_is_missing_and_counted(place, told, timed, make_event, damage):
    chance, missing, counted, total = random.Random(3), 0, 0, 0
    for number in range(100):
        directory = place / f"{number}.journal"
        journal = Journal(directory, slots=16)
        events = [make_event() for _ in range(50)]
        for event in events:
            timed(journal.append, event)
        end = journal.end().offset
        journal.close()
        spoil(next(directory.glob("*.segment")), damage, chance.randrange(200, end), chance)
        with SQLiteLedger(place / f"{number}.db") as ledger:
            adopted = adopt(directory, ledger)
            found = {event.id for event in ledger.calls()}
            assert ledger.check() == []
        gone = [event.id for event in events if event.id not in found]
        assert adopted.dropped == len(gone)
        assert damage == "truncated" or len(gone) <= 1
        total, missing, counted = total + len(events), missing + len(gone), counted + adopted.dropped
    name = f"journal {damage}, 100 journals"
    told(name, returned=total, lost=0, twice=0, dropped=counted, missing=missing, waits=timed.waits())


def spoil(segment, damage, at, chance):
    with segment.open("r+b") as file:
        if damage == "truncated":
            file.truncate(at)
            return
        file.seek(at)
        byte = file.read(1)[0] ^ 1 << chance.randrange(8)
        file.seek(at)
        file.write(bytes([byte]))


def test_a_full_disk_uses_the_reserve_and_then_counts_what_it_drops(place, told, timed, make_event):
    mount = Path(tempfile.mkdtemp())
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", mount], capture_output=True, check=False
    ).returncode:
        mount.rmdir()
        pytest.skip("needs the right to mount a tmpfs")
    try:
        journal = Journal(mount / "x.journal", slots=16, reserve_bytes=256 << 10)
        fill(mount / "fill")
        kept, dropped = [], 0
        for _ in range(3000):
            event = make_event()
            try:
                timed(journal.append, event)
                kept.append(event.id)
            except OSError:
                dropped += 1
        assert journal.health().dropped == dropped > 0
        assert len(kept) > 500
        (mount / "fill").unlink()
        writer = Writer(journal, lambda: SQLiteLedger(place / "x.db"), interval=0.01)
        assert writer.flush(30)
        assert writer.shutdown(30)
        assert journal.health().dropped == dropped
        journal.close()
        with SQLiteLedger(place / "x.db") as ledger:
            assert {event.id for event in ledger.calls()} == set(kept)
            assert ledger.check() == []
        told(
            "disk full: reserve used, then dropped",
            returned=3000,
            lost=0,
            twice=0,
            dropped=dropped,
            missing=3000 - len(kept),
            waits=timed.waits(),
        )
    finally:
        subprocess.run(["umount", mount], check=True)
        mount.rmdir()


def fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


SHORT = """
import json, os, resource, sys, time
from pathlib import Path
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.journal import Journal
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.writer import Writer

place, short, write = Path(sys.argv[1]), 0, os.write
def counting(descriptor, data):
    global short
    written = write(descriptor, data)
    short += written != len(data)
    return written
os.write = counting

# Python leaves SIGXFSZ ignored: at the limit a write is cut short, the next one fails.
journal = Journal(place / "x.journal", segment_bytes=1 << 30, reserve_bytes=20_000, slots=8)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_011, hard))
ids, calls, bare = [], [], []
for number in range(100_000):
    now = time.time_ns()
    event = CallEvent(id=new_id(now), started_at=now, provider="openai", operation="chat", tags={"pad": "x" * (number % 300)})
    began = time.perf_counter_ns()
    journal.append(event)
    calls.append(time.perf_counter_ns() - began)
    scratch = os.open(place / "bare", os.O_CREAT | os.O_WRONLY | os.O_TRUNC) if number % 50 == 0 else scratch
    began = time.perf_counter_ns()
    write(scratch, b"x" * 300)
    bare.append(time.perf_counter_ns() - began)
    if number % 50 == 49:
        os.close(scratch)
    ids.append(event.id)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
health = journal.health()
os._exit(os.write(1, json.dumps([ids, calls, bare, short, health.dropped]).encode() + b"\\n") and 0)
"""


def test_writes_that_are_cut_short_tear_no_line(place, told, beside):
    """A limit on the size of files cuts a write short wherever it falls; here in nearly every segment of some hundreds."""
    out = place / "out"
    with out.open("wb") as file:
        process = subprocess.run(
            [sys.executable, "-c", SHORT, str(place)], stdout=file, stderr=subprocess.PIPE, check=False
        )
    assert process.returncode == 0, process.stderr.decode()
    ids, calls, bare, short, dropped = json.loads(out.read_bytes())
    with SQLiteLedger(place / "x.db") as ledger:
        adopted = adopt(place / "x.journal", ledger)
        found = Counter(event.id for event in ledger.calls())
        assert ledger.check() == []
    lost, twice = len(set(ids) - set(found)), sum(found.values()) - len(found)
    told(
        f"{short:,} writes cut short",
        returned=len(ids),
        lost=lost,
        twice=twice,
        dropped=dropped,
        waits=beside(calls, bare),
    )
    assert short > 300
    assert (len(ids), lost, twice, dropped, adopted.dropped, adopted.damaged) == (100_000, 0, 0, 0, 0, 0)


ADOPTS = """
import sys, time
from farebox.ledger import journal_directory, open_ledger
from farebox.sinks.adopt import adopt
found, until = 0, time.monotonic() + float(sys.argv[2])
while True:
    with open_ledger(sys.argv[1]) as ledger:
        found += adopt(journal_directory(sys.argv[1]), ledger).journals
    if time.monotonic() > until:
        break
print(found)
"""


def adopters(scale, count, *, seconds=0.0, before=()):
    return [
        subprocess.Popen(
            [*before, sys.executable, "-c", ADOPTS, str(scale.path), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(count)
    ]


def adopted_by(processes):
    """How many journals the adopters took in, together."""
    total = 0
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
        total += int(out)
    return total


def test_adopters_race_each_other_for_what_dead_processes_left(scale, told):
    # All alive until the last has begun: a living one would bring in what the dead left.
    processes = [scale.run(1_000_000, said=f"said-{number}", pause=0.01) for number in range(20)]
    try:
        for number in range(20):
            scale.wait_for(f"said-{number}")
        time.sleep(1)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()
    dead = len(journals(scale.place / "x.journal"))
    taken = adopted_by(adopters(scale, 6, seconds=3))
    total, lost, twice = scale.verdict()
    told(f"6 adopters at once, {dead} dead journals", returned=total, lost=lost, twice=twice, waits=scale.waits())
    assert (lost, twice) == (0, 0)
    assert (
        taken >= dead > 10
    )  # more where one had to leave the files to the next, because another was reading the ledger
    assert journals(scale.place / "x.journal") == []


def test_nobody_adopts_the_journal_of_a_living_process(scale, told):
    """Its children share its lock and adopt, it opens and closes its own lock file when it adopts, and others try all the while."""
    living = scale.run(30_000, said="said-living", fork=3000, adopt=500)
    others = adopters(scale, 3, seconds=3)
    answer = scale.ended(living)
    taken = adopted_by(others) + answer["adopted"]
    total, lost, twice = scale.verdict()
    told(
        "a living journal: its forks, itself and 3 others adopt",
        returned=total,
        lost=lost,
        twice=twice,
        dropped=answer["dropped"],
        waits=scale.waits(),
    )
    assert (total, lost, twice, taken) == (30_000, 0, 0, 0)


def test_pids_of_another_namespace_mislead_nobody(scale, told):
    """The living process and the adopters are process 1 of namespaces of their own, as in containers that share a directory."""
    apart = ("unshare", "--pid", "--fork", "--kill-child")
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare of util-linux, and the right to make a namespace of processes")
    living = scale.run(1_000_000, said="said-living", before=apart, pause=0.0001)
    others = [*adopters(scale, 2, seconds=3), *adopters(scale, 2, seconds=3, before=apart)]
    assert adopted_by(others) == 0
    scale.wait_for("said-living", calls=1001)
    living.send_signal(signal.SIGKILL)
    living.communicate()
    deadline = time.monotonic() + 60
    while (taken := adopted_by(adopters(scale, 1, before=apart))) == 0:
        assert time.monotonic() < deadline
    total, lost, twice = scale.verdict()
    told(
        "a journal of another pid namespace, living, then killed",
        returned=total,
        lost=lost,
        twice=twice,
        waits=scale.waits(),
    )
    assert (lost, twice, taken) == (0, 0, 1)
    assert total > 1000


DIES = """
import os, random, sys, time
from pathlib import Path
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.journal import Journal
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import adopt
from farebox.sinks.writer import Writer

place, chance = Path(sys.argv[1]), random.Random(sys.argv[2])

class Dies(SQLiteLedger):
    def ingest(self, *arguments, **keywords):
        count = super().ingest(*arguments, **keywords)
        if chance.random() < 0.2:
            os.kill(os.getpid(), 9)  # committed, and nobody heard of it
        return count

with Dies(place / "x.db", busy_timeout=30) as ledger:
    adopt(place / "x.journal", ledger)
journal = Journal(place / "x.journal", slots=16)
writer = Writer(journal, lambda: Dies(place / "x.db", busy_timeout=30), interval=0.001, batch_size=20)
for number in range(400):
    now = time.time_ns()
    event = CallEvent(id=new_id(now), started_at=now, provider="openai", operation="chat", cost_nano=number, cost_status="priced")
    began = time.perf_counter_ns()
    journal.append(event)
    waited = time.perf_counter_ns() - began
    began = time.perf_counter_ns()
    os.write(3, b"x" * 300)
    os.write(1, f"{event.id} {waited} {time.perf_counter_ns() - began}\\n".encode())
    writer.wake()
writer.flush(60)
writer.shutdown(60)
journal.close()
"""


def test_the_writer_is_killed_between_commit_and_acknowledgement(scale, told):
    """Killed again and again, also while it adopts what the one before it left."""
    killed = 0
    for number in range(60):
        with (scale.place / f"said-{number}").open("wb") as said, (scale.place / "scratch").open("wb") as scratch:
            command = [sys.executable, "-c", DIES, str(scale.place), str(number)]
            # The scratch file as descriptor 3: the shell hands it on.
            shell = f'exec 3>>{scratch.name}; exec "$@"'
            done = subprocess.run(["sh", "-c", shell, "sh", *command], stdout=said, stderr=subprocess.PIPE, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        killed += done.returncode != 0
    total, lost, twice = scale.verdict()
    told(
        f"writer killed {killed} times between commit and acknowledgement",
        returned=total,
        lost=lost,
        twice=twice,
        waits=scale.waits(),
    )
    assert killed > 30
    assert total > 1000
    assert (lost, twice) == (0, 0)
