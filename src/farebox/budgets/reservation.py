"""What the gate knows of a budget, and what a call holds of budgets. Imports core and accounts only."""

from __future__ import annotations

from typing import Protocol

from farebox.budgets.account import Account
from farebox.core.errors import BudgetExceeded


class Holder(Protocol):
    """What the gate knows of a budget."""

    @property
    def name(self) -> str | None:
        """What errors call it."""
        ...

    @property
    def strength(self) -> str:
        """A "soft" budget never refuses."""
        ...

    @property
    def account(self) -> Account:
        """Its money."""
        ...

    @property
    def owner(self) -> int:
        """Id of the process that made it."""
        ...

    def refused(self, error: BudgetExceeded) -> None:
        """Told, outside the lock, that a call was refused for good."""
        ...

    def foreign(self) -> None:
        """Told, outside the lock, that it is used in another process than its owner."""
        ...


class Reservation:
    """What one call holds of its budgets until it settles.

    Attributes:
        accounts: that hold it.
        once: nano-dollars that one attempt is expected to cost.
        amount: nano-dollars that all attempts so far are expected to cost.
        ceiling: nano-dollars that strict accounts hold.
        open: whether it has not settled yet.
        owner: who holds it, where calls may wait for each other.
    """

    __slots__ = ("accounts", "amount", "ceiling", "once", "open", "owner")

    def __init__(self, accounts: list[Account], amount: int, ceiling: int, owner: int = 0) -> None:
        self.accounts = accounts
        self.once = self.amount = amount
        self.ceiling = ceiling
        self.open = True
        self.owner = owner

    def holds(self, account: Account) -> int:
        """Nano-dollars that it holds of an account."""
        return self.ceiling if account.strict else self.amount
