"""A day while it is compared: what is expected on the bill, moved step by step to what is there. Imports core and its neighbours here.

At every step, what is expected is what the ledger computed plus the causes so far. What is left at the end has no cause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.money import Money
from farebox.pricing import rate
from farebox.reconcile import cells, naming
from farebox.reconcile.cells import Cell, Position
from farebox.reconcile.metered import Metered
from farebox.reconcile.outcome import Cause
from farebox.reconcile.statement import Coverage, Dimensions, MoneyLine, UsageLine

_WIDE: Final = Context(prec=40)
NANO: Final = 10**9

Quantities = dict[Cell, int]
Positions = Mapping[Cell, Position]
Tail = Callable[[Mapping[Cell, int]], "tuple[dict[Cell, Fraction], int] | None"]
"""Asks whether the last calls of the day make up quantities exactly: what they cost, and when the first of them began."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is given of one day.

    Attributes:
        provider: whose.
        day: which.
        usage: quantities on the statement.
        money: amounts on the statement.
        coverage: how much of the day the statement has.
        dimensions: what it tells apart.
        metered: what the ledger has.
        is_open: whether data may still come.
        places: decimal places that the statement rounds to.
        our_keys: ids of keys that metered programs use; empty: not known.
        tail: see `Tail`.
        came: gives the calls that began the day before and ended on this one.
        went: gives the calls that began on this day and ended on the next.
    """

    provider: str
    day: str
    usage: tuple[UsageLine, ...]
    money: tuple[MoneyLine, ...]
    coverage: Coverage
    dimensions: Dimensions
    metered: Metered
    is_open: bool
    places: int
    our_keys: frozenset[str] = frozenset()
    tail: Tail = lambda _deficits: None
    came: Callable[[], Positions] = dict
    went: Callable[[], Positions] = dict


class Working:
    """One day in work.

    Attributes:
        facts: what is given.
        expected: quantity and dollars that the bill should have, by cell.
        causes: why that is not what the ledger has: (cause, exact dollars).
        untold: models whose usage the statement does not tell apart by tier.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.untold = {self.model(line.model) for line in facts.usage if line.untold}
        self.expected: dict[Cell, Position] = {}
        for where, position in facts.metered.cells.items():
            self.at(self.folded(where)).add(position.quantity, position.cost)
        self._causes: dict[tuple[str, str, str], tuple[Cause, Fraction, int]] = {}

    # --- names

    def model(self, name: str | None) -> str:
        """A model by the book's name."""
        return naming.canonical(self.facts.provider, name, self.facts.day)

    def folded(self, where: Cell) -> Cell:
        """A cell as the statement tells things apart for its model."""
        return where._replace(tier=None, batch=False, geo=None) if where.model in self.untold else where

    def cells_of(self, line: UsageLine) -> Quantities:
        """The quantities of a line."""
        found: Quantities = {}
        for unit, number in line.units.items():
            where = cells.cell(
                self.model(line.model),
                unit,
                tier=line.tier,
                batch=line.batch,
                geo=line.geo,
                dimensions=self.facts.dimensions,
            )
            found[where] = found.get(where, 0) + number
        return found

    # --- what is expected

    def at(self, where: Cell) -> Position:
        """What is expected of a cell."""
        return self.expected.setdefault(where, Position())

    def listed(self, where: Cell) -> Fraction | None:
        """Dollars a unit by the book."""
        return cells.listed(self.facts.provider, where, self.facts.day)

    def average(self, where: Cell) -> Fraction | None:
        """Dollars a unit that the ledger's own calls cost; by the book where it has none."""
        position = self.expected.get(where)
        if position is None or not position.quantity:
            return self.listed(where)
        return position.cost / position.quantity

    def meters(self, where: Cell) -> bool:
        """Whether the ledger has any of a model's unit, at whatever tier."""
        return any(
            found.quantity and (known.model, known.unit) == (where.model, where.unit)
            for known, found in self.facts.metered.cells.items()
        )

    # --- causes

    def blame(self, cause: Cause, amount: Fraction) -> None:
        """Say that a cause makes the bill higher by so many dollars; the same cause again adds to it."""
        key = (cause.kind, cause.model, cause.what)
        known = self._causes.get(key)
        before, quantity = (Fraction(0), 0) if known is None else known[1:]
        self._causes[key] = (cause if known is None else known[0], before + amount, quantity + cause.quantity)

    def blamed(self) -> Fraction:
        """Dollars of all causes."""
        return sum((amount for _, amount, _ in self._causes.values()), Fraction(0))

    def causes(self) -> tuple[Cause, ...]:
        """Every cause that comes to a nano-dollar, the largest first."""
        found = [
            msgspec.structs.replace(cause, amount=dollars(amount), quantity=quantity)
            for cause, amount, quantity in self._causes.values()
            if abs(amount) * NANO >= Fraction(1, 2)
        ]
        return tuple(sorted(found, key=lambda cause: (-abs(cause.amount), cause.kind, cause.model, cause.what)))


def dollars(amount: Fraction) -> Decimal:
    """Dollars to the nano-dollar, half-even."""
    return Decimal(Money.from_nano(round(amount * NANO)))


def price_for_people(each: Fraction, unit: str) -> Decimal:
    """A rate as price lists have it: for a million tokens, a thousand calls, or one of anything else."""
    value = each * rate.per(unit)
    found = _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    return Decimal(f"{found:.6g}")


def is_token(unit: str) -> bool:
    """Whether a unit is counted in tokens."""
    return unit in semconv.TOKEN_UNITS
