"""From a model and the conditions of a call to flat rates. May import core and pricing.rate.

Resolving is the slow part of pricing and is done once for each model, condition and period; what comes out is a dict of integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.pricing import rate
from farebox.pricing.rate import Period, Rate, Rates

FOREVER: Final = (1 << 63) - 1
_DAY_NS: Final = 86_400_000_000_000
_MINUTE_NS: Final = 60_000_000_000

QUOTAS: Final = frozenset({semconv.GROUNDED_QUERIES, semconv.MAPS_QUERIES, rate.GROUNDED_PROMPTS, rate.MAPS_PROMPTS})
"""Units with a free quota that the account shares."""

_TIERED: Final = frozenset(
    {semconv.OPENAI, semconv.AZURE, semconv.ANTHROPIC, semconv.GOOGLE, semconv.GOOGLE_VERTEX, semconv.AWS_BEDROCK}
)
"""Providers that sell tiers: `auto` in their answers does not tell which."""

_COMPLETED: Final = tuple(sorted(semconv.TOKEN_UNITS - {semconv.INPUT_TOOL}))


class Uplift(msgspec.Struct, frozen=True):
    """A factor on the cost under a condition.

    Attributes:
        provider: whose calls it holds for.
        when: condition → value, of `Conditions`.
        share: the factor, `a/b`.
        all_units: whether fees are multiplied too, not only tokens.
        source: index of the source.
    """

    provider: str
    when: dict[str, str]
    share: str
    all_units: bool = False
    source: int = 0


class ModelEntry(msgspec.Struct, omit_defaults=True):
    """One model of the book, as it is written there.

    Attributes:
        promotion: last day that its promotional price was announced for, ISO; what follows is not known.
    """

    id: str
    periods: list[Period] = []
    context: int | None = None
    output: int | None = None
    unsupported: list[str] = []
    uncounted: list[str] = []
    uplifts: list[int] = []
    weekdays: bool = False
    promotion: str | None = None


class Conditions(msgspec.Struct, frozen=True):
    """What a price may depend on beside the model and the time; None is the usual.

    Attributes:
        tier: the provider's word for the service tier.
        batch: whether it went through the batch interface.
        speed: Anthropic's `speed`.
        geo: where inference ran, as the usage states it.
        residency: region of a data-residency endpoint.
        location: cloud region.
        plan: `free` for a free plan.
    """

    tier: str | None = None
    batch: bool = False
    speed: str | None = None
    geo: str | None = None
    residency: str | None = None
    location: str | None = None
    plan: str | None = None


class Level(msgspec.Struct, gc=False):
    """Rates for prompts of some length.

    Attributes:
        limit: tokens that the prompt exceeds.
        rates: unit → pico-dollars.
        doubtful: unit → (pico-dollars, why that is not sure): used for want of better, and the cost becomes partial.
    """

    limit: int = -1
    rates: dict[str, Rate] = {}
    doubtful: dict[str, tuple[Rate, str]] = {}


class Resolved(msgspec.Struct):
    """Flat rates of one model under one set of conditions, for as long as they hold.

    Attributes:
        model: its id in the book; None: the book does not know it.
        since: first moment (nanoseconds UTC) that the rates hold for.
        until: first moment that they no longer do.
        levels: rates by length of the prompt, the longest first.
        fees: rates of units that need more than a count (quotas, storage).
        request: pico-dollars for the call itself.
        missing: what has no price here, whatever the usage is.
        uncounted: units that each call may use but no answer counts.
        conditions: the conditions in words, for explanations.
        sources: unit → index of the source of its rate.
        plain: whether a sum over the units is all there is to it.
    """

    model: str | None
    since: int = 0
    until: int = FOREVER
    levels: tuple[Level, ...] = (Level(),)
    fees: dict[str, Rate] = {}
    request: Rate = 0
    missing: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    conditions: str = ""
    sources: dict[str, int] = {}
    plain: bool = False

    @property
    def standard(self) -> Level:
        """The rates for short prompts."""
        return self.levels[-1]

    def level(self, prompt: int) -> Level:
        """The rates for a prompt of so many tokens, cached ones included."""
        for level in self.levels:
            if prompt > level.limit:
                return level
        return self.levels[-1]

    @property
    def free(self) -> bool:
        """Whether nothing of this model costs anything."""
        rates = self.standard.rates
        return bool(rates) and not self.request and not any(rates.values()) and not self.missing


def resolve(
    entry: ModelEntry, provider: str, conditions: Conditions, at_ns: int, uplifts: Sequence[Uplift]
) -> Resolved | None:
    """Flat rates, or None when the model has no price at that moment."""
    found = period(entry, at_ns)
    if found is None:
        return None
    prices, since, until = found
    work = _Work(prices, provider)
    since, until = work.hours(prices, entry, at_ns, since, until)
    work.choose(prices, conditions)
    work.multiply(entry, provider, conditions, uplifts)
    if entry.unsupported:
        work.missing += [f"{name} (the book has no unit for it)" for name in entry.unsupported]
    return work.result(entry, since, until)


def period(entry: ModelEntry, at_ns: int) -> tuple[Period, int, int] | None:
    """The prices of a moment with the first and the last one that they hold at; None: it has none then."""
    chosen: tuple[Period, int] | None = None
    until = FOREVER
    for prices in entry.periods:
        since = 0 if prices.since is None else rate.day_ns(prices.since)
        if since <= at_ns:
            chosen = (prices, since)
        else:
            until = since
            break
    return None if chosen is None or not chosen[0].rates else (*chosen, until)


class _Work:
    """Rates while they are put together: standard ones, then variants over them, then factors."""

    def __init__(self, period: Period, provider: str) -> None:
        self.provider = provider
        self.rates = _parsed(period.rates)
        self.over = {limit: _parsed(prices) for limit, prices in period.over}
        self.sources = dict(period.sources)
        self.short_only: set[str] = set()
        self.missing: list[str] = []
        self.words: list[str] = []
        self.tier: str | None = None

    def lay(self, variant: Rates, word: str) -> None:
        """Lay a variant's prices over what there is."""
        own = _parsed(variant.rates)
        beyond = {limit: _parsed(prices) for limit, prices in variant.over}
        self.rates.update(own)
        self.sources.update({unit: variant.sources.get(unit, 0) for unit in own})
        for limit in self.over.keys() | beyond.keys():
            prices = self.over.setdefault(limit, {})
            for unit, price in own.items():
                if unit not in beyond.get(limit, {}) and unit in prices:
                    prices[unit] = price
                    self.short_only.add(unit)
            prices.update(beyond.get(limit, {}))
        self.words.append(word)

    def hours(self, period: Period, entry: ModelEntry, at_ns: int, since: int, until: int) -> tuple[int, int]:
        """Lay on the daily window that the moment is in; the rates then hold up to the next edge of a window."""
        windows = [name for name in period.variants if name.startswith(rate.HOURS)]
        if not windows:
            return since, until
        midnight = at_ns - at_ns % _DAY_NS
        edges = {midnight, midnight + _DAY_NS}
        working = not entry.weekdays or datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).weekday() < 5
        for name in windows:
            start, end = (_edge(text, midnight) for text in name.removeprefix(rate.HOURS).split("-"))
            edges |= {start, end}
            inside = start <= at_ns < end if start < end else not end <= at_ns < start
            if inside and working:
                self.lay(period.variants[name], name)
        since = max(since, *(edge for edge in edges if edge <= at_ns))
        return since, min(until, *(edge for edge in edges if edge > at_ns))

    def choose(self, period: Period, conditions: Conditions) -> None:
        """Lay on the tier, the batch interface or the speed; only one of them can hold."""
        self.tier = rate.tier_name(conditions.tier)
        if self.tier == "auto" and self.provider not in _TIERED:
            self.tier = None  # hosts without tiers echo the request
        batch = conditions.batch
        if self.tier == "batch":
            self.tier, batch = None, True
        wanted = [name for name in (self.tier, "batch" if batch else None) if name]
        if conditions.speed not in (None, "standard"):
            wanted.append(f"speed:{conditions.speed}")
        if len(wanted) > 1:
            self.missing.append(" with ".join(wanted))
            wanted, self.tier = wanted[-1:], None
        for name in wanted:
            if name in period.variants:
                self.lay(period.variants[name], name)
                self.tier = None if name == self.tier else self.tier
            elif name != self.tier:
                self.missing.append(name)

    def multiply(self, entry: ModelEntry, provider: str, conditions: Conditions, uplifts: Sequence[Uplift]) -> None:
        """Apply the factors that hold for this provider, model and place; what no factor covers is missing."""
        place = "global" if conditions.location == "global" else "regional" if conditions.location else None
        state = {
            "tier": self.tier,
            "geo": conditions.geo or (conditions.residency if provider == semconv.ANTHROPIC else None),
            "residency": "regional" if conditions.residency not in (None, "", "global") else None,
            "location": place,
            "plan": conditions.plan if conditions.plan not in (None, "", "paid") else None,
        }
        rules = [uplifts[index] for index in entry.uplifts if uplifts[index].provider == provider]
        for rule in rules:
            if all(state.get(name) == value for name, value in rule.when.items()):
                self._times(Fraction(rule.share), all_units=rule.all_units)
                self.words += [f"{name} {value}: x {rule.share}" for name, value in rule.when.items()]
                if "tier" in rule.when:
                    state["tier"] = None
                if "geo" in rule.when:
                    state["geo"] = None
                if "plan" in rule.when:
                    state["plan"] = None
            elif "location" in rule.when and place is None:
                self.missing.append("location (regional endpoints have another price)")
        for name in ("tier", "geo", "plan"):
            if state[name] is not None:
                self.missing.append(f"{name} {state[name]}")

    def _times(self, share: Fraction, *, all_units: bool) -> None:
        for prices in (self.rates, *self.over.values()):
            for unit, price in prices.items():
                if unit != rate.WEB_SEARCH_TOKENS and (all_units or rate.per(unit) == 1_000_000):
                    prices[unit] = rate.exact(Fraction(price) * share)

    def result(self, entry: ModelEntry, since: int, until: int) -> Resolved:
        """Everything completed: units without a rate of their own, fees apart, one full level for each length."""
        standard = self._level(-1, self.rates)
        fees = {unit: standard.rates.pop(unit) for unit in (*QUOTAS, semconv.CACHE_STORAGE) if unit in standard.rates}
        request = standard.rates.pop(rate.REQUESTS, 0)
        levels = [standard]
        for limit, prices in sorted(self.over.items()):
            level = self._level(limit, {**self.rates, **prices})
            for unit in (*fees, rate.REQUESTS):
                level.rates.pop(unit, None)
            for unit in self.short_only & level.rates.keys():
                level.doubtful[unit] = (level.rates.pop(unit), f"{unit} has no long-context rate at {self.words[0]}")
            levels.append(level)
        return Resolved(
            model=entry.id,
            since=since,
            until=until,
            levels=tuple(reversed(levels)),
            fees=fees,
            request=request,
            missing=tuple(self.missing),
            uncounted=tuple(entry.uncounted),
            conditions=", ".join(self.words),
            sources=self.sources,
            plain=not self.missing and not entry.uncounted,
        )

    @staticmethod
    def _level(limit: int, prices: dict[str, Rate]) -> Level:
        full, assumed = rate.complete(prices, _COMPLETED)
        tokens = full.pop(rate.WEB_SEARCH_TOKENS, None)
        if tokens is not None and semconv.WEB_SEARCH in full:
            full[semconv.WEB_SEARCH] = full[semconv.WEB_SEARCH] + tokens * full.get(semconv.INPUT, 0)
        doubtful = {unit: (full.pop(unit), f"{unit} has no rate of its own (assumed)") for unit in assumed}
        return Level(limit, full, doubtful)


def _parsed(prices: dict[str, str]) -> dict[str, Rate]:
    return {
        unit: int(text) if unit == rate.WEB_SEARCH_TOKENS else rate.parse(text, unit) for unit, text in prices.items()
    }


def _edge(text: str, midnight: int) -> int:
    hours, minutes = text.split(":")
    return midnight + (int(hours) * 60 + int(minutes)) * _MINUTE_NS
