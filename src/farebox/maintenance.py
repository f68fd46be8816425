"""The second background thread: work that can wait, never in the writer's way. May import pricing, price_settings and core.

It sends alerts, and does what is due once an hour. It runs only where something needs it, and a fault in it is said once and changes nothing for the program.
"""

from __future__ import annotations

import _thread
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from farebox.core.guard import attempt, contained, logger
from farebox.price_settings import PriceSettings
from farebox.pricing import freshness, installed, shelf

Job = Callable[[], object]
Errand = Callable[[], float | None]
Bell: TypeAlias = "queue.SimpleQueue[None]"

ROUND: Final = 3600.0
"""Seconds between two looks at what is to be done."""

WEEK: Final = 7 * 86_400.0
DAY: Final = 86_400.0


class Maintenance:
    """Runs jobs one after the other, each round.

    Args:
        jobs: what to do in each round; none: no thread is ever started.
        pause: seconds between rounds.
        errand: done whenever `wake` is called, and again after as many seconds as it returns; None: at the next `wake`.
    """

    def __init__(self, jobs: Sequence[Job], *, pause: float = ROUND, errand: Errand | None = None) -> None:
        self._errand = errand
        self._jobs = tuple(jobs)
        self._pause = pause
        self._asked = self._started = False
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self._bell: Bell = queue.SimpleQueue()

    def start(self) -> None:
        """Start the thread, if there is anything to do and it does not run."""
        with self._lock:
            if not self._jobs or self._started:
                return
            self._asked = True
            self._start()

    def _start(self) -> None:
        self._started = True
        self._stop, self._ended = threading.Event(), threading.Event()
        self._bell = queue.SimpleQueue()  # each thread has its own: one that is to end hears its last ring
        # Not threading.Thread, which carries the scope of whoever starts it (see instruments.threads).
        _thread.start_new_thread(self._run, (self._stop, self._ended, self._bell))

    def wake(self) -> None:
        """Have the errand done soon. Takes no lock that whoever calls could be interrupting, as finalisers do."""
        if not self._started and self._lock.acquire(blocking=False):
            try:
                if not self._started:
                    self._start()
            except RuntimeError:  # the interpreter is ending: whoever closes does the errand
                self._started = False
            finally:
                self._lock.release()
        self._bell.put(None)

    def close(self, timeout: float = 0.0) -> bool:
        """End the thread after the job that it is at; False when that took longer than `timeout` seconds."""
        with self._lock:
            self._asked = self._started = False
            self._stop.set()
            self._bell.put(None)
        return self._ended.wait(timeout)

    def leave_in_child(self) -> None:
        """After a fork: the thread is the parent's, and the child gets one of its own."""
        asked, self._started = self._asked, False
        self._renew()
        if asked:
            self.start()

    def _run(self, stop: threading.Event, ended: threading.Event, bell: Bell) -> None:
        try:
            due = time.monotonic()
            while not stop.is_set():
                if time.monotonic() >= due:
                    for job in self._jobs:
                        contained("maintenance", job)
                    due = time.monotonic() + self._pause
                again = None if self._errand is None else contained("maintenance", self._errand)
                if not stop.is_set():
                    _sleep(bell, due if again is None else min(due, time.monotonic() + again))
        finally:
            ended.set()


def _sleep(bell: Bell, until: float) -> None:
    """Sleep until then, or until the bell rings; how often it rang does not matter."""
    with contextlib.suppress(queue.Empty):
        bell.get(timeout=max(0.0, until - time.monotonic()))
        while True:
            bell.get_nowait()


def price_jobs(settings: PriceSettings | None, changed: Callable[[], object]) -> tuple[Job, ...]:
    """What is to be done about prices.

    Args:
        settings: the table `prices`.
        changed: called when other prices came into force.
    """
    if settings is None or settings.auto_update != "weekly":
        return ()
    return (PriceUpdates(settings, changed),)


class PriceUpdates:
    """Fetches newer prices once a week, whichever process of the user's does it, and takes over what another one fetched.

    Args:
        settings: where from, and whether the newest book is in force here.
        changed: called when other prices came into force.
    """

    def __init__(self, settings: PriceSettings, changed: Callable[[], object]) -> None:
        self._settings = settings
        self._changed = changed

    def __call__(self) -> None:
        """One look."""
        now = time.time()
        last = shelf.checked_at()
        if last is None or not now - WEEK < last <= now:
            # Before the attempt, so that of many processes one fetches.
            shelf.mark_checked(now)
            if not attempt(self._update, on_error=self._failed):
                shelf.mark_checked(now - WEEK + DAY)
        if installed.refresh():
            self._changed()

    def _update(self) -> bool:
        from farebox.pricing import update

        done = update.update(self._settings.source, today=freshness.today())
        if done.stored is not None:
            logger.info("farebox has new prices of %s: %d prices changed", done.as_of, len(done.changed))
            self._changed()
        if done.quarantined:
            logger.warning(
                "farebox does not believe %d new prices that jump (%s): farebox prices update shows and accepts them.",
                len(done.quarantined),
                ", ".join(sorted({f"{row.provider}/{row.model}" for row in done.quarantined})[:5]),
            )
        return True

    @staticmethod
    def _failed(error: Exception) -> bool:
        logger.warning("farebox could not fetch newer prices, and will try again tomorrow: %s", error)
        return False
