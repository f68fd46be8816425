"""One budget's money: a limit, what is spent, what is held, and the same per task. Imports nothing of farebox.

Plain integers (nano-dollars) without a lock: only the gate touches an account, under its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Account:
    """A limit and what has been booked against it.

    Attributes:
        limit: nano-dollars, or None when there is none.
        spent: nano-dollars that settled calls and charges have cost.
        held: nano-dollars that calls in flight have reserved.
        tasks: the same per `task_type`; tasks without a limit of their own appear when first booked.
        unpriced: settled calls whose cost nobody knows: `spent` has what was held for them.
        held_by: who holds how much of `held`; only where calls may wait for each other.
        line: calls that wait, the first to come first.
        alert_from: nano-dollars from which on `passed` has something to look at; None: there is nothing more to tell.
        alerted: millionths of the limit that were told last.
        name: of the budget, for those who are told.
        task_type: the task, where it is the account of one.
        strict: whether it holds what a call can cost at most, not what it will probably cost.
    """

    __slots__ = (
        "alert_from",
        "alerted",
        "held",
        "held_by",
        "limit",
        "line",
        "name",
        "spent",
        "strict",
        "task_type",
        "tasks",
        "unpriced",
        "waits",
    )

    def __init__(
        self,
        limit: int | None,
        task_limits: dict[str, int] | None = None,
        *,
        waits: bool = False,
        name: str | None = None,
        task_type: str | None = None,
        strict: bool = False,
    ) -> None:
        self.limit = limit
        self.spent = 0
        self.held = 0
        self.unpriced = 0
        self.alert_from = 0 if limit else None
        self.alerted = 0
        self.name = name
        self.task_type = task_type
        self.waits = waits
        self.strict = strict
        self.held_by: dict[int, int] = {}
        self.line: list[Any] = []
        self.tasks: dict[str, Account] = {
            task: Account(value, waits=waits, name=name, task_type=task, strict=strict)
            for task, value in (task_limits or {}).items()
        }

    def fits(self, amount: int) -> bool:
        """Whether `amount` more can be booked without passing the limit. What costs nothing always fits."""
        return self.limit is None or amount == 0 or self.spent + self.held + amount <= self.limit

    @property
    def room(self) -> int:
        """Nano-dollars that are neither spent nor held; only where there is a limit."""
        return (self.limit or 0) - self.spent - self.held

    def may_fit(self, amount: int, owner: int) -> bool:
        """Whether `amount` could be booked once every call in flight has settled but the owner's own."""
        return self.limit is None or self.spent + self.held_by.get(owner, 0) + amount <= self.limit

    def passed(self, shares: Sequence[int]) -> int | None:
        """The highest share that is spent now and was not told before, else None. Sets from where on to look again.

        Args:
            shares: millionths of the limit, ascending.
        """
        self.alert_from, reached = None, None
        for share in shares:
            amount = -(-(self.limit or 0) * share // 1_000_000)
            if self.spent < amount:
                self.alert_from = amount
                break
            if share > self.alerted:
                self.alerted = reached = share
        return reached

    def task(self, task_type: str) -> Account:
        """The account of a task, opened without a limit when it is new."""
        found = self.tasks.get(task_type)
        if found is None:
            found = self.tasks[task_type] = Account(None, waits=self.waits, strict=self.strict)
        return found
