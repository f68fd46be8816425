"""Which standing budgets a call falls under, and what it draws of them. Imports core, budget_settings and its neighbours here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from farebox.budget_settings import BudgetRow
from farebox.budgets.refusal import refusal
from farebox.budgets.store import BudgetStore, Denied, Draw, bounded
from farebox.core.context import Attribution
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallRequest
from farebox.core.ports import Alarm
from farebox.core.windows import Window

_MILLION: Final = 1_000_000


class Standing:
    """One row in force."""

    __slots__ = ("_match", "_per", "name", "row", "terms", "window")

    def __init__(self, row: BudgetRow, zone: str) -> None:
        self.row = row
        self.name = row.name
        self.window = Window(row.window, zone)
        self.terms = "/".join((row.unit, self.window.text, row.per or ""))
        self._per = None if row.per is None else _Dimension(row.per)
        self._match = [(_Dimension(name), _values(values)) for name, values in row.match.items()]

    def falls(self, request: CallRequest, attribution: Attribution) -> Match | None:
        """The bucket that a call falls into, or None."""
        for dimension, (exact, beginnings) in self._match:
            value = dimension.of(request, attribution)
            if value is None or (value not in exact and not value.startswith(beginnings)):
                return None
        bucket = "" if self._per is None else self._per.of(request, attribution) or ""
        limit = self.limit_of(bucket)
        return None if limit is None else Match(self, bucket, limit)

    def limit_of(self, bucket: str) -> int | None:
        """The limit of a bucket, or None when it has none."""
        return self.row.overrides.get(bucket, self.row.limit)


class Match(msgspec.Struct, frozen=True, gc=False):
    """A budget that a call falls under, and its bucket there."""

    standing: Standing
    bucket: str
    limit: int

    @property
    def bounds_money(self) -> bool:
        """Whether it refuses what costs too much, and so must know costs."""
        return self.standing.row.strength == "hard" and self.standing.row.unit == "usd"

    @property
    def is_strict(self) -> bool:
        """Whether it holds what a call can take at most."""
        return self.standing.row.strength == "strict"

    @property
    def unit(self) -> str:
        """What it counts."""
        return self.standing.row.unit

    def open(self) -> None:
        """Its row is in force without the store."""

    def draw(self, amounts: Mapping[str, int], at: int, *, refusing: bool) -> Draw:
        """What a call takes of it, in the piece of a moment."""
        standing = self.standing
        piece, since, until = standing.window.place(at)
        unit = standing.row.unit
        limit = self.limit if refusing and standing.row.strength != "soft" else None
        return Draw(
            standing.name, standing.terms, self.bucket, piece, since, until, unit, bounded(amounts[unit]), limit
        )

    @property
    def name(self) -> str:
        """Of the budget."""
        return self.standing.name

    @property
    def told(self) -> tuple[str, str] | None:
        """Names the bucket for those who are told what is spent of it; None: nobody is."""
        return (self.standing.name, self.bucket) if self.standing.row.alert_at else None

    def refusal(self, draw: Draw, denied: Denied) -> BudgetExceeded:
        """The error for a call that does not fit."""
        return refusal(self.standing, draw, denied)

    def tell(self, alarm: Alarm, store: BudgetStore, now: int) -> None:
        """Tell what is spent of it."""
        standing = self.standing
        _, since, _ = standing.window.place(now)
        readings = store.read(standing.name, standing.terms, since)
        alarm.spent(
            standing.name,
            self.bucket,
            since,
            self.limit,
            next((reading.spent for reading in readings if reading.bucket == self.bucket), 0),
            alert_at=tuple(sorted(round(share * _MILLION) for share in standing.row.alert_at)),
            unit=standing.row.unit,
            tenant_id=self.bucket or None if standing.row.per == "tenant_id" else None,
        )


class _Dimension:
    """Where a call says the value of a dimension."""

    __slots__ = ("_attribute", "_of_request", "_tag")

    def __init__(self, name: str) -> None:
        kind, _, tag = name.partition(":")
        self._tag = tag if kind == "tag" else None
        self._of_request = name in ("model", "provider")
        self._attribute = name

    def of(self, request: CallRequest, attribution: Attribution) -> str | None:
        """The value, or None when it is not said."""
        if self._tag is not None:
            return None if attribution.tags is None else attribution.tags.get(self._tag)
        value: str | None = getattr(request if self._of_request else attribution, self._attribute)
        return value


def _values(values: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Values that must be met exactly, and beginnings that are enough."""
    exact = frozenset(value for value in values if not value.endswith("*"))
    return exact, tuple(value[:-1] for value in values if value.endswith("*"))
