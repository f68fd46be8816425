"""The one background thread that moves the journal into the ledger. May import journal and ledger.

It keeps no position of its own: each round begins at the mark that the ledger committed with the last one. Killed anywhere, or
given a ledger that was restored or replaced, it goes on where that ledger is.
"""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from farebox.core import guard
from farebox.core.alert import JOURNAL
from farebox.core.errors import LedgerError
from farebox.core.ports import Alarm, Ledger
from farebox.journal.journal import Journal
from farebox.journal.layout import Mark
from farebox.sinks.adopt import adopt
from farebox.sinks.cooperative import offload

_LONGEST_PAUSE: Final = 30.0
"""Seconds between tries at most, while the ledger cannot be written."""
_ADOPTION_NS: Final = 60_000_000_000
"""Between two looks for journals of dead processes: workers that ended without a word, a program that was killed."""
_DAY_NS: Final = 86_400_000_000_000


class WriterHealth(msgspec.Struct, frozen=True):
    """What the writer has done so far.

    Attributes:
        ingested: events that the ledger stored.
        failures: rounds that failed; their events are still in the journal.
        last_error: what the last failed round met; None since a round succeeded.
        alive: whether the thread runs.
    """

    ingested: int
    failures: int
    last_error: str | None
    alive: bool


class Writer:
    """Moves events from a journal to a ledger, in batches.

    Args:
        journal: where events come from.
        open_ledger: opens the ledger; called in the writer's thread when the first event is there.
        interval: seconds between rounds.
        batch_size: events in one transaction at most.
        retention_days: days that single calls are kept; 0: for ever.
        alarm: told of lines that cannot be read.
    """

    def __init__(
        self,
        journal: Journal,
        open_ledger: Callable[[], Ledger],
        *,
        interval: float = 0.25,
        batch_size: int = 500,
        retention_days: int = 0,
        alarm: Alarm | None = None,
    ) -> None:
        self._alarm = alarm
        self._journal = journal
        self._open_ledger = open_ledger
        self._interval = interval
        self._batch_size = batch_size
        self._retention_ns = retention_days * _DAY_NS
        self._retained_at = -_DAY_NS
        self._adopted_at = -_ADOPTION_NS
        self._ledger: Ledger | None = None
        self._ingested = self._failures = self._failed_in_row = 0
        self._last_error: str | None = None
        self._renew()

    def _renew(self) -> None:
        self._started = False
        self._starting = threading.Lock()
        self._moving = threading.Lock()
        self._stopped = False
        self._asked = threading.Event()
        self._progress = threading.Condition()
        self._reached = Mark(0, 0)
        self._journal_id = self._journal.id

    def wake(self) -> None:
        """See that the thread runs: called after each append, also by finalisers. It then looks at the journal by itself."""
        if self._started:
            return
        # No blocking lock, and no threading.Thread, whose start takes one that a finaliser may be interrupting.
        if self._starting.acquire(blocking=False):
            try:
                self._started = not self._stopped
                if self._started:
                    _thread.start_new_thread(self._run, ())
            except RuntimeError:  # the interpreter is ending: what is in the journal is ingested by flush, or adopted
                self._started = False
            finally:
                self._starting.release()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything that was appended before this call is committed.

        Returns:
            False when that took longer than `timeout` seconds; the events are safe in the journal.
        """
        deadline = time.monotonic() + timeout
        target = self._journal.end()
        self._reached = Mark(0, 0)  # the ledger may have been replaced since it was last asked
        self.wake()
        if not self._started:
            return self._flush_here(target, deadline)
        with self._progress:
            while self._reached < target and self._started:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._asked.set()
                # In short waits: the thread may have died with the interpreter half gone, and would never notify.
                self._progress.wait(min(left, 0.5))
        return self._reached >= target or self._flush_here(target, deadline)

    def _flush_here(self, target: Mark, deadline: float) -> bool:
        """Move in the calling thread, because there is no other."""
        while True:
            guard.attempt(self._round, on_error=self._failed)
            if self._reached >= target:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, max(self._interval, 0.01)))

    def shutdown(self, timeout: float = 5.0) -> bool:
        """Flush, stop the thread, make the ledger safe and close it.

        Returns:
            Whether everything is in the ledger. What is not waits in the journal to be adopted.
        """
        deadline = time.monotonic() + timeout
        done = self.flush(timeout)
        self._stopped = True
        with self._progress:
            while self._started and (left := deadline - time.monotonic()) > 0:
                self._asked.set()
                self._progress.wait(left)
        if self._moving.acquire(timeout=max(0.0, deadline - time.monotonic()) + 0.01):
            try:
                guard.contained("writer", self._finish)
            finally:
                self._moving.release()
        return done

    def health(self) -> WriterHealth:
        """Counts since the start of the process."""
        return WriterHealth(
            ingested=self._ingested,
            failures=self._failures,
            last_error=self._last_error,
            alive=self._started,
        )

    def leave_in_child(self) -> None:
        """Forget, in a forked child, the parent's thread and its ledger, which had to be closed before the fork."""
        self._ledger = None
        self._renew()
        self._stopped = True

    # --- the thread

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._asked.wait(self._pause())
                self._asked.clear()
                guard.attempt(self._round, on_error=self._failed)
        finally:
            with self._progress:
                self._started = False
                self._progress.notify_all()

    def _pause(self) -> float:
        pause: float = self._interval * 2 ** min(self._failed_in_row, 16)
        return min(pause, max(_LONGEST_PAUSE, self._interval))

    def _round(self) -> None:
        """Move what the journal has, if it has anything new."""
        if self._journal.id != self._journal_id:
            self._journal_id, self._reached = self._journal.id, Mark(0, 0)
        if self._reached < self._journal.end():
            with self._moving:
                self._move_all()
        elif self._ledger is not None:
            with self._moving:
                self._tidy(self._ledger)
        self._failed_in_row = 0
        self._last_error = None

    def _move_all(self) -> None:
        if self._ledger is None:
            self._ledger = offload(self._open_ledger)
        target = self._journal.end()
        mark = self._mark(self._ledger)
        while mark < target:
            batch = self._journal.read(mark, limit=self._batch_size)
            if batch.mark <= mark:
                raise LedgerError(
                    f"journal {self._journal.id} in {self._journal.directory} has lost its files: events are gone"
                )
            self._ingested += offload(
                self._ledger.ingest,
                batch.events,
                journal=self._journal_id,
                segment=batch.mark.segment,
                offset=batch.mark.offset,
            )
            missing = self._journal.ingested(batch)
            if batch.damaged:
                self._tell("damaged", self._journal.health().damaged)
            if missing > batch.damaged_lines:  # more than the damage that was found
                self._tell("dropped", self._journal.health().dropped)
            if self._journal.releasable(batch.mark) and offload(self._ledger.checkpoint):
                self._journal.release(batch.mark)
            # Asked, not assumed: a ledger that was replaced meanwhile begins anew.
            mark = self._mark(self._ledger)

    def _tell(self, problem: str, count: int) -> None:
        if self._alarm is not None:
            guard.contained("alert", self._alarm.tell, JOURNAL, problem=problem, count=count)

    def _tidy(self, ledger: Ledger) -> None:
        """What can wait for an idle round: journals of dead processes once a minute, and retention once a day, step by step."""
        now = time.monotonic_ns()
        if now - self._adopted_at >= _ADOPTION_NS:
            self._adopted_at = now
            adopted = guard.contained("adoption", offload, adopt, self._journal.directory, ledger)
            if adopted is not None and self._alarm is not None:
                adopted.tell(self._alarm)
        elif (
            self._retention_ns
            and now - self._retained_at >= _DAY_NS
            and not offload(ledger.retain, time.time_ns() - self._retention_ns)
        ):
            self._retained_at = now  # nothing is left of this day's

    def _mark(self, ledger: Ledger) -> Mark:
        mark = Mark(*offload(ledger.mark, self._journal_id))
        with self._progress:
            self._reached = mark
            self._progress.notify_all()
        return mark

    def _finish(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is None:
            return
        mark = Mark(*offload(ledger.mark, self._journal.id))
        if offload(ledger.checkpoint):
            self._journal.release(mark)
            if mark >= self._journal.end() and not self._journal.health().occupied:
                offload(ledger.forget, self._journal.id)
        offload(ledger.close)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._failed_in_row += 1
        self._last_error = f"{type(error).__name__}: {error}"
        guard.report("writer", error)
