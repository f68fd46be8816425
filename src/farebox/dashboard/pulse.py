"""Whether the ledger has changed: one question a tick for all who want to know, and a stream of events for each. Imports core only."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from farebox.core.errors import FareboxError
from farebox.dashboard.sources import Sources

TICK: Final = 0.5
"""Seconds between two looks. With the writer's quarter of a second a call shows within one."""

BREATH: Final = 15.0
"""Seconds after which a stream without news says that it lives, so that proxies and browsers keep it."""


class Pulse:
    """The ledger's version: a number that grows when its sums or its latest call change.

    Args:
        sources: where the ledger is.
        tick: seconds for which an answer holds.
    """

    def __init__(self, sources: Sources, *, tick: float = TICK) -> None:
        self._sources = sources
        self._tick = tick
        self._lock = threading.Lock()
        self._seen: Any = None
        self._looked = -float("inf")
        self._version = 0
        self._streams = 0
        self._looking: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._ended = False

    def end(self) -> None:
        """End every stream: a server that stops waits for its answers, and these would go on."""
        self._ended = True
        self._news.set()

    def version(self) -> int:
        """The version as of the last tick; whoever comes after it looks, all others are told."""
        with self._lock:
            if time.monotonic() - self._looked >= self._tick:
                found = self._look()
                if found != self._seen:
                    self._seen, self._version = found, self._version + 1
                self._looked = time.monotonic()
            return self._version

    def _look(self) -> Any:
        try:
            ledger = self._sources.ledger
            latest = next(iter(ledger.calls(limit=1)), None)
            return ledger.summary(), None if latest is None else latest.id
        except FareboxError as error:
            return str(error)

    async def stream(self) -> AsyncIterator[str]:
        """Server-sent events: the version now, and again whenever it has changed.

        A reader that is slow misses versions in between, never the last one; nothing is queued.
        """
        self._streams += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._watch())
        told = 0
        try:
            while not self._ended:
                news = self._news
                if told != self._version:
                    told = self._version
                    yield f"event: version\ndata: {told}\n\n"
                    continue
                try:
                    await asyncio.wait_for(news.wait(), BREATH)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._streams -= 1

    async def _watch(self) -> None:
        """Look as long as somebody listens. What changed may have been seen first by an answer: told is what was not told yet."""
        told = 0
        while self._streams and not self._ended:
            if await asyncio.to_thread(self.version) != told:
                told = self._version
                news, self._news = self._news, asyncio.Event()
                news.set()
            await asyncio.sleep(self._tick)
