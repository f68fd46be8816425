"""The port of the stores that standing and shared budgets are booked in. Imports the standard library and msgspec only.

A store knows no calendar and no prices: it adds integers up, in pieces that its caller names, and refuses what would pass a limit.
Every question carries its own time and the id of what it is about, so that it may be asked again after a broken connection, and
answered by a server as well as by a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

UNITS: Final = ("usd", "tokens", "calls")
"""What is counted: nano-dollars, tokens, calls."""

LARGEST: Final = 2**57
"""A count stays at most here, which is above every limit: the sum of a rolling window's pieces must fit 64 bits."""

RETRIED: Final = 600 * 10**9
"""Nanoseconds that what was settled or booked is known by its id, so that asking again changes nothing."""

KEPT: Final = 30 * 86_400 * 10**9
"""Nanoseconds that a shared budget stays open which nobody draws on, and whose process neither ended it nor is known to be dead."""

READABLE: Final = 3600 * 10**9
"""Nanoseconds that what was spent of a shared budget can be read after its end."""

REMEMBERED: Final = 86_400 * 10**9
"""Nanoseconds that a hold which was charged can still be settled, and that pieces stay which count no more."""


class Draw(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one call takes of one bucket.

    Attributes:
        budget: name of the budget.
        terms: what it counts and over which window; buckets of other terms are other buckets.
        bucket: the value that has a bucket of its own; "" where the budget has one bucket, and for calls without a value.
        piece: the piece of the window that it is booked in.
        since: the first piece that counts against the limit.
        until: when the piece counts no more, nanoseconds UTC.
        unit: one of `UNITS`.
        amount: how much is held.
        limit: what all pieces together may reach; None: never refused.
        shared: whether it is held only while the budget is open, as `share` and `end` say.
    """

    budget: str
    terms: str
    bucket: str
    piece: int
    since: int
    until: int
    unit: str
    amount: int
    limit: int | None = None
    shared: bool = False


class Denied(msgspec.Struct, frozen=True):
    """A bucket that cannot pay.

    Attributes:
        place: which of the draws.
        spent: what is spent in the window.
        held: what is held in it.
        oldest: the first piece in which there is anything.
        closed: whether its budget is not open (any more); the amounts are then 0.
    """

    place: int
    spent: int
    held: int
    oldest: int
    closed: bool = False


class Reading(msgspec.Struct, frozen=True):
    """What stands in one bucket: spent, held, and calls that were settled."""

    bucket: str
    spent: int
    held: int
    calls: int


class Kept(msgspec.Struct, frozen=True):
    """A budget's row as the store keeps it, for other processes to read.

    Attributes:
        name: of the budget.
        row: its row, as JSON.
        binding: True: every process heeds it; False: a program uses it, and it is here to be shown only.
    """

    name: str
    row: str
    binding: bool


class Shared(msgspec.Struct, frozen=True):
    """A budget that processes share, as the one that made it wrote it down.

    Attributes:
        budget: its name in draws.
        owner: the process that made it; see `owner.this_process`.
        expires_at: when it ends if nobody has drawn on it for long, nanoseconds UTC; see `KEPT`.
        row: its terms, as JSON.
    """

    budget: str
    owner: str
    expires_at: int
    row: str


def bounded(amount: int) -> int:
    """An amount that a store can add up."""
    return max(-LARGEST, min(LARGEST, amount))


class BudgetStore(Protocol):
    """Counters of standing and shared budgets. One contract suite holds for every store. Safe for threads."""

    def reserve(self, hold: str, draws: Sequence[Draw], *, owner: str, now: int, expires_at: int) -> Denied | None:
        """Hold every draw, or none. The same `hold` again changes nothing and is granted.

        Args:
            hold: id of the hold.
            draws: what to hold; asked in this order, and the first that does not fit is told. What takes nothing always fits.
            owner: who holds it; see `owner.this_process`.
            now: nanoseconds UTC.
            expires_at: when it is charged if nobody has settled it, nanoseconds UTC.
        """
        ...

    def settle(self, hold: str, actual: Mapping[str, int | None], *, now: int, calls: int = 1) -> bool:
        """Replace a hold by what the call took, also where it was charged already; only the first time counts.

        Args:
            hold: id of the hold.
            actual: amount by unit; None or absent: nobody knows, and what is held is charged.
            now: nanoseconds UTC.
            calls: how many calls it was; 0: nothing was sent.

        Returns:
            Whether it was there to be settled.
        """
        ...

    def book(self, booking: str, draws: Sequence[Draw], *, calls: int, now: int) -> None:
        """Add draws to what is spent, whatever the limits are; an amount may be below 0. The same `booking` again changes nothing."""
        ...

    def expire(self, now: int, dead: Callable[[str], bool]) -> int:
        """Charge every hold that has expired, or whose owner is dead; never free one. Drop what counts no more.

        Shared budgets whose owner is dead end, and those that expired with no piece that still counts.

        Returns:
            How many holds were charged.
        """
        ...

    def read(self, budget: str, terms: str, since: int) -> list[Reading]:
        """Every bucket of a budget, from the piece `since` on, by name."""
        ...

    def reset(self, budget: str) -> int:
        """Forget what a budget has spent; what is held stays held. Returns how many buckets had spent something."""
        ...

    def share(self, shared: Shared) -> None:
        """Open a budget that processes share; one that is open stays as it is."""
        ...

    def shared(self, budget: str) -> Shared | None:
        """The budget, while it is open."""
        ...

    def end(self, budget: str, now: int) -> bool:
        """Close a shared budget: nothing more is held of it, and what is held is charged; a call that settles later is put right.

        Returns:
            Whether it was open.
        """
        ...

    def keep(self, kept: Kept) -> None:
        """Write a budget's row down, in place of the one of that name. A row that binds gives way only to another that binds."""
        ...

    def drop(self, name: str) -> bool:
        """Forget a budget's row; False when there is none."""
        ...

    def kept(self) -> list[Kept]:
        """Every row written down, by name."""
        ...

    def close(self) -> None:
        """Release what it has open; the next question opens it again."""
        ...

    def before_fork(self) -> None:
        """The process is about to fork: hold nothing that a child must not inherit, and let nobody in."""
        ...

    def after_fork(self) -> None:
        """The process has forked; called in the parent and in the child."""
        ...
