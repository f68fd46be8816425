"""A request budget that processes share: counted in the store of the standing budgets, named by a token. Imports core and the budgets' own parts.

It is held, settled and charged together with the standing budgets that a call falls under, in one question. In this process it has
an account without a limit beside that, which knows what the own tasks and threads hold.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Protocol

import msgspec

from farebox.budgets.account import Account
from farebox.budgets.books import Books
from farebox.budgets.budget import NOTHING, Budget, Stand, Strength
from farebox.budgets.gate import Gate
from farebox.budgets.owner import this_process
from farebox.budgets.refusal import cannot_pay, closed
from farebox.budgets.store import KEPT, BudgetStore, Denied, Draw, Reading, Shared, bounded
from farebox.budgets.waiting import owner
from farebox.core.context import Attribution, Scope
from farebox.core.errors import BudgetExceeded, ConfigurationError, LedgerError
from farebox.core.guard import contained, report
from farebox.core.identity import new_id
from farebox.core.money import Money
from farebox.core.ports import Alarm

_TOKEN: Final = re.compile(r"fb1\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{8})")
"""Version, id of the budget, and which store it is in."""

_TOTAL: Final = "total"
_TASK: Final = "task"


class Home(Protocol):
    """Where this process keeps budgets that outlive it."""

    @property
    def standing(self) -> Books:
        """What is booked there."""
        ...

    @property
    def address(self) -> str:
        """Tells the store from any other, on this machine and elsewhere."""
        ...

    @property
    def alone(self) -> bool:
        """Whether it is in the memory of this process, where no other one looks."""
        ...

    def is_there(self) -> bool:
        """Whether there is a store; one that is not need not be made to be asked."""
        ...


class _Terms(msgspec.Struct, frozen=True):
    """The terms of a shared budget as they are written down, in nano-dollars."""

    made_at: int
    name: str | None
    limit: int | None
    tasks: dict[str, int]
    strength: Strength
    wait: float
    bound: int | None


class SharedBudget(Budget):
    """A `Budget` that other processes attach to by its token; see `track_budget(shared=True)` and `attach_budget`.

    It ends when the `with` is left that the process which made it has entered first, or when that process ends: what calls in flight
    still hold is charged then, and nothing more can be held of it, wherever it is attached. `unpriced_calls` is of this process alone.
    """

    def __init__(
        self,
        *limits: Any,
        home: Callable[[], Home],
        attached: tuple[str, _Terms] | None = None,
        **terms: Any,
    ) -> None:
        super().__init__(*limits, **terms)
        self._terms["home"] = home
        self._home = home
        self._attached = attached is not None
        self._made_in, self._maker = os.getpid(), this_process()
        self._state: Literal["new", "open", "ended"] = "new"
        self._last: dict[str, Stand] = {}
        self._code = attached[0] if attached else base64.urlsafe_b64encode(secrets.token_bytes(16)).decode()[:22]
        self._written = attached[1] if attached else None
        self.account = Account(None, waits=self.wait > 0, name=self.name, strict=self.strength == "strict")

    is_shared = True

    @property
    def id(self) -> str:
        """What it is called in the store."""
        return f"shared/{self._code}"

    @property
    def owner(self) -> int:
        """Any process may use it."""
        return self._gate.process_id if not self._home().alone else self._made_in

    @owner.setter
    def owner(self, process_id: int) -> None:
        """Written by `Budget`."""

    @property
    def token(self) -> str:
        """What `attach_budget` takes in another process of this machine; no secret, and nothing that can be guessed.

        Raises:
            LedgerError: the store cannot be written.
        """
        self.write()
        return f"fb1.{self._code}.{_fingerprint(self._home().address)}"

    # --- scope

    def open(self, *, attribution: Attribution | None = None) -> Scope:
        """See `Budget`; where the store fails now, the first call asks it again."""
        if self._state == "ended":
            self._state = "new"
        contained("shared budget", self.write)
        return super().open(attribution=attribution)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        if not self._opened and not self._attached and os.getpid() == self._made_in:
            contained("shared budget", self._end)

    def _fresh(self) -> Budget:
        return self if self._attached else SharedBudget(**self._terms)

    def write(self) -> None:
        """Write it down, so that others find it. One that has ended and is entered again goes on."""
        if self._attached or self._state != "new":
            return
        books = self._home().standing
        if self._written is None:
            self._written = _Terms(
                time.time_ns(), self.name, self._limit, self._task_limits, self.strength, self.wait, self._bound
            )
        row = msgspec.json.encode(self._written).decode()
        # In the name of whoever made it: a server may make it and enter it only in the workers that it forks.
        shared = Shared(self.id, self._maker, time.time_ns() + KEPT, row)
        books.ask(lambda store: store.share(shared))
        self._state = "open"
        if os.getpid() == self._made_in:
            books.shared.add(self.id)

    def _end(self) -> None:
        if self._state == "open":
            self._state = "ended"
            books = self._home().standing
            books.end(self.id, now=time.time_ns())
            self._stand()

    # --- money

    def buckets(self, task_type: str | None) -> list[SharedBucket]:
        """What a call takes from: the total, and its task."""
        return [SharedBucket(self, task) for task in dict.fromkeys((None, task_type))]

    def limit_of(self, task_type: str | None) -> int | None:
        """Nano-dollars that may be spent in all, or of a task."""
        return self._limit if task_type is None else self._task_limits.get(task_type)

    def may_fit(self, refusal: BudgetExceeded) -> bool:
        """Whether a call that it refused would fit once all calls in flight have settled but those of its own task or thread."""
        if not self.wait or refusal.limit is None or refusal.spent is None or refusal.asked is None:
            return False
        account = self.account if refusal.task_type is None else self.account.tasks.get(refusal.task_type)
        own = 0 if account is None else account.held_by.get(owner(), 0)
        return refusal.spent + Money.from_nano(own) + refusal.asked <= refusal.limit

    def take(self, amount: int, buckets: Sequence[SharedBucket]) -> None:
        """Book an amount in shared budgets at once.

        Raises:
            BudgetExceeded: it does not fit into one; nothing is booked.
        """
        books, now = self._home().standing, time.time_ns()
        hold, amounts = new_id(now), {"usd": amount}
        try:
            books.reserve(hold, buckets, amounts, now=now)
        except BudgetExceeded:
            raise
        except LedgerError as error:
            if any(bucket.budget.strength == "strict" for bucket in buckets):
                books.release(hold, now=now)
                raise BudgetExceeded(
                    f"the budget gate failed ({error}), and a strict budget lets nothing go that it cannot hold.",
                    strength="strict",
                    holder=self,
                ) from error
            report("budget gate", error)
        contained("budget gate", books.settle, hold, amounts, now=now)

    def foreign(self) -> None:
        """Used in a forked child, which shares it, unless it is counted in memory."""
        if self._home().alone:
            super().foreign()

    def _stand(self) -> Stand:
        return self._read(_TOTAL).get("", NOTHING)

    def _stand_of_tasks(self) -> dict[str, Stand]:
        return {**dict.fromkeys(self._task_limits, NOTHING), **self._read(_TASK)}

    def _read(self, terms: str) -> dict[str, Stand]:
        """How it stands in the store, by bucket; what it said last where it has forgotten the budget, which has ended then."""
        if not self._home().is_there():
            return {}
        readings: list[Reading] = self._home().standing.ask(lambda store: store.read(self.id, terms, 0))
        found = {f"{terms}/{one.bucket}": Stand(one.spent, one.held) for one in readings}
        if found:
            self._last = {**self._last, **found}
        return {key.partition("/")[2]: stand for key, stand in self._last.items() if key.startswith(f"{terms}/")}

    def __repr__(self) -> str:
        """Reads nothing: a store that fails must not show in a debugger."""
        return f"<Budget {self.name or 'unnamed'} {self.strength}, {self.id}>"

    @property
    def window(self) -> int:
        """When it was made, nanoseconds UTC: tells it from others of its name."""
        return self._written.made_at if self._written else 0


class SharedBucket:
    """The total of a shared budget, or one of its tasks; see `books.Bucket`."""

    __slots__ = ("_task", "budget")

    def __init__(self, budget: SharedBudget, task_type: str | None) -> None:
        self.budget = budget
        self._task = task_type

    @property
    def name(self) -> str | None:
        """Of the budget."""
        return self.budget.name

    @property
    def limit(self) -> int | None:
        """Nano-dollars."""
        return self.budget.limit_of(self._task)

    @property
    def bounds_money(self) -> bool:
        """False: a model without a price was refused by the request budgets, of which it is one."""
        return False

    @property
    def is_strict(self) -> bool:
        """Whether it holds what a call can cost at most."""
        return self.budget.strength == "strict"

    @property
    def unit(self) -> str:
        """Nano-dollars."""
        return "usd"

    @property
    def told(self) -> tuple[str, str] | None:
        """Where there is a limit."""
        return (self.budget.id, self._task or "") if self.limit else None

    def open(self) -> None:
        """Written down by the process that made it, where that has failed so far."""
        self.budget.write()

    def draw(self, amounts: Mapping[str, int], at: int, *, refusing: bool) -> Draw:
        """What a call takes of it, in a window that never ends."""
        refuses = refusing and self.budget.strength != "soft"
        return Draw(
            self.budget.id,
            _TOTAL if self._task is None else _TASK,
            self._task or "",
            0,
            0,
            at + KEPT,
            self.unit,
            bounded(amounts[self.unit]),
            self.limit if refuses else None,
            refuses and self._task is None,
        )

    def refusal(self, draw: Draw, denied: Denied) -> BudgetExceeded:
        """The error for a call that does not fit, or comes too late."""
        if denied.closed:
            return closed(self.budget)
        account = Account(self.limit, strict=self.is_strict)
        account.spent, account.held = denied.spent, denied.held
        return cannot_pay(self.budget, account, draw.amount, draw.amount, self._task)

    def tell(self, alarm: Alarm, store: BudgetStore, now: int) -> None:  # noqa: ARG002 - it has no windows
        """Tell what is spent of it."""
        terms = _TOTAL if self._task is None else _TASK
        readings = store.read(self.budget.id, terms, 0)
        spent = next((reading.spent for reading in readings if reading.bucket == (self._task or "")), 0)
        alarm.spent(self.budget.name or "shared", self._task or "", self.budget.window, self.limit or 0, spent)


def attach(
    token: object, *, home: Callable[[], Home], gate: Gate, on_exceeded: Callable[[BudgetExceeded], object] | None
) -> SharedBudget:
    """The budget that a token names.

    Raises:
        ConfigurationError: it is no token, or names none that is open here; the message says why.
        LedgerError: the store cannot be read.
    """
    match = _TOKEN.fullmatch(token.strip()) if isinstance(token, str) else None
    if match is None:
        raise ConfigurationError(
            f"token={token!r} is no token of a shared budget: give the `.token` of track_budget(shared=True)"
        )
    code, fingerprint = match.groups()
    here = home()
    found = here.standing.ask(lambda store: store.shared(f"shared/{code}")) if here.is_there() else None
    if found is None:
        if fingerprint == _fingerprint(here.address):
            raise ConfigurationError(
                f"token={token!r} names a budget that has ended: attach while the `with` of the process that made it is open"
            )
        raise ConfigurationError(
            f"token={token!r} is of another store than {here.address}: budgets are shared by processes of one machine that have the same "
            "setting 'ledger' (FAREBOX_LEDGER) and budget_store='sqlite'"
        )
    terms = msgspec.json.decode(found.row, type=_Terms)
    return SharedBudget(
        _dollars(terms.limit),
        {task: Money.from_nano(limit) for task, limit in terms.tasks.items()},
        home=home,
        attached=(code, terms),
        gate=gate,
        name=terms.name,
        strength=terms.strength,
        wait=terms.wait,
        bound=_dollars(terms.bound),
        on_exceeded=on_exceeded,
    )


def _dollars(nano: int | None) -> Money | None:
    return None if nano is None else Money.from_nano(nano)


def _fingerprint(address: str) -> str:
    """Six bytes of where a store is: they tell why a token is unknown, and show nothing of the path."""
    found = hashlib.blake2b(f"{platform.node()} {address}".encode(), digest_size=6).digest()
    return base64.urlsafe_b64encode(found).decode()
