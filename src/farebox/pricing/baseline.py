"""What a call would have cost otherwise: of another model, or without the provider's cache. May import core only.

The same usage is priced by the same rules at the same time. What is not wholly priced is unknown: half a baseline would be a
saving, or a loss, that nobody had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from farebox.core import semconv
from farebox.core.usage import Count, Usage

Ask: TypeAlias = Callable[[Usage, str, str], tuple[int | None, str]]
"""Nano-dollars and cost status of a usage, by provider and model."""

_ELSEWHERE: Final = (semconv.OPENAI, semconv.ANTHROPIC, semconv.GOOGLE)
"""Where a baseline model is looked for that the call's own provider does not have."""

_FRESH: Final = {
    **dict.fromkeys(semconv.CACHE_WRITE_UNITS, semconv.INPUT),
    semconv.CACHE_READ: semconv.INPUT,
    semconv.CACHE_READ_AUDIO: semconv.INPUT_AUDIO,
    semconv.CACHE_READ_IMAGE: semconv.INPUT_IMAGE,
    semconv.CACHE_READ_VIDEO: semconv.INPUT_VIDEO,
}
"""What tokens are billed as where nothing is cached."""

_KEPT: Final = frozenset({semconv.CACHE_STORAGE, semconv.CACHE_TOKEN_SECONDS})


def on_model(ask: Ask, usage: Usage, provider: str, model: str) -> int | None:
    """Nano-dollars of the same usage on a baseline model; None when its price is not wholly known.

    Args:
        ask: the price book.
        usage: what the call used. Money that the provider stated is that of the model that answered, and does not count.
        provider: who billed the call.
        model: the baseline: a model of that provider, else "provider/model", else one of openai, anthropic or google.
    """
    used = usage if usage.stated_cost is None else msgspec.structs.replace(usage, stated_cost=None)
    if not used.units:
        return None
    prefix, slash, rest = model.partition("/")
    places = [(provider, model), *([(prefix, rest)] if slash else []), *((name, model) for name in _ELSEWHERE)]
    for place in dict.fromkeys(places):
        nano, status = ask(used, *place)
        if nano is not None:
            return nano if status == semconv.COST_PRICED else None
    return None


def uncached(usage: Usage, operation: str) -> Usage | None:
    """The same usage without the provider's cache; None where it did not use it. A stored cache would not have been made at all."""
    if operation == semconv.CONTEXT_CACHE:
        return Usage(units={})
    units: dict[str, Count] = {}
    for unit, count in usage.units.items():
        if unit not in _KEPT:
            fresh = _FRESH.get(unit, unit)
            units[fresh] = units.get(fresh, 0) + count
    return None if units == usage.units else msgspec.structs.replace(usage, units=units)
