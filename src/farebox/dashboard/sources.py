"""What panels read from: the ledger, opened when it is first asked, and the standing budgets beside it. May import the runtime and below.

Nothing is written. A ledger that is not there yet, or for the moment, is an error of that one question: the next one looks again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from farebox.core.ports import Ledger
from farebox.dashboard.standing import ShownBudgets

Clock = Callable[[], int]


class Sources:
    """Where a dashboard reads.

    Args:
        path: of the ledger, beside which budgets and bills lie.
        opening: opens the ledger to read; raises `LedgerError` where it cannot.
        budgets: the standing budgets.
        clock: nanoseconds UTC.
        zone: time zone of days where a view names none.

    Attributes:
        path: as given.
        budgets: as given.
        clock: as given.
        zone: as given.
    """

    def __init__(
        self, path: Path, opening: Callable[[], Ledger], *, budgets: ShownBudgets, clock: Clock, zone: str
    ) -> None:
        self.path = path
        self._opening = opening
        self._lock: Final = threading.Lock()
        self._ledger: Ledger | None = None
        self.budgets = budgets
        self.clock = clock
        self.zone = zone

    @property
    def ledger(self) -> Ledger:
        """The ledger; one that was replaced by another file is left for the new one by its engine.

        Raises:
            LedgerError: there is none, or it cannot be read; the message names the remedy.
        """
        with self._lock:
            if self._ledger is None:
                self._ledger = self._opening()
            return self._ledger

    def another(self) -> Sources:
        """The same with a ledger of its own."""
        return Sources(self.path, self._opening, budgets=self.budgets, clock=self.clock, zone=self.zone)

    def close(self) -> None:
        """Close the ledger; the next question opens it again."""
        with self._lock:
            ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()
