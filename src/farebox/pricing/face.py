"""`price`, the function that users call. May import core, extraction and its neighbours here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from farebox.core.errors import PriceError
from farebox.core.usage import Usage
from farebox.extraction import read
from farebox.pricing.book import Book
from farebox.pricing.calculate import Cost, calculate
from farebox.pricing.context import PriceContext, context_of


def price(
    usage: Usage | Mapping[str, Any] | None,
    *,
    provider: str,
    model: str,
    api: str | None = None,
    at: datetime | str | int | None = None,
    service_tier: str | None = None,
    batch: bool = False,
    context: PriceContext | Mapping[str, Any] | None = None,
    book: Book | None = None,
) -> Cost:
    """What a call costs, from the provider's own usage object.

    Args:
        usage: the usage object as plain data, a `Usage`, or None when the answer has none.
        provider: who bills the call: `openai`, `azure`, `anthropic`, `google`, `google-vertex`, `aws-bedrock`, `openrouter`, ...
        model: the model, as the answer names it.
        api: the interface that the usage object is from; a prefix `batch/` means the batch interface.
        at: when the call was made: a datetime (naive: UTC), an ISO text, nanoseconds since the epoch; None: now.
        service_tier: the tier that the answer states outside its usage.
        batch: whether it went through the batch interface.
        context: facts outside the usage; a dict with the names of `PriceContext`.
        book: other prices than the installed ones.

    Raises:
        TypeError: a key of `context` is not known.
        PriceError: `at` cannot be read.
    """
    facts = context_of(context)
    if isinstance(usage, Usage):
        used = usage
        if facts.tool_calls:
            counted = read(None, api=api, tool_calls=facts.tool_calls, tools=usage.tools)
            used = msgspec.structs.replace(usage, units={**counted.units, **usage.units}, tools=counted.tools)
    else:
        used = read(usage, api=api, provider=provider, service_tier=service_tier, tool_calls=facts.tool_calls)
    return calculate(
        used,
        book=book or Book.default(),
        provider=provider,
        model=model,
        api=api,
        at_ns=_moment(at),
        service_tier=service_tier,
        batch=batch,
        context=facts,
    )


def _moment(at: datetime | str | int | None) -> int:
    """Nanoseconds since the epoch."""
    if at is None:
        return time.time_ns()
    if isinstance(at, int) and not isinstance(at, bool):
        return at
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            raise PriceError(f"at={at!r} is no time: give ISO 8601, for example 2026-11-22T12:00:00Z") from None
    if not isinstance(at, datetime):
        raise PriceError(f"at={at!r} is no time: give a datetime, an ISO text or nanoseconds")
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    whole = int(at.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + at.microsecond * 1000
