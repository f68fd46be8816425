"""Standing budgets: which of them a call falls under, and one reserve over all of those. Imports core, budget_settings and the port.

They hold across calls, threads and processes: what they have spent is in a store. A call that none of them matches asks no store.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from farebox.budget_settings import BudgetRow
from farebox.budgets.owner import is_dead, this_process
from farebox.budgets.refusal import refusal
from farebox.budgets.store import UNITS, BudgetStore, Draw, Kept, bounded
from farebox.core.context import Attribution
from farebox.core.event import CallRequest
from farebox.core.guard import attempt
from farebox.core.windows import Window

HOLD: Final = 3600 * 10**9
"""Nanoseconds after which a hold that nobody settled is charged. A call that takes longer is put right when it ends."""

LOOK: Final = 30 * 10**9
"""Nanoseconds between two looks at the rows that `farebox budgets set` has written."""

SWEEP: Final = 60 * 10**9
"""Nanoseconds between two looks for holds of dead processes."""

_UNSETTLED_AT_MOST: Final = 100_000
"""Settlements that wait for a store which does not answer; older ones are charged what they hold."""


class Standing:
    """One row in force."""

    __slots__ = ("_match", "_per", "name", "row", "terms", "window")

    def __init__(self, row: BudgetRow, zone: str) -> None:
        self.row = row
        self.name = row.name
        self.window = Window(row.window, zone)
        self.terms = "/".join((row.unit, self.window.text, row.per or ""))
        self._per = None if row.per is None else _Dimension(row.per)
        self._match = [(_Dimension(name), _values(values)) for name, values in row.match.items()]

    def falls(self, request: CallRequest, attribution: Attribution) -> Match | None:
        """The bucket that a call falls into, or None."""
        for dimension, (exact, beginnings) in self._match:
            value = dimension.of(request, attribution)
            if value is None or (value not in exact and not value.startswith(beginnings)):
                return None
        bucket = "" if self._per is None else self._per.of(request, attribution) or ""
        limit = self.limit_of(bucket)
        return None if limit is None else Match(self, bucket, limit)

    def limit_of(self, bucket: str) -> int | None:
        """The limit of a bucket, or None when it has none."""
        return self.row.overrides.get(bucket, self.row.limit)


class Match(msgspec.Struct, frozen=True, gc=False):
    """A budget that a call falls under, and its bucket there."""

    standing: Standing
    bucket: str
    limit: int

    @property
    def bounds_money(self) -> bool:
        """Whether it refuses what costs too much, and so must know costs."""
        return self.standing.row.strength == "hard" and self.standing.row.unit == "usd"

    def draw(self, amounts: Mapping[str, int], at: int, *, refusing: bool) -> Draw:
        """What a call takes of it, in the piece of a moment."""
        standing = self.standing
        piece, since, until = standing.window.place(at)
        unit = standing.row.unit
        limit = self.limit if refusing and standing.row.strength == "hard" else None
        return Draw(
            standing.name, standing.terms, self.bucket, piece, since, until, unit, bounded(amounts[unit]), limit
        )


class StandingBudgets:
    """The rows in force in this process, over one store. Safe for threads, and for finalisers that interrupt it.

    Args:
        rows: those of the settings, then those of the program; of one name the last counts.
        store: makes the store, or gives the one that is made.
        stored: whether a store is there that other processes may have written rows to.
        zone: the time zone of windows that name none.
        hold: nanoseconds after which a hold is charged.

    Attributes:
        active: the rows in force.
        booked: called with what a call was booked in, and when.
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
        self._store = store
        self._stored = stored
        self._zone = zone
        self._hold = hold
        self._own = {row.name: Standing(row, zone) for row in rows}
        self._bound: dict[str, Standing] = {}
        self._next_look = self._next_sweep = 0
        self._unheld: dict[str, list[Draw]] = {}
        self._shown: dict[str, BudgetRow] = {}
        self._finished: deque[Callable[[BudgetStore], object]] = deque(maxlen=_UNSETTLED_AT_MOST)
        self._thread = threading.local()
        self._held: dict[str, Sequence[Match]] = {}
        self.booked: Callable[[Sequence[Match], int], object] = _nothing
        self.active: tuple[Standing, ...] = ()
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
            rows = [kept for kept in self._ask(lambda store: store.kept()) if kept.binding]
            self._bound = {
                kept.name: Standing(msgspec.json.decode(kept.row, type=BudgetRow), self._zone) for kept in rows
            }
            self._choose()

    def reserve(
        self, hold: str, matches: Sequence[Match], amounts: Mapping[str, int], *, now: int, refusing: bool = True
    ) -> None:
        """Hold what a call will probably take of every budget that it falls under, or of none.

        Args:
            hold: id of the hold.
            matches: of `matching`.
            amounts: by unit.
            now: nanoseconds UTC.
            refusing: False: it cannot be refused any more, and is only counted.

        Raises:
            BudgetExceeded: a hard budget cannot pay it.
            LedgerError: the store failed.
        """
        draws = [match.draw(amounts, now, refusing=refusing) for match in matches]
        self._unheld[hold] = draws
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP
            self.sweep(now)
        self._show(matches)
        denied = self._ask(
            lambda store: store.reserve(hold, draws, owner=this_process(), now=now, expires_at=now + self._hold)
        )
        del self._unheld[hold]
        self._held[hold] = matches
        if denied is not None:
            del self._held[hold]
            raise refusal(matches[denied.place].standing, draws[denied.place], denied)

    def is_unheld(self, hold: str) -> bool:
        """Whether the store failed when it was asked to hold this; `settle` books it all the same."""
        return hold in self._unheld

    def settle(self, hold: str, actual: Mapping[str, int | None], *, now: int) -> None:
        """Replace a hold by what the call took; None: nobody knows. A store that fails is asked again by whoever comes next."""
        unheld, matches = self._unheld.pop(hold, None), self._held.pop(hold, ())
        if unheld is not None:
            took = [_took(draw, actual.get(draw.unit)) for draw in unheld]
            self._finish(functools.partial(_book, hold, took, 1, now))
            return
        self._finish(functools.partial(_settle, hold, actual, now))
        self.booked(matches, now)

    def release(self, hold: str, *, now: int) -> None:
        """Give a hold back: nothing was sent."""
        self._held.pop(hold, None)
        if self._unheld.pop(hold, None) is None:
            self._finish(functools.partial(_release, hold, now))

    def charge(
        self, booking: str, matches: Sequence[Match], amounts: Mapping[str, int], *, calls: int, at: int
    ) -> None:
        """Book what was paid already, in the window of a moment."""
        draws = [match.draw(amounts, at, refusing=False) for match in matches]
        self._show(matches)
        self._finish(functools.partial(_book, booking, draws, calls, at))
        self.booked(matches, at)

    def sweep(self, now: int) -> int:
        """Charge the holds of dead processes. Returns how many there were."""
        charged: int = self._ask(lambda store: store.expire(now, is_dead))
        return charged

    # --- asking the store

    def _finish(self, work: Callable[[BudgetStore], object]) -> None:
        self._finished.append(work)
        # A finaliser that interrupts this very thread inside the store must not enter it again: whoever comes next books it.
        if not getattr(self._thread, "inside", False):
            self._ask(lambda store: None)  # noqa: ARG005 - what has finished is booked before every question

    def _ask(self, question: Callable[[BudgetStore], Any]) -> Any:
        if getattr(self._thread, "inside", False):
            raise RuntimeError("a finaliser made a paid call while its own thread was inside the budget store")
        store = self._store()
        self._thread.inside = True
        try:
            while self._finished:
                try:
                    work = self._finished.popleft()
                except IndexError:  # another thread took the last one
                    break
                try:
                    work(store)
                except BaseException:
                    self._finished.appendleft(work)
                    raise
            return question(store)
        finally:
            self._thread.inside = False

    def _show(self, matches: Sequence[Match]) -> None:
        """Write rows of this program down when they are first used, so that `farebox budgets` can show them."""
        for match in matches:
            row = match.standing.row
            if self._shown.get(row.name) is not row:
                self._shown[row.name] = row
                kept = Kept(row.name, msgspec.json.encode(row).decode(), binding=False)
                self._ask(functools.partial(_keep, kept))

    def _choose(self) -> None:
        """What binds every process wins over what this one says."""
        rows = {**self._own, **self._bound}
        self.active = tuple(rows[name] for name in sorted(rows))


def _nothing(_matches: Sequence[Match], _now: int) -> None:
    """Nobody wants to know."""


def _as_it_is(error: Exception) -> Exception:
    return error


def _took(draw: Draw, actual: int | None) -> Draw:
    return draw if actual is None else msgspec.structs.replace(draw, amount=bounded(actual))


def _settle(hold: str, actual: Mapping[str, int | None], now: int, store: BudgetStore) -> None:
    store.settle(hold, actual, now=now)


def _release(hold: str, now: int, store: BudgetStore) -> None:
    store.settle(hold, dict.fromkeys(UNITS, 0), now=now, calls=0)


def _book(booking: str, draws: Sequence[Draw], calls: int, now: int, store: BudgetStore) -> None:
    store.book(booking, draws, calls=calls, now=now)


def _keep(kept: Kept, store: BudgetStore) -> None:
    store.keep(kept)


class _Dimension:
    """Where a call says the value of a dimension."""

    __slots__ = ("_attribute", "_of_request", "_tag")

    def __init__(self, name: str) -> None:
        kind, _, tag = name.partition(":")
        self._tag = tag if kind == "tag" else None
        self._of_request = name in ("model", "provider")
        self._attribute = name

    def of(self, request: CallRequest, attribution: Attribution) -> str | None:
        """The value, or None when it is not said."""
        if self._tag is not None:
            return None if attribution.tags is None else attribution.tags.get(self._tag)
        value: str | None = getattr(request if self._of_request else attribution, self._attribute)
        return value


def _values(values: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Values that must be met exactly, and beginnings that are enough."""
    exact = frozenset(value for value in values if not value.endswith("*"))
    return exact, tuple(value[:-1] for value in values if value.endswith("*"))
