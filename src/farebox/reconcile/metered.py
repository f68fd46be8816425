"""What the ledger has of one provider's day, in the cells that a bill can be compared by. Imports core and its neighbours here."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.core.ports import Ledger
from farebox.reconcile import days
from farebox.reconcile.alike import Alike
from farebox.reconcile.cells import ESTIMATED_UNIT, Cell, Position
from farebox.reconcile.pieces import Piece, Splitter
from farebox.reconcile.statement import Dimensions

_HOUR_NS: Final = 3600 * days.NANO


class Estimates(msgspec.Struct):
    """Calls of one model whose usage was estimated.

    Attributes:
        calls: how many.
        cost: dollars that they were charged.
        most: dollars that they can have cost at most.
    """

    calls: int = 0
    cost: Fraction = Fraction(0)
    most: Fraction = Fraction(0)


class Metered(msgspec.Struct):
    """One provider's day in the ledger.

    Attributes:
        cells: quantities and what they cost by today's book.
        estimates: model → calls whose usage was estimated.
        requests: model → calls with a known usage.
        stored_nano: nano-dollars that the ledger has.
        calls: how many calls.
        repriced: dollars by which today's book differs from what the ledger has.
        sums_only: whether the single calls are no longer kept, so that there are no cells.
    """

    cells: dict[Cell, Position] = msgspec.field(default_factory=dict)
    estimates: dict[str, Estimates] = msgspec.field(default_factory=dict)
    requests: dict[str, int] = msgspec.field(default_factory=dict)
    stored_nano: int = 0
    calls: int = 0
    repriced: Fraction = Fraction(0)
    sums_only: bool = False

    @property
    def stored(self) -> Fraction:
        """Dollars that the ledger has."""
        return Fraction(self.stored_nano, days.NANO)


class DayOfCalls:
    """One provider's day of single calls, as a statement tells them apart. Sums by the hour do not know tiers.

    Args:
        ledger: where the calls are.
        provider: whose.
        day: ISO day, UTC.
        dimensions: what the statement tells apart.
    """

    def __init__(self, ledger: Ledger, provider: str, day: str, dimensions: Dimensions) -> None:
        self._ledger = ledger
        self._provider = provider
        self._start = days.start_ns(day)
        self._end = self._start + days.DAY_SECONDS * days.NANO
        self._splitter = Splitter(provider, day, dimensions)

    def metered(self) -> Metered:
        """The day added up."""
        whole = self._ledger.summary(self._start, self._end, provider=self._provider)
        if self._start < whole.retained_since:
            return Metered(stored_nano=whole.cost_nano, calls=whole.calls, sums_only=True)
        found, alike = Metered(), Alike()
        for event in self._billable():
            self._add(found, alike, event)
        alike.pour(found.cells)
        return found

    def newest_first(self) -> Iterator[tuple[int, tuple[Piece, ...]]]:
        """The calls with a known usage, from the last to the first: when each began, and its parts."""
        for event in self._billable():
            if event.cost_status != semconv.COST_ESTIMATED:
                yield event.started_at, tuple(self._splitter.split(event))

    def over_midnight(self) -> dict[Cell, Position]:
        """Calls with a known usage that began in the last hour of the day and ended behind it."""
        found: dict[Cell, Position] = {}
        for event in self._billable(since=self._end - _HOUR_NS):
            if event.started_at + (event.duration_ns or 0) >= self._end and event.cost_status != semconv.COST_ESTIMATED:
                for piece in self._splitter.split(event):
                    found.setdefault(piece.where, Position()).add(piece.quantity, piece.cost)
        return found

    def _billable(self, *, since: int | None = None) -> Iterator[CallEvent]:
        calls = self._ledger.calls(since=since or self._start, until=self._end, where={"provider": self._provider})
        for event in calls:
            if event.status != semconv.STATUS_REFUSED and event.kind != semconv.KIND_CACHE_HIT:
                yield event

    def _add(self, found: Metered, alike: Alike, event: CallEvent) -> None:
        found.calls += 1
        found.stored_nano += event.cost_nano or 0
        if event.cost_status == semconv.COST_ESTIMATED:
            self._estimate(found, event)
            return
        model = alike.take(event)
        if model is None:
            model = self._split(found, alike, event)
        if event.units or event.raw_usage:
            found.requests[model] = found.requests.get(model, 0) + 1

    def _split(self, found: Metered, alike: Alike, event: CallEvent) -> str:
        model = self._splitter.model(event)
        pieces = tuple(self._splitter.split(event))
        alike.learn(event, model, pieces)
        for piece in pieces:
            found.cells.setdefault(piece.where, Position()).add(piece.quantity, piece.cost)
        # A call is rounded to the nano-dollar; what is more than that is another price.
        other = sum((piece.cost for piece in pieces), Fraction(0)) - Fraction(event.cost_nano or 0, days.NANO)
        if abs(other) > Fraction(1, 2 * days.NANO):
            found.repriced += other
        return model

    def _estimate(self, found: Metered, event: CallEvent) -> None:
        model = self._splitter.model(event)
        stored = Fraction(event.cost_nano or 0, days.NANO)
        estimates = found.estimates.setdefault(model, Estimates())
        estimates.calls += event.attempts
        estimates.cost += stored
        estimates.most += max(stored, Fraction(event.cost_high_nano or 0, days.NANO))
        found.cells.setdefault(Cell(model, None, False, None, ESTIMATED_UNIT), Position()).add(0, stored)
