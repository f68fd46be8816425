"""What a provider states of its own: tokens and money by day, as typed lines. Imports core only.

Money is `Decimal` dollars, exactly as the provider wrote it; a day is an ISO date in UTC.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

TOKENS: Final = "tokens"
TOOL: Final = "tool"
CREDIT: Final = "credit"
TAX: Final = "tax"
OTHER: Final = "other"

Kind: TypeAlias = Literal["tokens", "tool", "credit", "tax", "other"]
"""What a line of money is for. Taxes are told, and are no part of a comparison with list prices."""

Part: TypeAlias = str
"""A piece of a statement that is fetched by itself: an endpoint, or "export" for a file."""

USAGE: Final = "usage"
MONEY: Final = "money"


class UsageLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Quantities of one day.

    Attributes:
        day: ISO date, UTC.
        model: as the provider names it; None: it does not say.
        tier: service tier in the provider's word; None: standard, or not told apart.
        batch: whether it went through the batch interface.
        geo: where inference ran, where the provider tells it apart.
        key: id of the API key (never the key itself); None: not told, or used from the provider's own console.
        units: count by billable unit (`semconv`), disjoint.
        requests: how many requests; None: the provider does not count them.
        untold: whether tier and interface are not told apart here, other than in the rest of the statement.
        source: which interface or file says so.
    """

    day: str
    model: str | None = None
    tier: str | None = None
    batch: bool = False
    geo: str | None = None
    key: str | None = None
    units: dict[str, int] = {}
    requests: int | None = None
    untold: bool = False
    source: str = ""


class MoneyLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Money of one day, by the provider's line item.

    Attributes:
        day: ISO date, UTC.
        item: the line item in the provider's words.
        amount: dollars; negative for credits.
        kind: what it is for.
        model: None: not told.
        units: the units that it pays for; empty: not told, any.
        tier: None: not told apart; "" the standard tier.
        batch: None: not told apart.
        geo: None: not told apart; "" anywhere.
        source: which interface or file says so.
    """

    day: str
    item: str
    amount: Decimal
    kind: Kind = "tokens"
    model: str | None = None
    units: tuple[str, ...] = ()
    tier: str | None = None
    batch: bool | None = None
    geo: str | None = None
    source: str = ""


class Lines(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one part states of one day.

    Attributes:
        usage: its quantities.
        money: its amounts.
        problems: what of it could not be understood; such a part is not complete.
    """

    usage: tuple[UsageLine, ...] = ()
    money: tuple[MoneyLine, ...] = ()
    problems: tuple[str, ...] = ()


class Dimensions(msgspec.Struct, frozen=True):
    """What a provider's usage tells apart; the ledger is added up over what it does not.

    Attributes:
        tier: service tier.
        batch: batch interface or not.
        geo: where inference ran.
        keys: whose key it was.
        commitments: tiers that are paid for in advance: tokens in the usage, and no money in the costs.
    """

    tier: bool = True
    batch: bool = True
    geo: bool = False
    keys: bool = False
    commitments: frozenset[str] = frozenset()


class Coverage(msgspec.Struct, frozen=True):
    """How much of a day the statement has.

    Attributes:
        usage: whether all quantities are there.
        money: whether all amounts are.
        fetched_at: when it was fetched, in nanoseconds UTC.
    """

    usage: bool
    money: bool
    fetched_at: int


class Statement(msgspec.Struct, kw_only=True):
    """What a provider states of some days.

    Attributes:
        provider: whose bill it is.
        source: where it is from, for people: "OpenAI usage and costs".
        dimensions: what its usage tells apart.
        usage: quantities.
        money: amounts.
        days: how much of each day it has; a day that is not in here was not had at all.
        gaps: what is missing, and why, in sentences.
        remarks: what else a reader must know.
    """

    provider: str
    source: str
    dimensions: Dimensions
    usage: list[UsageLine] = []
    money: list[MoneyLine] = []
    days: dict[str, Coverage] = {}
    gaps: list[str] = []
    remarks: list[str] = []

    def places(self) -> int:
        """Decimal places that its amounts are written with, at most; what it rounds to."""
        exponents = [line.amount.as_tuple().exponent for line in self.money]
        return max((-exponent for exponent in exponents if isinstance(exponent, int)), default=0)
