"""The journal's events without files, for `durability="memory"`: a bounded queue. Imports core and journal's own parts."""

from __future__ import annotations

import errno
import itertools
from collections import deque
from typing import Final

from farebox.core.event import CallEvent
from farebox.journal.encoding import encoded
from farebox.journal.layout import Mark
from farebox.journal.reader import Batch

CAPACITY: Final = 100_000
"""Events held at most; the next one is refused and counted as dropped."""


class Memory:
    """What `Segments` is, in memory: offsets count events. Not thread-safe: `Journal` holds the lock, except for `prepare`."""

    reserve_left = 0
    unsynced = 0

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._events: deque[CallEvent] = deque()
        self._released = 0

    def prepare(self, event: CallEvent) -> CallEvent:
        """The event, without what no ledger can hold."""
        return encoded(event)[1]

    def put(self, event: CallEvent) -> None:
        """Hold an event.

        Raises:
            OSError: too many are held already.
        """
        if len(self._events) >= self._capacity:
            raise OSError(errno.ENOBUFS, f"the ledger has not taken any of {self._capacity} events")
        self._events.append(event)

    def end(self) -> Mark:
        """The place behind the last event."""
        return Mark(1, self._released + len(self._events))

    def read(self, mark: Mark, end: Mark, *, limit: int) -> Batch:
        """At most `limit` events between two places."""
        first = max(mark.offset, self._released)
        stop = max(first, min(end.offset, first + limit))
        events = list(itertools.islice(self._events, first - self._released, stop - self._released))
        return Batch(events, max(mark, Mark(1, stop)), [], mark)

    def releasable(self, mark: Mark) -> bool:  # noqa: ARG002 - the same face as Segments
        """Nothing waits for a checkpoint."""
        return False

    def release(self, mark: Mark) -> None:
        """Let go of events before `mark`."""
        while self._events and self._released < mark.offset:
            self._events.popleft()
            self._released += 1

    def replenish(self) -> None:
        """Memory has no reserve."""

    def close(self, *, remove: bool) -> None:  # noqa: ARG002 - the same face as Segments
        """Forget everything."""
        self._events.clear()

    def abandon(self) -> None:
        """Forget what the parent process holds."""
        self._events.clear()
