"""Every error that farebox raises at a user. Imports the standard library only.

FareboxError
├── ConfigurationError   a setting or an argument cannot be used
├── BudgetExceeded       a call was refused before it was sent
├── LedgerError          the ledger cannot be opened, read or written
└── PriceError           a price cannot be read, set or stored
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any


class FareboxError(Exception):
    """The root of every error that farebox raises at a user."""


class ConfigurationError(FareboxError, ValueError):
    """A setting or an argument cannot be used; the message names the value and the remedy."""


class LedgerError(FareboxError):
    """The ledger cannot be opened, read or written; the message names the file and the remedy."""


class PriceError(FareboxError, ValueError):
    """A price cannot be read, set or stored."""


class BudgetExceeded(FareboxError):  # noqa: N818 - the name that every replaced system uses
    """A call was refused before it was sent, because a budget cannot pay for it.

    Attributes:
        budget: name of the budget that refused, or None when it has none.
        limit: the limit that would have been passed, in USD; of the task when `task_type` is set.
        spent: what had been spent of it, in USD.
        reserved: what calls in flight hold of it, in USD.
        asked: what this call would have reserved, in USD; None when its cost has no bound.
        task_type: the task whose own limit refused, or None when the total did.
        bucket: of a standing budget, the value whose own bucket refused, for example a tenant's id; None: it has one bucket.
        window: of a standing budget, what it counts over, for example "day UTC"; None for a request budget.
        resets_at: of a standing budget, when there is money again.
        unit: what the amounts are: "usd", or "tokens" or "calls" where a standing budget counts those.
        strength: of the budget that refused: "hard" or "strict"; None where no budget could be asked.
        holder: the `Budget` that refused, in the process where it did; None for a standing budget, and in a copy from another process.
        reason: why, in a sentence.
    """

    def __init__(
        self,
        reason: str,
        *,
        budget: str | None = None,
        limit: Decimal | None = None,
        spent: Decimal | None = None,
        reserved: Decimal | None = None,
        asked: Decimal | None = None,
        task_type: str | None = None,
        bucket: str | None = None,
        window: str | None = None,
        resets_at: datetime | None = None,
        unit: str = "usd",
        strength: str | None = None,
        holder: Any = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.budget = budget
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.asked = asked
        self.task_type = task_type
        self.bucket = bucket
        self.window = window
        self.resets_at = resets_at
        self.unit = unit
        self.strength = strength
        self.holder = holder

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by keyword: exceptions are rebuilt from `args` alone, which would lose the data in a process pool."""
        data = {name: value for name, value in self.__dict__.items() if name not in ("reason", "holder")}
        return _rebuild, (type(self), self.reason, data)


def _rebuild(kind: type[BudgetExceeded], reason: str, data: dict[str, Any]) -> BudgetExceeded:
    error = kind(reason)
    error.__dict__.update(data)
    return error
