"""What this process knows of things that are told of more than once: background work, batches, runs. May import core only.

The ledger makes them one event by their id. This memory keeps budgets from being charged twice, gives what is told later the
attribution of whoever began it, and saves writing the same again. It is bounded; what it has forgotten the ledger still knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from farebox.core.context import Scope
from farebox.core.event import Told
from farebox.core.usage import Count, Usage

if TYPE_CHECKING:
    from farebox.meter.call import PaidCall

_REMEMBERED: Final = 20_000
"""Things and batches that are remembered; the oldest are forgotten first."""


class Known(msgspec.Struct, gc=False):
    """One thing that was told of before.

    Attributes:
        units: what it used by the last that was told; None when that is not known yet.
        charged: nano-dollars that budgets were charged for it.
        began: when it began, nanoseconds UTC.
        scope: the scope that it was begun under, while it goes on; None once its usage is known.
    """

    units: dict[str, Count] | None
    charged: int
    began: int
    scope: Scope | None

    @classmethod
    def of(cls, call: PaidCall, usage: Usage | None, charged: int | None, *, pending: bool) -> Known:
        """What is known once this was told."""
        return cls(
            None if pending or usage is None else usage.units,
            charged or 0,
            call.started_at,
            call.scope if pending else None,
        )

    def knows(self, told: Told) -> bool:
        """Whether nothing new is told: it goes on, or it used what it was known to have used."""
        if told.void:
            return self.units == {}
        if told.pending or told.usage is None:
            return True
        return self.units == told.usage.units


class Retold:
    """Things by the id of their event. Threads may race: a lost entry costs a second telling, which the ledger drops."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._wholes: dict[str, int] = {}
        self._lines: dict[str, None] = {}

    def known(self, event_id: str) -> Known | None:
        """What was told of it before, or None."""
        return self._known.get(event_id)

    def keep(self, event_id: str, known: Known) -> None:
        """Remember what was told."""
        _remember(self._known, event_id, known)

    def settled(
        self, call: PaidCall, usage: Usage | None, cost: tuple[int | None, str, object], *, pending: bool
    ) -> None:
        """A call of ours ended that may be told of again."""
        self.keep(call.id, Known.of(call, usage, cost[0], pending=pending))

    def by_lines(self, group: str | None, *, whole: bool) -> bool:
        """Whether a batch is billed by its lines already; a line is noted as such."""
        if group is None:
            return False
        if whole:
            return group in self._lines
        if group not in self._lines:
            _remember(self._lines, group, None)
        return False

    def due(self, call: PaidCall, known: Known | None, cost: int | None) -> int | None:
        """Nano-dollars to charge budgets: what it costs more than was charged for it, or for the batch that it is a line of."""
        if cost is None:
            return None if known is None else 0
        due = cost - (known.charged if known is not None else 0)
        group = call.parent_id
        if group is None:
            return due
        if call.is_batch:
            _remember(self._wholes, group, self._wholes.get(group, 0) + due)
            return due
        credit = min(self._wholes.get(group, 0), due)
        if credit > 0:
            self._wholes[group] -= credit
        return due - max(credit, 0)


def _remember(
    memory: dict[str, object] | dict[str, Known] | dict[str, int] | dict[str, None], name: str, value: object
) -> None:
    if len(memory) >= _REMEMBERED and name not in memory:
        memory.pop(next(iter(memory)), None)
    memory[name] = value  # type: ignore[assignment]
