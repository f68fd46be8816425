"""The data of `genai-prices`, turned into a draft of the book. It is handed that package's objects and imports none of it.

Three habits of the data are mended here: prices of tiers that start on the day somebody verified them hold as long as the standard
prices they belong to; names are matched by prefix only up to a version, never up to another model; float artefacts are rounded to
a whole pico-dollar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from farebox.core import semconv
from farebox.core.errors import PriceError
from farebox.pricing import rate
from farebox.pricing.draft import Conflicts, DraftModel, DraftPeriod, DraftProvider, DraftRates, Prices

UNITS: Final = {
    "input_mtok": semconv.INPUT,
    "input_text_mtok": semconv.INPUT,
    "input_audio_mtok": semconv.INPUT_AUDIO,
    "input_image_mtok": semconv.INPUT_IMAGE,
    "input_video_mtok": semconv.INPUT_VIDEO,
    "cache_read_mtok": semconv.CACHE_READ,
    "cache_audio_read_mtok": semconv.CACHE_READ_AUDIO,
    "cache_image_read_mtok": semconv.CACHE_READ_IMAGE,
    "cache_video_read_mtok": semconv.CACHE_READ_VIDEO,
    "cache_write_mtok": rate.CACHE_WRITE,
    "cache_write_1h_mtok": semconv.CACHE_WRITE_1H,
    "output_mtok": semconv.OUTPUT,
    "output_audio_mtok": semconv.OUTPUT_AUDIO,
    "output_image_mtok": semconv.OUTPUT_IMAGE,
    "output_video_mtok": semconv.OUTPUT_VIDEO,
    "audio_hours": semconv.SECONDS,
    "input_audio_hours": semconv.SECONDS,
    "input_mchars": semconv.CHARACTERS,
    "web_searches_kcount": semconv.WEB_SEARCH,
    "storage_searches_kcount": semconv.FILE_SEARCH,
    "social_searches_kcount": "social_search",
    "code_executions_kcount": "code_execution",
    "rerank_searches_kcount": "rerank_search",
    "input_text_messages_kcount": "text_messages",
    "input_document_kpages": "document_pages",
    "input_annotated_document_kpages": "annotated_document_pages",
    "input_gpixels": "pixels",
    "requests_kcount": rate.REQUESTS,
}
"""Price keys of the source → units of ours. Keys that are missing here make a model's costs partial."""

# What may follow a model's name without making it another model: dates, revisions, `latest`, `preview`, a service's suffixes.
_VERSION: Final = (
    r"(?:[-@:.](?:latest|preview|exp|beta|stable|default|v\d+|\d{3,8}|\d+k|\d{4}-\d\d-\d\d|\d\d-\d{2,4}|0))*"
)


def providers(source: Iterable[Any], as_of: date, conflicts: Conflicts) -> dict[str, DraftProvider]:
    """Drafts of every provider of the source.

    Args:
        source: providers as that package has them.
        as_of: the day of the data: a price without a date belongs to the period of this day.
        conflicts: where models are noted whose prices cannot be said in the book's words.
    """
    drafts = {}
    for provider in source:
        draft = DraftProvider(id=provider.id, fallback=list(provider.fallback_model_providers or ()))
        for model in provider.models:
            with conflicts.about(provider.id, model.id):
                draft.models[model.id] = _model(model, provider.id, as_of)
        drafts[provider.id] = draft
    return drafts


def _model(model: Any, provider: str, as_of: date) -> DraftModel:
    names, patterns = _match(model.match)
    draft = DraftModel(id=model.id, names=names, patterns=patterns, context=model.context_window)
    unsupported: set[str] = set()
    listed = model.prices if isinstance(model.prices, list) else [None]
    for entry in listed:
        prices = model.prices if entry is None else entry.prices
        constraint = None if entry is None else entry.constraint
        if hasattr(constraint, "start_time"):
            hours = DraftRates()
            _fill(hours, prices, provider, unsupported)
            draft.verified.append((_hours(constraint), as_of, hours))
            continue
        since = _since(constraint, model.id)
        period = DraftPeriod(since=since)
        _fill(period, prices, provider, unsupported)
        if period.rates:
            draft.periods.append(period)
    draft.unsupported = sorted(unsupported)
    _variants(draft, model.price_variants or (), provider, as_of)
    return draft


def _since(constraint: Any, model: str) -> date | None:
    if constraint is None:
        return None
    if not isinstance(getattr(constraint, "start_date", None), date):
        raise PriceError(f"{model}: the book has no words for this condition of a price: {constraint!r}")
    day: date = constraint.start_date
    return day


def _hours(constraint: Any) -> str:
    """The variant of a daily window, in UTC."""
    start, end = constraint.start_time, constraint.end_time
    if any(time.utcoffset() not in (None, timedelta()) for time in (start, end)):
        raise PriceError(f"a window of hours is not in UTC: {constraint!r}")
    return f"{rate.HOURS}{start:%H:%M}-{end:%H:%M}"


def _fill(into: DraftRates, prices: Any, provider: str, unsupported: set[str]) -> None:
    for key, value in vars(prices).items():
        if value is None:
            continue
        unit = UNITS.get(key)
        if unit is None:
            unsupported.add(key)
            continue
        if unit == semconv.WEB_SEARCH and provider == "google":
            # Up to Gemini 2.5 a grounded prompt costs one fee of $35/1k; from Gemini 3 on each query costs $14/1k.
            unit = rate.GROUNDED_PROMPTS if getattr(value, "base", value) == Decimal(35) else semconv.GROUNDED_QUERIES
        if isinstance(value, Decimal):
            into.rates[unit] = _price(value, unit)
            continue
        into.rates[unit] = _price(value.base, unit)
        for tier in value.tiers:
            into.over.setdefault(tier.start, {})[unit] = _price(tier.price, unit)


def _price(value: Decimal, unit: str) -> Fraction:
    """Dollars; artefacts of a float division become a whole number of pico-dollars a unit."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -12:
        return Fraction(round(Fraction(value) * rate.PICO / rate.per(unit)) * rate.per(unit), rate.PICO)
    return Fraction(value)


def _variants(draft: DraftModel, given: Iterable[Any], provider: str, as_of: date) -> None:
    """Note the prices of tiers and of batches with the day they were verified; `place_variants` puts them where they belong."""
    unsupported: set[str] = set()
    for variant in given:
        name = _variant_name(variant.when)
        if name is not None:
            own = DraftRates()
            _fill(own, variant.prices, provider, unsupported)
            day = (_since(variant.constraint, draft.id) if variant.constraint else None) or as_of
            draft.verified.append((name, day, own))


def place_variants(draft: DraftModel) -> None:
    """Give each period its variants: those verified within it, else the same share of its standard prices.

    Raises:
        PriceError: a period has two different prices for one variant.
    """
    for name, day, own in draft.verified:
        within = [period for period in draft.periods if period.since is None or period.since <= day]
        period = within[-1] if within else draft.periods[0]
        there = period.variants.setdefault(name, own)
        if (there.rates, there.over) != (own.rates, own.over):
            raise PriceError(f"{draft.id}: two prices for {name}: {there.rates} and {own.rates}")
    known = [(period, name, rates) for period in draft.periods for name, rates in period.variants.items()]
    for period in draft.periods:
        for other, name, rates in known:
            if name.startswith(rate.HOURS) and period.since is None:
                continue  # a model that got windows on a day was flat before it
            if name not in period.variants and (derived := _scaled(other, rates, period)) is not None:
                period.variants[name] = derived


def _variant_name(when: dict[str, str]) -> str | None:
    """The book's word for the condition of a variant; None for one that is the standard or cannot be told from a call."""
    ((key, value),) = when.items()
    if key == "processing":
        return str(value)
    if key == "service_tier":
        return rate.tier_name(value)
    return f"{key}:{value}" if key == "speed" else None


def _scaled(known: DraftPeriod, variant: DraftRates, period: DraftPeriod) -> DraftRates | None:
    """A variant at another period's prices: the same share of the standard price, if it is the same for every unit."""
    shares = {price / known.rates[unit] for unit, price in variant.rates.items() if known.rates.get(unit)}
    if len(shares) != 1:
        return None
    (share,) = shares
    return DraftRates(
        rates=_times(period.rates, share, variant.rates),
        over={limit: _times(prices, share, variant.rates) for limit, prices in period.over.items()},
    )


def _times(prices: Prices, share: Fraction, units: Iterable[str]) -> Prices:
    return {unit: prices[unit] * share for unit in units if unit in prices}


def _match(clause: Any) -> tuple[set[str], list[str]]:
    """Exact names and regular expressions of a matching rule."""
    if hasattr(clause, "equals"):
        return {clause.equals.lower()}, []
    if hasattr(clause, "or_"):
        names: set[str] = set()
        patterns: list[str] = []
        for part in clause.or_:
            more, others = _match(part)
            names |= more
            patterns += others
        return names, patterns
    return set(), [_pattern(clause)]


def _pattern(clause: Any) -> str:
    """One anchored expression of a rule that is no exact name."""
    if hasattr(clause, "and_"):
        return "".join(f"(?={_pattern(part)})" for part in clause.and_)
    if hasattr(clause, "regex"):
        expression: str = clause.regex
        return expression.removeprefix("^") if expression.startswith("^") else f".*{expression}"
    if hasattr(clause, "starts_with"):
        return f"{_versioned(clause.starts_with.lower())}$"
    if hasattr(clause, "contains"):
        return f"(?:.*[/.:-])?{_versioned(clause.contains.lower())}$"
    return f"(?:.*[/.:])?{re.escape(clause.ends_with.lower())}$"


def _versioned(literal: str) -> str:
    """A literal with a version behind it; one that ends within a date or a separator goes on with digits."""
    more = r"\d*" if re.search(r"-0$|20\d\d$|20\d\d-$", literal) else ""
    if literal.endswith(".ft-"):
        return re.escape(literal) + r"[\w:-]*"
    if literal[-1] in "-@" and not more:
        return re.escape(literal[:-1]) + _VERSION
    return re.escape(literal) + more + _VERSION
