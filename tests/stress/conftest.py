"""What the long fault tests share: the program that makes calls, the verdict on them, and the table that is printed at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from farebox.ledger import journal_directory
from farebox.ledger.sqlite import SQLiteLedger
from farebox.sinks.adopt import adopt

ROWS = []

PROGRAM = """
import json, os, sys, time
import farebox
from farebox import runtime
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.ledger import journal_directory, open_ledger
from farebox.sinks.adopt import adopt

path, count, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
step = json.loads(sys.argv[4])
said = open(name, "ab", buffering=0)
bare, line = os.open(name + ".bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND), b"x" * 300
farebox.configure(ledger=path, flush_interval=0.002, durability="process")

def call(now, cost):
    event = CallEvent(id=new_id(now), started_at=now, provider="openai", operation="chat", tenant_id=f"t{cost % 7}",
        request_model="gpt-5-mini", cost_nano=cost, cost_status="priced", duration_ns=1000 * cost, raw_usage={"prompt_tokens": cost})
    began = time.perf_counter_ns()
    runtime.current().recorder.append(event)
    waited = time.perf_counter_ns() - began
    began = time.perf_counter_ns()
    os.write(bare, line)
    said.write(f"{event.id} {waited} {time.perf_counter_ns() - began}\\n".encode())

def adopt_all():
    with open_ledger(path) as ledger:
        return adopt(journal_directory(path), ledger).journals

adopted = 0
for number in range(count):
    call(time.time_ns() - (3_600_000_000_000 if step.get("back") and number > count // 2 else 0), number)
    if step.get("pause"):
        time.sleep(step["pause"])
    if step.get("adopt") and number % step["adopt"] == 0:
        adopted += adopt_all()
    if step.get("fork") and number % step["fork"] == 0 and os.fork() == 0:
        if step.get("adopt"):
            os._exit(adopt_all())
        call(time.time_ns(), 1)
        if number % (2 * step["fork"]) == 0:
            farebox.flush(60)
        os._exit(0)
while step.get("fork"):
    try:
        adopted += os.waitstatus_to_exitcode(os.wait()[1])
    except ChildProcessError:
        break
recorder = runtime.current().recorder
print(json.dumps({"dropped": recorder.dropped + recorder.journal.health().dropped, "adopted": adopted}), flush=True)
farebox.shutdown(120)
"""


class Scale:
    """Programs that make calls, all into one ledger.

    Attributes:
        place: their directory, in memory, so that the disk's own stalls are not measured.
        path: the ledger.
    """

    def __init__(self, place):
        self.place = place
        self.path = place / "x.db"

    def run(self, count, *, said="said", before=(), **step):
        arguments = [
            sys.executable,
            "-c",
            PROGRAM,
            str(self.path),
            str(count),
            str(self.place / said),
            json.dumps(step),
        ]
        return subprocess.Popen([*before, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for(self, said, calls=1):
        """Returns when the program that writes there has made so many calls."""
        deadline = time.monotonic() + 120
        while not (self.place / said).is_file() or (self.place / said).read_bytes().count(b"\n") < calls:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @staticmethod
    def ended(process):
        """What a program said at its end; no fault of ours may have reached it."""
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
        return json.loads(out.splitlines()[0])

    def _said(self):
        # A line that a kill cut short belongs to a call that had returned; its id is whole, or nothing was said.
        lines = [
            line
            for path in self.place.glob("said*")
            if path.suffix != ".bare"
            for line in path.read_text().split("\n")[:-1]
        ]
        return [line.split() for line in lines]

    def verdict(self):
        """(returned, lost, counted twice) after whoever comes next has adopted everything."""
        said = [words[0] for words in self._said()]
        with SQLiteLedger(self.path, busy_timeout=60) as ledger:
            adopt(journal_directory(self.path), ledger)
            found = [event.id for event in ledger.calls()]
            assert ledger.check() == []
            assert ledger.summary().calls == len(found)
        assert len(set(said)) == len(said)
        return len(said), len(set(said) - set(found)), len(found) - len(set(found))

    def waits(self):
        """What 99.9 % of the calls waited at most, beside a bare `os.write` after each of them."""
        calls, bare = ([int(words[at]) for words in self._said()] for at in (1, 2))
        return waits_beside(calls, bare)


def waits_beside(calls, bare):
    """The wait that 99.9 % of calls do not exceed, beside that of bare writes; both in nanoseconds."""
    at = [sorted(waits)[int(len(waits) * 0.999)] / 1000 for waits in (calls, bare)]
    return f"{at[0]:.0f} us (bare os.write {at[1]:.0f} us)"


@pytest.fixture
def scale():
    place = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    yield Scale(place)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def place(scale):
    return scale.place


@pytest.fixture
def beside():
    return waits_beside


@pytest.fixture
def timed():
    """Does something with an event and a bare `os.write` after it; gives the times of both."""
    calls, bare = [], []
    with tempfile.TemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        import time

        def do(work, event):
            began = time.perf_counter_ns()
            try:
                work(event)
            finally:
                calls.append(time.perf_counter_ns() - began)
                began = time.perf_counter_ns()
                os.write(file.fileno(), b"x" * 300)
                bare.append(time.perf_counter_ns() - began)

        do.waits = lambda: waits_beside(calls, bare)
        yield do


@pytest.fixture
def told():
    """Adds a row to the table of faults: what was done, and what became of the calls."""

    def tell(fault, *, returned, lost, twice, waits, dropped=0, missing=0):
        ROWS.append((fault, returned, lost, twice, dropped, missing, waits))

    return tell


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    terminalreporter.write_sep("-", "faults")
    terminalreporter.write_line(
        f"{'fault':<64}{'returned':>10}{'lost':>6}{'twice':>7}{'dropped':>9}{'missing':>9}  p99.9 of a call's wait"
    )
    for fault, returned, lost, twice, dropped, missing, waits in ROWS:
        terminalreporter.write_line(f"{fault:<64}{returned:>10,}{lost:>6}{twice:>7}{dropped:>9,}{missing:>9,}  {waits}")
