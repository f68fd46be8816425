"""The cost of a call that is written already, by a book of today. May import core, extraction and its neighbours here."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from farebox.core import semconv
from farebox.core.event import LINE_BY_LINE, CallEvent
from farebox.core.usage import Usage
from farebox.extraction import read
from farebox.pricing.book import Book
from farebox.pricing.calculate import Cost, calculate
from farebox.pricing.context import PriceContext

COMPUTED: Final = frozenset({semconv.COST_PRICED, semconv.COST_PARTIAL, semconv.COST_UNPRICED})
"""Statuses of costs that rates decide. Money that a provider stated, and estimates of usage that never came, stay as they are."""

# us-east5-aiplatform.googleapis.com, aiplatform.us.rep.googleapis.com, bedrock-runtime.us-east-1.amazonaws.com
_PLACES: Final = (
    re.compile(r"^(?P<location>[a-z0-9-]+)-aiplatform\.googleapis\.com$"),
    re.compile(r"^aiplatform\.(?P<location>[a-z0-9-]+)\.rep\.googleapis\.com$"),
    re.compile(r"^bedrock[a-z-]*\.(?P<location>[a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)$"),
    re.compile(r"^(?P<residency>us|eu|ae|au|in|jp)\.api\.openai\.com$"),
)
_GLOBAL: Final = "aiplatform.googleapis.com"


def price_again(event: CallEvent, book: Book) -> Cost | None:
    """What the call costs by this book, at the time that it was made; None when rates do not decide its cost.

    The model that answered is looked up first, then the one that was asked for, as when the call was written.
    """
    if event.cost_status not in COMPUTED or (event.units is None and event.raw_usage is None):
        return None
    if (
        event.kind == semconv.KIND_CACHE_HIT or LINE_BY_LINE in event.usage_notes
    ):  # nobody was called; its lines are billed
        return None
    usage = usage_of(event)
    if usage.stated_cost is not None:
        return None
    found: Cost | None = None
    operation = event.operation if event.kind == semconv.KIND_OPERATION else None
    for model in dict.fromkeys((operation, event.response_model, event.request_model)):
        if model:
            found = price_usage(event, usage, event.provider, model, book)
            if found.nano is not None:
                return found
    return found


def price_usage(event: CallEvent, usage: Usage, provider: str, model: str, book: Book) -> Cost:
    """What a usage costs under the conditions and at the time of a call."""
    return calculate(
        usage,
        book=book,
        provider=provider,
        model=model,
        api=event.api,
        at_ns=event.started_at,
        batch=event.batch,
        context=_place(event.server_address),
    )


def usage_of(event: CallEvent) -> Usage:
    """The usage as it was metered: units as written, everything else from the provider's own object."""
    usage = read(event.raw_usage, api=event.api, provider=event.provider, service_tier=event.service_tier)
    if event.units is not None:
        usage = msgspec.structs.replace(usage, units=event.units)
    return msgspec.structs.replace(usage, service_tier=event.service_tier, batch=usage.batch or event.batch)


def _place(address: str | None) -> PriceContext:
    if address == _GLOBAL:
        return PriceContext(location="global")
    for pattern in _PLACES:
        if address and (found := pattern.match(address)):
            places = found.groupdict()
            return PriceContext(location=places.get("location"), data_residency=places.get("residency"))
    return PriceContext()
