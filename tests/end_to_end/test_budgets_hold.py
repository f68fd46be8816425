from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import fastapi
import pytest
from fastapi.testclient import TestClient

import farebox
from farebox.core.money import Money
from farebox.testing import FakeProvider

MODEL = "gpt-4o-mini"
PROMPT = (
    "A small town by the sea had a lighthouse whose keeper wrote one letter every evening. Nobody knew to whom. When the "
    "storm of the century came, the letters were found in the lamp room, sorted by year, and the first of them began with "
    "a question that the town has been discussing ever since. Tell me, in plain words, what the question may have been."
)


def ask(client, **changes):
    return client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": PROMPT}], max_tokens=100, **changes
    )


def billed_total(provider) -> Money:
    """Dollars that the provider bills, from what it says it generated."""
    total = Money(0)
    for one in provider.billed:
        cost = farebox.price(one.usage, provider="openai", model=MODEL, api="chat.completions")
        assert cost.amount is not None
        total += cost.amount
    return total


@pytest.fixture
def budget_for_ten():
    """Exactly ten calls like `ask`, by the price of one that another provider billed."""
    with FakeProvider("max") as scratch, scratch.openai_client() as client:
        ask(client)
        total = billed_total(scratch)
        assert scratch.billed[0].usage["completion_tokens"] == 100
    farebox.instrument()
    return farebox.track_budget(total * 10)


def refusals_sent_nothing(provider, sent: int) -> None:
    assert len(provider.requests) == len(provider.billed) == sent


def test_in_sequence_a_budget_for_ten_calls_sends_eight_to_ten_of_fifteen(provider, budget_for_ten):
    sent = refused = 0
    with provider.openai_client(max_retries=0) as client, budget_for_ten as budget:
        for _ in range(15):
            try:
                ask(client)
                sent += 1
            except farebox.BudgetExceeded:
                refused += 1
    print(f"in sequence: {sent} of 15 sent")
    assert 8 <= sent <= 10
    assert sent + refused == 15
    refusals_sent_nothing(provider, sent)
    assert budget.total_spent == billed_total(provider)


def test_of_fifty_concurrent_cold_calls_at_most_ten_are_sent(provider, budget_for_ten):
    async def main() -> list[object]:
        async with provider.async_openai_client(max_retries=0) as client, budget_for_ten:
            return await asyncio.gather(*(ask(client) for _ in range(50)), return_exceptions=True)

    outcomes = asyncio.run(main())
    refused = [one for one in outcomes if isinstance(one, farebox.BudgetExceeded)]
    sent = len(outcomes) - len(refused)
    assert not [one for one in outcomes if isinstance(one, BaseException) and one not in refused]
    print(f"50 concurrent, cold: {sent} sent")
    assert 1 <= sent <= 10
    refusals_sent_nothing(provider, sent)
    assert budget_for_ten.total_spent == billed_total(provider)


@pytest.mark.parametrize("kind", ["threads", "pool"])
def test_eight_threads_of_ten_calls_send_at_most_ten(provider, budget_for_ten, kind: str):
    refused = []
    with provider.openai_client(max_retries=0) as client, budget_for_ten as budget:

        def work() -> None:
            for _ in range(10):
                try:
                    ask(client)
                except farebox.BudgetExceeded as error:
                    refused.append(error)

        if kind == "pool":
            with ThreadPoolExecutor(8) as pool:
                for future in [pool.submit(work) for _ in range(8)]:
                    future.result()
        else:
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    sent = 80 - len(refused)
    print(f"8 {kind} x 10: {sent} sent")
    assert 1 <= sent <= 10
    refusals_sent_nothing(provider, sent)
    assert budget.total_spent == billed_total(provider)


def test_streams_and_other_sdks_spend_the_same_budget(provider):
    farebox.instrument()
    with farebox.track_budget(1, {"draft": "0.5"}) as budget:
        with provider.openai_client() as client, farebox.tracked("draft"):
            for _ in ask(client, stream=True, stream_options={"include_usage": True}):
                pass
        with provider.anthropic_client() as client:
            client.messages.create(
                model="claude-sonnet-5", max_tokens=50, messages=[{"role": "user", "content": PROMPT}]
            )
        client = provider.genai_client()
        client.models.generate_content(model="gemini-2.5-flash", contents=PROMPT)
        client.close()
    expected = sum(
        farebox.price(one.usage, provider=one.provider, model=one.model, api=one.api).amount for one in provider.billed
    )
    assert len(provider.billed) == 3
    assert budget.total_spent == expected > 0
    assert list(budget.per_task_spent) == ["draft"]


def in_child(limit: str, url: str) -> None:
    """Runs in a process of its own: spend a budget of `limit` until it refuses."""
    import openai

    farebox.instrument()
    with openai.OpenAI(base_url=url, api_key="offline", max_retries=0) as client, farebox.track_budget(limit):
        for _ in range(20):
            ask(client)


def test_a_refusal_crosses_a_process_pool(provider, budget_for_ten):
    limit = str(budget_for_ten.total_limit)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool,
        pytest.raises(farebox.BudgetExceeded, match="cannot pay") as refused,
    ):
        pool.submit(in_child, limit, provider.openai_base_url).result(60)
    assert refused.value.limit == Money(limit)
    assert 8 <= len(provider.billed) <= 10


def test_a_fork_inside_a_budget_goes_on_by_itself_and_the_parent_counts_its_own(provider, caplog):
    farebox.instrument()
    with provider.openai_client() as client, farebox.track_budget(1, name="parents") as budget:
        ask(client)
        before = budget.total_spent
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                with provider.openai_client() as own:
                    ask(own)
                os.write(writer, str(budget.total_spent == before * 2).encode())
                farebox.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 10) == b"True"
        assert budget.total_spent == before
        ask(client)
    assert budget.total_spent == before * 2
    farebox.flush()
    with farebox.open_ledger() as ledger:
        assert sum(row["calls"] for row in ledger.by("provider")) == 3


def test_locks_held_at_fork_do_not_hang_the_child(provider):
    """Threads go through every lock of ours while the process forks."""
    farebox.instrument()
    stop = threading.Event()
    with provider.openai_client() as client, farebox.track_budget(100):

        def work() -> None:
            while not stop.is_set():
                ask(client)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    try:
                        with farebox.track_budget(1) as own:
                            own.charge("0.10")
                            farebox.record_call(
                                provider="openai", model=MODEL, usage={"prompt_tokens": 1, "completion_tokens": 1}
                            )
                        os._exit(0 if farebox.flush(20) else 3)
                    finally:
                        os._exit(4)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_a_budget_left_in_another_context_is_closed_for_good(provider, budget_for_ten):
    with provider.openai_client() as client:

        def dependency():
            with budget_for_ten:
                yield ask(client)

        generator = dependency()
        next(generator)
        assert farebox.current_budget() is budget_for_ten
        contextvars.copy_context().run(generator.close)
        assert farebox.current_budget() is None
        ask(client)
    assert len(provider.billed) == 2
    assert budget_for_ten.total_spent * 2 == billed_total(provider)


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_budget_works_as_a_fastapi_dependency_that_yields(provider, budget_for_ten, kind: str):
    """FastAPI enters a plain `def` dependency in a copied context, so its endpoint enters the budget once more by hand."""
    app = fastapi.FastAPI()
    limit = budget_for_ten.total_limit / 4
    spent = []

    async def in_the_requests_context():
        with farebox.track_budget(limit) as current:
            yield current
        spent.append(current.total_spent)

    def in_a_copied_context():
        with farebox.track_budget(limit) as current:
            yield current
        spent.append(current.total_spent)

    depends = fastapi.Depends(in_the_requests_context if kind == "async" else in_a_copied_context)
    with provider.openai_client(max_retries=0) as client:

        def spend() -> dict[str, str]:
            for _ in range(5):
                try:
                    ask(client)
                except farebox.BudgetExceeded as error:
                    return {"refused": str(error.limit)}
            return {}

        if kind == "async":

            @app.get("/")
            def answer(_=depends) -> dict[str, str]:
                return spend()
        else:

            @app.get("/")
            def answer(budget=depends) -> dict[str, str]:
                with budget:
                    return spend()

        web = TestClient(app)
        for _ in range(3):
            assert web.get("/").json() == {"refused": str(limit)}
    assert farebox.current_budget() is None
    assert len(spent) == 3
    assert all(0 < one <= limit for one in spent)


def test_a_pool_worker_that_served_a_budget_now_closed_is_free_again(provider, budget_for_ten):
    with provider.openai_client() as client, ThreadPoolExecutor(1) as pool:
        with budget_for_ten:
            pool.submit(ask, client).result()
        assert pool.submit(farebox.current_budget).result() is None
        pool.submit(ask, client).result()
    assert budget_for_ten.total_spent * 2 == billed_total(provider)


def test_a_sync_client_inside_a_coroutine_is_budgeted_too(provider, budget_for_ten):
    async def main() -> int:
        sent = 0
        with provider.openai_client(max_retries=0) as client:
            async with budget_for_ten:
                for _ in range(15):
                    try:
                        ask(client)
                        sent += 1
                    except farebox.BudgetExceeded:
                        pass
        return sent

    assert 8 <= asyncio.run(main()) <= 10
    assert budget_for_ten.total_spent == billed_total(provider)


def test_cancelled_calls_are_charged_what_they_held(provider, budget_for_ten):
    async def main() -> None:
        async with provider.async_openai_client(max_retries=0) as client, budget_for_ten:
            with provider.hold():
                task = asyncio.create_task(ask(client))
                assert await asyncio.to_thread(provider.wait_for_requests, 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(main())
    assert budget_for_ten.reserved == 0
    assert budget_for_ten.total_spent > 0
