"""Causes of differences that can be put into a statement. Imports testing only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

from farebox.testing.billing.traffic import OUR_KEY, Used

OTHER_KEY: Final = "key_other"


@dataclass(frozen=True, slots=True)
class OtherCalls:
    """Calls that no ledger of ours metered.

    Attributes:
        used: the calls.
        key: whose key they were made with: the metered programs' own, or another's.
    """

    used: tuple[Used, ...]
    key: str = OUR_KEY


@dataclass(frozen=True, slots=True)
class BilledOtherwise:
    """Calls that the provider bills at another tier, interface or place than they were metered at.

    Attributes:
        chosen: which of the calls.
        tier: the tier that is billed; "": as it was.
        batch: the interface that is billed; None: as it was.
        geo: the place that is billed; "": as it was.
    """

    chosen: Callable[[Used], bool]
    tier: str = ""
    batch: bool | None = None
    geo: str = ""


@dataclass(frozen=True, slots=True)
class OtherRate:
    """A rate that differs from the price book's.

    Attributes:
        provider: whose.
        day: ISO day on which it holds.
        model: of which model.
        factor: times the listed rate.
        units: of which units; empty: of all tokens, as a surcharge for data residency is.
    """

    provider: str
    day: str
    model: str
    factor: Fraction
    units: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that the provider gives."""

    provider: str
    day: str
    amount: Decimal
    item: str = "Credit grant"


@dataclass(frozen=True, slots=True)
class Late:
    """Calls that the statement does not have yet: those from a moment on. `FakeBilling.catch_up` brings them.

    Attributes:
        provider: whose.
        since_ns: first moment that is missing, nanoseconds UTC.
        until_ns: first moment that is there again.
    """

    provider: str
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Rounded:
    """Amounts that are rounded to so many decimal places of a dollar."""

    provider: str
    places: int


Change: TypeAlias = OtherCalls | BilledOtherwise | OtherRate | Credit | Late | Rounded


@dataclass(frozen=True, slots=True)
class Injected:
    """What a change did to the bill.

    Attributes:
        provider: whose bill.
        day: ISO day.
        amount: dollars that the bill became higher by.
        change: what was changed.
    """

    provider: str
    day: str
    amount: Fraction
    change: Change = field(repr=False)
