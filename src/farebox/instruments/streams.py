"""Watches streams from the inside: swaps the iterator of the SDK's own stream object, never the object. Imports core only.

One loop costs tens of nanoseconds a piece: count it, look at it in C, hand it on.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from functools import partial
from typing import Any, Final, TypeAlias

from farebox.core.guard import attempt
from farebox.instruments.fetching import Fetching
from farebox.instruments.observation import Observation
from farebox.instruments.wire import Scanner, without_bare, without_bare_async

Watcher: TypeAlias = Observation | Fetching
"""What learns of a stream's pieces and of its end."""

_SHADOWED: Final = ("close", "aclose", "iter_bytes", "aiter_bytes")


def watch(source: Iterable[Any], seen: Watcher) -> Generator[Any, None, None]:
    """The pieces of `source`; `seen` learns of each and of the end."""
    probe, quiet, said, keep = seen.probe, seen.quiet, seen.said, seen.kept.append
    try:
        for piece in source:
            seen.pieces += 1
            try:
                if probe(piece) != quiet:
                    if seen.note(piece):
                        continue
                    quiet = seen.quiet
                else:
                    keep(said(piece))
            except AttributeError:  # a dict among models
                if seen.note(piece):
                    continue
            seen.last = piece
            yield piece
    except GeneratorExit:
        seen.left()
        if isinstance(source, Generator):
            source.close()
        raise
    except BaseException as error:
        seen.failed(error)
        raise
    seen.exhausted()


async def watch_async(source: AsyncIterable[Any], seen: Watcher) -> AsyncGenerator[Any, None]:
    """`watch` for asynchronous streams."""
    probe, quiet, said, keep = seen.probe, seen.quiet, seen.said, seen.kept.append
    try:
        async for piece in source:
            seen.pieces += 1
            try:
                if probe(piece) != quiet:
                    if seen.note(piece):
                        continue
                    quiet = seen.quiet
                else:
                    keep(said(piece))
            except AttributeError:  # a dict among models
                if seen.note(piece):
                    continue
            seen.last = piece
            yield piece
    except GeneratorExit:
        seen.left()
        if isinstance(source, AsyncGenerator) and not _loop_is_ending():
            await source.aclose()
        raise
    except BaseException as error:
        seen.failed(error)
        raise
    seen.exhausted()


def _loop_is_ending() -> bool:
    """Whether asyncio closes every generator at this moment, the one we read included: closing it too would collide."""
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else attempt(asyncio.get_running_loop, on_error=lambda _error: None)
    return bool(getattr(loop, "_asyncgens_shutdown_called", False))


def attach(stream: Any, seen: Watcher) -> None:
    """Watch an SDK's stream object: its `_iterator` is replaced, which `isinstance` and every helper on top survive.

    After `request` has returned, as anthropic >= 1 builds `_iterator` on first use, from what a subclass set meanwhile.
    """
    source = stream._iterator  # noqa: SLF001 - the SDKs' one seam, in every version tested; a contract test holds it
    watched: Any = watch_async(source, seen) if hasattr(source, "__anext__") else watch(source, seen)
    stream._iterator = watched  # noqa: SLF001 - same
    Shadow(response_of(stream), seen).watched = weakref.ref(watched)
    # A loop that never began has nothing to run when it is dropped.
    weakref.finalize(stream, seen.left).atexit = False


def response_of(stream: Any) -> Any:
    """The transport's response that a stream reads: `response`, or `http_response` of a reader of JSON lines."""
    return getattr(stream, "response", None) or stream.http_response


def attach_bytes(response: Any, seen: Watcher) -> None:
    """Watch a transport's response whose bytes the caller reads: `read`, `iter_text` and `parse` all read through `iter_bytes`."""
    Shadow(response, seen)


class Shadow:
    """Stands in front of a response's `close` and `iter_bytes`, as attributes of that one object, until the call is settled.

    Helpers close the response and not the stream, so `close` is where an early end shows. It is also called inside the
    last read of a stream; there the loop itself is running and tells the end.

    It holds the response, and the response it, until the call is settled: a weak reference would be dead already when the
    garbage collector closes a stream that is part of a cycle, as openai's are.

    Attributes:
        watched: the loop that reads the response, once there is one.
    """

    __slots__ = ("_response", "_seen", "watched")

    def __init__(self, response: Any, seen: Watcher) -> None:
        self._response = response
        self._seen = seen
        self.watched: weakref.ref[Any] | None = None
        for name in _SHADOWED:
            if hasattr(type(response), name) and name not in vars(response):
                setattr(response, name, getattr(self, name))
        seen.release = partial(_unshadow, response)

    def close(self, *args: Any, **kwargs: Any) -> Any:
        """The response's `close`; the stream was left unless its loop is running."""
        response = self._response
        self._closed()
        return type(response).close(response, *args, **kwargs)

    async def aclose(self, *args: Any, **kwargs: Any) -> Any:
        """The response's `aclose`."""
        response = self._response
        self._closed()
        return await type(response).aclose(response, *args, **kwargs)

    def iter_bytes(self, *args: Any, **kwargs: Any) -> Any:
        """The response's `iter_bytes`, scanned unless it is the watched stream that reads."""
        response = self._response
        source = type(response).iter_bytes(response, *args, **kwargs)
        if self._reading():
            return source
        scanned = self._scanned(watch(source, self._scanner(response)))
        return without_bare(scanned) if self._seen.hides else scanned

    def aiter_bytes(self, *args: Any, **kwargs: Any) -> Any:
        """The response's `aiter_bytes`."""
        response = self._response
        source = type(response).aiter_bytes(response, *args, **kwargs)
        if self._reading():
            return source
        scanned = self._scanned(watch_async(source, self._scanner(response)))
        return without_bare_async(scanned) if self._seen.hides else scanned

    def _closed(self) -> None:
        if not self._reading():
            self._seen.left()

    def _reading(self) -> bool:
        """Whether the loop that tells the end is in the middle of a read, or the end was told."""
        watched = None if self.watched is None else self.watched()
        if watched is None:
            return self._seen.settled
        return bool(getattr(watched, "gi_running", False) or getattr(watched, "ag_running", False))

    def _scanner(self, response: Any) -> Any:
        return Scanner(self._seen, str(response.headers.get("content-type", "")))

    def _scanned(self, watched: Any) -> Any:
        self.watched = weakref.ref(watched)
        return watched


def _unshadow(response: Any) -> None:
    """Leave the response as it was: it can be pickled again, and is freed as before."""
    for name in _SHADOWED:
        if isinstance(getattr(vars(response).get(name), "__self__", None), Shadow):
            delattr(response, name)
