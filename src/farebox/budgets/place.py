"""Where a process keeps its standing budgets: the rows of the program, and the store that they are counted in. Imports config and the budgets' own parts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from farebox.budget_settings import BudgetRow
from farebox.budgets.memory_store import MemoryBudgetStore
from farebox.budgets.owner import this_process
from farebox.budgets.standing import StandingBudgets
from farebox.budgets.store import BudgetStore
from farebox.config import Settings


class ProgramBudgets:
    """What outlives a `configure`: the rows that the program has set, and what is counted in memory."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: dict[str, BudgetRow] = {}
        self.memory = MemoryBudgetStore()


class BudgetPlace:
    """The standing budgets of one set of settings.

    Args:
        path: the file of the store; made when it is first asked for.
        settings: their rows, their time zone, and whether they are counted in memory instead.
        program: the rows of the program, which win over those of the settings.
        opened: opens a file so that a fork waits for it; given what makes the store, returns it.

    Attributes:
        path: as given.
        standing: the budgets in force.
        alone: whether they are counted in the memory of this process.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        program: ProgramBudgets,
        opened: Callable[[Callable[[], BudgetStore]], BudgetStore],
    ) -> None:
        self.path = path
        self._program = program
        self._opened = opened
        self._timeout = settings.gate_timeout
        self.alone = settings.budget_store == "memory"
        self._store: BudgetStore | None = None
        if self.alone:
            self._store = opened(lambda: program.memory)
        rows = [*settings.budgets, *program.rows.values()]
        self.standing = StandingBudgets(rows, store=self.store, stored=self.is_there, zone=settings.time_zone)

    def store(self) -> BudgetStore:
        """Where they are counted."""
        return self._store or self._opened(self._make)

    def set(self, rows: Callable[[dict[str, BudgetRow]], list[BudgetRow]]) -> None:
        """Set budgets of the program; `rows` is given those set so far, by name."""
        with self._program.lock:
            for row in rows(dict(self._program.rows)):
                self._program.rows[row.name] = row
                self.standing.set(row)

    @property
    def address(self) -> str:
        """Where the store is; in memory, whose."""
        return f"the memory of process {this_process()}" if self.alone else os.path.realpath(self.path)

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        if self._store is not None:
            self._store.close()

    def _make(self) -> BudgetStore:
        if self._store is None:
            from farebox.budgets.sqlite_store import SQLiteBudgetStore

            self._store = SQLiteBudgetStore(self.path, busy_timeout=self._timeout)
        return self._store

    def is_there(self) -> bool:
        """Whether there is a store already."""
        return self._store is not None or self.path.exists()
