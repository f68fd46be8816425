"""Prices that budgets reckon with where the book has none; events stay unpriced. May import core and its neighbours here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from fractions import Fraction

from farebox.core import semconv
from farebox.core.errors import ConfigurationError
from farebox.core.usage import Usage
from farebox.pricing import rate
from farebox.pricing.rate import Rate


class AssumedRates:
    """Flat rates for any model.

    Args:
        prices: unit → dollars for a million tokens, a thousand calls, an hour. Units without a price take that of the plain input
            or output; others cost nothing.

    Raises:
        ConfigurationError: a unit is not known.
    """

    def __init__(self, prices: Mapping[str, str]) -> None:
        for unit in prices:
            if not rate.is_unit(unit):
                near = difflib.get_close_matches(unit, rate.UNITS, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "give input and output"
                raise ConfigurationError(f"on_unpriced: {unit!r} is no unit that is priced: {hint}")
        given = {unit: rate.parse(price, unit) for unit, price in prices.items()}
        self._rates: dict[str, Rate] = rate.complete(given, semconv.TOKEN_UNITS)[0]

    def expected(self, input_tokens: int, output_tokens: int) -> int:
        """Nano-dollars of a prompt and its answer, rounded up."""
        return self._nano({semconv.INPUT: input_tokens, semconv.OUTPUT: output_tokens})

    def cost(self, usage: Usage) -> int:
        """Nano-dollars of what a call used, rounded up."""
        return self._nano({unit: Fraction(count) for unit, count in usage.units.items()})

    def _nano(self, units: Mapping[str, int | Fraction]) -> int:
        pico = sum((self._rates.get(unit, 0) * Fraction(count) for unit, count in units.items()), Fraction(0))
        return -int(-pico // rate.PICO_PER_NANO)
