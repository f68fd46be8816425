from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import wrapt

from farebox.core import context
from farebox.core.context import Attribution
from farebox.instruments.threads import carry_into_pool, carry_into_thread


@pytest.fixture
def carrying(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ThreadPoolExecutor, "submit", wrapt.FunctionWrapper(ThreadPoolExecutor.submit, carry_into_pool))
    monkeypatch.setattr(threading.Thread, "start", wrapt.FunctionWrapper(threading.Thread.start, carry_into_thread))


def task() -> str | None:
    return context.current().attribution.task_type


def enter(name: str) -> context.Scope:
    return context.enter(attribution=Attribution(task_type=name))


def test_a_pool_always_carries_the_submitters_scope_also_none(carrying):
    with ThreadPoolExecutor(1) as pool:
        first = enter("first")
        assert pool.submit(task).result() == "first"
        context.leave(first)
        assert pool.submit(task).result() is None
        second = enter("second")
        assert list(pool.map(lambda _: task(), range(3))) == ["second"] * 3
        context.leave(second)


def test_a_worker_that_left_a_scope_open_does_not_hand_it_to_the_next_task(carrying):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(enter, "leaked").result()
        assert pool.submit(task).result() is None


def test_a_thread_carries_its_starters_scope_and_keeps_no_cycle(carrying):
    seen = []
    scope = enter("starter")

    class Worker(threading.Thread):
        def run(self) -> None:
            seen.append((task(), "run" in vars(self)))

    worker = Worker()
    worker.start()
    worker.join()
    plain = threading.Thread(target=lambda: seen.append(task()))
    plain.start()
    plain.join()
    context.leave(scope)
    assert seen == [("starter", False), "starter"]


def test_a_thread_started_outside_every_scope_is_left_alone(carrying):
    thread = threading.Thread(target=task)
    thread.start()
    thread.join()
    assert "run" not in vars(thread)


def test_a_pools_mistakes_stay_its_own(carrying):
    with ThreadPoolExecutor(1) as pool, pytest.raises(TypeError):
        pool.submit()
