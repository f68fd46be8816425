"""Faults of processes and ledgers, each injected for real and at its full scale: `nox -s stress` runs them and prints the table.

A slice of each stands in the ordinary tests beside the part that it is about.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import time

import pytest

from farebox.journal.layout import journals
from farebox.ledger.sqlite import SQLiteLedger

pytestmark = [pytest.mark.stress, pytest.mark.timeout(900), pytest.mark.skipif(sys.platform == "win32", reason="POSIX")]


def test_kill_9_at_two_hundred_random_moments_of_four_processes(scale, told):
    chance = random.Random(1)
    for round_ in range(50):
        processes = [scale.run(1_000_000, said=f"said-{round_}-{number}", pause=0.0001) for number in range(4)]
        for number in range(4):
            scale.wait_for(f"said-{round_}-{number}")
        for process in processes:
            time.sleep(chance.random() * 0.15)
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.communicate()
    waits = scale.waits()
    total, lost, twice = scale.verdict()
    told("kill -9 at 200 random moments, 4 processes at a time", returned=total, lost=lost, twice=twice, waits=waits)
    assert (lost, twice) == (0, 0)
    assert total > 10_000
    assert journals(scale.place / "x.journal") == []


def test_the_ledger_is_locked_for_a_minute(scale, told):
    SQLiteLedger(scale.path).close()
    lock = sqlite3.connect(scale.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    process = scale.run(12_000, pause=0.004)
    time.sleep(60)
    lock.execute("ROLLBACK")
    lock.close()
    expect_all(scale, told, "ledger locked for 60 s", 12_000, [process])


def expect_all(scale, told, fault, count, processes):
    """The programs end as without a fault, and every call is there once."""
    dropped = sum(scale.ended(process)["dropped"] for process in processes)
    total, lost, twice = scale.verdict()
    told(fault, returned=total, lost=lost, twice=twice, dropped=dropped, waits=scale.waits())
    assert (total, lost, twice, dropped) == (count, 0, 0, 0)


def replace_by_empty(path):
    path.with_name("new").touch()
    path.with_name("new").replace(path)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def delete(path):
    for file in path.parent.glob("x.db*"):
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("fault", [delete, replace_by_empty])
def test_the_ledger_goes_while_it_is_written(scale, told, fault):
    process = scale.run(20_000, pause=0.0001)
    scale.wait_for("said")
    time.sleep(0.5)
    for _ in range(3):
        time.sleep(0.4)
        fault(scale.path)
    expect_all(scale, told, f"ledger: {fault.__name__.replace('_', ' ')}, three times in use", 20_000, [process])


def bound_by_modes():
    """What a command begins with, so that the modes of files bind it: root goes without the right to pass over them."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv of util-linux, or a user who is not root")
    return ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")


def test_the_ledger_is_read_only_for_a_while(scale, told):
    SQLiteLedger(scale.path).close()
    scale.path.chmod(0o444)
    process = scale.run(5_000, before=bound_by_modes(), pause=0.001)
    scale.wait_for("said")
    time.sleep(4)
    with SQLiteLedger(scale.path, read_only=True) as ledger:
        before = ledger.summary().calls
    scale.path.chmod(0o600)
    expect_all(scale, told, "ledger read-only for 4 s", 5_000, [process])
    assert before == 0


def test_the_clock_steps_back_by_an_hour(scale, told):
    expect_all(scale, told, "clock stepped back by an hour", 20_000, [scale.run(20_000, back=True)])


def test_a_storm_of_forks(scale, told):
    processes = [scale.run(4_000, said=f"said-{number}", fork=20) for number in range(2)]
    expect_all(scale, told, "fork storm: 400 children, half end by os._exit unflushed", 8_400, processes)


def test_four_processes_with_fifty_thousand_calls_each(scale, told):
    processes = [scale.run(50_000, said=f"said-{number}") for number in range(4)]
    expect_all(scale, told, "4 processes x 50 000 calls, one file", 200_000, processes)
