"""One budget's money: a limit, what is spent, what is held, and the same per task. Imports nothing of farebox.

Plain integers (nano-dollars) without a lock: only the gate touches an account, under its own.
"""

from __future__ import annotations

from typing import Any


class Account:
    """A limit and what has been booked against it.

    Attributes:
        limit: nano-dollars, or None when there is none.
        spent: nano-dollars that settled calls and charges have cost.
        held: nano-dollars that calls in flight have reserved.
        tasks: the same per `task_type`; tasks without a limit of their own appear when first booked.
        unpriced: settled calls whose cost nobody knows: they are missing from `spent`.
        held_by: who holds how much of `held`; only where calls may wait for each other.
        line: calls that wait, the first to come first.
    """

    __slots__ = ("held", "held_by", "limit", "line", "spent", "tasks", "unpriced", "waits")

    def __init__(self, limit: int | None, task_limits: dict[str, int] | None = None, *, waits: bool = False) -> None:
        self.limit = limit
        self.spent = 0
        self.held = 0
        self.unpriced = 0
        self.waits = waits
        self.held_by: dict[int, int] = {}
        self.line: list[Any] = []
        self.tasks: dict[str, Account] = {
            name: Account(value, waits=waits) for name, value in (task_limits or {}).items()
        }

    def fits(self, amount: int) -> bool:
        """Whether `amount` more can be booked without passing the limit. What costs nothing always fits."""
        return self.limit is None or amount == 0 or self.spent + self.held + amount <= self.limit

    def may_fit(self, amount: int, owner: int) -> bool:
        """Whether `amount` could be booked once every call in flight has settled but the owner's own."""
        return self.limit is None or self.spent + self.held_by.get(owner, 0) + amount <= self.limit

    def task(self, task_type: str) -> Account:
        """The account of a task, opened without a limit when it is new."""
        found = self.tasks.get(task_type)
        if found is None:
            found = self.tasks[task_type] = Account(None, waits=self.waits)
        return found
