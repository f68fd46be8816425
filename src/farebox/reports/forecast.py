"""What the month will have cost when it ends: a plain method, a range, and silence where too little is known. Imports core and reports only.

Days are UTC. The method: each day that is left will cost what the same weekday cost on average over the last eight weeks, or what an
average day cost while fewer than two weeks are known; of today the part that is left. The range covers 80 % if days vary around
those averages as they did, and independently. Below three whole days there is no forecast.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isqrt
from typing import Any, Final, NamedTuple

from farebox.core.answers import Moment, nanoseconds
from farebox.core.money import Money
from farebox.core.ports import Ledger
from farebox.reports import groups
from farebox.reports.report import Cell, Column, Table
from farebox.reports.scope import DAY_NS, Scope, by_titles, moment, scope

DAYS_AT_LEAST: Final = 3
"""Whole days without which nothing is forecast."""
DAYS_BY_WEEKDAY: Final = 14
"""Whole days from which on weekdays are told apart."""
DAYS_AT_MOST: Final = 56

_SPREADS: Final = ((2, 1886), (3, 1638), (4, 1533), (6, 1440), (10, 1372), (20, 1325), (40, 1303))
_SPREAD: Final = 1282
"""Thousandths of a standard deviation on each side that hold 80 %: Student's t up to so many degrees of freedom, then the normal
distribution. Few days say little of how much days vary."""

_COLUMNS = (
    Column("spent", "spent this month", "money"),
    Column("forecast", "at its end", "money"),
    Column("low", "low", "money"),
    Column("high", "high", "money"),
    Column("days", "whole days known", "count", detail=True),
)


def forecast(
    ledger: Ledger,
    by: Sequence[str] = (),
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
) -> Table:
    """The cost of the calendar month (UTC) at its end, with a range that holds 80 % of such months.

    Args:
        ledger: where the events are.
        by: dimensions that the ledger knows: a forecast each, and one of all.
        since: days before do not count for the averages. [default: eight weeks back]
        until: the present moment, whose month it is. [default: now]
        where: dimension → value that calls must have.

    Raises:
        ConfigurationError: the ledger does not know a dimension.
    """
    end = nanoseconds(until)
    now = time.time_ns() if end is None else end
    calendar = _calendar(ledger, now, nanoseconds(since))
    asked = scope(min(calendar.month, calendar.first), now, where)
    totals: dict[int, int] = {}
    costs: dict[tuple[str, ...], dict[int, int]] = {}
    for point in ledger.series("day", *by, **asked.filters):
        days = costs.setdefault(groups.values_of(by, point.group), {})
        days[point.start] = days.get(point.start, 0) + point.cost_nano
        totals[point.start] = totals.get(point.start, 0) + point.cost_nano
    rows = sorted(((key, calendar.cells(days)) for key, days in costs.items()), key=lambda row: -_spent(row[1]))
    month = f"{datetime.fromtimestamp(calendar.month // 10**9, UTC):%Y-%m}"
    condition = Scope(None, None, asked.where)
    return Table(
        title=f"Forecast of {month}{by_titles(by)}{condition}, as of {moment(now)}",
        columns=(*groups.columns_of(by), *_COLUMNS),
        rows=tuple((*key, *cells) for key, cells in rows),
        totals=(*groups.total_of(by), *calendar.cells(totals)) if by and rows else None,
        notes=(*_method(calendar), *_unknown(ledger, asked), *asked.unseen(ledger, *by)),
    )


class Calendar(NamedTuple):
    """The days that a forecast is made of, in nanoseconds UTC.

    Attributes:
        month: when the month began.
        end: when the next one begins.
        today: when today began.
        now: the present moment.
        first: the first whole day that is known; `today` when there is none.
    """

    month: int
    end: int
    today: int
    now: int
    first: int

    @property
    def days(self) -> int:
        """How many whole days are known."""
        return max(0, (self.today - self.first) // DAY_NS)

    @property
    def by_weekday(self) -> bool:
        """Whether weekdays are told apart."""
        return self.days >= DAYS_BY_WEEKDAY

    def cells(self, costs: Mapping[int, int]) -> tuple[Cell, ...]:
        """The row of a group: what it cost by day, in nano-dollars; a day without calls cost nothing."""
        spent = sum(nano for day, nano in costs.items() if day >= self.month)
        if self.days < DAYS_AT_LEAST:
            return (Money.from_nano(spent), None, None, None, self.days)
        known = [(day, costs.get(day, 0)) for day in range(self.first, self.today, DAY_NS)]
        rest, spread = self._rest(known)
        return (
            *(Money.from_nano(spent + more) for more in (0, rest, max(0, rest - spread), rest + spread)),
            self.days,
        )

    def _rest(self, known: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """What is still to come, and how far it may be off, in nano-dollars."""
        kinds: dict[int, list[int]] = {}
        for day, nano in known:
            kinds.setdefault(self._kind(day), []).append(nano)
        left = dict.fromkeys(kinds, 0)
        for day in range(self.today, self.end, DAY_NS):
            left[self._kind(day)] += min(DAY_NS, day + DAY_NS - self.now)
        rest = sum(sum(days) * left[kind] // (len(days) * DAY_NS) for kind, days in kinds.items())
        squares = sum((nano * len(days) - sum(days)) ** 2 // len(days) ** 2 for days in kinds.values() for nano in days)
        freedom = max(1, len(known) - len(kinds))
        variance = squares // freedom
        # The days to come vary, and the averages are themselves uncertain.
        own = sum(left.values()) * variance // DAY_NS
        averages = sum(left[kind] ** 2 * variance // (len(days) * DAY_NS**2) for kind, days in kinds.items())
        spread = next((spread for most, spread in _SPREADS if freedom <= most), _SPREAD)
        return rest, isqrt(own + averages) * spread // 1000

    def _kind(self, day: int) -> int:
        return day // DAY_NS % 7 if self.by_weekday else 0


def _calendar(ledger: Ledger, now: int, since: int | None) -> Calendar:
    moment_now = datetime.fromtimestamp(now // 10**9, UTC)
    month = datetime(moment_now.year, moment_now.month, 1, tzinfo=UTC)
    following = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    today = now - now % DAY_NS
    back = today - DAYS_AT_MOST * DAY_NS
    if since is not None:
        back = max(back, -(-since // DAY_NS) * DAY_NS)
    if not ledger.summary(until=back).calls:
        points = iter(ledger.series("day", since=back, until=now))
        point = next(points, None)
        # The day on which a ledger begins is not whole.
        back = today if point is None else max(back, point.start + DAY_NS)
    return Calendar(
        month=int(month.timestamp()) * 10**9,
        end=int(following.timestamp()) * 10**9,
        today=today,
        now=now,
        first=min(back, today),
    )


def _method(calendar: Calendar) -> tuple[str, ...]:
    if calendar.days < DAYS_AT_LEAST:
        return (
            f"There is no forecast: {calendar.days} whole days (UTC) are known, and {DAYS_AT_LEAST} are needed at least.",
        )
    average = "that of its weekday" if calendar.by_weekday else "that of any day (weekdays count from two weeks on)"
    return (
        f"Each day (UTC) that is left is taken at an average, {average}, over the {calendar.days} whole days before today.",
        "Low and high hold 80 % if days vary as they did; they know nothing of what is planned.",
    )


def _unknown(ledger: Ledger, asked: Scope) -> tuple[str, ...]:
    unpriced = ledger.summary(**asked.filters).unpriced
    return (f"{unpriced:,} calls have no known price: everything here is a lower bound.",) if unpriced else ()


def _spent(cells: Sequence[Any]) -> Any:
    return cells[0]
