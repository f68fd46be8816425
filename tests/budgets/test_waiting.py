"""`wait=`: a call that does not fit waits for those in flight, and for nothing that cannot come."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import farebox
from farebox import runtime
from farebox.testing import FakeProvider

MODEL = "gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "Tell me what the keeper of the lighthouse wrote, in a hundred words or less."}]


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    farebox.instrument()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider("max", delay=0.05) as running:
        yield running


def chat(client, **more):
    return client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=100, **more)


@pytest.fixture
def price():
    """What one call costs, and what it is expected to cost at first."""
    with FakeProvider("max") as scratch, scratch.openai_client() as client:
        with farebox.track_budget(1) as budget:
            chat(client)
        cost = budget.total_spent
    runtime.reset()
    farebox.instrument()
    return cost


def refused(answers):
    return sum(isinstance(answer, farebox.BudgetExceeded) for answer in answers)


def test_fifty_concurrent_tasks_use_a_budget_for_twenty_calls_up(provider, price):
    async def work():
        async with provider.async_openai_client() as client:
            return await asyncio.gather(*(chat(client) for _ in range(50)), return_exceptions=True)

    with farebox.track_budget(price * 20, wait=20) as budget:
        answers = asyncio.run(work())
    sent = 50 - refused(answers)
    assert sent == len(provider.billed)
    assert budget.total_spent == price * sent
    assert 19 <= sent <= 20
    assert budget.reserved == 0


def test_threads_wait_for_each_other(provider, price):
    with farebox.track_budget(price * 10, wait=20) as budget, provider.openai_client() as client:

        def ask(_):
            try:
                return chat(client)
            except farebox.BudgetExceeded as error:
                return error

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(24)))
    assert len(provider.billed) == 24 - refused(answers)
    assert 9 <= len(provider.billed) <= 10
    assert budget.total_spent <= price * 10


def test_a_call_that_cannot_fit_is_refused_at_once(provider, price):
    with farebox.track_budget(price / 2, wait=30), provider.openai_client() as client:
        began = time.monotonic()
        with pytest.raises(farebox.BudgetExceeded):
            chat(client)
    assert time.monotonic() - began < 5
    assert provider.requests == []


def test_nobody_waits_for_what_he_holds_himself(provider, price):
    with farebox.track_budget(price * 1.5, wait=30) as budget, provider.openai_client() as client:
        stream = chat(client, stream=True)
        next(iter(stream))
        began = time.monotonic()
        with pytest.raises(farebox.BudgetExceeded):
            chat(client)
        assert time.monotonic() - began < 5
        stream.close()
    assert budget.reserved == 0


def test_time_runs_out_for_who_waits(provider, price):
    held, done = threading.Event(), threading.Event()

    def hold(client):
        stream = chat(client, stream=True)
        held.set()
        done.wait(20)
        stream.close()

    with farebox.track_budget(price * 1.5, wait=0.3), provider.openai_client() as client:
        thread = threading.Thread(target=hold, args=(client,))
        thread.start()
        held.wait(10)
        began = time.monotonic()
        with farebox.capture() as captured, pytest.raises(farebox.BudgetExceeded):
            chat(client)
        waited = time.monotonic() - began
        done.set()
        thread.join()
    assert 0.25 < waited < 5
    assert [event.status for event in captured.calls] == ["refused"]


def test_a_synchronous_client_inside_a_coroutine_is_refused_with_the_reason(provider, price):
    async def work(client):
        held = asyncio.create_task(asyncio.to_thread(hold, client))
        await asyncio.to_thread(ready.wait, 10)
        with pytest.raises(farebox.BudgetExceeded, match="inside a coroutine cannot wait"):
            chat(client)
        done.set()
        await held

    ready, done = threading.Event(), threading.Event()

    def hold(client):
        stream = chat(client, stream=True)
        ready.set()
        done.wait(20)
        stream.close()

    with farebox.track_budget(price * 1.5, wait=30), provider.openai_client() as client:
        asyncio.run(work(client))


def test_a_task_that_is_cancelled_while_it_waits_leaves_the_line(provider, price):
    async def work():
        async with provider.async_openai_client() as client:
            with provider.hold():
                first = asyncio.create_task(chat(client))
                await asyncio.to_thread(provider.wait_for_requests, 1)
                waiting = [asyncio.create_task(chat(client)) for _ in range(2)]
                await asyncio.sleep(0.1)
                waiting[0].cancel()
                await asyncio.sleep(0.05)
            await first
            return await asyncio.gather(*waiting, return_exceptions=True)

    with farebox.track_budget(price * 1.8, wait=20) as budget:
        cancelled, refusal = asyncio.run(work())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert isinstance(refusal, farebox.BudgetExceeded)
    assert (budget.reserved, budget.account.line, len(provider.billed)) == (0, [], 1)


@pytest.mark.parametrize("wait", [-1, "soon", True, float("nan"), 1e9])
def test_an_odd_wait_is_named(wait):
    with pytest.raises(farebox.ConfigurationError, match="wait="):
        farebox.track_budget(1, wait=wait)
