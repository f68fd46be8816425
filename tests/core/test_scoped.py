from __future__ import annotations

import asyncio
import contextlib
import inspect

import pytest

from farebox.core import context
from farebox.core.context import ROOT, Attribution
from farebox.core.scoped import scoped


@contextlib.contextmanager
def named():
    scope = context.enter(attribution=Attribution(task_type="named"))
    try:
        yield
    finally:
        context.leave(scope)


def task() -> str | None:
    return context.current().attribution.task_type


def test_a_function_runs_under_its_scope_and_keeps_its_name_and_result():
    @lambda function: scoped(function, named)
    def work(value: int) -> tuple[int, str | None]:
        """Its own docstring."""
        return value, task()

    assert work(3) == (3, "named")
    assert work.__name__ == "work"
    assert work.__doc__ == "Its own docstring."
    assert task() is None


def test_a_coroutine_stays_one_and_its_tasks_do_not_see_each_other():
    async def work() -> str | None:
        await asyncio.sleep(0)
        return task()

    wrapped = scoped(work, named)
    assert inspect.iscoroutinefunction(wrapped)

    async def main() -> list[str | None]:
        return [*await asyncio.gather(wrapped(), work()), task()]

    assert asyncio.run(main()) == ["named", None, None]


def test_a_generators_scope_is_current_only_while_its_own_code_runs():
    seen = []

    def work():
        seen.append(task())
        received = yield 1
        seen.append((task(), received))
        try:
            yield 2
        except KeyError as error:
            seen.append((task(), error.args))
            yield 3
        return "end"

    wrapped = scoped(work, named)
    assert inspect.isgeneratorfunction(wrapped)
    generator = wrapped()
    assert next(generator) == 1
    assert task() is None
    assert generator.send("hello") == 2
    assert generator.throw(KeyError("k")) == 3
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "end"
    assert seen == ["named", ("named", "hello"), ("named", ("k",))]
    assert context.current() is ROOT


def test_a_scope_opened_inside_a_generator_lasts_over_its_yields_and_stays_inside():
    def work():
        with named_task("inner"):
            yield task()
            yield task()
        yield task()

    assert [(item, task()) for item in scoped(work, named)()] == [("inner", None), ("inner", None), ("named", None)]


@contextlib.contextmanager
def named_task(name: str):
    scope = context.enter(attribution=Attribution(task_type=name))
    try:
        yield
    finally:
        context.leave(scope)


def test_closing_a_generator_runs_its_cleanup_under_its_scope():
    seen = []

    def work():
        try:
            yield 1
        finally:
            seen.append(task())

    generator = scoped(work, named)()
    next(generator)
    generator.close()
    assert seen == ["named"]
    assert context.current() is ROOT


def test_an_error_in_a_generator_reaches_the_caller():
    def work():
        yield 1
        raise ValueError("own")

    generator = scoped(work, named)()
    next(generator)
    with pytest.raises(ValueError, match="own"):
        next(generator)
    assert context.current() is ROOT


def test_an_async_generator_keeps_its_scope_over_sends_throws_and_close():
    seen = []

    async def work():
        try:
            received = yield task()
            seen.append(received)
            try:
                yield task()
            except KeyError:
                yield "caught"
        finally:
            seen.append(task())

    wrapped = scoped(work, named)
    assert inspect.isasyncgenfunction(wrapped)

    async def main() -> list[object]:
        generator = wrapped()
        got = [await generator.asend(None), task(), await generator.asend("hi"), await generator.athrow(KeyError("k"))]
        await generator.aclose()
        return got

    assert asyncio.run(main()) == ["named", None, "named", "caught"]
    assert seen == ["hi", "named"]


def test_an_async_generator_ends_and_fails_like_the_bare_one():
    async def work(fail: bool):
        yield 1
        if fail:
            raise ValueError("own")

    wrapped = scoped(work, named)

    async def collect(fail: bool) -> list[int]:
        return [item async for item in wrapped(fail)]

    assert asyncio.run(collect(False)) == [1]
    with pytest.raises(ValueError, match="own"):
        asyncio.run(collect(True))
