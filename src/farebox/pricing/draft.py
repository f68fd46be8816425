"""A price book in the making: build-time values that are merged, split by date and written out. May import core and its neighbours here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from fractions import Fraction
from typing import TypeAlias

import msgspec

from farebox.core.errors import PriceError
from farebox.pricing.rate import Period, Rates

Prices: TypeAlias = dict[str, Fraction]
"""Unit → dollars, for the quantity that providers write the price for."""


class DraftRates(msgspec.Struct):
    """Prices of one variant of one period."""

    rates: Prices = {}
    over: dict[int, Prices] = {}
    sources: dict[str, int] = {}

    def every(self) -> Iterator[Prices]:
        """The short-context prices, then those beyond each threshold."""
        yield self.rates
        yield from self.over.values()

    def frozen(self) -> Rates:
        """The same as it is written to the book."""
        return Rates(rates=_written(self.rates), over=self._beyond(), sources=self._sources())

    def _beyond(self) -> list[tuple[int, dict[str, str]]]:
        return [(limit, _written(prices)) for limit, prices in sorted(self.over.items())]

    def _sources(self) -> dict[str, int]:
        return {unit: index for unit, index in sorted(self.sources.items()) if index}


class DraftPeriod(DraftRates):
    """Prices from a day on."""

    since: date | None = None
    variants: dict[str, DraftRates] = {}

    def frozen(self) -> Period:
        """The same as it is written to the book."""
        return Period(
            rates=_written(self.rates),
            over=self._beyond(),
            sources=self._sources(),
            since=self.since.isoformat() if self.since else None,
            variants={name: rates.frozen() for name, rates in sorted(self.variants.items())},
        )

    def copy(self, since: date) -> DraftPeriod:
        """The same prices from a later day on."""
        return DraftPeriod(
            rates=dict(self.rates),
            over={limit: dict(prices) for limit, prices in self.over.items()},
            sources=dict(self.sources),
            since=since,
        )


class DraftModel(msgspec.Struct):
    """One model of one provider.

    Attributes:
        id: its name in the book.
        names: exact names, lower case.
        patterns: regular expressions for names beside those.
        periods: its prices, oldest first.
        context: tokens of its context window, when known.
        output: tokens that it puts out at most, when known.
        verified: (variant, day, prices) of the source, until they are placed into the periods.
        unsupported: prices of the source that the book has no unit for.
        uncounted: units that each call may use but no answer counts.
        uplifts: indices of the book's uplifts that may apply.
        promotion: last day of its promotional price, when what follows is not known.
        weekdays: whether its daily windows hold from Monday to Friday only.
    """

    id: str
    names: set[str]
    patterns: list[str] = []
    periods: list[DraftPeriod] = []
    context: int | None = None
    output: int | None = None
    verified: list[tuple[str, date, DraftRates]] = []
    unsupported: list[str] = []
    uncounted: list[str] = []
    uplifts: list[int] = []
    weekdays: bool = False
    promotion: str | None = None

    def within(self, since: date | None, until: date | None) -> list[DraftPeriod]:
        """The periods between two days, split so that none reaches beyond them."""
        for day in (since, until):
            if day is not None:
                self._split(day)
        return [
            period
            for period in self.periods
            if (since is None or (period.since is not None and period.since >= since))
            and (until is None or period.since is None or period.since < until)
        ]

    def _split(self, day: date) -> None:
        before = [period for period in self.periods if period.since is None or period.since <= day]
        if before and before[-1].since != day:
            self.periods.insert(len(before), before[-1].copy(day))
        elif not before:
            self.periods.insert(0, DraftPeriod(since=day))


class DraftProvider(msgspec.Struct):
    """One provider: its models, and whose models it serves beside its own."""

    id: str
    models: dict[str, DraftModel] = {}
    fallback: list[str] = []


class Conflicts:
    """What to do where two sources disagree about a model.

    Args:
        strict: raise the first one, as a build does; else note it, so that an update can leave that model as it was.

    Attributes:
        found: (provider, model) → what was wrong.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.found: dict[tuple[str, str], str] = {}

    @contextmanager
    def about(self, provider: str, model: str) -> Iterator[None]:
        """Work on one model, whose conflicts are noted."""
        try:
            yield
        except PriceError as error:
            if self.strict:
                raise
            self.found.setdefault((provider, model), str(error))


def _written(prices: Prices) -> dict[str, str]:
    return {unit: text(price) for unit, price in sorted(prices.items())}


def text(price: Fraction) -> str:
    """A price as it is written: the shortest decimal, or `a/b` where it has none."""
    rest = price.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{price.numerator}/{price.denominator}"
    digits = 0
    while (price * 10**digits).denominator != 1:
        digits += 1
    whole = str((price * 10**digits).numerator).rjust(digits + 1, "0")
    return f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole


def put(prices: Prices, unit: str, price: Fraction, *, replaces: Fraction | None, where: str) -> None:
    """Set a price; one that is there already must be the same, or be the one that the row says it replaces.

    Raises:
        PriceError: two sources disagree; the message shows both values.
    """
    there = prices.get(unit)
    if there not in (None, price, replaces):
        raise PriceError(
            f"{where}: {unit} is {text(there or Fraction(0))} in one source and {text(price)} in the other: "
            f"decide, and say replaces = {{ {unit} = {text(there or Fraction(0))!r} }} in the overlay"
        )
    prices[unit] = price
