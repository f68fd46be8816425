"""Exact rates: pico-dollars per unit, and the words that say when they hold. May import core only.

A price is written per million tokens, per thousand calls or per hour, as providers write it; inside it is an `int` of pico-dollars
(1e-12 USD) a unit, or a `Fraction` where the provider's rate is not integral (0.017 dollars a minute).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Final, TypeAlias

import msgspec

from farebox.core import semconv

PICO: Final = 1_000_000_000_000
"""Pico-dollars in a dollar."""
PICO_PER_NANO: Final = 1000

Rate: TypeAlias = int | Fraction
"""Pico-dollars per unit."""

GROUNDED_PROMPTS: Final = "grounded_prompts"
"""Calls that Google grounded in a search, however many queries that took (up to Gemini 2.5)."""
MAPS_PROMPTS: Final = "maps_grounded_prompts"
"""The same for maps."""
REQUESTS: Final = "requests"
"""A fee for the call itself."""
CACHE_WRITE: Final = "cache_write"
"""Writing to the cache for the provider's shortest lifetime, whatever it is."""
WEB_SEARCH_TOKENS: Final = "web_search_input_tokens"
"""Not a price: input tokens that are billed with each web search, beside those of the usage object."""

HOURS: Final = "hours:"
"""Prefix of a variant that holds in a daily window, in UTC: `hours:01:00-04:00`."""

_MILLION: Final = frozenset(semconv.TOKEN_UNITS | {CACHE_WRITE, semconv.CHARACTERS})
_THOUSAND: Final = frozenset(
    {
        semconv.WEB_SEARCH,
        semconv.WEB_SEARCH_PREVIEW,
        semconv.FILE_SEARCH,
        semconv.GROUNDED_QUERIES,
        semconv.MAPS_QUERIES,
        GROUNDED_PROMPTS,
        MAPS_PROMPTS,
        REQUESTS,
        "social_search",
        "code_execution",
        "rerank_search",
        "text_messages",
        "document_pages",
        "annotated_document_pages",
    }
)
_PER: Final[dict[str, int]] = {
    **dict.fromkeys(_MILLION, 1_000_000),
    **dict.fromkeys(_THOUSAND, 1_000),
    semconv.SECONDS: 3_600,
    semconv.SESSION_SECONDS: 3_600,
    semconv.CACHE_STORAGE: 3_600_000_000,
    semconv.CACHE_TOKEN_SECONDS: 3_600_000_000,
    semconv.IMAGES: 1,
    semconv.VIDEO_SECONDS: 1,
    "pixels": 1_000_000_000,
}
"""Units in the quantity that a price is written for: a million tokens, an hour, a million tokens kept for an hour."""

UNITS: Final = frozenset(_PER)
"""Every unit that can have a price; images and seconds of video also by quality and size, as in `images:high:1024x1024`."""

PARENTS: Final[dict[str, str]] = {
    semconv.INPUT_AUDIO: semconv.INPUT,
    semconv.INPUT_IMAGE: semconv.INPUT,
    semconv.INPUT_VIDEO: semconv.INPUT,
    semconv.CACHE_READ_AUDIO: semconv.CACHE_READ,
    semconv.CACHE_READ_IMAGE: semconv.CACHE_READ,
    semconv.CACHE_READ_VIDEO: semconv.CACHE_READ,
    semconv.CACHE_WRITE_5M: CACHE_WRITE,
    semconv.CACHE_WRITE_30M: CACHE_WRITE,
    semconv.OUTPUT_AUDIO: semconv.OUTPUT,
    semconv.OUTPUT_IMAGE: semconv.OUTPUT,
    semconv.OUTPUT_VIDEO: semconv.OUTPUT,
}
"""Where a provider lists no rate of its own for a unit, it bills the unit at that of its parent: one rate for all modalities."""

ASSUMED: Final[dict[str, str]] = {
    semconv.CACHE_READ: semconv.INPUT,
    CACHE_WRITE: semconv.INPUT,
    semconv.CACHE_WRITE_1H: CACHE_WRITE,
    semconv.CACHE_WRITE_12H: CACHE_WRITE,
}
"""Rates that are computed with where the book has none, but never without saying so: the cost becomes `partial`."""

STANDARD_TIERS: Final = frozenset(
    {None, "", "default", "standard", "standard_only", "on_demand", "unspecified", "not_available"}
)
_TIER_WORDS: Final[dict[str, str]] = {"fast": "priority", "batches": "batch"}


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a price is from.

    Attributes:
        url: the page, or the name of the data set.
        checked: when a person compared the two, ISO date.
        confidence: `documented`, `secondary` or `upstream`.
        note: what to mind.
    """

    url: str
    checked: str | None = None
    confidence: str = "upstream"
    note: str | None = None


class Rates(msgspec.Struct, omit_defaults=True):
    """Prices as written, by unit, with those that hold beyond a prompt length.

    Attributes:
        rates: unit → decimal string.
        over: (prompt tokens that must be exceeded, unit → decimal string), ascending.
        sources: unit → index of its source, where that is not the book's first.
    """

    rates: dict[str, str] = {}
    over: list[tuple[int, dict[str, str]]] = []
    sources: dict[str, int] = {}


class Period(Rates, omit_defaults=True):
    """The prices of a model from a day on, until the next period starts.

    Attributes:
        since: first day, ISO, UTC; None: always.
        variants: prices of a tier (`flex`, `priority`, ...), of `batch` or of `speed:fast`, laid over the standard ones.
    """

    since: str | None = None
    variants: dict[str, Rates] = {}


def is_unit(name: str) -> bool:
    """Whether a price can be set for the unit."""
    return name in UNITS or name.partition(":")[0] in {semconv.IMAGES, semconv.VIDEO_SECONDS}


def per(unit: str) -> int:
    """Units in the quantity that the unit's price is written for."""
    return _PER.get(unit, 1)


def parse(text: str, unit: str) -> Rate:
    """Pico-dollars per unit of a price as written.

    Args:
        text: a decimal or `a/b`, in dollars for `per(unit)` units.
        unit: its name.
    """
    return exact(Fraction(text) * PICO / per(unit))


def exact(value: Fraction) -> Rate:
    """The same number, as an int where it is whole: integers multiply five times faster."""
    return value.numerator if value.denominator == 1 else value


def written(rate: Rate, unit: str) -> Fraction:
    """The price in dollars, for the quantity that providers write it for."""
    return Fraction(rate) * per(unit) / PICO


def complete(rates: Mapping[str, Rate], units: Iterable[str]) -> tuple[dict[str, Rate], frozenset[str]]:
    """Rates for `units` too, from their parents; and those among them that are only assumed."""
    full, assumed = dict(rates), set()
    for unit in units:
        name = unit
        while name not in full:
            if name in PARENTS:
                name = PARENTS[name]
            elif name in ASSUMED:
                assumed.add(unit)
                name = ASSUMED[name]
            else:
                break
        if name in full:
            full[unit] = full[name]
    return full, frozenset(unit for unit in assumed if unit in full)


def tier_name(word: str | None) -> str | None:
    """The book's name of a provider's tier; None for the standard one, whatever the provider calls it."""
    if word in STANDARD_TIERS or word is None:
        return None
    name = word.lower().removeprefix("service_tier_").removeprefix("on_demand_")
    return None if name in STANDARD_TIERS else _TIER_WORDS.get(name, name)


def day_ns(day: str) -> int:
    """The first nanosecond (UTC epoch) of an ISO day."""
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()) * 1_000_000_000


def nano(pico: Rate) -> int:
    """Nano-dollars of an exact sum, rounded half-even once."""
    if isinstance(pico, int):
        whole, rest = divmod(pico, PICO_PER_NANO)
        return whole + (rest > 500 or (rest == 500 and whole & 1))
    return round(pico / PICO_PER_NANO)
