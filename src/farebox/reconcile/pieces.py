"""One call in the cells that a bill can be compared by. Imports core, pricing and its neighbours here."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.pricing.again import price_again
from farebox.pricing.book import Book
from farebox.reconcile import naming
from farebox.reconcile.anthropic import NOWHERE
from farebox.reconcile.cells import STATED_UNIT, Cell, cell
from farebox.reconcile.statement import Dimensions

_NANO: Final = 10**9


class Piece(msgspec.Struct, frozen=True):
    """A part of one call.

    Attributes:
        where: its cell.
        unit: the unit as the call has it.
        quantity: how much.
        cost: dollars by today's book.
    """

    where: Cell
    unit: str
    quantity: int
    cost: Fraction


class Splitter:
    """Splits calls.

    Args:
        provider: whose.
        day: ISO day of the calls.
        dimensions: what the statement tells apart.
    """

    def __init__(self, provider: str, day: str, dimensions: Dimensions) -> None:
        self._provider = provider
        self._day = day
        self._dimensions = dimensions
        self._book = Book.default()

    def model(self, event: CallEvent) -> str:
        """By the book's name: that which answered, else that which was asked for."""
        names = (event.response_model, event.request_model)
        named = next((found for name in names if (found := naming.known(self._provider, name, self._day))), None)
        return named or naming.canonical(self._provider, event.response_model or event.request_model, self._day)

    def split(self, event: CallEvent) -> Iterator[Piece]:
        """The parts of a call: those that have a price, then quantities without one, then money without quantities."""
        model = self.model(event)
        batch = event.batch or (event.api or "").startswith(semconv.API_BATCHED)
        geo = (event.raw_usage or {}).get("inference_geo") if self._dimensions.geo else None
        place = geo if isinstance(geo, str) and geo not in NOWHERE else None

        def at(name: str, unit: str) -> Cell:
            return cell(name, unit, tier=event.service_tier, batch=batch, geo=place, dimensions=self._dimensions)

        priced = price_again(event, self._book)
        lines = () if priced is None else priced.lines
        for line in lines:
            name = model if line.model is None else line.model
            yield Piece(at(name, line.unit), line.unit, int(line.count), Fraction(line.amount))
        known = {line.unit for line in lines}
        for unit, number in (event.units or {}).items():
            if unit not in known and isinstance(number, int):
                yield Piece(at(model, unit), unit, number, Fraction(0))
        if priced is None and event.cost_nano:
            where = Cell(model, None, False, None, STATED_UNIT)
            yield Piece(where, STATED_UNIT, 0, Fraction(event.cost_nano, _NANO))
