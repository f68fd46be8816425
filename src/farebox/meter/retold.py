"""What this process knows of things that are told of more than once: background work, batches, runs. May import core only.

The ledger makes them one event by their id. This memory keeps budgets from being charged twice, gives what is told later the
attribution of whoever began it, and saves writing the same again. It is bounded; what it has forgotten the ledger still knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from farebox.core import semconv
from farebox.core.context import Scope
from farebox.core.event import CallEvent, Told
from farebox.core.usage import Count, Usage

if TYPE_CHECKING:
    from farebox.meter.call import PaidCall

V = TypeVar("V")

_REMEMBERED: Final = 20_000
"""Things and batches that are remembered; the oldest are forgotten first."""


class Known(msgspec.Struct, gc=False):
    """One thing that was told of before.

    Attributes:
        units: what it used by the last that was told; None when that is not known yet.
        charged: nano-dollars that budgets were charged for it.
        tokens: tokens that standing budgets were charged for it.
        began: when it began, nanoseconds UTC.
        scope: the scope that it was begun under, while it goes on; None once its usage is known.
    """

    units: dict[str, Count] | None
    charged: int
    tokens: int
    began: int
    scope: Scope | None

    @classmethod
    def of(cls, call: PaidCall, usage: Usage | None, charged: int | None, *, pending: bool) -> Known:
        """What is known once this was told."""
        return cls(
            None if pending else {} if usage is None else usage.units,
            charged or 0,
            call.tokens(usage) or 0,
            call.started_at,
            call.scope if pending else None,
        )

    def knows(self, told: Told) -> bool:
        """Whether nothing new is told: it goes on, or it used what it was known to have used."""
        if told.pending:
            return True
        return self.units == ({} if told.usage is None or told.void else told.usage.units)


class Whole(msgspec.Struct, gc=False):
    """A batch as a whole, as long as none of its lines is known.

    Attributes:
        event: what was last written of it.
        credit: nano-dollars that budgets were charged for it, and that its lines need not be charged again.
    """

    event: CallEvent
    credit: int


class Retold:
    """Things by the id of their event. Threads may race: a lost entry costs a second telling, which the ledger drops."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._wholes: dict[str, Whole] = {}
        self._lines: dict[str, None] = {}

    def known(self, event_id: str) -> Known | None:
        """What was told of it before, or None."""
        return self._known.get(event_id)

    def keep(self, event_id: str, known: Known, event: CallEvent) -> None:
        """Remember what was told."""
        _remember(self._known, event_id, known)
        if event.operation == semconv.BATCH and event.parent_id is not None:
            _remember(self._wholes, event.parent_id, Whole(event, known.charged))

    def by_lines(self, group: str | None) -> bool:
        """Whether a batch is billed by its lines already."""
        return group is not None and group in self._lines

    def line(self, group: str | None) -> CallEvent | None:
        """A line of a batch is known; the batch as a whole, where it was written and is to be emptied now."""
        if group is None or group in self._lines:
            return None
        _remember(self._lines, group, None)
        whole = self._wholes.get(group)
        return None if whole is None else whole.event

    def due(self, known: Known | None, event: CallEvent) -> int | None:
        """Nano-dollars to charge budgets: what it costs more than was charged for it, or for the batch that it is a line of."""
        if event.cost_nano is None:
            return None if known is None else 0
        due = event.cost_nano - (known.charged if known is not None else 0)
        whole = None if event.parent_id is None else self._wholes.get(event.parent_id)
        if whole is None or event.operation == semconv.BATCH:
            return due
        credit = max(0, min(whole.credit, due))
        whole.credit -= credit
        return due - credit


def _remember(memory: dict[str, V], name: str, value: V) -> None:
    if len(memory) >= _REMEMBERED and name not in memory:
        memory.pop(next(iter(memory)), None)
    memory[name] = value
