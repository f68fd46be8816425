"""The request budget that `track_budget` hands out: a scope with money in it. Imports core and the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

from farebox.budgets.account import Account
from farebox.budgets.gate import Gate
from farebox.core import context
from farebox.core.context import Scope
from farebox.core.errors import BudgetExceeded, ConfigurationError
from farebox.core.event import CallRequest
from farebox.core.guard import attempt, logger, report
from farebox.core.money import Amount, Money, parse_amount
from farebox.core.scoped import Scoping

Strength = Literal["soft", "hard", "strict"]
Bound = Amount | Callable[[CallRequest], Amount | None]
"""Dollars that one attempt of a call can cost at most, as the user states them; a function may answer None: it does not know."""
F = TypeVar("F", bound=Callable[..., Any])
_LONGEST_WAIT = 86_400.0


class Stand(msgspec.Struct, frozen=True, gc=False):
    """Nano-dollars that are spent and held."""

    spent: int
    held: int


NOTHING: Final = Stand(0, 0)


class Budget(Scoping):
    """A limit on what the code inside its `with` may spend.

    Use it as `with`, as `async with`, or as a decorator (each call of the function then has a fresh budget of the same terms).
    Budgets nest: what an inner one spends, the outer ones spend too. One budget may be entered by many threads and tasks at once.

    Attributes:
        name: what reports and errors call it, or None.
        strength: "strict" holds what a call can cost at most, and refuses what has no proven ceiling; "hard" holds what it will probably
            cost; both refuse a call that does not fit. "soft" never refuses, it warns once.
        wait: seconds that a call which does not fit waits at most for calls in flight to settle.
    """

    def __init__(
        self,
        total_limit: Amount | None = None,
        per_task_limits: Mapping[str, Amount] | None = None,
        *,
        gate: Gate,
        name: str | None = None,
        strength: Strength = "hard",
        wait: float = 0.0,
        bound: Bound | None = None,
        on_exceeded: Callable[[BudgetExceeded], object] | None = None,
    ) -> None:
        super().__init__()
        if strength not in get_args(Strength):
            raise ConfigurationError(f"strength={strength!r} cannot be used: give 'soft', 'hard' or 'strict'")
        if bound is not None and strength != "strict":
            raise ConfigurationError(f"bound={bound!r} is for strict budgets: give strength='strict' too")
        if per_task_limits is not None and not isinstance(per_task_limits, Mapping):
            raise ConfigurationError(
                f"per_task_limits={per_task_limits!r} cannot be used: give amounts by task_type, for example {{'analysis': 0.75}}"
            )
        if on_exceeded is not None and not callable(on_exceeded):
            raise ConfigurationError(f"on_exceeded={on_exceeded!r} cannot be called: give a function of one argument")
        if type(wait) not in (int, float) or not 0 <= wait < _LONGEST_WAIT:
            raise ConfigurationError(f"wait={wait!r} cannot be used: give seconds of at least 0, for example wait=30")
        limit = None if total_limit is None else parse_amount(total_limit, what="total_limit")
        tasks = {
            task: parse_amount(value, what=f"per_task_limits[{task!r}]")
            for task, value in (per_task_limits or {}).items()
        }
        self.name = None if name is None else str(name)
        self.strength: Strength = strength
        self.wait = float(wait)
        self._bound = None if bound is None or callable(bound) else parse_amount(bound, what="bound")
        self._ask_bound = bound if callable(bound) else None
        self.account = Account(limit, tasks, waits=wait > 0, name=self.name, strict=strength == "strict")
        self.owner = gate.process_id
        self._terms: dict[str, Any] = {
            "total_limit": total_limit,
            "per_task_limits": per_task_limits,
            "gate": gate,
            "name": name,
            "strength": strength,
            "wait": wait,
            "bound": bound,
            "on_exceeded": on_exceeded,
        }
        self._limit, self._task_limits = limit, tasks
        self._gate = gate
        self._on_exceeded = on_exceeded
        self._chain: tuple[Budget, ...] = (self,)
        self._warned: set[tuple[str, str | None]] = set()

    # --- scope

    def open(self, *, attribution: context.Attribution | None = None) -> Scope:
        """Enter a scope that this budget binds; `context.leave` ends it."""
        if any(budget.id == self.id for budget in context.current().budgets):
            return context.enter(attribution=attribution)  # inside itself already: its money must not count twice
        scope = context.enter(attribution=attribution, budget=self)
        self._chain = scope.budgets
        return scope

    @property
    def id(self) -> object:
        """What tells it from other budgets."""
        return id(self)

    def _open(self) -> Scope:
        return self.open()

    def _fresh(self) -> Budget:
        return Budget(**self._terms)

    # --- money

    @property
    def total_limit(self) -> Money | None:
        """The limit in dollars, or None when there is none."""
        return None if self._limit is None else Money.from_nano(self._limit)

    @property
    def total_spent(self) -> Money:
        """Dollars that settled calls and charges have cost."""
        return Money.from_nano(self._stand().spent)

    @property
    def per_task_spent(self) -> dict[str, Money]:
        """Dollars by `task_type`; tasks with a limit are there from the start."""
        return {task: Money.from_nano(found.spent) for task, found in self._stand_of_tasks().items()}

    @property
    def reserved(self) -> Money:
        """Dollars held by calls in flight."""
        return Money.from_nano(self._stand().held)

    @property
    def remaining(self) -> Money | None:
        """Dollars that are neither spent nor held, never below 0; None without a limit."""
        if self._limit is None:
            return None
        now = self._stand()
        return Money.from_nano(max(0, self._limit - now.spent - now.held))

    @property
    def utilization(self) -> float:
        """Share of the limit that is spent, 1.0 being all of it; 0.0 without a limit."""
        if self._limit is None:
            return 0.0
        spent = self._stand().spent
        return spent / self._limit if self._limit else float(spent > 0)

    def _stand(self) -> Stand:
        """How the total stands now."""
        account = self.account
        return self._gate.read(lambda: Stand(account.spent, account.held))

    def _stand_of_tasks(self) -> dict[str, Stand]:
        """How each task stands now that has a limit, or was booked."""
        tasks = self.account.tasks
        return self._gate.read(lambda: {task: Stand(one.spent, one.held) for task, one in tasks.items()})

    @property
    def unpriced_calls(self) -> int:
        """Settled calls whose cost nobody knows; `total_spent` has what was held for them."""
        return self.account.unpriced

    def charge(self, cost: Amount, task_type: str | None = None) -> None:
        """Book a cost that farebox did not meter, before the work is done.

        Args:
            cost: dollars.
            task_type: the task it counts for; default: the task of the surrounding `tracked`.

        Raises:
            BudgetExceeded: it does not fit into this budget or one around it; nothing is booked.
            ConfigurationError: not an amount.
        """
        task = context.current().attribution.task_type if task_type is None else task_type
        around = context.current().budgets
        chain = around[around.index(self) :] if self in around else self._chain
        amount = parse_amount(cost, what="cost")
        buckets = [bucket for budget in chain for bucket in budget.buckets(task)]
        self._gate.charge(
            chain, amount, task, besides=(lambda: buckets[0].budget.take(amount, buckets)) if buckets else None
        )
        for budget in chain:
            budget.settled()

    def limits(self, task_type: str | None) -> bool:
        """Whether it has a limit, for everything or for a task."""
        return self._limit is not None or task_type in self._task_limits

    is_shared = False
    """Whether it is counted in a store, where other processes draw on it too."""

    def buckets(self, task_type: str | None) -> Sequence[Any]:  # noqa: ARG002 - those of a shared one
        """What a call takes from in a store; of a budget that is counted in memory: nothing."""
        return ()

    def bound(self, request: CallRequest) -> int | None:
        """Nano-dollars that one attempt of a call can cost at most, as the user states it; None when they do not.

        Raises:
            ConfigurationError: a function of the user's gave no amount.
        """
        if self._ask_bound is None:
            return self._bound
        stated = self._ask_bound(request)
        return None if stated is None else parse_amount(stated, what="bound")

    # --- what the gate tells

    def refused(self, error: BudgetExceeded) -> None:
        """The gate refused a call for this budget."""
        if self._on_exceeded is not None:
            # Whatever it raises, a refusal included, stays inside: the call may be paid, and its answer belongs to the caller.
            attempt(self._on_exceeded, error, on_error=lambda fault: report("on_exceeded", fault))

    def foreign(self) -> None:
        """Used in a forked child: its money is a copy there, and the limit holds in each process apart."""
        if ("foreign", None) not in self._warned:
            self._warned.add(("foreign", None))
            logger.warning(
                "budget %s was made in process %s and is used in another one: each process now spends up to the limit "
                "by itself. Make the budget inside the child.",
                self.name or "(unnamed)",
                self.owner,
            )

    def settled(self) -> None:
        """Money was booked. A soft budget says once, for its total and for each task, that a limit is passed."""
        if self.strength != "soft":
            return
        limits = [(None, self._limit), *self._task_limits.items()]
        if all(limit is None or ("over", task) in self._warned for task, limit in limits):
            return
        total, tasks = self._stand(), self._stand_of_tasks()
        for task, limit in limits:
            now = total if task is None else tasks.get(task, NOTHING)
            if limit is None or now.spent <= limit or ("over", task) in self._warned:
                continue
            self._warned.add(("over", task))
            where = "" if task is None else f" for task {task!r}"
            error = BudgetExceeded(
                f"soft budget {self.name or '(unnamed)'}{where} of ${Money.from_nano(limit)} is passed: "
                f"${Money.from_nano(now.spent)} spent. Calls go on.",
                budget=self.name,
                limit=Money.from_nano(limit),
                spent=Money.from_nano(now.spent),
                reserved=Money.from_nano(now.held),
                task_type=task,
            )
            logger.warning("%s", error)
            self.refused(error)

    def __repr__(self) -> str:
        limit = "no limit" if self._limit is None else f"${self.total_limit}"
        return f"<Budget {self.name or 'unnamed'} {self.strength}: ${self.total_spent} of {limit}>"
