"""What a ledger answers, as values. Imports core only.

Times are integer nanoseconds (UTC epoch), money is integer nano-dollars beside `Money`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self, TypeAlias

import msgspec

from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.money import Money

Moment: TypeAlias = int | datetime
"""A moment: nanoseconds UTC, or a `datetime` that names its zone."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Calls added up.

    Attributes:
        calls: how many; refused ones included.
        errors: calls that ended with an error.
        unpriced: calls whose cost is unknown, and adds nothing to the sum.
        estimated: calls whose cost is an estimate.
        partial: calls whose cost is a lower bound.
        input_tokens: tokens in, cached ones included.
        cache_read_tokens: tokens in that came from the provider's cache.
        cache_write_tokens: tokens in that were written to it.
        output_tokens: tokens out, reasoning included.
        cost_nano: nano-dollars.
    """

    calls: int = 0
    errors: int = 0
    unpriced: int = 0
    estimated: int = 0
    partial: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0

    @property
    def cost(self) -> Money:
        """Dollars; a lower bound when `unpriced` or `partial` is not 0."""
        return Money.from_nano(self.cost_nano)


class Summary(Sums, frozen=True, kw_only=True):
    """All calls of a time, added up.

    Attributes:
        since: first moment that counts; None: from the first call on.
        until: first moment that no longer counts; None: to the last call.
        retained_since: before this moment the ledger has only sums by the hour: there, times count from and to the full hour, and
            a question that the sums cannot answer finds nothing.
    """

    since: int | None = None
    until: int | None = None
    retained_since: int = 0


class Point(Sums, frozen=True, kw_only=True):
    """The calls of one group in one piece of a series.

    Attributes:
        start: where the piece begins, nanoseconds UTC.
        group: dimension → value, None where calls have none.
    """

    start: int
    group: dict[str, str | None] = {}


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long the calls of one group took.

    Attributes:
        group: dimension → value, None where calls have none.
        calls: how many were timed.
        percentiles: percent → nanoseconds that so many percent of the calls do not exceed, out of a histogram whose buckets are at
            most an eighth wide.
    """

    group: dict[str, str | None]
    calls: int
    percentiles: dict[int, int]


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls of one group took how long.

    Attributes:
        group: dimension → value, None where calls have none.
        counts: (shortest, first that is too long) → calls, in nanoseconds.
    """

    group: dict[str, str | None]
    counts: dict[tuple[int, int], int]


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one unit the calls of one group were billed.

    Attributes:
        group: dimension → value, None where calls have none.
        unit: what was billed, a name of `semconv`.
        calls: how many calls used any of it.
        amount: tokens, calls, seconds or characters, as the unit says.
    """

    group: dict[str, str | None]
    unit: str
    calls: int
    amount: int | float


class Saved(msgspec.Struct, frozen=True):
    """What the calls of one group saved by one or more methods.

    Attributes:
        group: dimension → value, None where calls have none.
        calls: how many; by two methods, twice.
        unknown: those of them whose cost or baseline is unknown, which add nothing to the money.
        cost_nano: nano-dollars that the others cost.
        baseline_nano: nano-dollars that they would have cost.
    """

    group: dict[str, str | None]
    calls: int
    unknown: int
    cost_nano: int
    baseline_nano: int

    @property
    def saved(self) -> Money:
        """Dollars; below 0 where it cost more than the baseline."""
        return Money.from_nano(self.baseline_nano - self.cost_nano)


class Cursor(msgspec.Struct, frozen=True):
    """A place in the list of calls, newest first: behind one call. Survives new calls, and the removal of old ones."""

    started_at: int
    id: str

    @classmethod
    def after(cls, event: CallEvent) -> Self:
        """The place behind a call."""
        return cls(event.started_at, event.id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that `str()` wrote.

        Raises:
            ConfigurationError: it wrote no such text.
        """
        moment, mark, name = text.partition("/")
        if mark and moment.removeprefix("-").isdecimal() and len(moment) <= 20 and -(2**63) < int(moment) + 1 < 2**63:
            return cls(int(moment), name)  # what 64 bits hold, as stores do
        raise ConfigurationError(f"{text!r} is no cursor: give the one that came with the last page")

    def __str__(self) -> str:
        return f"{self.started_at}/{self.id}"


def nanoseconds(moment: Moment | None) -> int | None:
    """A moment as the ledger takes it.

    Raises:
        ConfigurationError: a `datetime` without a zone, which could mean any of 38 moments.
    """
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ConfigurationError(f"{moment!r} names no time zone: give datetime(..., tzinfo=UTC)")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
