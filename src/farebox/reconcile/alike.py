"""Calls that are priced alike, added up by their counts alone: a tenth of the time of pricing each. Imports core, pricing and its neighbours here."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction

import msgspec

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.pricing import rate
from farebox.reconcile.cells import Cell, Position
from farebox.reconcile.pieces import Piece


class _Kind(msgspec.Struct):
    """Calls of one kind: their rates in pico-dollars, their cells, and what they used so far."""

    model: str
    rates: dict[str, int]
    where: dict[str, Cell]
    counts: dict[str, int]


class Alike:
    """Remembers what the first call of each kind was priced at, and takes those that follow it.

    A call is taken only where the remembered rates come to the very cost that the ledger has, to the nano-dollar: another prompt
    length, tool or price makes another sum, and such a call is split by itself.
    """

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind] = {}

    def take(self, event: CallEvent) -> str | None:
        """Add a call up; its model, or None where it has to be split."""
        kind = self._kinds.get(_key(event))
        if kind is None or event.cost_status != semconv.COST_PRICED or not event.units:
            return None
        total = 0
        for unit, number in event.units.items():
            price = kind.rates.get(unit)
            if price is None or not isinstance(number, int):
                return None
            total += price * number
        if rate.nano(total) != event.cost_nano:
            return None
        for unit, number in event.units.items():
            kind.counts[unit] += int(number)
        return kind.model

    def learn(self, event: CallEvent, model: str, pieces: Sequence[Piece]) -> None:
        """Remember the rates of a call that was split."""
        if event.cost_status != semconv.COST_PRICED or {piece.unit for piece in pieces} != set(event.units or ()):
            return
        rates = {piece.unit: piece.cost * rate.PICO / piece.quantity for piece in pieces if piece.quantity}
        if len(rates) != len(pieces) or any(price.denominator != 1 for price in rates.values()):
            return
        kind = self._kinds.setdefault(_key(event), _Kind(model, {}, {}, {}))
        for piece in pieces:
            if piece.unit not in kind.rates:
                kind.rates[piece.unit] = rates[piece.unit].numerator
                kind.where[piece.unit] = piece.where
                kind.counts[piece.unit] = 0

    def pour(self, cells: dict[Cell, Position]) -> None:
        """Add everything that was taken to the cells."""
        for kind in self._kinds.values():
            for unit, number in kind.counts.items():
                if number:
                    cost = Fraction(number * kind.rates[unit], rate.PICO)
                    cells.setdefault(kind.where[unit], Position()).add(number, cost)
            kind.counts = dict.fromkeys(kind.counts, 0)


def _key(event: CallEvent) -> Hashable:
    """What prices a call beside its units."""
    raw: Mapping[str, object] = event.raw_usage or {}
    return (
        event.request_model,
        event.response_model,
        event.api,
        event.service_tier,
        event.batch,
        event.server_address,
        raw.get("inference_geo"),
        raw.get("speed"),
    )
