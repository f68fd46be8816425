"""Panels' answers, each computed once for all tabs that ask the same of the same version of the ledger. Imports core and the dashboard's parts."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from farebox.dashboard.panels import panel_named
from farebox.dashboard.pulse import Pulse
from farebox.dashboard.question import Question
from farebox.dashboard.sources import Sources
from farebox.reports.report import Table

KEPT: Final = 256
"""Answers that are kept at most: a dashboard asks ten questions, a filter more."""

FRESH: Final = 10.0
"""Seconds for which an answer holds while the ledger does not change: ranges move on with the clock."""


LONG: Final = 1.0
REST: Final = 4
"""One that took more than a second holds so many times as long as it took, also when the ledger changes: one that reads millions of calls must not be all that is done."""

READERS: Final = 4
"""Questions that are answered at the same time: a ledger answers one at a time, and one that reads every call would hold up the others."""


class _Answer:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version = -1
        self.made = 0.0
        self.took = 0.0
        self.table: Table | None = None

    def holds(self, version: int, now: float) -> bool:
        """Whether it need not be computed anew."""
        age = now - self.made
        tired = self.took > LONG and age < REST * self.took
        return tired or (self.version == version and age <= FRESH)


class Answers:
    """Tables by panel and question.

    Args:
        sources: what panels read.
        pulse: tells whether an answer still holds.
    """

    def __init__(self, sources: Sources, pulse: Pulse) -> None:
        self._pulse = pulse
        # The last one that came back goes out first: as a rule one is enough, and the others stay closed.
        self._free: queue.LifoQueue[Sources] = queue.LifoQueue()
        for _ in range(READERS):
            self._free.put(sources.another())
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, Question], _Answer] = OrderedDict()

    def table(self, panel: str, asked: Question) -> tuple[Table, bool]:
        """The panel's answer, and whether the ledger has changed since.

        Raises:
            ConfigurationError: there is no such panel, or it cannot answer this question.
            LedgerError: the ledger cannot be read.
        """
        compute = panel_named(panel)
        answer = self._place(panel, asked)
        with answer.lock:
            version = self._pulse.version()
            now = time.monotonic()
            if answer.table is None or not answer.holds(version, now):
                with self._lent() as sources:
                    table: Table = compute(sources, asked)
                answer.table, answer.version, answer.made, answer.took = table, version, now, time.monotonic() - now
            return answer.table, answer.version != version

    def close(self) -> None:
        """Close the ledgers; the next question opens one again."""
        for reader in list(self._free.queue):
            reader.close()

    @contextlib.contextmanager
    def _lent(self) -> Iterator[Sources]:
        sources = self._free.get()
        try:
            yield sources
        finally:
            self._free.put(sources)

    def _place(self, panel: str, asked: Question) -> _Answer:
        with self._lock:
            answer = self._kept.setdefault((panel, asked), _Answer())
            self._kept.move_to_end((panel, asked))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return answer
