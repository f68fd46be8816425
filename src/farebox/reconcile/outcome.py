"""What a comparison finds: days, the causes of their differences, and rows of tokens and money. Imports core only.

Amounts are dollars, exact to the nano-dollar: billed minus computed, so that a positive one means that the bill is higher.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

OPEN: Final = "open"
MATCHED: Final = "matched"
DIFFERS: Final = "differs"
MISSING: Final = "missing"

Status: TypeAlias = Literal["open", "matched", "differs", "missing"]
"""Of a day. Open: data may still come. Matched: within 1 %. Differs: by more. Missing: the bill of a closed day could not be had whole."""

TOLERANCE: Final = Decimal("0.01")
"""Share of the larger of bill and ledger that a matched day may differ by."""

NOT_METERED: Final = "not_metered"
OTHER_KEY: Final = "other_key"
BATCH: Final = "batch"
TIER: Final = "service_tier"
COMMITMENT: Final = "commitment"
CREDIT: Final = "credit"
DISCOUNT: Final = "discount"
RESIDENCY: Final = "residency"
LATE: Final = "late_data"
MIDNIGHT: Final = "over_midnight"
OTHER_DAY: Final = "other_day"
NOT_BILLED: Final = "not_billed"
FREE: Final = "free_tokens"
PRICE: Final = "price_row"
UNPRICED: Final = "unpriced"
STALE: Final = "old_prices"
ESTIMATED: Final = "estimated"
ROUNDING: Final = "rounding"

MEANINGS: Final[dict[str, str]] = {
    NOT_METERED: "calls that this ledger did not meter: another program, or one without farebox",
    OTHER_KEY: "calls by another API key",
    BATCH: "billed as a batch, metered otherwise (or the other way round)",
    TIER: "billed at another service tier",
    COMMITMENT: "paid for in advance: tokens in the usage, no money in the costs",
    CREDIT: "credits that the provider gave",
    DISCOUNT: "the same share off everything",
    RESIDENCY: "surcharge for data residency",
    LATE: "the bill does not have these calls yet",
    MIDNIGHT: "calls over midnight, which the provider counts on the day that they ended",
    OTHER_DAY: "metered on one day and billed on another, as batches are when they are done",
    NOT_BILLED: "metered here, and not on the bill",
    FREE: "tokens in the usage without money in the costs: complimentary ones",
    PRICE: "the provider bills another rate than the price book has",
    UNPRICED: "the price book has no price",
    STALE: "the ledger was priced by an older book: farebox reprice",
    ESTIMATED: "calls whose usage was estimated, and what they were billed at",
    ROUNDING: "rounding of the bill's amounts",
}
"""Every cause, and what it means."""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a bill differs from the ledger, and by how much.

    Attributes:
        kind: one of `MEANINGS`.
        amount: dollars, billed minus computed.
        model: whose calls; "": of several, or of none.
        what: unit, line item, key or tier that it is about.
        quantity: how many units; 0: that is not what it is about.
        detail: more in words.
        implied: dollars for a million tokens (or one unit of other things) that the bill implies; None: not about a rate.
        listed: the same by the price book.
    """

    kind: str
    amount: Decimal
    model: str = ""
    what: str = ""
    quantity: int = 0
    detail: str = ""
    implied: Decimal | None = None
    listed: Decimal | None = None


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """Quantities of one kind.

    Attributes:
        model: by the book's name.
        tier: service tier, "standard" where there is none.
        batch: whether of the batch interface.
        unit: billable unit.
        metered: how much the ledger has; estimated calls left out.
        billed: how much the statement has; None: it does not say.
    """

    model: str
    tier: str
    batch: bool
    unit: str
    metered: int
    billed: int | None


class MoneyRow(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one line item.

    Attributes:
        item: in the provider's words.
        model: by the book's name; "": several, or none.
        billed: dollars.
        computed: dollars that the ledger has for it.
    """

    item: str
    model: str
    billed: Decimal
    computed: Decimal


class DayResult(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's day.

    Attributes:
        provider: whose bill.
        day: ISO date, UTC.
        status: see `Status`.
        computed: dollars in the ledger.
        billed: dollars on the bill, taxes left out; None: it could not be had.
        unexplained: what of the difference has no cause.
        complete: whether the statement had the whole day: tokens and money, all understood.
        source: where the statement is from.
        fetched_at: when it was fetched, nanoseconds UTC; 0: never.
        causes: what makes up the difference, the largest first.
        tokens: quantities.
        money: amounts.
        notes: what a reader must know.
    """

    provider: str
    day: str
    status: Status
    computed: Decimal
    billed: Decimal | None
    unexplained: Decimal
    complete: bool
    source: str
    fetched_at: int
    causes: tuple[Cause, ...] = ()
    tokens: tuple[TokenRow, ...] = ()
    money: tuple[MoneyRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> Decimal | None:
        """Billed minus computed; None where there is no bill."""
        return None if self.billed is None else self.billed - self.computed
