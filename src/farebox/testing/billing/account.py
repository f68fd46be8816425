"""The provider's own books: traffic, changes, and what they add up to by day. Imports core.semconv and testing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from farebox.core import semconv
from farebox.testing.billing.causes import BilledOtherwise, Change, Credit, Injected, Late, OtherCalls, OtherRate
from farebox.testing.billing.traffic import Used

_WIDE: Final = Context(prec=60)
_PREPAID: Final = {"anthropic": "priority", "openai": "scale"}
"""Tiers whose tokens are paid for by commitment: no money of them is in the costs."""


class Charge(NamedTuple):
    """What a line of money is for."""

    model: str
    unit: str
    tier: str | None
    batch: bool
    geo: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of money of one day."""

    charge: Charge
    quantity: int
    amount: Decimal


def day_of(at_ns: int) -> str:
    """The ISO day (UTC) of a moment."""
    return datetime.fromtimestamp(at_ns // 10**9, UTC).date().isoformat()


class Account:
    """What one organization used and owes, at all providers."""

    def __init__(self) -> None:
        self._used: list[Used] = []
        self._days: dict[tuple[str, str], list[Used]] | None = None
        self._rates: list[OtherRate] = []
        self._late: list[Late] = []
        self.credits: list[Credit] = []
        self._places: dict[str, int] = {}
        self._priced: dict[int, tuple[Used, tuple[tuple[str, Fraction], ...]]] = {}

    def add(self, used: Iterable[Used]) -> None:
        """Bill calls."""
        self._used.extend(used)
        self._days = None

    def catch_up(self) -> None:
        """Let everything that was late be there."""
        self._late.clear()

    def inject(self, change: Change) -> list[Injected]:
        """Change the statement.

        Returns:
            By how much the bill of each day is higher for it.
        """
        before = self._totals()
        self._apply(change)
        after = self._totals()
        return [
            Injected(*key, after.get(key, Fraction(0)) - before.get(key, Fraction(0)), change)
            for key in sorted({*before, *after})
            if after.get(key) != before.get(key)
        ]

    def _apply(self, change: Change) -> None:
        if isinstance(change, OtherCalls):
            self.add(replace(used, key=change.key) for used in change.used)
        elif isinstance(change, BilledOtherwise):
            self._days = None
            self._used = [_otherwise(used, change) if change.chosen(used) else used for used in self._used]
        elif isinstance(change, OtherRate):
            self._rates.append(change)
        elif isinstance(change, Credit):
            self.credits.append(change)
        elif isinstance(change, Late):
            self._late.append(change)
        else:
            self._places[change.provider] = change.places

    def calls(self, provider: str, day: str) -> list[Used]:
        """The calls of a day that the statement has."""
        return [used for used in self._by_day().get((provider, day), []) if not self._hidden(used)]

    def _by_day(self) -> dict[tuple[str, str], list[Used]]:
        if self._days is None:
            self._days = defaultdict(list)
            for used in self._used:
                self._days[used.provider, day_of(used.at_ns)].append(used)
        return self._days

    def money(self, provider: str, day: str, by: Callable[[Charge], Charge] = lambda charge: charge) -> list[Line]:
        """The lines of money of a day.

        Args:
            provider: whose.
            day: which.
            by: what charges become one line.
        """
        amounts: dict[Charge, Fraction] = defaultdict(Fraction)
        quantities: dict[Charge, int] = defaultdict(int)
        for used in self.calls(provider, day):
            prepaid = used.tier is not None and used.tier == _PREPAID.get(provider)
            for unit, cost in self._costs(used):
                if prepaid and unit in semconv.TOKEN_UNITS:
                    continue
                charge = by(Charge(used.model, unit, used.tier, used.batch, used.geo))
                amounts[charge] += cost * self._factor(used, unit, day)
                quantities[charge] += used.units.get(unit, 0)
        return [Line(charge, quantities[charge], self._rounded(provider, amount)) for charge, amount in amounts.items()]

    def _costs(self, used: Used) -> tuple[tuple[str, Fraction], ...]:
        """Priced once; the use is kept beside its price, so that its identity stays its own."""
        known = self._priced.get(id(used))
        if known is None:
            known = self._priced[id(used)] = (used, tuple(used.costs()))
        return known[1]

    def _factor(self, used: Used, unit: str, day: str) -> Fraction:
        factor = Fraction(1)
        for rate in self._rates:
            if (rate.provider, rate.day, rate.model) == (used.provider, day, used.model):
                factor *= rate.factor if not rate.units or unit in rate.units else 1
        return factor

    def _hidden(self, used: Used) -> bool:
        return any(
            late.provider == used.provider and late.since_ns <= used.at_ns < late.until_ns for late in self._late
        )

    def _rounded(self, provider: str, amount: Fraction) -> Decimal:
        exact = _WIDE.divide(Decimal(amount.numerator), Decimal(amount.denominator))
        places = self._places.get(provider)
        return exact if places is None else exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, _WIDE)

    def _totals(self) -> dict[tuple[str, str], Fraction]:
        totals: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for provider, day in self._by_day():
            for line in self.money(provider, day, by=GROUPED.get(provider, _same)):
                totals[provider, day] += Fraction(line.amount)
        for credit in self.credits:
            totals[credit.provider, credit.day] += Fraction(credit.amount)
        return totals


def _same(charge: Charge) -> Charge:
    return charge


def _otherwise(used: Used, change: BilledOtherwise) -> Used:
    return replace(
        used,
        tier=change.tier or used.tier,
        batch=used.batch if change.batch is None else change.batch,
        geo=change.geo or used.geo,
    )


GROUPED: Final[dict[str, Callable[[Charge], Charge]]] = {
    "openai": lambda charge: Charge(charge.model, charge.unit, None, False, None),
    "anthropic": lambda charge: Charge(
        charge.model,
        charge.unit,
        None,
        charge.batch,
        charge.geo if charge.geo not in ("global", "not_available") else None,
    ),
}
"""What each provider's costs tell apart."""
