"""Tells how much is spent of standing budgets, after calls were booked in them. Imports core and its neighbours here.

The store is read in the maintenance thread and not on the way of a call; what was booked meanwhile is told together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from farebox.budgets.standing import Match
from farebox.budgets.store import BudgetStore
from farebox.core.ports import Alarm

_PAUSE_NS: Final = 500_000_000
"""Nanoseconds between two times that the thread is woken."""
_MILLION: Final = 1_000_000


class Booked:
    """The buckets that were booked in since the last look.

    Args:
        store: where they are counted.
        wake: has `tell` called soon, in another thread.
    """

    def __init__(self, store: Callable[[], BudgetStore], wake: Callable[[], object]) -> None:
        self._store = store
        self._wake = wake
        self._matches: dict[tuple[str, str], Match] = {}
        self._next_wake = 0

    def note(self, matches: Sequence[Match], now: int) -> None:
        """A call was booked. Takes no lock: it may be a finaliser's."""
        for match in matches:
            if match.standing.row.alert_at:
                self._matches[match.standing.name, match.bucket] = match
        if self._matches and now >= self._next_wake:
            self._next_wake = now + _PAUSE_NS
            self._wake()

    def tell(self, alarm: Alarm, now: int) -> float | None:
        """Tell what is spent of them.

        Returns:
            Seconds after which to look again: what is booked from now on wakes nobody for a moment.
        """
        matches, self._matches = self._matches, {}
        for match in matches.values():
            standing = match.standing
            _, since, _ = standing.window.place(now)
            readings = self._store().read(standing.name, standing.terms, since)
            spent = next((reading.spent for reading in readings if reading.bucket == match.bucket), 0)
            alarm.spent(
                standing.name,
                match.bucket,
                since,
                match.limit,
                spent,
                alert_at=tuple(sorted(round(share * _MILLION) for share in standing.row.alert_at)),
                unit=standing.row.unit,
                tenant_id=match.bucket or None if standing.row.per == "tenant_id" else None,
            )
        return _PAUSE_NS / 1e9 if matches else None
