"""A call that waits for calls in flight to settle: whether that can help, its place in the line, its turn. Imports the standard library only.

It never waits on what its own task or thread holds, which would be for ever, and never blocks a thread whose event loop runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from typing import Any, Final

_SLICE: Final = 0.5
"""Seconds after which a waiter looks again although nobody woke it: for holds that end in another process, or by a fault."""

_POLL: Final = 0.005
"""Seconds after which it looks into a store the first time, and by how much longer it waits each time: up to `_SLICE`."""
_GROWTH: Final = 1.5


def owner() -> int:
    """Who holds and who waits: the running task, else the thread."""
    if "asyncio" in sys.modules:
        with contextlib.suppress(RuntimeError):
            task = asyncio.current_task()
            if task is not None:
                return id(task)
    return threading.get_ident()


def loop_is_running() -> bool:
    """Whether this thread runs an event loop at this moment."""
    return "asyncio" in sys.modules and asyncio._get_running_loop() is not None  # noqa: SLF001 - the one that does not raise


class Waiting:
    """One call's place in the line of an account.

    Args:
        account: what is full.
        amount: nano-dollars that the call asks for.
        deadline: `time.monotonic()` after which it waits no longer.
        polls: whether the account is counted in a store, where other processes settle and wake nobody here.

    Attributes:
        impossible: why it cannot wait although it might, or "".
    """

    def __init__(self, account: Any, amount: int, deadline: float, *, polls: bool = False) -> None:
        self.account = account
        self.amount = amount
        self.deadline = deadline
        self._first = self._slice = _POLL if polls else _SLICE
        self.impossible = ""
        self._woken = threading.Event()
        self._waker: Any = None

    @property
    def over(self) -> bool:
        """Whether it has waited as long as it may."""
        return bool(self.impossible) or time.monotonic() >= self.deadline

    def wake(self) -> None:
        """Something settled. From any thread, and inside finalisers."""
        self._woken.set()
        waker = self._waker
        if waker is not None:
            loop, event = waker
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits there any more
                loop.call_soon_threadsafe(event.set)

    def block(self) -> None:
        """Wait in this thread until something settles, or the time is up."""
        if loop_is_running():
            self.impossible = (
                "a synchronous client inside a coroutine cannot wait: the calls in flight could not settle meanwhile"
            )
            return
        self._woken.wait(self._turn())
        self._woken.clear()

    def _turn(self) -> float:
        """Seconds to wait now: each time a little longer, and from the beginning again once something has settled here."""
        self._slice = self._first if self._woken.is_set() else min(_SLICE, self._slice * _GROWTH)
        return max(0.0, min(self._slice, self.deadline - time.monotonic()))

    async def pause(self) -> None:
        """Wait in this task until something settles, or the time is up."""
        event = asyncio.Event()
        self._waker = (asyncio.get_running_loop(), event)
        if not self._woken.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), self._turn())
        else:
            await asyncio.sleep(0)
        self._waker = None
        self._woken.clear()
