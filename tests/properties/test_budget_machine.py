"""A machine of everything that may be asked of budgets, in any order: what is billed stays within the limit, and the books are exact."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from farebox.budget_settings import budget_row
from farebox.budgets import books as books_module
from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.sqlite_store import SQLiteBudgetStore
from farebox.budgets.standing import StandingBudgets
from farebox.core.context import Attribution
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallRequest
from farebox.core.money import Money

LIMIT = 1000
HOUR = 3600 * 10**9
START = 500_000 * HOUR
ASKED = CallRequest(provider="openai", operation="chat", api="", model="m")
AMOUNTS = st.integers(1, 600)
PROCESSES = ("one", "two")


class Accounts:
    """A strict request budget in the memory of one process, and a hard one around it that has room for everything."""

    def __init__(self):
        self.gate = Gate(1)
        terms = {"gate": self.gate, "strength": "strict"}
        self.budget = Budget(Money.from_nano(LIMIT), {"t": Money.from_nano(LIMIT)}, **terms)
        self.outer = Budget(1, gate=self.gate)
        self.held = {}

    def reserve(self, call, ceiling, process, now):
        del process, now
        self.held[call] = self.gate.reserve((self.budget, self.outer), ceiling // 2, "t", ceiling=ceiling)

    def settle(self, call, actual, process, now):
        del process, now
        self.gate.settle(self.held[call], actual)

    def release(self, call, process, now):
        del process, now
        self.gate.release(self.held[call])

    def stand(self):
        account = self.budget.account
        task = account.tasks["t"]
        assert (task.spent, task.held) == (account.spent, account.held)
        return account.spent, account.held

    def close(self):
        pass


class Standing:
    """A standing budget in a store, asked by two processes."""

    def __init__(self, store):
        self.store = store
        row = budget_row("b", limit=Money.from_nano(LIMIT), window="month")
        self.books = {
            name: StandingBudgets([row], store=lambda: store, stored=lambda: False, hold=HOUR) for name in PROCESSES
        }

    def reserve(self, call, ceiling, process, now):
        books = self.books[process]
        with mock.patch.object(books_module, "this_process", return_value=process):
            amounts = {"usd": ceiling, "tokens": 1, "calls": 1}
            books.reserve(call, books.matching(ASKED, Attribution(), now), amounts, now=now)

    def settle(self, call, actual, process, now):
        self.books[process].settle(call, {"usd": actual, "calls": 1}, now=now)

    def release(self, call, process, now):
        self.books[process].release(call, now=now)

    def sweep(self, dead, now):
        with mock.patch.object(books_module, "is_dead", lambda owner: owner in dead):
            return self.books["one"].sweep(now)

    def stand(self):
        standing = self.books["one"].active[0]
        readings = self.store.read(standing.name, standing.terms, 0)
        return (readings[0].spent, readings[0].held) if readings else (0, 0)

    def close(self):
        self.store.close()


class Machine(RuleBasedStateMachine):
    """Calls whose ceilings are true: the provider bills at most that. `make` gives what is asked."""

    calls = Bundle("calls")

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.subject = self.make(self.folder)
        self.number, self.now = 0, START
        self.open, self.charged, self.booked, self.billed = {}, {}, 0, 0

    @rule(target=calls, ceiling=AMOUNTS, share=st.integers(0, 100), process=st.sampled_from(PROCESSES))
    def call(self, ceiling, share, process):
        """A call is wanted; it is granted exactly where it fits."""
        self.number += 1
        name = f"call {self.number}"
        fits = self.booked + sum(self.charged.values()) + sum(one[0] for one in self.open.values()) + ceiling <= LIMIT
        try:
            self.subject.reserve(name, ceiling, process, self.now)
        except BudgetExceeded:
            assert not fits
            return ("refused", 0, 0, process)
        assert fits
        self.open[name] = (ceiling, process, self.now + HOUR)
        return (name, ceiling, ceiling * share // 100, process)

    @rule(call=consumes(calls), known=st.booleans(), twice=st.booleans())
    def end(self, call, known, twice):
        """It ends: with a bill, or nobody knows; perhaps it is told twice, perhaps long after it was charged."""
        name, ceiling, actual, process = call
        if name not in self.open and name not in self.charged:
            return
        for _ in range(1 + twice):
            self.subject.settle(name, actual if known else None, process, self.now)
        self.open.pop(name, None)
        self.charged.pop(name, None)
        self.billed += actual
        self.booked += actual if known else ceiling

    @rule(call=consumes(calls))
    def never_sent(self, call):
        """It is given back."""
        name, _, _, process = call
        if name in self.open:
            self.subject.release(name, process, self.now)
            del self.open[name]

    @rule(minutes=st.integers(1, 40))
    def later(self, minutes):
        """Time passes. A reserve looks for old holds every minute, so this does, too."""
        self.now += minutes * 60 * 10**9
        self.look(set())

    @rule(dead=st.sets(st.sampled_from(("two", "three"))))
    def sweep(self, dead):
        """Somebody looks for holds of the dead, and for old ones: they are charged."""
        self.look(dead)

    def look(self, dead):
        if isinstance(self.subject, Accounts):
            return
        expected = [name for name, (_, process, expires) in self.open.items() if process in dead or expires <= self.now]
        assert self.subject.sweep(dead, self.now) == len(expected)
        for name in expected:
            self.charged[name] = self.open.pop(name)[0]

    @invariant()
    def the_books_are_exact_and_within_the_limit(self):
        spent = self.booked + sum(self.charged.values())
        held = sum(one[0] for one in self.open.values())
        assert self.subject.stand() == (spent, held)
        assert self.billed <= spent <= spent + held <= LIMIT

    def teardown(self):
        self.subject.close()
        shutil.rmtree(self.folder, ignore_errors=True)


MAKERS = {
    "accounts": lambda _: Accounts(),
    "memory": lambda _: Standing(MemoryBudgetStore()),
    "sqlite": lambda folder: Standing(SQLiteBudgetStore(folder / "x.db.budgets")),
}


@pytest.mark.parametrize("store", MAKERS)
def test_any_order_of_questions_keeps_the_books_exact_and_the_limit(store):
    kind = type("Of", (Machine,), {"make": staticmethod(MAKERS[store])})
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
