"""Standing budgets: the rows in force in this process, and which of them a call falls under. Imports core, budget_settings and its neighbours here.

They hold across calls, threads and processes: what they have spent is in a store. A call that none of them matches asks no store.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from farebox.budget_settings import BudgetRow
from farebox.budgets.books import HOLD, Books, Bucket
from farebox.budgets.matching import Match, Standing
from farebox.budgets.store import BudgetStore, Kept
from farebox.core.context import Attribution
from farebox.core.event import CallRequest
from farebox.core.guard import attempt

LOOK: Final = 30 * 10**9
"""Nanoseconds between two looks at the rows that `farebox budgets set` has written."""


class StandingBudgets(Books):
    """The rows in force in this process, over one store.

    Args:
        rows: those of the settings, then those of the program; of one name the last counts.
        store: makes the store, or gives the one that is made.
        stored: whether a store is there that other processes may have written rows to.
        zone: the time zone of windows that name none.
        hold: nanoseconds after which a hold is charged.

    Attributes:
        active: the rows in force.
        is_strict: whether one of them is strict.
    """

    def __init__(
        self,
        rows: Sequence[BudgetRow],
        *,
        store: Callable[[], BudgetStore],
        stored: Callable[[], bool],
        zone: str = "UTC",
        hold: int = HOLD,
    ) -> None:
        super().__init__(store=store, hold=hold)
        self._stored = stored
        self._zone = zone
        self._own = {row.name: Standing(row, zone) for row in rows}
        self._bound: dict[str, Standing] = {}
        self._next_look = 0
        self._shown: dict[str, BudgetRow] = {}
        self.active: tuple[Standing, ...] = ()
        self.is_strict = False
        self._choose()

    def set(self, row: BudgetRow) -> None:
        """Put a row of the program in force, in place of the one of its name."""
        self._own = {**self._own, row.name: Standing(row, self._zone)}
        self._choose()

    def concern(self, now: int) -> bool:
        """Whether there is anything to ask for a call that is opened now."""
        return bool(self.active) or now >= self._next_look

    def matching(self, request: CallRequest, attribution: Attribution, now: int) -> list[Match]:
        """The budgets that a call falls under, in the order in which they are booked: by name, the same in every process."""
        unread = None
        if now >= self._next_look:
            unread = attempt(self.look, now, on_error=_as_it_is)
        found = [standing.falls(request, attribution) for standing in self.active]
        matches = [match for match in found if match is not None]
        if unread is not None and not matches:
            raise unread  # with a match, the reserve that follows says whether the store fails, and remembers the call
        return matches

    def look(self, now: int) -> None:
        """Read the rows that bind every process."""
        self._next_look = now + LOOK
        if self._bound or self._stored():
            rows = [kept for kept in self.ask(lambda store: store.kept()) if kept.binding]
            self._bound = {
                kept.name: Standing(msgspec.json.decode(kept.row, type=BudgetRow), self._zone) for kept in rows
            }
            self._choose()

    def _show(self, buckets: Sequence[Bucket]) -> None:
        """Write rows of this program down when they are first used, so that `farebox budgets` can show them."""
        super()._show(buckets)
        for match in buckets:
            if isinstance(match, Match) and self._shown.get(match.name) is not match.standing.row:
                row = self._shown[match.name] = match.standing.row
                kept = Kept(row.name, msgspec.json.encode(row).decode(), binding=False)
                self.ask(functools.partial(_keep, kept))

    def _choose(self) -> None:
        """What binds every process wins over what this one says."""
        rows = {**self._own, **self._bound}
        self.active = tuple(rows[name] for name in sorted(rows))
        self.is_strict = any(standing.row.strength == "strict" for standing in self.active)


def _as_it_is(error: Exception) -> Exception:
    return error


def _keep(kept: Kept, store: BudgetStore) -> None:
    store.keep(kept)
