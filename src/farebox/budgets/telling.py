"""Tells how much is spent of standing budgets, after calls were booked in them. Imports core and its neighbours here.

The store is read in the maintenance thread and not on the way of a call; what was booked meanwhile is told together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from farebox.budgets.books import Bucket
from farebox.budgets.store import BudgetStore
from farebox.core.ports import Alarm

_PAUSE_NS: Final = 500_000_000
"""Nanoseconds between two times that the thread is woken."""


class Booked:
    """The buckets that were booked in since the last look.

    Args:
        store: where they are counted.
        wake: has `tell` called soon, in another thread.
    """

    def __init__(self, store: Callable[[], BudgetStore], wake: Callable[[], object]) -> None:
        self._store = store
        self._wake = wake
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._next_wake = 0
        self.leave_in_child()

    def leave_in_child(self) -> None:
        """After a fork: the thread that was telling is the parent's."""
        self._telling = threading.Lock()

    def note(self, buckets: Sequence[Bucket], now: int) -> None:
        """A call was booked. Takes no lock: it may be a finaliser's."""
        for bucket in buckets:
            if bucket.told is not None:
                self._buckets[bucket.told] = bucket
        if self._buckets and now >= self._next_wake:
            self._next_wake = now + _PAUSE_NS
            self._wake()

    def tell(self, alarm: Alarm, now: int) -> float | None:
        """Tell what is spent of them.

        Returns:
            Seconds after which to look again: what is booked from now on wakes nobody for a moment.
        """
        with self._telling:  # whoever ends the program finds everything told, also what another thread was telling
            buckets, self._buckets = self._buckets, {}
            for bucket in buckets.values():
                bucket.tell(alarm, self._store(), now)
        return _PAUSE_NS / 1e9 if buckets else None
