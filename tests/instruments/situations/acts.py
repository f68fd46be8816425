"""What users do with what an SDK gives them, once for synchronous and once for asynchronous objects; a row yields the result."""

from __future__ import annotations

import inspect
from typing import Any

FINALS = ("get_final_completion", "get_final_response", "get_final_message")


async def there(value: Any) -> Any:
    """The value itself, awaited where it must be."""
    return await value if inspect.isawaitable(value) else value


def is_async(stream: Any) -> bool:
    return hasattr(stream, "__anext__") or hasattr(stream, "__aiter__") or hasattr(stream, "__aenter__")


def next_of(stream: Any) -> Any:
    """The next piece."""
    return stream.__anext__() if is_async(stream) else next(stream)


def first(stream: Any, count: int = 1) -> Any:
    """So many pieces, then `break`."""
    return _first_async(stream, count) if is_async(stream) else _first(stream, count)


def _first(stream: Any, count: int) -> list[Any]:
    pieces = []
    for piece in stream:
        pieces.append(piece)
        if len(pieces) == count:
            break
    return pieces


async def _first_async(stream: Any, count: int) -> list[Any]:
    pieces = []
    async for piece in stream:
        pieces.append(piece)
        if len(pieces) == count:
            break
    return pieces


def all_of(stream: Any) -> Any:
    """Every piece that is left."""
    return first(stream, -1)


def within(manager: Any, use: Any) -> Any:
    """What `use` gives for what the manager gives, inside `with`."""
    return _within_async(manager, use) if is_async(manager) else _within(manager, use)


def _within(manager: Any, use: Any) -> Any:
    with manager as inside:
        return use(inside)


async def _within_async(manager: Any, use: Any) -> Any:
    async with manager as inside:
        return await there(use(inside))


def read_whole(manager: Any) -> Any:
    """A helper's stream, read in its `with` to the end: its events, and what it makes of them."""
    return _read_async(manager) if is_async(manager) else _read(manager)


def _read(manager: Any) -> Any:
    with manager as stream:
        events = list(stream)
        return events, _final(stream)()


async def _read_async(manager: Any) -> Any:
    async with manager as stream:
        events = [event async for event in stream]
        return events, await _final(stream)()


def _final(stream: Any) -> Any:
    return next(getattr(stream, name) for name in FINALS if hasattr(stream, name))


def close(thing: Any) -> Any:
    """`close`, or `aclose` where that is the asynchronous one."""
    return thing.aclose() if hasattr(thing, "aclose") else thing.close()


def lines_of(response: Any) -> Any:
    """The lines of a transport's response or of an unparsed one."""
    if hasattr(response, "aiter_lines") and "Async" in type(response.stream).__mro__[1].__name__:
        return all_of(response.aiter_lines())
    lines = response.iter_lines()
    return all_of(lines)
