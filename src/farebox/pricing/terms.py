"""The products that a cost is the sum of: units, quotas, tools, storage and facts of the request. May import core and its neighbours here."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.usage import Count, Usage, sized_unit
from farebox.pricing import rate
from farebox.pricing.context import PriceContext
from farebox.pricing.rate import Rate
from farebox.pricing.resolve import QUOTAS, Resolved

# What Google Search brings into the prompt is not charged, what other tools bring is.
# https://ai.google.dev/gemini-api/docs/pricing
_UNCHARGED_TOOLS: Final = frozenset(
    {"google_search", "googleSearch", "google_search_retrieval", "googleSearchRetrieval"}
)

_WIDE: Final = Context(prec=60)

_PER_PROMPT: Final = {
    semconv.GROUNDED_QUERIES: rate.GROUNDED_PROMPTS,
    semconv.MAPS_QUERIES: rate.MAPS_PROMPTS,
}
"""Units that some models bill once a grounded prompt, however many queries it took."""


class Term(msgspec.Struct, frozen=True):
    """One product.

    Attributes:
        unit: what was used.
        count: how much of it.
        rate: pico-dollars per unit.
        found: the rates that it is from.
        conditions: what the rate depends on, in words.
    """

    unit: str
    count: Count
    rate: Rate
    found: Resolved
    conditions: str = ""

    @property
    def pico(self) -> Fraction:
        """Exact pico-dollars."""
        return Fraction(self.rate) * Fraction(self.count)


class _Sum:
    """The products of one model's units while they are collected."""

    def __init__(self, usage: Usage, found: Resolved, context: PriceContext) -> None:
        self.usage = usage
        self.found = found
        self.context = context
        self.level = found.level(usage.input_tokens)
        self.products: list[Term] = []
        self.missing = list(found.missing)
        self.words = found.conditions
        if self.level is not found.standard:
            self.words = ", ".join(filter(None, (self.words, f"prompt over {self.level.limit} tokens")))

    def add(self, unit: str, count: Count, price: Rate, words: str | None = None) -> None:
        """One product more."""
        self.products.append(Term(unit, count, price, self.found, self.words if words is None else words))

    def unit(self, unit: str, count: Count) -> None:
        """A unit that has a rate, or has none."""
        if unit == semconv.INPUT_TOOL:
            self._tool(count)
        elif unit == semconv.CACHE_STORAGE:
            self._storage(count)
        elif unit == semconv.CACHE_TOKEN_SECONDS and semconv.CACHE_STORAGE in self.found.fees:
            self.add(unit, count, self.found.fees[semconv.CACHE_STORAGE])
        elif unit in QUOTAS:
            self._quota(unit, count)
        elif unit in self.level.rates:
            self.add(unit, count, self.level.rates[unit])
        elif unit in self.level.doubtful:
            price, why = self.level.doubtful[unit]
            self.add(unit, count, price)
            self.missing.append(why)
        elif ":" in unit and (general := general_unit(self.level.rates, unit)) is not None:
            self.add(unit, count, self.level.rates[general])
        else:
            self.missing.append(f"{unit} of {self.found.model}")

    def _tool(self, count: Count) -> None:
        """Tokens that hosted tools put into the prompt: charged or not by the tool."""
        tools = self.usage.tools
        charged = [tool for tool in tools if tool not in _UNCHARGED_TOOLS]
        if tools and not charged:
            self.add(semconv.INPUT_TOOL, count, 0, "search results are not charged")
        elif charged and len(charged) == len(tools) and semconv.INPUT in self.level.rates:
            self.add(semconv.INPUT_TOOL, count, self.level.rates[semconv.INPUT])
        else:
            self.missing.append("input_tool (not known which tool brought it)")

    def _storage(self, count: Count) -> None:
        """Tokens that the provider keeps, for as long as it keeps them."""
        price = self.found.fees.get(semconv.CACHE_STORAGE)
        if price is None:
            self.missing.append(f"{semconv.CACHE_STORAGE} of {self.found.model}")
        elif self.context.ttl_seconds is None:
            self.missing.append("ttl_seconds (how long the cache is kept)")
        else:
            kept = Fraction(count) * _exact(self.context.ttl_seconds)
            self.add(semconv.CACHE_STORAGE, _count(kept), price, "token-seconds")

    def _quota(self, unit: str, count: Count) -> None:
        """Fees with a free quota that the account shares."""
        fees = self.found.fees
        if unit not in fees and (per_prompt := _PER_PROMPT.get(unit)) in fees:
            unit, count = str(per_prompt), 1
        if unit not in fees:
            self.missing.append(f"{unit} of {self.found.model}")
        elif self.context.billing_plan == "free" or self.context.free_quota_exhausted is False:
            self.add(unit, count, 0, "within the free quota")
        elif self.context.free_quota_exhausted:
            self.add(unit, count, fees[unit])
        else:
            self.missing.append(f"{unit} (not known whether the free quota is used up)")


def terms(usage: Usage, found: Resolved, context: PriceContext) -> tuple[list[Term], list[str]]:
    """The products of one model's units, and what has no price."""
    total = _Sum(usage, found, context)
    units = {**usage.units, **_requested(usage, found, context)}
    if found.request and units:
        total.add(rate.REQUESTS, 1, found.request)
    for unit, count in units.items():
        total.unit(unit, count)
    total.missing += [f"{unit} (no answer counts it)" for unit in found.uncounted if unit not in units]
    return total.products, total.missing


def _requested(usage: Usage, found: Resolved, context: PriceContext) -> dict[str, Count]:
    """Units of a call whose answer has no usage, from facts of its request."""
    request = context.request
    if not request or any(unit in semconv.TOKEN_UNITS for unit in usage.units):
        return {}
    units: dict[str, Count] = {}
    if semconv.CHARACTERS not in usage.units and (characters := _whole(request.get("input_characters"))):
        units[semconv.CHARACTERS] = characters
    size, quality = str(request.get("size") or ""), str(request.get("quality") or "")
    if (images := general_unit(found.standard.rates, sized_unit(semconv.IMAGES, quality, size))) is not None:
        units[images] = _whole(request.get("n")) or 1
    seconds = _exact(request.get("seconds", 0))
    if seconds and semconv.SECONDS not in usage.units:
        made = general_unit(found.standard.rates, sized_unit(semconv.VIDEO_SECONDS, quality, size))
        units[made or semconv.SECONDS] = _count(seconds * (_whole(request.get("n")) or 1))
    return units


def general_unit(rates: Mapping[str, Rate], unit: str) -> str | None:
    """The unit with a rate that covers `unit:quality:size`: that of its size, or the plain one of a model with a single rate."""
    plain, _, conditions = unit.partition(":")
    names = (unit, f"{plain}:{conditions.rpartition(':')[2]}", plain)
    return next((name for name in names if name in rates), None)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _exact(value: Any) -> Fraction:
    """A number as written, a float by its shortest representation; what is no number counts as 0."""
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        return Fraction(0)
    return Fraction(number) if number.is_finite() and number > 0 else Fraction(0)


def _count(value: Fraction) -> Count:
    if value.denominator == 1:
        return value.numerator
    return _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
