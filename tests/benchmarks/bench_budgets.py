"""What budgets cost: request budgets in memory, and the questions to the file of standing and shared ones. Run it with `nox -s bench`.

Everything is timed in turns within one run: with and without, and beside a bare SQLite transaction of one row on the same disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 60
CALLS = 250
QUESTIONS = 4_000
NOW = 500_000 * 3600 * 10**9


def show(what: str, value: str, goal: str = "") -> None:
    print(f"{what:<66} {value:<30} {f'goal {goal}' if goal else ''}")


def bench_nested() -> None:
    """A call under three nested request budgets, over one under none."""
    import farebox
    from farebox.budgets.budget import Budget
    from farebox.budgets.gate import Gate
    from farebox.core.event import CallRequest
    from farebox.core.usage import Usage
    from farebox.meter import Meter
    from farebox.pricing.estimate import Estimator
    from farebox.pricing.quoting import BookPrices

    class Nowhere:
        """A journal that keeps nothing."""

        def append(self, event: object) -> None: ...

        def occupy(self, event: object) -> int:
            return -1

        def vacate(self, slot: int) -> None: ...

    prices, gate = BookPrices(), Gate(1)
    meter = Meter(prices=prices, estimator=Estimator(prices), gate=gate, journal=Nowhere())
    usage = Usage(units={"input": 120, "output": 30})
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Tell me."}], "max_tokens": 100}

    def calls() -> float:
        began = time.thread_time_ns()
        for _ in range(CALLS):
            request = CallRequest(
                provider="openai", operation="chat", api="chat.completions", model="gpt-4o-mini", body=body
            )
            meter.open(request).settle(usage)
        return (time.thread_time_ns() - began) / CALLS / 1000

    with farebox.tracked("t"):
        calls()
        for nested in (1, 3):
            differences = []
            for _ in range(ROUNDS):
                alone = calls()
                with contextlib.ExitStack() as stack:
                    for _ in range(nested):
                        stack.enter_context(Budget(10**6, {"t": 10**6}, gate=gate))
                    differences.append(calls() - alone)
            show(
                f"{nested} nested request budgets with a task's limit, over none",
                f"{statistics.median(differences):.1f} us (min {min(differences):.1f})",
                "<= 5 us" if nested == 3 else "",
            )


def timed(work: Callable[[int], object]) -> list[float]:
    """Microseconds of each question, by the clock: waiting for the disk counts."""
    took = []
    for number in range(QUESTIONS):
        began = time.perf_counter_ns()
        work(number)
        took.append((time.perf_counter_ns() - began) / 1000)
    return took


def told(took: list[float]) -> str:
    took = sorted(took)
    return f"p50 {took[len(took) // 2]:.0f} us, p99 {took[int(len(took) * 0.99)]:.0f} us"


def bench_store(directory: Path) -> None:
    """Reserve and settle in the file, by the number of budgets that a call falls under."""
    from farebox.budgets.sqlite_store import SQLiteBudgetStore
    from farebox.budgets.store import Draw, Shared

    bare = sqlite3.connect(directory / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode = WAL")
    bare.execute("PRAGMA synchronous = NORMAL")
    bare.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
    bare.execute("INSERT INTO t VALUES (1, 0)")

    def plain(_: int) -> None:
        for _ in range(2):
            bare.execute("BEGIN IMMEDIATE")
            bare.execute("UPDATE t SET n = n + 1 WHERE id = 1")
            bare.execute("COMMIT")

    show("two bare transactions of one row", told(timed(plain)))
    store = SQLiteBudgetStore(directory / "ledger.db.budgets")
    for budgets in (1, 2, 3):
        draws = [
            Draw(f"{budgets}/{place}", "usd/day", "", NOW, NOW, NOW * 2, "usd", 1000, 2**56) for place in range(budgets)
        ]

        def work(number: int, draws: list[Draw] = draws) -> None:
            hold = f"{len(draws)}/{number:032}"
            store.reserve(hold, draws, owner="me", now=NOW, expires_at=NOW * 2)
            store.settle(hold, {"usd": 900}, now=NOW)

        show(
            f"SQLite: reserve + settle, {budgets} standing budgets",
            told(timed(work)),
            "p50 <= 150 us" if budgets == 1 else "",
        )
    store.share(Shared("s", "me", NOW * 2, "{}"))
    pair = [
        Draw("s", "total", "", 0, 0, NOW * 2, "usd", 1000, 2**56, True),
        Draw("s", "task", "t", 0, 0, NOW * 2, "usd", 1000),
    ]

    def shared(number: int) -> None:
        store.reserve(f"s/{number:032}", pair, owner="me", now=NOW, expires_at=NOW * 2)
        store.settle(f"s/{number:032}", {"usd": 900}, now=NOW)

    show("SQLite: reserve + settle, a shared budget and its task", told(timed(shared)), "p50 <= 150 us")
    show("SQLite: reading what is spent", told(timed(lambda _: store.read("s", "total", 0))))
    store.close()


if __name__ == "__main__":
    bench_nested()
    with tempfile.TemporaryDirectory() as directory:
        bench_store(Path(directory))
