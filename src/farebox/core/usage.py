"""What a call used: disjoint billable units beside the provider's own object. Imports core.semconv only."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from farebox.core import semconv

Count: TypeAlias = int | Decimal
"""How much of a unit. Only durations have fractions, and those are exact decimals."""


def sized_unit(unit: str, quality: str | None, size: str | None) -> str:
    """`images` or `video_seconds` of a quality and size: "images:hd:1024x1024"; what was not said is the provider's default."""
    return f"{unit}:{quality or 'standard'}:{size or 'default'}"


_PARTS: Final = {
    **dict.fromkeys(semconv.INPUT_UNITS, "fresh"),
    **dict.fromkeys(semconv.CACHE_READ_UNITS, "read"),
    **dict.fromkeys(semconv.CACHE_WRITE_UNITS, "written"),
    **dict.fromkeys(semconv.OUTPUT_UNITS, "out"),
}


def _states_zero(raw: Any) -> bool:
    """Whether an object has numbers, and all of them are 0."""
    if isinstance(raw, dict):
        found = [_states_zero(value) for value in raw.values() if isinstance(value, dict | int | float)]
        return bool(found) and all(found)
    return raw == 0 and not isinstance(raw, bool)


class ModelUnits(msgspec.Struct, frozen=True, gc=False):
    """Units that the same call used of another model, at that model's own rates."""

    model: str
    units: dict[str, Count]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one call used, in units that are billed apart and never overlap.

    Attributes:
        units: count by unit name (`semconv`: `input`, `cache_read`, `output`, `web_search`, ...); zero counts are left out.
        raw: the provider's usage object, untouched; merged over a stream. None when the provider gave none.
        reasoning: reasoning tokens, a part of `output`; None when the provider does not say.
        total: the provider's own total of tokens, or None.
        service_tier: the tier the answer states, in the provider's word; it wins over the request.
        speed: Anthropic's `speed`, when stated.
        geo: where inference ran, when the usage states it.
        batch: whether the provider says it is billed as a batch.
        others: what the call used of other models.
        tools: hosted tools that the answer shows in use, by the provider's name.
        stated_cost: dollars that the provider itself states, or None.
        notes: what does not add up, for example "parts 1200, total 1193".
    """

    units: dict[str, Count]
    raw: dict[str, Any] | None = None
    reasoning: int | None = None
    total: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    geo: str | None = None
    batch: bool = False
    others: tuple[ModelUnits, ...] = ()
    tools: tuple[str, ...] = ()
    stated_cost: Decimal | None = None
    notes: tuple[str, ...] = ()

    @property
    def says_nothing(self) -> bool:
        """Whether it neither counts anything nor states that there was nothing to count: a cost of it is unknown, not 0."""
        if self.units or self.others or self.stated_cost is not None:
            return False
        return not _states_zero(self.raw)

    def totals(self) -> tuple[int, int, int, int]:
        """Inclusive totals in tokens: the prompt (cached parts included), read from cache, written to cache, and out."""
        prompt = read = written = out = 0
        for name, count in self.units.items():
            part = _PARTS.get(name)
            if part is None:
                continue
            tokens = int(count)
            if part == "out":
                out += tokens
                continue
            prompt += tokens
            if part == "read":
                read += tokens
            elif part == "written":
                written += tokens
        return prompt, read, written, out

    @property
    def input_tokens(self) -> int:
        """All tokens of the prompt, cached ones included (OpenTelemetry's rule)."""
        return self.totals()[0]

    @property
    def cache_read_tokens(self) -> int:
        """Tokens of the prompt that came from the provider's cache."""
        return self.totals()[1]

    @property
    def cache_write_tokens(self) -> int:
        """Tokens of the prompt that were written to the provider's cache."""
        return self.totals()[2]

    @property
    def output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.totals()[3]

    def __add__(self, other: Usage) -> Usage:
        """Units of both; what only one call can have (raw object, tier) is left out."""
        units = dict(self.units)
        for name, count in other.units.items():
            units[name] = units.get(name, 0) + count
        return Usage(
            units=units,
            reasoning=None
            if self.reasoning is None and other.reasoning is None
            else (self.reasoning or 0) + (other.reasoning or 0),
            others=self.others + other.others,
        )
