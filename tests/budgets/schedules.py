"""Random lives of calls under budgets: a scheduler that steps generators, a provider that bills, and what must hold whatever happens.

Nothing here is left to the machine: one seed makes the budgets, the calls, the order in which threads and tasks come to the gate,
the clock, and every fault. `python tests/budgets/schedules.py SEED` runs one again and tells what was done.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

from farebox.budget_settings import budget_row
from farebox.budgets import books as books_module
from farebox.budgets import gate as gate_module
from farebox.budgets import shared as shared_module
from farebox.budgets import waiting as waiting_module
from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.shared import SharedBudget, attach
from farebox.budgets.sqlite_store import SQLiteBudgetStore
from farebox.budgets.standing import StandingBudgets
from farebox.budgets.waiting import Waiting
from farebox.core.context import Attribution
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallRequest
from farebox.core.money import Money
from farebox.core.windows import PIECES

STORES = ("accounts", "memory", "sqlite")
KINDS = {"accounts": ("request",), "memory": ("hour", "24h", "shared"), "sqlite": ("hour", "24h", "shared")}
START = 500_000 * 3600 * 10**9
"""Where the clock begins: on the hour."""
MEAN = 1000
"""Nano-dollars that a call costs on average."""
SECOND = 10**9


class CancelledError(Exception):
    """The program wants the call no more."""


class Place(Waiting):
    """A place in a line that the scheduler can see: it looks again when it is woken, or after a while."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.woken = False
        self.looks_at = 0.0

    def wake(self):
        self.woken = True


class Call:
    """One call, and what the provider will bill for it however it ends: `bills`, one amount an attempt."""

    def __init__(self, number, chance, *, strict, owner, process):
        self.id = f"call {number}"
        self.owner = owner
        self.process = process
        self.task = chance.choice((None, "draft", "check"))
        self.bills = [chance.randrange(1, 2 * MEAN) for _ in range(chance.choice((1, 1, 1, 1, 2, 3)))]
        if len(self.bills) > 1:
            self.bills = [amount // len(self.bills) for amount in self.bills]
        actual = sum(self.bills)
        self.ceiling = int(actual * chance.uniform(1, 3)) + 1
        self.estimate = self.ceiling if strict and chance.random() < 0.5 else int(actual * chance.uniform(0.4, 2)) + 1
        self.holds = self.ceiling if strict else self.estimate
        self.ending = chance.choices(
            ("known", "unknown", "cut", "failed", "retried", "lost"), weights=(70, 8, 8, 6, 6, 2)
        )[0]
        self.billed = self.booked = 0
        self.piece = None
        self.reservation = None
        self.state = "new"


class Process:
    """One process: its gate, and its view of the store."""

    def __init__(self, world, number):
        self.name = f"{world.seed} process {number}"
        self.number = number
        self.gate = Gate(number)
        self.standing = None
        self.alive = True
        if world.store is not None:
            rows = [] if world.row is None else [world.row]
            self.standing = StandingBudgets(rows, store=lambda: world.store, stored=lambda: False)
        self.address, self.alone = "the world", False
        self.budgets = []

    def is_there(self):
        return True


class World:
    """Everything that one seed makes."""

    def __init__(self, seed, store="", kind="", *, used_up=False, tell=None):
        self.seed, self.chance = seed, random.Random(seed)
        self.now = START + self.chance.randrange(3600) * SECOND
        self.tell = tell or (lambda *_: None)
        self.facts = Counter()
        self.used_up = used_up
        self.kind_of_store = store or self.chance.choice(STORES)
        self.kind = kind or self.chance.choice(KINDS[self.kind_of_store][-1:] if used_up else KINDS[self.kind_of_store])
        self.strict = self.chance.random() < 0.7
        self.asynchronous = self.chance.random() < 0.5
        self.worth = 200 if used_up else self.chance.choice((1, 3, 10, 40, 200))
        self.limit = self.worth * MEAN
        self.count = (
            int(self.worth * 2.5)
            if used_up
            else self.chance.choices((1, 5, 20, 60, 200, 1000), (1, 2, 4, 6, 2, 0.2))[0]
        )
        self.threads = self.chance.choice((2, 8, 64)) if used_up else self.chance.choice((1, 2, 8, 64))
        self.patience = 3600 if used_up else self.chance.choice((0, 0, 2, 60, 3600))
        self.folder = None
        self.store = self._store()
        self.row = (
            budget_row("the row", limit=Money.from_nano(self.limit), window=self.kind)
            if self.kind in ("hour", "24h")
            else None
        )
        self.processes = [
            Process(self, number) for number in range(1, 2 if self.store is None else self.chance.choice((1, 2, 4)) + 1)
        ]
        self.dead = set()
        self._budgets()
        self.lives = []
        self.ghosts = []
        self.granted = []
        self.current = None
        self.flying = set()
        self.billed_by_piece, self.billed_by_task = Counter(), Counter()

    def _store(self):
        if self.kind_of_store == "accounts":
            return None
        if self.kind_of_store == "memory":
            return MemoryBudgetStore()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        return SQLiteBudgetStore(self.folder / "x.db.budgets")

    def _budgets(self):
        strength = "strict" if self.strict else "hard"
        first = self.processes[0]
        terms = {"strength": strength, "wait": self.patience}
        if self.kind == "request":
            self.tasks = {} if self.used_up or self.chance.random() < 0.5 else {"draft": self.limit // 2}
            limits = {task: Money.from_nano(limit) for task, limit in self.tasks.items()}
            outer = Budget(Money.from_nano(self.limit), limits, gate=first.gate, **terms)
            inner = [Budget(None, gate=first.gate, strength="soft") for _ in range(self.chance.randrange(3))]
            first.budgets = [*inner, outer]
            self.watched = outer
            return
        self.watched, self.tasks = None, {}
        if self.kind == "shared":
            with self.patched():
                made = SharedBudget(Money.from_nano(self.limit), home=lambda: first, gate=first.gate, **terms)
                token = made.token
                first.budgets = [made]
                for process in self.processes[1:]:
                    process.budgets = [
                        attach(token, home=lambda process=process: process, gate=process.gate, on_exceeded=None)
                    ]
        for process in self.processes:
            if self.chance.random() < 0.3 and not self.used_up:
                process.budgets.insert(0, Budget(Money.from_nano(self.limit * 10), gate=process.gate, **terms))

    # --- time and processes, as farebox sees them

    def monotonic(self):
        return self.now / SECOND

    def time_ns(self):
        return self.now

    def owner(self):
        return self.current

    def this_process(self):
        return self.running

    def is_dead(self, owner):
        return owner in self.dead

    @contextlib.contextmanager
    def patched(self):
        """The clock, the threads and the processes of this world instead of the machine's."""
        with contextlib.ExitStack() as stack:
            for module in (gate_module, waiting_module, books_module, shared_module):
                stack.enter_context(mock.patch.object(module, "time", self))
            for module in (gate_module, shared_module):
                stack.enter_context(mock.patch.object(module, "owner", self.owner))
            for module in (books_module, shared_module):
                stack.enter_context(mock.patch.object(module, "this_process", self.this_process))
            stack.enter_context(mock.patch.object(books_module, "is_dead", self.is_dead))
            stack.enter_context(mock.patch.object(gate_module, "Waiting", Place))
            self.running = self.processes[0].name
            yield

    # --- one call, as the meter leads it

    def hold(self, call):
        """Ask every budget, as the meter does: those in memory, then the store.

        Raises:
            BudgetExceeded: nothing is held.
        """
        process = call.process
        self.current, self.running = call.owner, process.name
        reservation = process.gate.reserve(process.budgets, call.estimate, call.task, ceiling=call.ceiling)
        buckets = self.buckets(call)
        if buckets:
            amounts = {"usd": call.holds, "tokens": 0, "calls": 1}
            try:
                for _ in range(self.chance.choice((1, 1, 1, 2))):  # a broken connection: the question is asked again
                    process.standing.reserve(call.id, buckets, amounts, now=self.now)
            except BudgetExceeded:
                process.gate.release(reservation)
                raise
        call.reservation = reservation
        call.piece = None if self.row is None else process.standing.active[0].window.place(self.now)[0]
        call.state = "in flight"
        self.granted.append(call)
        if not self.strict:
            self.flying = {one for one in self.granted if one.state != "settled"}

    def buckets(self, call):
        process = call.process
        shared = [bucket for budget in process.budgets for bucket in budget.buckets(call.task)]
        request = CallRequest(provider="openai", operation="chat", api="", model="m")
        return shared + ([] if self.row is None else process.standing.matching(request, Attribution(), self.now))

    def wait(self, call, refusal):
        """Stand in line for it. Returns whether it got in."""
        place = None
        try:
            while True:
                standing, place = self.line_up(call, refusal, place)
                if not standing:
                    return False
                if standing == "again":  # once more, now that it stands in line
                    refusal = self.ask(call)
                    if refusal is None:
                        return True
                    continue
                place.woken, place.looks_at = False, self.monotonic() + self.chance.uniform(0.01, 0.5)
                yield place
                refusal = self.ask(call)
                if refusal is None:
                    return True
        finally:
            if place is not None and call.process.alive:
                call.process.gate.leave_line(place, admitted=call.state == "in flight")

    def line_up(self, call, refusal, place):
        """The call's place in line, and whether it has one."""
        gate, budget = call.process.gate, refusal.holder
        if not self.patience or budget is None or (place is not None and place.over):
            return "", place
        if isinstance(budget, SharedBudget):
            if not budget.may_fit(refusal):
                return "", place
            deadline = self.monotonic() + self.patience if place is None else place.deadline
            return "standing", gate.stand_in(budget.account, call.holds, deadline, place)
        if place is not None:
            return "standing" if gate.pass_on(place) else "", place
        place = gate.line_up(
            call.process.budgets, call.estimate, call.task, patience=self.patience, ceiling=call.ceiling
        )
        return "again" if place is not None else "", place

    def ask(self, call):
        """Ask for its money. Returns the refusal."""
        try:
            self.hold(call)
        except BudgetExceeded as refusal:
            return refusal
        return None

    def life(self, call, depth=0):
        """One call from the moment that it is wanted."""
        try:
            refusal = self.ask(call)
            if refusal is not None:
                self.facts["refused at first"] += 1
                if not (yield from self.wait(call, refusal)):
                    call.state = "refused"
                    self.facts["refused"] += 1
                    return
                self.facts["waited and sent"] += 1
            if self.used_up and call.ending == "lost":
                call.ending = "known"
            if (
                depth == 0 and not self.used_up and self.chance.random() < 0.05
            ):  # an open stream, whose own loop makes a call
                inner = Call(
                    f"{call.id} nested", self.chance, strict=self.strict, owner=call.owner, process=call.process
                )
                yield from self.life(inner, depth=1)
            for amount in call.bills:
                yield None
                if call.ending != "failed":
                    self.bill(call, amount)
            yield None
            self.end(call)
        except CancelledError:
            self.facts["cancelled"] += 1
            if call.state == "in flight":
                self.haunt(call)
                self.settle(call, None if self.chance.random() < 0.5 else call.billed, certain=False)

    def haunt(self, call):
        """The program is gone; the provider may still bill what it was asked for."""
        if call.ending != "failed":
            rest = sum(call.bills) - call.billed
            self.ghosts.append((call, self.chance.choice((0, rest, rest // 2))))

    def bill(self, call, amount):
        """The provider bills. It must never be more than budgets allow."""
        call.billed += amount
        self.billed_by_piece[call.piece] += amount
        self.billed_by_task[call.task] += amount
        self.check_limits(call)

    def end(self, call):
        actual = call.billed
        if call.ending in ("known", "failed"):
            self.settle(call, actual, certain=True)
        elif call.ending == "unknown":
            self.settle(call, None, certain=False)
        elif call.ending == "cut":
            self.settle(call, int(actual * self.chance.uniform(0.5, 1.2)), certain=False)
        elif call.ending == "retried":
            self.settle(call, call.bills[-1], certain=False)
        else:
            self.facts["lost"] += 1  # an answer that nobody ever closes: held, and charged in time by a store
            call.state = "lost"

    def settle(self, call, actual, *, certain):
        self.current, self.running = call.owner, call.process.name
        call.state = "settled"
        if self.strict and not certain:
            call.booked = max(actual or 0, call.holds)
        else:
            call.booked = call.holds if actual is None else actual
        standing = call.process.standing
        for _ in range(self.chance.choice((1, 1, 1, 2))):
            if standing is not None and self.buckets(call):
                of_store = None if self.strict and not certain else actual
                if of_store is None:
                    call.booked = call.holds
                standing.settle(call.id, {"usd": of_store, "tokens": 0, "calls": 1}, now=self.now)
            call.process.gate.settle(call.reservation, actual, certain=certain)

    # --- what must hold

    def check_limits(self, call):
        """What is billed is within the limit: of the whole or each window that the call counts in, and of its task."""
        billed = max(self.billed_with(call.piece))
        if billed > self.limit:
            allowed = self.limit + (0 if self.strict else self.underestimated())
            assert billed <= allowed, f"billed {billed} of {self.limit} ({allowed} allowed)"
        if self.strict and call.task in self.tasks:
            limit, billed = self.tasks[call.task], self.billed_by_task[call.task]
            assert billed <= limit, f"task {call.task}: billed {billed} of {limit}"

    def underestimated(self):
        """What was underestimated in flight when money was last granted, and what the program does not know of calls that had settled."""
        later, flying = self.granted, self.flying
        if self.row is not None:  # each window has a last grant of its own: here of each call the larger
            return sum(max(0, call.billed - min(call.booked or call.holds, call.holds)) for call in later)
        return sum(max(0, call.billed - (call.holds if call in flying else call.booked)) for call in later)

    def billed_with(self, piece):
        """What is billed in each span that a piece counts in; a window of the calendar is a span, and so is for ever."""
        if self.kind != "24h":
            return [self.billed_by_piece[piece]]
        step = 24 * 3600 * SECOND // PIECES
        return [
            sum(amount for other, amount in self.billed_by_piece.items() if last - PIECES * step <= other <= last)
            for last in self.billed_by_piece
            if piece <= last <= piece + PIECES * step
        ]

    # --- the scheduler

    def run(self):
        """Live through it.

        Raises:
            AssertionError: something did not hold.
        """
        try:
            with self.patched():
                self._run()
        finally:
            if self.store is not None:
                self.store.close()
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
        return self.facts

    def _run(self):
        waiting_to_start = [self._call(number) for number in range(self.count)]
        at_once = len(waiting_to_start) if self.asynchronous else self.threads
        places = {}
        while waiting_to_start or self.lives or self.ghosts:
            while waiting_to_start and len(self.lives) < at_once:
                call = waiting_to_start.pop()
                if call.process.alive:
                    self.lives.append((call, self.life(call)))
            self._faults()
            ready = [
                one
                for one in self.lives
                if places.get(one[0]) is None
                or places[one[0]].woken
                or self.monotonic() >= min(places[one[0]].looks_at, places[one[0]].deadline)
            ]
            if self.ghosts and (not ready or self.chance.random() < 0.2):
                self.bill(*self.ghosts.pop(self.chance.randrange(len(self.ghosts))))
                continue
            if not ready:
                if not self.lives:
                    continue
                self.now = max(self.now + 1, int(min(places[one[0]].looks_at for one in self.lives) * SECOND) + 1)
                continue
            call, life = ready[self.chance.randrange(len(ready))]
            self.now += self.chance.randrange(20_000_000)
            self.current, self.running = call.owner, call.process.name
            try:
                if call in places and not self.used_up and self.chance.random() < 0.01:
                    places[call] = life.throw(CancelledError())
                else:
                    places[call] = next(life)
            except StopIteration:
                self.lives.remove((call, life))
                places.pop(call, None)
        self._finish()

    def _call(self, number):
        process = self.chance.choice(self.processes)
        owner = number if self.asynchronous else number % self.threads
        return Call(number, self.chance, strict=self.strict, owner=owner + 1, process=process)

    def _faults(self):
        """Now and then something happens that no call has done."""
        if self.used_up:
            return
        luck = self.chance.random()
        if luck < 0.002 and self.row is not None:  # past the edge of a window, or of a hold
            self.now += self.chance.choice((600, 3700)) * SECOND
            self.facts["jumps"] += 1
        elif luck < 0.004 and self.store is not None:
            self.processes[0].standing.sweep(self.now)
            self.facts["sweeps"] += 1
        elif luck < 0.006 and len(self.processes) > 2:
            self._kill(self.chance.choice(self.processes[1:]))
        elif luck < 0.008 and self.kind == "request" and self.strict:
            self._fork()

    def _kill(self, process):
        if not process.alive:
            return
        self.facts["killed"] += 1
        process.alive = False
        self.dead.add(process.name)
        for call, life in [one for one in self.lives if one[0].process is process]:
            self.lives.remove((call, life))
            life.close()
        for call in self.granted:
            if call.process is process and call.state == "in flight":
                call.state = "lost"
                self.haunt(call)

    def _fork(self):
        """A child has a copy of the money, and a strict budget lets it spend none."""
        self.facts["forks"] += 1
        child = Gate(99)
        try:
            child.reserve(self.processes[0].budgets, 1, None, ceiling=1)
        except BudgetExceeded:
            return
        raise AssertionError("a forked child was let spend")

    def _finish(self):
        """Everything is over: the books are right to the last nano-dollar, and the money was used."""
        settled = [call for call in self.granted if call.state == "settled"]
        lost = [call for call in self.granted if call.state == "lost"]
        assert len(settled) + len(lost) == len(self.granted)
        booked = sum(call.booked for call in settled)
        held = sum(call.holds for call in lost)
        if self.store is None:
            account = self.watched.account
            found = (account.spent, account.held)
            assert found == (booked, held), f"{found} in the books, {(booked, held)} is right"
        else:
            self.dead.update(process.name for process in self.processes)
            before = [(one.spent, one.held) for one in self._readings()]
            self.processes[0].standing.sweep(self.now)
            after = [(one.spent, one.held) for one in self._readings()]
            assert sum(map(sum, before)) == booked + held, f"{before} in the books, {(booked, held)} is right"
            assert after == ([(booked + held, 0)] if self.granted else []), (
                f"{after} after the sweep, {booked + held} is right"
            )
        for process in self.processes:
            for budget in process.budgets if process.alive else ():
                assert not budget.account.line, "somebody still stands in line"
        self.facts["granted"] += len(self.granted)
        self.facts["schedules"] += 1
        if self.used_up:
            assert booked + held >= 0.95 * self.limit, f"only {booked + held} of {self.limit} used"
            self.facts["used up"] += 1
        if not self.strict and self.row is None:
            self.facts["overshot"] += max(0, sum(call.billed for call in self.granted) - self.limit)

    def _readings(self):
        if self.row is not None:
            standing = self.processes[0].standing.active[0]
            return self.store.read(standing.name, standing.terms, 0)
        budget = next(budget for budget in self.processes[0].budgets if isinstance(budget, SharedBudget))
        return self.store.read(budget.id, "total", 0)


def replay(seed, **more):
    """Run one schedule; a failure says how to run it again."""
    world = World(seed, **more)
    try:
        return world.run()
    except BaseException as error:
        words = " ".join([str(seed), *(f"{name}={value}" for name, value in more.items())])
        error.add_note(
            f"schedule {world.kind_of_store}/{world.kind}, {'strict' if world.strict else 'hard'}, {world.count} calls, budget for {world.worth}; "
            f"again: python {os.path.relpath(__file__)} {words}"
        )
        raise


if __name__ == "__main__":
    given = dict(word.split("=") for word in sys.argv[2:])
    if "used_up" in given:
        given["used_up"] = given["used_up"] == "True"
    print(dict(replay(int(sys.argv[1]), **given)))
