"""Waiting for a file or a lock without stopping other greenlets, in programs that gevent made cooperative. May import core.guard.

There `_thread.start_new_thread` starts a greenlet, and a greenlet that waits for another process's transaction stops the whole program:
2 s at a time were seen while a ledger was locked. gevent keeps real threads for such work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, ParamSpec, TypeVar

from farebox.core.guard import attempt

P = ParamSpec("P")
T = TypeVar("T")


class _Failed(NamedTuple):
    """An error on its way back from a thread; raised there, gevent would print it as well."""

    error: Exception


def offload(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function`; where gevent replaced threads, in one of its real ones, while other greenlets run."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return function(*args, **kwargs)
    pool = sys.modules["gevent"].get_hub().threadpool
    outcome: T | _Failed = pool.apply(attempt, (partial(function, *args, **kwargs),), {"on_error": _Failed})
    if isinstance(outcome, _Failed):
        raise outcome.error
    return outcome
