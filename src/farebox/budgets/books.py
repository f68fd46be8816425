"""What calls take of buckets in a store: one reserve over all of them, then one settle. Imports core and the port.

A bucket is one count with a limit: of a standing budget, or of a request budget that processes share. What a store that fails
could not be told is kept here, and told by whoever asks it next.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from farebox.budgets.owner import is_dead, this_process
from farebox.budgets.store import UNITS, BudgetStore, Denied, Draw, bounded
from farebox.core.errors import BudgetExceeded, LedgerError
from farebox.core.ports import Alarm

HOLD: Final = 3600 * 10**9
"""Nanoseconds after which a hold that nobody settled is charged. A call that takes longer is put right when it ends."""

SWEEP: Final = 60 * 10**9
"""Nanoseconds between two looks for holds of dead processes."""

_UNSETTLED_AT_MOST: Final = 100_000
"""Settlements that wait for a store which does not answer; older ones are charged what they hold."""

_SLOW: Final = 0.1
"""Seconds after which a store that failed is left alone for `_PAUSE` more: calls fail at once then, and do not hang one after the other."""
_PAUSE: Final = 1.0


class Bucket(Protocol):
    """What a call takes of one count."""

    @property
    def name(self) -> str | None:
        """Of the budget."""
        ...

    @property
    def limit(self) -> int | None:
        """What may be spent, in its unit."""
        ...

    @property
    def bounds_money(self) -> bool:
        """Whether it refuses what costs too much, and so must know costs."""
        ...

    @property
    def is_strict(self) -> bool:
        """Whether it holds what a call can take at most, not what it will probably take."""
        ...

    @property
    def unit(self) -> str:
        """What it counts: one of `store.UNITS`."""
        ...

    @property
    def told(self) -> tuple[str, str] | None:
        """Names the bucket for those who are told what is spent of it; None: nobody is."""
        ...

    def open(self) -> None:
        """See that the store knows of it, before it is booked in."""
        ...

    def draw(self, amounts: Mapping[str, int], at: int, *, refusing: bool) -> Draw:
        """What a call takes of it, in the piece of a moment."""
        ...

    def refusal(self, draw: Draw, denied: Denied) -> BudgetExceeded:
        """The error for a call that does not fit."""
        ...

    def tell(self, alarm: Alarm, store: BudgetStore, now: int) -> None:
        """Tell what is spent of it."""
        ...


class Books:
    """What this process has booked, and is to book, in one store. Safe for threads, and for finalisers that interrupt it.

    Args:
        store: makes the store, or gives the one that is made.
        hold: nanoseconds after which a hold is charged.

    Attributes:
        shared: budgets that this process has opened for others and not ended.
        booked: called with what a call was booked in, and when.
        failed: called when the store could not be told something: has `flush` called soon, in another thread.
    """

    def __init__(self, *, store: Callable[[], BudgetStore], hold: int = HOLD) -> None:
        self._store = store
        self._hold = hold
        self._next_sweep = 0
        self._unheld: dict[str, list[Draw]] = {}
        self._finished: deque[Callable[[BudgetStore], object]] = deque(maxlen=_UNSETTLED_AT_MOST)
        self._thread = threading.local()
        self._held: dict[str, tuple[Sequence[Bucket], list[Draw]]] = {}
        self.shared: set[str] = set()
        self._silent: tuple[float, Exception | None] = (0.0, None)
        self.booked: Callable[[Sequence[Bucket], int], object] = _nothing
        self.failed: Callable[[], object] = int

    @property
    def unbooked(self) -> int:
        """What the store was not told yet."""
        return len(self._finished)

    def reserve(
        self,
        hold: str,
        buckets: Sequence[Bucket],
        amounts: Mapping[str, int],
        *,
        now: int,
        refusing: bool = True,
        ceilings: Mapping[str, int] | None = None,
    ) -> None:
        """Hold what a call will probably take of every bucket, or of none.

        Args:
            hold: id of the hold.
            buckets: what it takes from, asked in this order.
            amounts: by unit.
            now: nanoseconds UTC.
            refusing: False: it cannot be refused any more, and is only counted.
            ceilings: by unit, what strict buckets hold; None: `amounts`.

        Raises:
            BudgetExceeded: a bucket cannot pay it.
            LedgerError: the store failed, or has just failed after a while and is left alone for a moment.
        """
        most = amounts if ceilings is None else ceilings
        draws = [bucket.draw(most if bucket.is_strict else amounts, now, refusing=refusing) for bucket in buckets]
        self._unheld[hold] = draws
        self._see_that_it_answers()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP
            self.sweep(now)
        self._show(buckets)
        denied = self.ask(
            lambda store: store.reserve(hold, draws, owner=this_process(), now=now, expires_at=now + self._hold)
        )
        del self._unheld[hold]
        if denied is not None:
            raise buckets[denied.place].refusal(draws[denied.place], denied)
        self._held[hold] = buckets, draws

    def is_unheld(self, hold: str) -> bool:
        """Whether the store failed when it was asked to hold this; `settle` books it all the same."""
        return hold in self._unheld

    def settle(self, hold: str, actual: Mapping[str, int | None], *, now: int) -> None:
        """Replace a hold by what the call took; None: nobody knows. A store that fails is asked again by whoever comes next."""
        unheld = self._unheld.pop(hold, None)
        buckets, draws = self._held.pop(hold, ((), []))
        took = [_took(draw, actual.get(draw.unit)) for draw in (draws if unheld is None else unheld)]
        try:
            if unheld is not None:
                self._finish(functools.partial(_book, hold, took, 1, now))
            else:
                self._finish(functools.partial(_settle, hold, actual, took, now))
        finally:
            self.booked(buckets, now)

    def release(self, hold: str, *, now: int) -> None:
        """Give a hold back: nothing was sent."""
        self._held.pop(hold, None)
        if self._unheld.pop(hold, None) is None:
            self._finish(functools.partial(_release, hold, now))

    def charge(
        self, booking: str, buckets: Sequence[Bucket], amounts: Mapping[str, int], *, calls: int, at: int
    ) -> None:
        """Book what was paid already, in the window of a moment."""
        draws = [bucket.draw(amounts, at, refusing=False) for bucket in buckets]
        try:
            self._show(buckets)
        finally:  # it was paid, whether the store answers now or later
            try:
                self._finish(functools.partial(_book, booking, draws, calls, at))
            finally:
                self.booked(buckets, at)

    def end(self, budget: str, *, now: int) -> None:
        """End a shared budget that this process has opened."""
        self.shared.discard(budget)
        self._finish(functools.partial(_end, budget, now))

    def end_all(self) -> None:
        """End every shared budget that this process has opened: it exits."""
        while self.shared:
            self.end(next(iter(self.shared)), now=time.time_ns())

    def leave_in_child(self) -> None:
        """After a fork: what the parent has opened, the parent ends."""
        self.shared = set()
        self._silent = (0.0, None)

    def sweep(self, now: int) -> int:
        """Charge the holds of dead processes. Returns how many there were."""
        charged: int = self.ask(lambda store: store.expire(now, is_dead))
        return charged

    def flush(self) -> None:
        """Tell the store what it was not told yet.

        Raises:
            LedgerError: it still fails.
        """
        if self._finished:
            self._ask(_say_nothing)

    # --- asking the store

    def ask(self, question: Callable[[BudgetStore], Any]) -> Any:
        """Tell the store what has finished, then ask it.

        Raises:
            LedgerError: the store failed.
        """
        try:
            return self._ask(question)
        except LedgerError:
            if self._finished:  # here, where it has been put back: whoever is to flush may have looked while it was out
                self.failed()
            raise

    def _ask(self, question: Callable[[BudgetStore], Any]) -> Any:
        if getattr(self._thread, "inside", False):
            raise RuntimeError("a finaliser made a paid call while its own thread was inside the budget store")
        began = time.monotonic()
        store = self._store()
        self._thread.inside = True
        try:
            while self._finished:
                try:
                    work = self._finished.popleft()
                except IndexError:  # another thread took the last one
                    break
                try:
                    work(store)
                except BaseException:
                    self._finished.appendleft(work)
                    raise
            return question(store)
        except LedgerError as error:
            now = time.monotonic()
            if now - began > _SLOW:
                self._silent = now + _PAUSE, error
            raise
        finally:
            self._thread.inside = False

    def _finish(self, work: Callable[[BudgetStore], object]) -> None:
        self._finished.append(work)
        # A finaliser that interrupts this very thread inside the store must not enter it again: whoever comes next books it.
        if not getattr(self._thread, "inside", False):
            self._see_that_it_answers()
            self.ask(_say_nothing)  # what has finished is booked before every question

    def _see_that_it_answers(self) -> None:
        until, fault = self._silent
        if fault is not None and time.monotonic() < until:
            if self._finished:
                self.failed()
            raise LedgerError(f"{fault} (asked a moment ago)") from fault

    def _show(self, buckets: Sequence[Bucket]) -> None:
        """Called before buckets are booked in."""
        for bucket in buckets:
            bucket.open()


def _nothing(_buckets: Sequence[Bucket], _now: int) -> None:
    """Nobody wants to know."""


def _say_nothing(_store: BudgetStore) -> None:
    """No question of its own."""


def _took(draw: Draw, actual: int | None) -> Draw:
    return draw if actual is None else msgspec.structs.replace(draw, amount=bounded(actual))


def _settle(hold: str, actual: Mapping[str, int | None], took: Sequence[Draw], now: int, store: BudgetStore) -> None:
    # A file that was removed since knows nothing of the hold. What was settled already is known by its id, and booked no second time.
    if not store.settle(hold, actual, now=now) and took:
        store.book(hold, took, calls=1, now=now)


def _release(hold: str, now: int, store: BudgetStore) -> None:
    store.settle(hold, dict.fromkeys(UNITS, 0), now=now, calls=0)


def _book(booking: str, draws: Sequence[Draw], calls: int, now: int, store: BudgetStore) -> None:
    store.book(booking, draws, calls=calls, now=now)


def _end(budget: str, now: int, store: BudgetStore) -> None:
    store.end(budget, now)
