"""What the ledger has of one provider's day, in the cells that a bill can be compared by. Imports core, pricing and its neighbours here."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.core.ports import Ledger
from farebox.pricing.again import price_again
from farebox.pricing.book import Book
from farebox.reconcile import days, naming
from farebox.reconcile.anthropic import NOWHERE
from farebox.reconcile.cells import ESTIMATED_UNIT, STATED_UNIT, Cell, Position, cell
from farebox.reconcile.statement import Dimensions

_NANO: Final = 10**9


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
        unpriced: models that have calls without a known cost.
        stored: dollars that the ledger has.
        calls: how many calls.
        repriced: dollars by which today's book differs from what the ledger has.
    """

    cells: dict[Cell, Position] = {}
    estimates: dict[str, Estimates] = {}
    requests: dict[str, int] = {}
    unpriced: set[str] = set()
    stored: Fraction = Fraction(0)
    calls: int = 0
    repriced: Fraction = Fraction(0)


class Piece(msgspec.Struct, frozen=True):
    """A part of one call."""

    where: Cell
    quantity: int
    cost: Fraction


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
        self._day = day
        self._dimensions = dimensions
        self._book = Book.default()

    def metered(self) -> Metered:
        """The day added up."""
        found = Metered(cells={}, estimates={}, requests={}, unpriced=set())
        for event in self._billable():
            self._add(found, event)
        return found

    def newest_first(self) -> Iterator[tuple[int, tuple[Piece, ...]]]:
        """The calls with a known usage, from the last to the first: when each began, and its parts."""
        for event in self._billable():
            if event.cost_status != semconv.COST_ESTIMATED:
                yield event.started_at, tuple(self._pieces(event))

    def _billable(self) -> Iterator[CallEvent]:
        start = days.start_ns(self._day)
        end = start + days.DAY_SECONDS * days.NANO
        for event in self._ledger.calls(since=start, until=end, where={"provider": self._provider}):
            if event.status != semconv.STATUS_REFUSED and event.kind != semconv.KIND_CACHE_HIT:
                yield event

    def _add(self, found: Metered, event: CallEvent) -> None:
        found.calls += 1
        model = self._model(event)
        stored = Fraction(event.cost_nano or 0, _NANO)
        found.stored += stored
        if event.cost_status == semconv.COST_ESTIMATED:
            estimates = found.estimates.setdefault(model, Estimates())
            estimates.calls += event.attempts
            estimates.cost += stored
            estimates.most += max(stored, Fraction(event.cost_high_nano or 0, _NANO))
            found.cells.setdefault(Cell(model, None, False, None, ESTIMATED_UNIT), Position()).add(0, stored)
            return
        if event.cost_nano is None:
            found.unpriced.add(model)
        if event.units or event.raw_usage:
            found.requests[model] = found.requests.get(model, 0) + 1
        total = Fraction(0)
        for piece in self._pieces(event):
            found.cells.setdefault(piece.where, Position()).add(piece.quantity, piece.cost)
            total += piece.cost
        # A call is rounded to the nano-dollar; what is more than that is another price.
        if abs(total - stored) > Fraction(1, 2 * _NANO):
            found.repriced += total - stored

    def _pieces(self, event: CallEvent) -> Iterator[Piece]:
        model = self._model(event)
        batch = event.batch or (event.api or "").startswith(semconv.API_BATCHED)
        geo = (event.raw_usage or {}).get("inference_geo") if self._dimensions.geo else None
        place = geo if isinstance(geo, str) and geo not in NOWHERE else None

        def at(name: str, unit: str) -> Cell:
            return cell(name, unit, tier=event.service_tier, batch=batch, geo=place, dimensions=self._dimensions)

        priced = price_again(event, self._book)
        lines = () if priced is None else priced.lines
        for line in lines:
            name = model if line.model is None else line.model
            yield Piece(at(name, line.unit), int(line.count), Fraction(line.amount))
        known = {line.unit for line in lines}
        for unit, number in (event.units or {}).items():
            if unit not in known and isinstance(number, int):
                yield Piece(at(model, unit), number, Fraction(0))
        if priced is None and event.cost_nano:
            where = Cell(model, None, False, None, STATED_UNIT)
            yield Piece(where, 0, Fraction(event.cost_nano, _NANO))

    def _model(self, event: CallEvent) -> str:
        """By the book's name: that which answered, else that which was asked for."""
        named = naming.known(self._provider, event.response_model, self._day)
        return named or naming.canonical(self._provider, event.request_model or event.response_model, self._day)
