"""What a standing budget says when it cannot pay: which bucket, which window, and when there will be money again. Imports core and the port."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from farebox.budgets.store import Denied, Draw
from farebox.core.errors import BudgetExceeded
from farebox.core.money import Money

if TYPE_CHECKING:
    from farebox.budgets.matching import Standing


def counted(unit: str, amount: int) -> Decimal:
    """An amount as people compute with it: dollars, or the plain number."""
    return Money.from_nano(amount) if unit == "usd" else Decimal(amount)


def said(unit: str, amount: int) -> str:
    """An amount in a sentence."""
    return f"${Money.from_nano(amount)}" if unit == "usd" else f"{amount:,} {unit if amount != 1 else unit.rstrip('s')}"


def named(standing: Standing, bucket: str) -> str:
    """A budget and its bucket in a sentence."""
    per = standing.row.per
    if per is None:
        return f"budget {standing.name!r}"
    return (
        f"budget {standing.name!r} for {per} {bucket!r}"
        if bucket
        else f"budget {standing.name!r} for calls without {per}"
    )


def moment(nanoseconds: int) -> datetime:
    """A moment in UTC."""
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC)


def refusal(standing: Standing, draw: Draw, denied: Denied) -> BudgetExceeded:
    """The error for a call that does not fit."""
    unit, limit = draw.unit, draw.limit or 0
    window = standing.window
    resets_at = moment(window.leaves(denied.oldest) if window.rolling else draw.until)
    in_flight = f" and {said(unit, denied.held)} held by calls in flight" if denied.held else ""
    again = "its oldest part leaves the window" if window.rolling else "it starts anew"
    return BudgetExceeded(
        f"{named(standing, draw.bucket)}, {said(unit, limit)} in {'' if window.rolling else 'one '}{window.text}, cannot pay a call "
        f"of about {said(unit, draw.amount)}: {said(unit, denied.spent)} spent{in_flight}; {again} at {resets_at:%Y-%m-%d %H:%M:%S} UTC. "
        "Nothing was sent.",
        budget=standing.name,
        limit=counted(unit, limit),
        spent=counted(unit, denied.spent),
        reserved=counted(unit, denied.held),
        asked=counted(unit, draw.amount),
        bucket=draw.bucket or None,
        window=window.text,
        resets_at=resets_at,
        unit=unit,
    )
