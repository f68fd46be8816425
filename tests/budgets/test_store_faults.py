"""The file of budgets fails while calls are made: locked, deleted, read-only, the disk full. Nothing hangs, and the books are right afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import farebox
from farebox import runtime
from farebox.core import guard
from farebox.core.errors import BudgetExceeded
from farebox.testing import FakeProvider

MESSAGES = [{"role": "user", "content": "Tell me of the lighthouse."}]
LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
print("free", flush=True)
"""


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    guard.raise_faults(enabled=False)
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider("max") as running:
        yield running


def ask(client, **changes):
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, max_tokens=100, **changes)


def billed(provider):
    return sum(
        farebox.price(one.usage, provider="openai", model="gpt-4o-mini", api="chat.completions").amount
        for one in provider.billed
    )


class Locked:
    """Another process that has the file locked."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(runtime.current().budgets.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "locked\n"
        return self

    def __exit__(self, *_):
        self.process.communicate("free\n")


def within(seconds, work):
    """What a call came to; it must be over before long."""
    began = time.monotonic()
    try:
        work()
    except BudgetExceeded as error:
        found = str(error)
    else:
        found = "sent"
    assert time.monotonic() - began < seconds
    return found


def until(check):
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["shared", "standing"])
@pytest.mark.parametrize("strength", ["hard", "strict"])
def test_locked_in_the_middle_strict_denies_and_hard_goes_on_and_is_booked_by_itself_afterwards(
    provider, kind, strength
):
    farebox.instrument(gate_timeout=0.4)
    if kind == "standing":
        farebox.set_budget("all", limit=1, window="day", strength=strength)
    with provider.openai_client(max_retries=0) as client, farebox.track_budget(1) as outer:
        budget = farebox.track_budget(1, strength=strength, shared=True) if kind == "shared" else farebox.capture()
        with budget:
            ask(client)
            with Locked():
                found = [within(5, lambda: ask(client)) for _ in range(3)]
                if strength == "strict":
                    assert all("a strict budget lets nothing go that it cannot hold" in one for one in found)
                    assert len(provider.billed) == 1
                else:
                    assert found == ["sent"] * 3
            assert outer.reserved == 0
            # Nobody calls any more, and it is booked all the same.
            until(lambda: runtime.current().budgets.standing.unbooked == 0)
            if kind == "shared":
                assert (budget.total_spent, budget.reserved) == (billed(provider), 0)
            else:
                (status,) = farebox.budget_status("all")
                assert (status.spent, status.held, status.calls) == (billed(provider), 0, len(provider.billed))
            time.sleep(1.0)  # as long as a store is left alone that did not answer
            assert within(5, lambda: ask(client)) == "sent"
        assert outer.total_spent == billed(provider)


def test_threads_do_not_wait_one_after_the_other(provider):
    farebox.instrument(gate_timeout=0.5)
    with provider.openai_client(max_retries=0) as client, farebox.track_budget(1, shared=True) as budget:
        ask(client)
        with Locked():
            took, start = [], threading.Barrier(12)

            def work():
                start.wait()
                began = time.monotonic()
                ask(client)
                took.append(time.monotonic() - began)

            threads = [threading.Thread(target=work) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert max(took) < 4  # one after the other it would be twelve times as long as one
        until(lambda: runtime.current().budgets.standing.unbooked == 0)
        assert (budget.total_spent, budget.reserved) == (billed(provider), 0)


def test_on_gate_error_deny_lets_nothing_go(provider):
    farebox.instrument(gate_timeout=0.2, on_gate_error="deny")
    with provider.openai_client(max_retries=0) as client, farebox.track_budget(1, shared=True):
        ask(client)
        with Locked():
            assert "on_gate_error is 'deny'" in within(5, lambda: ask(client))
        assert len(provider.billed) == 1


def test_what_is_in_flight_when_the_file_is_deleted_is_booked_in_the_new_one(provider):
    farebox.instrument()
    farebox.set_budget("all", limit=1, window="day")
    with provider.openai_client(max_retries=0) as client:
        ask(client)
        with provider.hold():
            thread = threading.Thread(target=lambda: ask(client))
            thread.start()
            provider.wait_for_requests(2)
            for ending in ("", "-wal", "-shm"):
                Path(f"{runtime.current().budgets.path}{ending}").unlink(missing_ok=True)
        thread.join()
        ask(client)
        (status,) = farebox.budget_status("all")
        assert (status.spent, status.held, status.calls) == (billed(provider) / 3 * 2, 0, 2)
        with farebox.track_budget(1, shared=True):
            ask(client)
            runtime.current().budgets.path.unlink()
            assert "has ended: " in within(5, lambda: ask(client))


@pytest.mark.parametrize("strength", ["hard", "strict"])
def test_what_is_charged_and_recorded_while_it_is_locked_is_booked_afterwards_or_denied(strength):
    farebox.configure(gate_timeout=0.1)
    with farebox.track_budget(1, strength=strength, shared=True) as budget, farebox.track_budget(1) as inner:
        inner.charge("0.1")
        with Locked():
            if strength == "strict":
                with pytest.raises(BudgetExceeded, match="and a strict budget lets nothing go"):
                    inner.charge("0.1")
                assert (inner.total_spent, inner.reserved) == (farebox.Money("0.1"), 0)
            else:
                inner.charge("0.1")
            farebox.record_call(provider="openai", model="gpt-4o-mini", usage={"prompt_tokens": 1}, cost="0.3")
        until(lambda: runtime.current().budgets.standing.unbooked == 0)
        assert budget.total_spent == inner.total_spent == farebox.Money("0.4" if strength == "strict" else "0.5")


def test_entering_while_it_is_locked_raises_nothing_and_the_token_says_why(provider):
    farebox.instrument(gate_timeout=0.1)
    farebox.track_budget(1, shared=True).token  # noqa: B018 - makes the file
    with Locked(), provider.openai_client(max_retries=0) as client, farebox.track_budget(1, shared=True) as budget:
        with pytest.raises(farebox.LedgerError, match="another process is writing"):
            _ = budget.token
        assert within(5, lambda: ask(client)) == "sent"
    until(lambda: runtime.current().budgets.standing.unbooked == 0)
    assert budget.total_spent == billed(provider)


def test_what_the_store_could_not_be_told_is_told_at_the_end_of_the_program(provider):
    farebox.instrument(gate_timeout=0.1)
    farebox.set_budget("all", limit=1, window="day")
    with provider.openai_client(max_retries=0) as client:
        ask(client)
        with Locked():
            ask(client)
    assert farebox.shutdown(10)
    assert runtime.current().budgets.standing.unbooked == 0
    assert farebox.budget_status("all")[0].spent == billed(provider)


UNWRITABLE = """
import resource, sys, time
from pathlib import Path
from farebox.budget_settings import budget_row
from farebox.budgets.sqlite_store import SQLiteBudgetStore
from farebox.budgets.standing import StandingBudgets
from farebox.core.context import Attribution
from farebox.core.errors import LedgerError
from farebox.core.event import CallRequest

path, fault = Path(sys.argv[1]), sys.argv[2]
store = SQLiteBudgetStore(path, busy_timeout=0.2)
budgets = StandingBudgets([budget_row("all", limit=1, window="month")], store=lambda: store, stored=lambda: False)
request = CallRequest(provider="openai", operation="chat", api="", model="m")

def begin(hold):
    now = time.time_ns()
    budgets.reserve(hold, budgets.matching(request, Attribution(), now), {"usd": 10, "tokens": 0, "calls": 1}, now=now)

def end(hold):
    budgets.settle(hold, {"usd": 7}, now=time.time_ns())

def failing(what, *arguments):
    try:
        what(*arguments)
    except LedgerError as error:
        return str(error)
    sys.exit(f"{what} {arguments} did not fail")

begin("before")
if fault == "read-only":
    store.close()
    path.chmod(0o444)
else:
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
said = failing(begin, "meanwhile")
failing(end, "before")
failing(end, "meanwhile")
if fault == "read-only":
    path.chmod(0o600)
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
budgets.flush()
begin("after")
standing = budgets.active[0]
(reading,) = store.read(standing.name, standing.terms, 0)
assert (reading.spent, reading.held, reading.calls) == (14, 10, 2), reading
print(said)
"""


def bound_by_modes(*command):
    """The command of a program that the modes of files bind, also when root runs it."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", *command]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and limits")
@pytest.mark.parametrize(("fault", "says"), [("read-only", "set the rights"), ("full", "disk")])
def test_a_file_that_cannot_be_written_for_a_while_is_told_afterwards_what_it_missed(tmp_path, fault, says):
    command = bound_by_modes(sys.executable, "-c", UNWRITABLE, str(tmp_path / "x.db.budgets"), fault)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
