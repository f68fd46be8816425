"""kill -9 at any moment: what a process said it recorded is in the ledger, once, and what was in flight is there as lost."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from farebox.journal.layout import journals
from farebox.ledger import journal_directory
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import Adopted, adopt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")

RECORDS = """
import os, sys
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.journal import Journal
from farebox.ledger import journal_directory, open_ledger
from farebox.sinks.writer import Writer

path, with_writer, segment_bytes = sys.argv[1], sys.argv[2] == "writer", int(sys.argv[3])
journal = Journal(journal_directory(path), segment_bytes=segment_bytes, reserve_bytes=min(segment_bytes, 65536), slots=64)
writer = Writer(journal, lambda: open_ledger(path), interval=0.001, batch_size=100)
for number in range(10_000):
    now = 1_795_000_000_000_000_000 + number * 1_000_000
    fields = dict(id=new_id(now), started_at=now, provider="openai", operation="chat", tenant_id=f"t{number % 7}", cost_nano=number)
    slot = journal.occupy(CallEvent(**fields, status="lost", cost_status="estimated"))
    os.write(1, b"+" + fields["id"].encode() + b"\\n")
    journal.append(CallEvent(**fields, cost_status="priced", raw_usage={"prompt_tokens": number}))
    journal.vacate(slot)
    os.write(1, b"=" + fields["id"].encode() + b"\\n")
    if with_writer:
        writer.wake()
os.write(1, b"done\\n")
if with_writer:
    writer.flush(30)
sys.stdin.readline()
"""


def start(path, mode, segment_bytes):
    return subprocess.Popen(
        [sys.executable, "-c", RECORDS, str(path), mode, str(segment_bytes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def kill_after(process, size):
    """Kill the process as soon as it has said `size` bytes, or was done; everything that it said."""
    said = b""
    while len(said) < size:
        ready, _, _ = select.select([process.stdout], [], [], 60)
        piece = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        if not piece:
            break
        said += piece
        if said.endswith(b"done\n"):
            break
    process.send_signal(signal.SIGKILL)
    while piece := os.read(process.stdout.fileno(), 1 << 16):
        said += piece
    process.wait()
    process.stdin.close()
    process.stdout.close()
    return said


def ids(said, sign):
    # A line that the kill cut short was not said.
    return [line[1:].decode() for line in said.split(b"\n")[:-1] if line.startswith(sign)]


def verify(path, saids):
    returned = [one for said in saids for one in ids(said, b"=")]
    begun = {one for said in saids for one in ids(said, b"+")}
    with SQLiteLedger(path, busy_timeout=30) as ledger:
        adopt(journal_directory(path), ledger)
        found = {event.id: event for event in ledger.calls()}
        assert ledger.check() == []
        assert ledger.totals()["calls"] == len(found)
        assert ledger.totals()["cost_nano"] == sum(event.cost_nano for event in found.values())
    missing = [one for one in returned if one not in found]
    assert missing == []
    assert {found[one].status for one in returned} <= {"ok"}
    # In flight: said to have begun, not to have returned. It is there, as what is known of it.
    flying = begun - set(returned)
    assert flying <= set(found)
    unsaid = set(found) - begun  # begun, and killed before it could say so
    assert len(unsaid) <= len(saids)
    assert {found[one].status for one in unsaid} <= {"lost"}
    assert journals(journal_directory(path)) == []
    return returned, [one for one in found if found[one].status == "lost"]


@pytest.mark.parametrize("mode", ["writer", "no-writer"])
@pytest.mark.parametrize("segment_bytes", [20_000, 64 << 20])
def test_every_call_that_returned_is_in_the_ledger_once_whenever_the_process_is_killed(tmp_path, mode, segment_bytes):
    path = tmp_path / "x.db"
    chance = random.Random(f"{mode} {segment_bytes}")
    saids = [
        kill_after(start(path, mode, segment_bytes), chance.choice([1, 5_000, 60_000, 300_000, 10**9]))
        for _ in range(5)
    ]
    returned, _ = verify(path, saids)
    assert len(returned) > 100


def test_a_call_in_flight_when_the_process_is_killed_is_there_as_lost(tmp_path):
    path = tmp_path / "x.db"
    program = RECORDS.replace("journal.append(", "sys.stdin.readline() if number == 50 else journal.append(")
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path), "writer", "1000000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    said = kill_after(process, 101 * 38)  # fifty calls that returned, and the one that has begun
    (flying,) = set(ids(said, b"+")) - set(ids(said, b"="))
    _, lost = verify(path, [said])
    assert lost == [flying]


def test_several_processes_killed_beside_each_other_share_one_ledger(tmp_path):
    path = tmp_path / "x.db"
    chance = random.Random(7)
    processes = [start(path, "writer", 100_000) for _ in range(3)]
    saids = []
    threads = [
        threading.Thread(
            target=lambda process, size: saids.append(kill_after(process, size)),
            args=(process, chance.randrange(500, 600_000)),
        )
        for process in processes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verify(path, saids)


ADOPTS = """
import sys
from farebox.ledger import journal_directory, open_ledger
from farebox.sinks.adopt import adopt
adopt(journal_directory(sys.argv[1]), open_ledger(sys.argv[1]))
"""


def test_adopters_that_are_killed_leave_the_rest_to_the_next(tmp_path):
    path = tmp_path / "x.db"
    saids = [kill_after(start(path, "no-writer", 50_000), 10**9) for _ in range(2)]
    chance = random.Random(11)
    for _ in range(8):
        adopter = subprocess.Popen([sys.executable, "-c", ADOPTS, str(path)], stderr=subprocess.DEVNULL)
        time.sleep(0.15 + chance.random() * 0.5)
        adopter.kill()
        adopter.wait()
    returned, lost = verify(path, saids)
    assert len(returned) == 20_000
    assert lost == []


def test_two_processes_adopt_at_the_same_time(tmp_path):
    path = tmp_path / "x.db"
    saids = [kill_after(start(path, "no-writer", 50_000), 100_000) for _ in range(4)]
    adopters = [subprocess.Popen([sys.executable, "-c", ADOPTS, str(path)], stderr=subprocess.PIPE) for _ in range(2)]
    for adopter in adopters:
        _, errors = adopter.communicate()
        assert adopter.returncode == 0, errors
    verify(path, saids)
    with SQLiteLedger(path) as ledger:
        assert adopt(journal_directory(path), ledger) == Adopted()
