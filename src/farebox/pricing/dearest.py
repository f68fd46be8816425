"""The dearest rates that a request can reach, whatever the provider chooses. May import core and its neighbours here.

Over the service tiers that it may be served at, the length of its prompt, cache writes in place of plain input, regions and
geographies that nobody stated, and prices that change while it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import product
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.errors import PriceError
from farebox.pricing import rate
from farebox.pricing.book import Book
from farebox.pricing.rate import Rate
from farebox.pricing.resolve import Conditions, Level, Resolved

_CACHED: Final = (semconv.INPUT_IMAGE, semconv.CACHE_READ, semconv.CACHE_READ_IMAGE)
"""What tokens of a prompt may be billed as beside plain input, where nothing else was asked for."""

_LONGEST_NS: Final = 3_660_000_000_000
"""A call that runs longer than an hour is none that an SDK waits for (its default timeout is ten minutes); rates are kept for a minute."""

_DAY_NS: Final = 86_400_000_000_000
_AUTO: Final = "auto"
_UNKNOWN: Final = "not known"
"""A region that nobody stated: the uplift for one is reckoned with."""


_GLOBAL_HOSTS: Final = {semconv.OPENAI: "api.openai.com"}
"""Hosts that do not pin the region, where no uplift for it is billed; regional ones have names of their own."""


class Dearest(msgspec.Struct, frozen=True):
    """Pico-dollars that are billed at most.

    Attributes:
        input: for a token of the prompt, cached or not, or for another unit of it.
        output: for a token that comes out.
        request: for the call itself.
    """

    input: Rate
    output: Rate
    request: Rate = 0


class Asked(msgspec.Struct, frozen=True):
    """What decides the rates of a request before it is sent.

    Attributes:
        provider: who bills it.
        model: as it is asked for.
        tier: the service tier that it asks for; None or "auto": whichever the provider chooses.
        writes: units of cache writes that may be billed instead of plain input.
        output: whether tokens come out that are billed.
        unit: what the prompt is billed by.
        location: cloud region.
        residency: region of a data-residency endpoint.
        server_address: host name that it is sent to, where that tells the region.
    """

    provider: str
    model: str
    tier: str | None = None
    writes: frozenset[str] = frozenset()
    output: bool = True
    unit: str = semconv.INPUT
    location: str | None = None
    residency: str | None = None
    server_address: str | None = None


def dearest(book: Book, asked: Asked, *, prompt: int, at_ns: int) -> Dearest:
    """The dearest rates of a model for a request.

    Args:
        book: the prices, those of the user's included.
        asked: what is known of the request.
        prompt: tokens that the prompt has at most, which decides whether long-context prices can be reached.
        at_ns: when it is sent, nanoseconds UTC.

    Raises:
        PriceError: the model has no price, or one that depends on what cannot be known before it is sent.
    """
    found = [
        _known(book.resolve(asked.provider, asked.model, conditions, moment), asked)
        for moment in _moments(book, asked, at_ns)
        for conditions in _conditions(book, asked, moment)
    ]
    levels = [level for one in found for level in one.levels if level is one.standard or prompt > level.limit]
    inputs = {asked.unit, *(_CACHED if asked.unit == semconv.INPUT else ()), *asked.writes}
    return Dearest(
        input=_most(levels, inputs, asked.unit, asked),
        output=_most(levels, semconv.OUTPUT_UNITS, semconv.OUTPUT, asked) if asked.output else 0,
        request=max(one.request for one in found),
    )


def thresholds(book: Book, provider: str, model: str, at_ns: int) -> tuple[int, ...]:
    """Prompt tokens beyond which the model's prices are others while a call runs, ascending."""
    limits: set[int] = set()
    for moment in (at_ns, at_ns + _LONGEST_NS):
        entry = book.find(provider, model, moment)
        for prices in () if entry is None else entry.periods:
            limits.update(limit for one in (prices, *prices.variants.values()) for limit, _rates in one.over)
    return tuple(sorted(limits))


def _moments(book: Book, asked: Asked, at_ns: int) -> Iterator[int]:
    """When the prices are asked for: at the start, at the latest end, and ever, where a promotion has run out and none knows what followed."""
    last = at_ns + _LONGEST_NS
    yield from (at_ns, last)
    entry = book.find(asked.provider, asked.model, at_ns)
    if entry is not None and entry.promotion is not None and last >= rate.day_ns(entry.promotion) + _DAY_NS:
        for prices in entry.periods:
            since = 0 if prices.since is None else rate.day_ns(prices.since)
            if since < at_ns:
                yield since


def _conditions(book: Book, asked: Asked, at_ns: int) -> Iterator[Conditions]:
    """Everything that may hold for the call."""
    rules = book.uplifts(asked.provider, asked.model, at_ns)
    tiers: Iterable[str | None] = (None,)
    word = rate.tier_name(asked.tier)
    if asked.tier is None or word == _AUTO:
        tiers = (None, *book.tiers(asked.provider, asked.model, at_ns))
    elif word is not None:
        tiers = (None, word)
    geos = {None, *(rule.when["geo"] for rule in rules if "geo" in rule.when)}
    location, residency = asked.location, asked.residency
    if location is None and any("location" in rule.when for rule in rules):
        location = _UNKNOWN
    known = asked.server_address is not None and asked.server_address == _GLOBAL_HOSTS.get(asked.provider)
    if residency is None and not known and any("residency" in rule.when for rule in rules):
        residency = _UNKNOWN
    for name, geo in product(tiers, sorted(geos, key=str)):
        yield Conditions(tier=name, geo=geo, location=location, residency=residency)


def _known(found: Resolved, asked: Asked) -> Resolved:
    if found.model is None:
        raise PriceError(f"model {asked.model!r} of {asked.provider} has no price")
    unsure = (*found.missing, *(f"{unit} (no answer counts it)" for unit in found.uncounted))
    if unsure:
        raise PriceError(f"the price of model {asked.model!r} of {asked.provider} depends on {', '.join(unsure)}")
    return found


def _most(levels: list[Level], units: Collection[str], needed: str, asked: Asked) -> Rate:
    """The highest rate among the units, in any level."""
    if not all(needed in level.rates or needed in level.doubtful for level in levels):
        raise PriceError(f"model {asked.model!r} of {asked.provider} has no price for {needed}")
    rates: list[Any] = []
    for level in levels:
        rates += [price for unit, price in level.rates.items() if unit in units]
        rates += [price for unit, (price, _why) in level.doubtful.items() if unit in units]
    highest: Rate = max(rates)
    return highest
