"""How a standing budget stands, bucket by bucket. Imports core, budget_settings and the budgets' own parts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from farebox.budgets.matching import Standing
from farebox.budgets.refusal import counted, moment
from farebox.budgets.store import BudgetStore, Reading


class BudgetStatus(msgspec.Struct, frozen=True):
    """One bucket of a standing budget, in the window of now.

    Attributes:
        name: of the budget.
        bucket: the value that has this bucket of its own; None where the budget has one bucket, and for calls without a value.
        window: what it counts over, for example "day Europe/Berlin" or "24h".
        start: first moment that counts.
        end: when the window starts anew; of a rolling one, until when what is booked now counts.
        unit: "usd", "tokens" or "calls": what the amounts are.
        limit: what may be spent; `Money` where the unit is "usd".
        spent: what settled calls and charges took.
        held: what calls in flight hold.
        remaining: what is neither spent nor held, never below 0.
        utilization: share of the limit that is spent; 1.0 is all of it.
        calls: calls that were settled.
        strength: "soft", "hard" or "strict".
    """

    name: str
    bucket: str | None
    window: str
    start: datetime
    end: datetime
    unit: str
    limit: Decimal
    spent: Decimal
    held: Decimal
    remaining: Decimal
    utilization: float
    calls: int
    strength: str

    @property
    def over(self) -> bool:
        """Whether the limit is reached."""
        return self.spent >= self.limit


def status(
    rows: Iterable[Standing], store: BudgetStore | None, now: int, *, tenant_id: str | None = None
) -> list[BudgetStatus]:
    """Every bucket of the rows that has been booked in, or has a limit of its own.

    Args:
        rows: the budgets.
        store: where they are booked; None: nothing ever was.
        now: nanoseconds UTC.
        tenant_id: only budgets that are per tenant, and of those only this tenant's bucket.
    """
    found = []
    for standing in rows:
        per = standing.row.per
        if tenant_id is not None and per != "tenant_id":
            continue
        piece, since, until = standing.window.place(now)
        readings = (
            {} if store is None else {one.bucket: one for one in store.read(standing.name, standing.terms, since)}
        )
        asked = (
            {*readings, *standing.row.overrides, *([""] if per is None else [])} if tenant_id is None else {tenant_id}
        )
        for bucket in sorted(asked):
            limit = standing.limit_of(bucket)
            if limit is not None:
                found.append(_one(standing, readings.get(bucket, Reading(bucket, 0, 0, 0)), limit, (since, until)))
        del piece
    return found


def _one(standing: Standing, reading: Reading, limit: int, span: tuple[int, int]) -> BudgetStatus:
    unit = standing.row.unit
    used = reading.spent / limit if limit else float(reading.spent > 0)
    return BudgetStatus(
        standing.name,
        reading.bucket or None,
        standing.window.text,
        moment(span[0]),
        moment(span[1]),
        unit,
        counted(unit, limit),
        counted(unit, reading.spent),
        counted(unit, reading.held),
        counted(unit, max(0, limit - reading.spent - reading.held)),
        used,
        reading.calls,
        standing.row.strength,
    )
