"""One file, many processes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farebox.budget_settings import budget_row
from farebox.budgets.sqlite_store import SQLiteBudgetStore
from farebox.budgets.standing import StandingBudgets
from farebox.budgets.status import status
from farebox.core.context import Attribution
from farebox.core.event import CallRequest
from farebox.core.money import Money

SPENDER = """
import random, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_standing_processes import spend
sent, spent, held = spend(Path(sys.argv[1]), seed=int(sys.argv[2]), calls=int(sys.argv[3]))
print(sent, spent, held)
"""
HOLDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_standing_processes import budgets_at, reserve
budgets = budgets_at(Path(sys.argv[1]))
reserve(budgets, "held by the dead", 400_000_000)
print("held", flush=True)
time.sleep(60)
"""
FOLDER = str(Path(__file__).parent)
LIMIT = 10**9


def budgets_at(path, hold=3600 * 10**9):
    store = SQLiteBudgetStore(path)
    rows = [
        budget_row("money", limit=1, window="month"),
        budget_row("calls", limit={"calls": 10**6}, window="24h", per="tenant_id"),
    ]
    return StandingBudgets(rows, store=lambda: store, stored=lambda: False, hold=hold)


def reserve(budgets, hold, nano):
    matches = budgets.matching(
        CallRequest(provider="openai", operation="chat", api="", model="m"), Attribution(), time.time_ns()
    )
    budgets.reserve(hold, matches, {"usd": nano, "tokens": 0, "calls": 1}, now=time.time_ns())


def spend(path, *, seed, calls):
    """Calls that cost at most what they hold, until none fits; some are never settled."""
    from farebox.core.errors import BudgetExceeded

    budgets, draw = budgets_at(path), random.Random(seed)
    sent = spent = held = 0
    for number in range(calls):
        amount = draw.randrange(1, 5_000_000)
        try:
            reserve(budgets, f"{seed}/{number}", amount)
        except BudgetExceeded:
            continue
        sent += 1
        if draw.random() < 0.02:
            held += amount
            continue
        actual = draw.randrange(amount + 1)
        spent += actual
        budgets.settle(f"{seed}/{number}", {"usd": actual, "calls": 1}, now=time.time_ns())
    return sent, spent, held


def python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code.format(folder=FOLDER), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def test_four_processes_never_spend_more_than_the_limit_and_lose_nothing(tmp_path):
    path = tmp_path / "ledger.db.budgets"
    children = [python(SPENDER, path, seed, 700) for seed in range(4)]
    answers = [child.communicate(timeout=150)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    sent, spent, held = (sum(int(answer[place]) for answer in answers) for place in range(3))
    budgets = budgets_at(path)
    money, calls = sorted(status(budgets.active, budgets._store(), time.time_ns()), key=lambda one: one.unit != "usd")
    assert spent + held <= LIMIT
    assert spent + held > LIMIT * 0.9  # they asked for more than there was
    assert money.spent + money.held == Money.from_nano(spent + held)
    assert calls.spent + calls.held == sent
    # The holders are gone: what they held is charged, to the last nano-dollar, by the last of them or here.
    budgets.sweep(time.time_ns())
    (money,) = status([budgets.active[1]], budgets._store(), time.time_ns())
    assert (money.spent, money.held) == (Money.from_nano(spent + held), 0)
    budgets._store().close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("seen", ["by the system", "by time alone"])
def test_what_a_killed_process_held_is_charged_and_never_freed(tmp_path, monkeypatch, seen):
    path = tmp_path / "ledger.db.budgets"
    child = python(HOLDER, path)
    assert child.stdout.readline() == "held\n"
    budgets = budgets_at(path)
    now = time.time_ns()
    assert budgets.sweep(now) == 0  # it is alive
    child.send_signal(signal.SIGKILL)
    child.communicate()
    if seen == "by time alone":  # as in a container, where nobody can tell
        monkeypatch.setattr("farebox.budgets.books.is_dead", lambda owner: False)
        assert budgets.sweep(now) == 0
        now += 3601 * 10**9
    assert budgets.sweep(now) == 1
    (money,) = status([budgets.active[1]], budgets._store(), time.time_ns())
    assert (money.spent, money.held, money.remaining) == (Money("0.40"), 0, Money("0.60"))
    budgets._store().close()
