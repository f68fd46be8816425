"""The standing budgets that a dashboard shows: those of the settings and of the file beside the ledger, read and never booked. May import the runtime and below."""

from __future__ import annotations

import os

import msgspec

from farebox import runtime
from farebox.budget_settings import BudgetRow
from farebox.budgets.matching import Standing
from farebox.budgets.place import BudgetPlace, ProgramBudgets
from farebox.budgets.status import BudgetStatus, status
from farebox.budgets.store import BudgetStore
from farebox.ledger.locate import budgets_path


class ShownBudgets:
    """The budgets beside a ledger.

    Args:
        ledger: path of the ledger; None: that of the settings, with what this process's program has set.
    """

    def __init__(self, ledger: str | os.PathLike[str] | None) -> None:
        self._ledger = ledger
        self._other: BudgetPlace | None = None

    def rows(self) -> list[Standing]:
        """Every budget in force somewhere, by name: of the settings, of programs, or set by command."""
        settings, store = runtime.current().settings, self._store()
        rows = {row.name: row for row in settings.budgets}
        for kept in store.kept() if store is not None else ():
            if kept.binding or kept.name not in rows:
                rows[kept.name] = msgspec.json.decode(kept.row, type=BudgetRow)
        return [Standing(rows[name], settings.time_zone) for name in sorted(rows)]

    def status(self, now: int) -> list[BudgetStatus]:
        """How they stand, bucket by bucket. Holds of dead processes are left to those who may write.

        Args:
            now: nanoseconds UTC.

        Raises:
            LedgerError: the file cannot be read.
        """
        return status(self.rows(), self._store(), now)

    def _store(self) -> BudgetStore | None:
        """Where they are counted; None where nothing ever was, so that looking makes no file."""
        place = self._place()
        there = runtime.current().settings.budget_store == "memory" or place.path.exists()
        return place.store() if there else None

    def _place(self) -> BudgetPlace:
        here = runtime.current()
        if self._ledger is None or budgets_path(self._ledger) == here.budgets.path:
            return here.budgets
        if self._other is None:
            self._other = BudgetPlace(budgets_path(self._ledger), here.settings, ProgramBudgets(), lambda make: make())
        return self._other
