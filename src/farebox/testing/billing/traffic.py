"""What a provider bills: single uses, and what each costs at the provider. Imports core, extraction, pricing and testing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from farebox.core import semconv
from farebox.core.event import CallEvent
from farebox.core.usage import Usage
from farebox.extraction import read
from farebox.pricing.book import Book
from farebox.pricing.calculate import calculate
from farebox.testing.bill import Billed

OUR_KEY: Final = "key_ours"
"""Id of the key that metered programs use."""


@dataclass(frozen=True, slots=True)
class Used:
    """One call as the provider saw it.

    Attributes:
        provider: who bills it.
        model: as the provider names it.
        at_ns: when, nanoseconds UTC.
        units: disjoint billable units.
        tier: service tier, in the provider's word.
        batch: whether of the batch interface.
        geo: where inference ran.
        key: id of the API key.
        api: the interface.
    """

    provider: str
    model: str
    at_ns: int
    units: dict[str, int] = field(default_factory=dict)
    tier: str | None = None
    batch: bool = False
    geo: str | None = None
    key: str = OUR_KEY
    api: str | None = None

    def costs(self) -> Iterator[tuple[str, Fraction]]:
        """Dollars by unit, at list prices."""
        usage = Usage(units=dict(self.units), service_tier=self.tier, geo=self.geo, batch=self.batch)
        cost = calculate(
            usage, book=Book.default(), provider=self.provider, model=self.model, at_ns=self.at_ns, batch=self.batch
        )
        for line in cost.lines:
            yield line.unit, Fraction(line.amount)


def of_events(events: Iterable[CallEvent]) -> Iterator[Used]:
    """The traffic that a ledger metered. Calls of unknown usage, and refused ones, are not in it."""
    for event in events:
        if event.units and event.cost_status != semconv.COST_ESTIMATED:
            geo = (event.raw_usage or {}).get("inference_geo")
            yield Used(
                event.provider,
                event.response_model or event.request_model or "",
                event.started_at,
                {unit: int(number) for unit, number in event.units.items()},
                tier=event.service_tier,
                batch=event.batch,
                geo=geo if isinstance(geo, str) else None,
                api=event.api,
            )


def of_bill(lines: Iterable[Billed]) -> Iterator[Used]:
    """The traffic of a `FakeProvider`, from its own bill."""
    for line in lines:
        usage = read(line.usage, api=line.api, provider=line.provider, tool_calls=dict(line.tool_calls))
        units = {unit: int(number) for unit, number in usage.units.items()}
        yield Used(
            line.provider,
            line.model,
            line.at_ns,
            units,
            tier=usage.service_tier,
            batch=line.batch,
            geo=usage.geo,
            api=line.api,
        )
