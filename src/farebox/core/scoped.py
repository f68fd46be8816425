"""One way to put a function under a scope, whatever kind of function it is. Imports core only.

A plain function or coroutine runs inside a `with`. A generator runs in turns, so its scope is current only while its own code runs:
the code that iterates it never sees it, and closing it from another context raises nothing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from farebox.core import context
from farebox.core.context import Scope
from farebox.core.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])

Opening = Callable[[], AbstractContextManager[Any]]
"""Makes the scope of one call, as a context manager."""


def scoped(function: Callable[..., Any], opening: Opening) -> Callable[..., Any]:
    """`function`, each call under a scope of its own. The kind of function stays what it was.

    Raises:
        ConfigurationError: it is a class, or nothing that can be called.
    """
    if isinstance(function, classmethod | staticmethod):
        return type(function)(scoped(function.__func__, opening))
    if isinstance(function, type) or not callable(function):
        raise ConfigurationError(f"{function!r} is no function: decorate a function or method, or use `with`")
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, opening)
    if inspect.isgeneratorfunction(function):
        return _generator(function, opening)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with opening():
                return await function(*args, **kwargs)

        return coroutine

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with opening():
            return function(*args, **kwargs)

    return plain


def _generator(function: Callable[..., Any], opening: Opening) -> Callable[..., Any]:
    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner, turns = function(*args, **kwargs), _Turns(opening())
        try:
            step = functools.partial(inner.send, None)
            while True:
                try:
                    item = turns.run(step)
                except StopIteration as stop:
                    return stop.value
                try:
                    step = functools.partial(inner.send, (yield item))
                except GeneratorExit:
                    turns.run(inner.close)
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator, as `yield from` does
                    step = functools.partial(inner.throw, error)
        finally:
            turns.end()

    return generator


def _async_generator(function: Callable[..., Any], opening: Opening) -> Callable[..., Any]:
    @functools.wraps(function)
    async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner, turns = function(*args, **kwargs), _Turns(opening())
        try:
            step = functools.partial(inner.asend, None)
            while True:
                try:
                    item = await turns.run_async(step)
                except StopAsyncIteration:
                    return
                try:
                    step = functools.partial(inner.asend, (yield item))
                except GeneratorExit:
                    await turns.run_async(inner.aclose)
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to the generator, as `yield from` does
                    step = functools.partial(inner.athrow, error)
        finally:
            turns.end()

    return generator


class Scoping(AbstractContextManager[Any]):
    """Opens a scope: usable as `with`, as `async with` and as a decorator of any kind of function."""

    def __init__(self) -> None:
        self._opened: list[Scope] = []

    def _open(self) -> Scope:
        """Enter a scope of this kind."""
        return context.enter()

    def _fresh(self) -> AbstractContextManager[Any]:
        """What one call of a decorated function runs under."""
        return self

    def __enter__(self) -> Self:
        self._opened.append(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        scope = context.innermost(self._opened)
        if scope is not None:
            self._opened.remove(scope)
            context.leave(scope)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorate: each call of `function` runs under a scope of its own."""
        return scoped(function, self._fresh)  # type: ignore[return-value] # the kind of function is kept


class _Turns:
    """Makes a scope current for one turn of a generator at a time."""

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        before = context.swap(context.current())
        manager.__enter__()
        self._manager = manager
        # What is current when the generator pauses, scopes of its own body included, is current again when it goes on.
        self._scope = context.swap(before)

    def run(self, step: Callable[[], Any]) -> Any:
        before = context.swap(self._scope)
        try:
            return step()
        finally:
            self._scope = context.swap(before)

    async def run_async(self, step: Callable[[], Any]) -> Any:
        before = context.swap(self._scope)
        try:
            return await step()
        finally:
            self._scope = context.swap(before)

    def end(self) -> None:
        before = context.swap(self._scope)
        try:
            self._manager.__exit__(None, None, None)
        finally:
            context.swap(before)
