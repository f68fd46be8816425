"""The products that a cost is the sum of: units, quotas, tools, storage and facts of the request. May import core and its neighbours here."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.usage import Count, Usage
from farebox.pricing import rate
from farebox.pricing.context import PriceContext
from farebox.pricing.rate import Rate
from farebox.pricing.resolve import QUOTAS, Resolved

# What Google Search brings into the prompt is not charged, what other tools bring is.
# https://ai.google.dev/gemini-api/docs/pricing
_UNCHARGED_TOOLS: Final = frozenset(
    {"google_search", "googleSearch", "google_search_retrieval", "googleSearchRetrieval"}
)

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


def terms(usage: Usage, found: Resolved, context: PriceContext) -> tuple[list[Term], list[str]]:
    """The products of one model's units, and what has no price."""
    products: list[Term] = []
    missing = list(found.missing)
    units = {**usage.units, **_requested(usage, found, context)}
    level = found.level(usage.input_tokens)
    rates = level.rates
    words = found.conditions
    if level is not found.standard:
        words = ", ".join(filter(None, (words, f"prompt over {level.limit} tokens")))
    if found.request and units:
        products.append(Term(rate.REQUESTS, 1, found.request, found, words))
    for unit, count in units.items():
        if unit == semconv.INPUT_TOOL:
            _tool(count, usage, rates, found, words, products, missing)
        elif unit in QUOTAS or unit == semconv.CACHE_STORAGE:
            _fee(unit, count, found, context, words, products, missing)
        elif unit in rates:
            products.append(Term(unit, count, rates[unit], found, words))
        elif unit in level.doubtful:
            doubtful, why = level.doubtful[unit]
            products.append(Term(unit, count, doubtful, found, words))
            missing.append(why)
        else:
            missing.append(f"{unit} of {found.model}")
    missing += [f"{unit} (no answer counts it)" for unit in found.uncounted if unit not in units]
    return products, missing


def _tool(
    count: Count,
    usage: Usage,
    rates: Mapping[str, Rate],
    found: Resolved,
    words: str,
    products: list[Term],
    missing: list[str],
) -> None:
    """Tokens that hosted tools put into the prompt: charged or not by the tool."""
    charged = [tool for tool in usage.tools if tool not in _UNCHARGED_TOOLS]
    if usage.tools and not charged:
        products.append(Term(semconv.INPUT_TOOL, count, 0, found, "search results are not charged"))
    elif semconv.INPUT in rates and charged and len(charged) == len(usage.tools):
        products.append(Term(semconv.INPUT_TOOL, count, rates[semconv.INPUT], found, words))
    else:
        missing.append("input_tool (not known which tool brought it)")


def _fee(
    unit: str,
    count: Count,
    found: Resolved,
    context: PriceContext,
    words: str,
    products: list[Term],
    missing: list[str],
) -> None:
    """Fees that need more than a count: a quota that the account shares, the time that something is kept."""
    if unit == semconv.CACHE_STORAGE:
        if unit not in found.fees:
            missing.append(f"{unit} of {found.model}")
        elif context.ttl_seconds is None:
            missing.append("ttl_seconds (how long the cache is kept)")
        else:
            kept = Fraction(count) * _exact(context.ttl_seconds)
            products.append(Term(unit, _count(kept), found.fees[unit], found, "token-seconds"))
        return
    billed, number = unit, count
    if unit not in found.fees and _PER_PROMPT.get(unit) in found.fees:
        billed, number = _PER_PROMPT[unit], 1
    if billed not in found.fees:
        missing.append(f"{unit} of {found.model}")
    elif context.billing_plan == "free" or context.free_quota_exhausted is False:
        products.append(Term(billed, number, 0, found, "within the free quota"))
    elif context.free_quota_exhausted:
        products.append(Term(billed, number, found.fees[billed], found, words))
    else:
        missing.append(f"{unit} (not known whether the free quota is used up)")


def _requested(usage: Usage, found: Resolved, context: PriceContext) -> dict[str, Count]:
    """Units of a call whose answer has no usage, from facts of its request."""
    request = context.request
    if not request or any(unit in semconv.TOKEN_UNITS for unit in usage.units):
        return {}
    units: dict[str, Count] = {}
    if semconv.CHARACTERS not in usage.units and (characters := _whole(request.get("input_characters"))):
        units[semconv.CHARACTERS] = characters
    size, quality = str(request.get("size") or ""), str(request.get("quality") or "")
    if (images := _first(found.standard.rates, semconv.IMAGES, quality, size)) is not None:
        units[images] = _whole(request.get("n")) or 1
    seconds = request.get("seconds")
    if seconds is not None and semconv.SECONDS not in usage.units:
        made = _first(found.standard.rates, rate.VIDEO_SECONDS, quality, size)
        units[made or semconv.SECONDS] = _count(_exact(seconds) * (_whole(request.get("n")) or 1))
    return units


def _first(rates: Mapping[str, Rate], unit: str, quality: str, size: str) -> str | None:
    """The unit with a rate for this quality and size; the plain one where the model has a single rate."""
    names = (f"{unit}:{quality or 'standard'}:{size or 'default'}", f"{unit}:{size or 'default'}", unit)
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
    return value.numerator if value.denominator == 1 else Decimal(value.numerator) / Decimal(value.denominator)
