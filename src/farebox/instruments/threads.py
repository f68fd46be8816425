"""Threads and pools carry the scope of the code that started the work. May import core; wrapt is loaded when it is applied.

`ThreadPoolExecutor.submit` always carries, also when there is no scope: a pool worker lives longer than the request that happened to
start it, and must not spend that request's budget. `Thread.start` carries the starter's, but to pool workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from farebox.core import context
from farebox.core.context import ROOT, Scope
from farebox.instruments.hook import Hook, Instrument

_POOL_WORKER: Final = ("concurrent.futures.thread", "_worker")


class _Carried:
    """A function bound to a scope; a class, so that it costs one allocation and shows the function in tracebacks."""

    __slots__ = ("_function", "_scope")

    def __init__(self, function: Callable[..., Any], scope: Scope) -> None:
        self._function = function
        self._scope = scope

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        before = context.swap(self._scope)
        try:
            return self._function(*args, **kwargs)
        finally:
            context.swap(before)


def carry_into_pool(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around `ThreadPoolExecutor.submit(fn, /, *args, **kwargs)`."""
    if not args:  # the mistake is the caller's, and its error the executor's
        return wrapped(*args, **kwargs)
    return wrapped(_Carried(args[0], context.current()), *args[1:], **kwargs)


def carry_into_thread(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Around `Thread.start()`: the thread's own `run`, a subclass's included, is bound to the starter's scope."""
    scope = context.current()
    target = getattr(instance, "_target", None)
    is_pool_worker = (getattr(target, "__module__", None), getattr(target, "__name__", None)) == _POOL_WORKER
    if scope is not ROOT and not is_pool_worker and isinstance(instance, threading.Thread):
        run = instance.run

        def carried() -> None:
            # The instance attribute refers to its own thread: dropped before the work starts, so that no cycle is left behind.
            vars(instance).pop("run", None)
            _Carried(run, scope)()

        vars(instance)["run"] = carried
    return wrapped(*args, **kwargs)


INSTRUMENT: Final = Instrument(
    name="threads",
    distribution="python",
    package="concurrent.futures",
    hooks=(
        Hook("concurrent.futures.thread", "ThreadPoolExecutor.submit", around=carry_into_pool),
        Hook("threading", "Thread.start", around=carry_into_thread),
    ),
)
