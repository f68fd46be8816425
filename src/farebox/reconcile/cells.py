"""The finest pieces that bill and ledger are compared in, and their rates. Imports core, pricing and its neighbours here."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from farebox.core import semconv
from farebox.pricing import rate
from farebox.pricing.book import Book
from farebox.pricing.resolve import Conditions
from farebox.reconcile import days
from farebox.reconcile.statement import Dimensions

ESTIMATED_UNIT: Final = "(estimated)"
"""Money of calls whose usage nobody knows: it is no quantity of anything."""
STATED_UNIT: Final = "(stated)"
"""Money that the provider's answers stated."""

_ALIASES: Final = {
    semconv.INPUT_TOOL: semconv.INPUT,
    semconv.WEB_SEARCH_PREVIEW: semconv.WEB_SEARCH,
    rate.GROUNDED_PROMPTS: semconv.GROUNDED_QUERIES,
    rate.MAPS_PROMPTS: semconv.MAPS_QUERIES,
}
"""Units that bills do not tell apart."""


class Cell(NamedTuple):
    """One kind of quantity.

    Attributes:
        model: by the book's name.
        tier: the book's name of the service tier; None: the standard one.
        batch: whether of the batch interface.
        geo: where inference ran, where that is told apart.
        unit: billable unit.
    """

    model: str
    tier: str | None
    batch: bool
    geo: str | None
    unit: str


class Position(msgspec.Struct):
    """How much of a cell, and what it costs in dollars."""

    quantity: int = 0
    cost: Fraction = Fraction(0)

    def add(self, quantity: int, cost: Fraction) -> None:
        """Add to both."""
        self.quantity += quantity
        self.cost += cost


def unit_name(unit: str) -> str:
    """A unit as bills have it."""
    plain = unit.partition(":")[0]
    return _ALIASES.get(plain, plain)


def cell(model: str, unit: str, *, tier: str | None, batch: bool, geo: str | None, dimensions: Dimensions) -> Cell:
    """The cell of a quantity, by what a statement tells apart. Fees of tools are the same at every tier."""
    unit = unit_name(unit)
    if unit not in semconv.TOKEN_UNITS:
        return Cell(model, None, False, None, unit)
    name = rate.tier_name(tier)
    if name == "batch":
        name, batch = None, True
    return Cell(
        model,
        name if dimensions.tier else None,
        batch and dimensions.batch,
        geo if dimensions.geo else None,
        unit,
    )


def listed(provider: str, where: Cell, day: str) -> Fraction | None:
    """Dollars for one unit by the book, for a short prompt; None: it has no such rate."""
    return _listed(provider, where, day, Book.default().hash)


@lru_cache(maxsize=16_384)
def _listed(provider: str, where: Cell, day: str, _book: str) -> Fraction | None:
    conditions = Conditions(tier=where.tier, batch=where.batch, geo=where.geo, location="global")
    found = Book.default().resolve(provider, where.model, conditions, days.start_ns(day) + days.NANO * 43_200)
    if found.model is None:
        return None
    level = found.standard
    price = level.rates.get(where.unit, found.fees.get(where.unit))
    if price is None and where.unit in level.doubtful:
        price = level.doubtful[where.unit][0]
    return None if price is None else Fraction(price) / rate.PICO


@lru_cache(maxsize=1024)
def residency_share(provider: str, model: str, day: str) -> Fraction:
    """The factor on tokens of a model at a regional endpoint, by the book; 1 where it knows none."""
    at = days.start_ns(day) + days.NANO * 43_200
    geo = provider == semconv.ANTHROPIC
    regional = Conditions(geo="us") if geo else Conditions(residency="eu")
    plain = Book.default().resolve(provider, model, Conditions(), at).standard.rates.get(semconv.INPUT)
    dearer = Book.default().resolve(provider, model, regional, at).standard.rates.get(semconv.INPUT)
    return Fraction(dearer) / Fraction(plain) if plain and dearer else Fraction(1)
