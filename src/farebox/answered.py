"""`query_with_tracking`: what a function did with its calls, beside its result. May import scopes and core."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from farebox import scopes
from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.core.money import Money
from farebox.core.usage import Count

Source: TypeAlias = Literal["provider", "calculated", "estimated", "unknown", "none"]

_UNSURE: Final = frozenset({semconv.COST_ESTIMATED, semconv.COST_PARTIAL})


class UsageMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of one piece of work used and cost.

    Attributes:
        calls: how many were sent.
        input_tokens: all tokens in, cached ones included.
        output_tokens: all tokens out, thinking included.
        cached_tokens: tokens in that came from the provider's cache.
        cache_write_tokens: tokens in that were written to it.
        thinking_tokens: tokens out that were reasoning; None where no provider says it.
        units: everything billable, disjoint, by unit.
        cost: dollars of the calls whose cost is known; None when there are calls and none is.
        source: where the cost is from, by the least sure of the calls: "provider" (it stated the money), "calculated" (its usage,
            priced by the book), "estimated" (usage or prices are missing in part), "unknown" (a call has no cost); "none": no calls.
        unpriced: calls whose cost nobody knows, and is not in `cost`.
        models: models that answered, in order.
        duration: seconds that the work took.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    thinking_tokens: int | None
    units: dict[str, Count]
    cost: Money | None
    source: Source
    unpriced: int
    models: tuple[str, ...]
    duration: float

    @property
    def is_actual(self) -> bool:
        """Whether the cost is what the provider bills by its own usage, and no estimate."""
        return self.source in ("provider", "calculated")

    @property
    def total_tokens(self) -> int:
        """Tokens in and out."""
        return self.input_tokens + self.output_tokens

    @classmethod
    def of(cls, events: Sequence[CallEvent], duration: float = 0.0) -> Self:
        """The metrics of events. Refused calls and answers of a local cache were not sent, and count nothing."""
        sent = [
            event for event in events if event.status != semconv.STATUS_REFUSED and event.kind != semconv.KIND_CACHE_HIT
        ]
        units: dict[str, Count] = {}
        for event in sent:
            for unit, count in (event.units or {}).items():
                units[unit] = units.get(unit, 0) + count
        thinking = [event.reasoning_tokens for event in sent if event.reasoning_tokens is not None]
        known = [event.cost_nano for event in sent if event.cost_nano is not None]
        return cls(
            calls=len(sent),
            input_tokens=sum(event.input_tokens or 0 for event in sent),
            output_tokens=sum(event.output_tokens or 0 for event in sent),
            cached_tokens=sum(event.cache_read_tokens or 0 for event in sent),
            cache_write_tokens=sum(event.cache_write_tokens or 0 for event in sent),
            thinking_tokens=sum(thinking) if thinking else None,
            units=units,
            cost=Money.from_nano(sum(known)) if known or not sent else None,
            source=_source(sent),
            unpriced=len(sent) - len(known),
            models=tuple(
                dict.fromkeys(name for event in sent if (name := event.response_model or event.request_model))
            ),
            duration=duration,
        )


def _source(sent: Sequence[CallEvent]) -> Source:
    statuses = {event.cost_status for event in sent}
    if not statuses:
        return "none"
    if semconv.COST_UNPRICED in statuses:
        return "unknown"
    if statuses & _UNSURE:
        return "estimated"
    return "provider" if statuses == {semconv.COST_PROVIDER} else "calculated"


def query_with_tracking(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run a function and say what its calls used, beside its result. The function itself is left as it is.

    Args:
        fn: a function or coroutine function that calls models; a stream must be read inside it.
        *args: for it.
        **kwargs: for it.

    Returns:
        The result and `UsageMetrics`; of a coroutine function an awaitable of them. Its errors are raised as they are.
    """
    seen, began = scopes.Capture(), time.perf_counter_ns()

    def metrics() -> UsageMetrics:
        return UsageMetrics.of(seen.calls, float(Decimal(time.perf_counter_ns() - began).scaleb(-9)))

    async def awaited(result: Awaitable[Any]) -> tuple[Any, UsageMetrics]:
        with seen:
            answer = await result
        return answer, metrics()

    with seen:
        result = fn(*args, **kwargs)
    return awaited(result) if inspect.isawaitable(result) else (result, metrics())
