"""The journal and its writer as one thing that can be made late, left in a forked child, and closed. May import journal and ledger."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from farebox.core.alert import JOURNAL
from farebox.core.errors import LedgerError
from farebox.core.event import CallEvent
from farebox.core.guard import contained, report
from farebox.core.ports import Alarm, Ledger
from farebox.journal.journal import Journal
from farebox.sinks.writer import Writer

_RETRY_NS: Final = 5_000_000_000
"""How long a journal that could not be made is left alone before the next try."""
_WAITING_AT_MOST: Final = 100_000


class Recorder:
    """The `Journal` port over a journal that is made when it is first needed.

    Events that come while no journal can be made wait in memory, up to a bound; beyond it they are counted as `dropped`.

    Args:
        directory: where journals of this ledger lie.
        open_ledger: opens the ledger, in the writer's thread.
        durability: as in `Settings`.
        interval: seconds between the writer's rounds.
        batch_size: events in one transaction at most.
        retention_days: days that single calls are kept; 0: for ever.
        alarm: told of events that are lost, and of lines that cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        open_ledger: Callable[[], Ledger],
        *,
        durability: str,
        interval: float,
        batch_size: int,
        retention_days: int = 0,
        alarm: Alarm | None = None,
    ) -> None:
        self._alarm = alarm
        self._directory = directory
        self._open_ledger = open_ledger
        self._durability = durability
        self._interval = interval
        self._batch_size = batch_size
        self._retention_days = retention_days
        self._waiting: Final[deque[CallEvent]] = deque()
        self.dropped = 0
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._making = 0
        self._tried_at = -_RETRY_NS
        self.journal: Journal | None = None
        self.writer: Writer | None = None

    # --- the port

    def append(self, event: CallEvent) -> None:
        """See `ports.Journal`."""
        journal = self.journal or self._made()
        if journal is None:
            self._wait(event)
            return
        try:
            journal.append(event)
        except (OSError, LedgerError):
            self._tell_dropped()
            raise
        if self.writer is not None:
            self.writer.wake()

    def occupy(self, event: CallEvent) -> int:
        """See `ports.Journal`."""
        journal = self.journal or self._made()
        return -1 if journal is None else journal.occupy(event)

    def rename(self, slot: int, before: str, after: str) -> None:
        """See `ports.Journal`."""
        if self.journal is not None:
            self.journal.rename(slot, before, after)

    def vacate(self, slot: int) -> None:
        """See `ports.Journal`."""
        if self.journal is not None:
            self.journal.vacate(slot)

    # --- life

    def make(self) -> None:
        """Make the journal now.

        Raises:
            LedgerError: the directory cannot be used.
        """
        with self._lock:
            self._making = threading.get_ident()
            try:
                if self.journal is None:
                    journal = Journal(self._directory, durability=self._durability)
                    self.writer = Writer(
                        journal,
                        self._open_ledger,
                        interval=self._interval,
                        batch_size=self._batch_size,
                        retention_days=self._retention_days,
                        alarm=self._alarm,
                    )
                    self.journal = journal
            finally:
                self._making = 0
        self._drain()

    def flush(self, timeout: float) -> bool:
        """Wait until everything appended before this call is in the ledger; False when that took too long."""
        if self._waiting:
            self._tried_at = -_RETRY_NS  # whoever waits for the ledger wants a try now
            self._made()
        if self.writer is None:
            return not self._waiting
        return self.writer.flush(timeout)

    def close(self, timeout: float) -> bool:
        """Flush, stop the writer and release the journal; a later event makes a new one."""
        with self._lock:
            writer, journal = self.writer, self.journal
            self.writer = self.journal = None
        done = True if writer is None else writer.shutdown(timeout)
        if journal is not None:
            journal.close()
        return done

    def leave_in_child(self) -> None:
        """After a fork: the journal, the writer and what waits belong to the parent."""
        if self.writer is not None:
            self.writer.leave_in_child()
        if self.journal is not None:
            self.journal.leave_in_child()
        self._waiting.clear()
        self._renew()

    def _made(self) -> Journal | None:
        """The journal, made now if that may be tried; None when it cannot be had at this moment."""
        now = time.monotonic_ns()
        if self._making == threading.get_ident() or now - self._tried_at < _RETRY_NS:
            return self.journal
        self._tried_at = now
        contained("journal", self.make)
        if self.journal is not None:
            self._tried_at = -_RETRY_NS
        return self.journal

    def _wait(self, event: CallEvent) -> None:
        if len(self._waiting) >= _WAITING_AT_MOST:
            self.dropped += 1
            report("event dropped", MemoryError("no journal could be made, and the waiting room is full"))
            self._tell_dropped()
            return
        self._waiting.append(event)

    def _tell_dropped(self) -> None:
        journal = self.journal
        count = self.dropped + (0 if journal is None else journal.health().dropped)
        if count and self._alarm is not None:
            contained("alert", self._alarm.tell, JOURNAL, problem="dropped", count=count)

    def _drain(self) -> None:
        while self._waiting and self.journal is not None:
            self.append(self._waiting.popleft())
