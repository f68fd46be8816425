"""What a program says about its own work: `tracked`, `capture`, `suppress`, `carry`. May import budgets and core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar

from farebox.budgets.budget import Budget
from farebox.core import context
from farebox.core.context import Attribution, Scope
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.identity import is_stable
from farebox.core.money import Amount, Money
from farebox.core.scoped import Scoping, scoped
from farebox.core.usage import Usage

F = TypeVar("F", bound=Callable[..., Any])


class Tracked(Scoping):
    """Says whom and what the calls inside are for. Made by `tracked`."""

    def __init__(self, attribution: Attribution, budget: Callable[[], Budget] | None) -> None:
        super().__init__()
        self._attribution = attribution
        self._budget = budget

    def _fresh(self) -> Tracked:
        return Tracked(self._attribution, self._budget)

    def _open(self) -> Scope:
        if self._budget is None:
            return context.enter(attribution=self._attribution)
        return self._budget().open(attribution=self._attribution)


def tracked(
    task_type: Any = None,
    *,
    tenant_id: object = None,
    workspace_id: object = None,
    user_id: object = None,
    chain_id: object = None,
    session_id: object = None,
    budget: Budget | Amount | None = None,
    baseline_model: str | None = None,
    tags: Mapping[str, object] | None = None,
    make_budget: Callable[[Amount], Budget],
) -> Any:
    """Name the work that calls are made for.

    Works on functions, coroutines, generators and async generators, and as a context manager. `@tracked` without parentheses
    names the task after the function. What an inner `tracked` says wins; tags are united.

    Args:
        task_type: the kind of work, for reports and `per_task_limits`.
        tenant_id: who pays; ids may be of any type and are kept as text.
        workspace_id: a part of the tenant.
        user_id: on whose behalf.
        chain_id: the chain or workflow that this call is a step of.
        session_id: the session or conversation.
        budget: dollars that each call of the function may spend, or a `Budget` that all of them share.
        baseline_model: the model that would have been used otherwise; the same usage is priced on it too.
        tags: more names to group by.
        make_budget: how an amount becomes a budget (the runtime's).
    """
    if callable(task_type) and not isinstance(task_type, str):
        function, task_type = task_type, getattr(task_type, "__name__", None)
        return tracked(task_type, make_budget=make_budget)(function)
    if tags is not None and not isinstance(tags, Mapping):
        raise ConfigurationError(f"tags={tags!r} cannot be used: give a mapping of names to values")
    attribution = Attribution(
        tenant_id=_text(tenant_id),
        workspace_id=_text(workspace_id),
        user_id=_text(user_id),
        task_type=_text(task_type),
        chain_id=_text(chain_id),
        session_id=_text(session_id),
        baseline_model=_text(baseline_model),
        tags={str(name): str(value) for name, value in tags.items()} if tags else None,
    )
    if budget is None:
        return Tracked(attribution, None)
    if isinstance(budget, Budget):
        return Tracked(attribution, lambda: budget)
    make_budget(budget)  # a limit that cannot be used is refused here, not at the first call
    return Tracked(attribution, lambda: make_budget(budget))


def tagged(tags: Mapping[str, object] | None) -> Tracked:
    """A scope that only adds tags."""
    if tags is not None and not isinstance(tags, Mapping):
        raise ConfigurationError(f"tags={tags!r} cannot be used: give a mapping of names to values")
    return Tracked(Attribution(tags={str(name): str(value) for name, value in tags.items()} if tags else None), None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


class Capture(Scoping):
    """Collects the events of calls opened inside it.

    Attributes:
        calls: the events, in the order in which the calls settled; a stream may settle after the `with` was left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[CallEvent] = []

    def _open(self) -> Scope:
        return context.enter(capture=self)

    def _fresh(self) -> AbstractContextManager[Any]:
        return self

    def take(self, event: CallEvent) -> None:
        """Note an event; one that is told anew stands in the place of what was told before."""
        if is_stable(event.id):  # any other id is there once only
            for place, before in enumerate(self.calls):
                if before.id == event.id:
                    self.calls[place] = event
                    return
        self.calls.append(event)

    @property
    def usage(self) -> Usage:
        """Units of all calls together."""
        total = Usage(units={})
        for event in self.calls:
            total += Usage(units=event.units or {}, reasoning=event.reasoning_tokens)
        return total

    @property
    def cost(self) -> Money:
        """Dollars of all calls whose cost is known; see `unpriced` for the rest."""
        return Money.from_nano(sum(event.cost_nano or 0 for event in self.calls))

    @property
    def unpriced(self) -> int:
        """Calls whose cost nobody knows."""
        return sum(event.cost_nano is None for event in self.calls)


class Suppress(Scoping):
    """Silences the events of calls inside it. Budgets still count and refuse them. Made by `suppress`."""

    def _open(self) -> Scope:
        return context.enter(suppressed=True)


def carry(function: F) -> F:
    """`function`, bound to the budget and attribution that are current now, for work that is started in another thread.

    Pools and threads do this by themselves while `instrument()` is in force and the setting `threads` is on.
    """
    scope = context.current()
    return scoped(function, lambda: _At(scope))  # type: ignore[return-value] # the kind of function is kept


class _At(AbstractContextManager[None]):
    """Makes a scope that somebody else opened current for a while."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._before = context.swap(self._scope)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        context.swap(self._before)
