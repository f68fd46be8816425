"""Who a call is for and which budgets bind it, carried by one context variable. Imports core.guard only.

Leaving a scope needs no token: exit marks the scope closed, and look-up skips closed ones. `ContextVar.reset` raises when a scope
is left in another context than it was entered in, as generators and FastAPI's `yield` dependencies do.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

import msgspec


class Attribution(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a call is charged to. None means not said."""

    tenant_id: str | None = None
    workspace_id: str | None = None
    user_id: str | None = None
    task_type: str | None = None
    chain_id: str | None = None
    session_id: str | None = None
    baseline_model: str | None = None
    route_reason: str | None = None
    tags: dict[str, str] | None = None

    def merged(self, inner: Attribution) -> Attribution:
        """What `inner` says wins; tags are united."""
        changes = inner.said()
        if self.tags and inner.tags:
            changes["tags"] = {**self.tags, **inner.tags}
        return msgspec.structs.replace(self, **changes) if changes else self

    def said(self) -> dict[str, Any]:
        """What is said, by the names of the event's fields."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


NOBODY: Final = Attribution()


class Scope:
    """One `with` that calls are made under. Immutable but for `closed`; a chain of parents up to the outermost.

    Attributes:
        attribution: merged over the parents.
        said: what the attribution says, as fields of an event.
        captures: every `capture()` that listens.
        suppressed: whether events are silenced (the gate still holds).
        parent_id: id that the events of calls made here share, when they are parts of one call of the user's.
    """

    __slots__ = ("_binding", "attribution", "captures", "closed", "parent", "parent_id", "said", "suppressed")

    def __init__(
        self,
        parent: Scope | None,
        *,
        attribution: Attribution | None = None,
        budget: Any = None,
        capture: Any = None,
        suppressed: bool = False,
        parent_id: str | None = None,
    ) -> None:
        self.parent = parent
        self.closed = False
        self.attribution: Attribution = attribution or NOBODY
        self._binding: tuple[tuple[Scope, Any], ...] = () if budget is None else ((self, budget),)
        self.captures: tuple[Any, ...] = () if capture is None else (capture,)
        self.suppressed = suppressed
        self.parent_id = parent_id
        if parent is not None:
            self.parent_id = parent_id or parent.parent_id
            self.attribution = parent.attribution.merged(self.attribution)
            self._binding += parent._binding  # noqa: SLF001 - its own kind
            self.captures += parent.captures
            self.suppressed = suppressed or parent.suppressed
        # Here and not at each event: a scope is opened once and writes many.
        self.said = self.attribution.said()

    @property
    def budgets(self) -> tuple[Any, ...]:
        """Every budget that applies, innermost first.

        One whose own scope was left applies no more, also to work that was started inside it and goes on.
        """
        return tuple([budget for scope, budget in self._binding if not scope.closed])


class Route(Scope):
    """What a router said inside another scope: it ends with that, or with the next route."""

    __slots__ = ("_ended",)

    @property
    def closed(self) -> bool:
        """Whether it, or the scope that it was said in, was left."""
        return self._ended or (self.parent is not None and self.parent.closed)

    @closed.setter
    def closed(self, value: bool) -> None:
        self._ended = value


ROOT: Final = Scope(None)
"""The scope outside every `with`."""

_scope: Final[ContextVar[Scope]] = ContextVar("farebox_scope", default=ROOT)


def current() -> Scope:
    """The innermost scope that is still open; `ROOT` outside every one."""
    scope = _scope.get()
    while scope.closed:
        scope = scope.parent or ROOT
    return scope


def enter(
    *,
    attribution: Attribution | None = None,
    budget: Any = None,
    capture: Any = None,
    suppressed: bool = False,
    parent_id: str | None = None,
) -> Scope:
    """Open a scope under the current one and make it current in this context."""
    scope = Scope(
        current(),
        attribution=attribution,
        budget=budget,
        capture=capture,
        suppressed=suppressed,
        parent_id=parent_id,
    )
    _scope.set(scope)
    return scope


def route(attribution: Attribution | None) -> None:
    """Attribute what follows in the current scope so, in place of what was said by `route` before; None: end that."""
    here = current()
    around = here.parent if isinstance(here, Route) else here
    _scope.set((around or ROOT) if attribution is None else Route(around, attribution=attribution))


def leave(scope: Scope) -> None:
    """Close the scope, from whichever context; where it is the current one, its parent becomes current."""
    scope.closed = True
    if _scope.get() is scope:
        _scope.set(scope.parent or ROOT)


def swap(scope: Scope) -> Scope:
    """Make `scope` current and return what was: for code that runs in turns, as generators do."""
    before = _scope.get()
    _scope.set(scope)
    return before


def innermost(opened: list[Scope]) -> Scope | None:
    """Which of `opened` to leave: this context's innermost one; else (left from a foreign context) the last that was opened."""
    scope: Scope | None = _scope.get()
    while scope is not None:
        if scope in opened:
            return scope
        scope = scope.parent
    return opened[-1] if opened else None
