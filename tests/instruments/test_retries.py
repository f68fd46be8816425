"""Attempts that an SDK makes inside one call, against a provider that answers late, not at all, or with an error."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

import farebox
from farebox import runtime
from farebox.testing import FakeProvider

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    farebox.instrument()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider(20) as running:
        yield running


def openai_chat(client):
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, max_tokens=50)


def anthropic_message(client):
    return client.messages.create(model="claude-haiku-4-5", messages=MESSAGES, max_tokens=50)


def gemini_content(client):
    return client.models.generate_content(model="gemini-2.5-flash", contents="hello")


def asked(provider, sdk, mode, **options):
    """One call by the synchronous or the asynchronous client; its event."""
    call = {"openai": openai_chat, "anthropic": anthropic_message}[sdk]
    with farebox.capture() as captured:
        if mode == "sync":
            with getattr(provider, f"{sdk}_client")(**options) as client:
                call(client)
        else:

            async def ask():
                async with getattr(provider, f"async_{sdk}_client")(**options) as client:
                    await call(client)

            asyncio.run(ask())
    (event,) = captured.calls
    return event


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_attempt_that_timed_out_is_charged_beside_the_one_that_was_answered(provider, sdk, mode):
    provider.answer_next(hang=1.5)
    event = asked(provider, sdk, mode, timeout=0.7, max_retries=1)
    assert (event.attempts, event.status, event.cost_status) == (2, "ok", "estimated")
    billed = [
        farebox.price(one.usage, provider=one.provider, model=one.model, api=one.api).amount for one in provider.billed
    ]
    assert provider.wait_idle()
    assert len(provider.requests) == 2
    exact = farebox.price(event.raw_usage, provider=event.provider, model=event.request_model, api=event.api).amount
    assert event.cost_low_nano == exact.to_nano()
    assert event.cost_low_nano <= sum(one.to_nano() for one in billed) <= event.cost_high_nano
    assert event.cost_nano > event.cost_low_nano


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_attempt_that_was_answered_with_an_error_costs_nothing(provider, sdk, mode):
    provider.answer_next(429, headers={"retry-after-ms": "1", "retry-after": "0.001"}, times=2)
    event = asked(provider, sdk, mode, max_retries=2)
    assert (event.attempts, event.status, event.cost_status) == (3, "ok", "priced")
    assert len(provider.billed) == 1


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_attempts_that_reached_nobody_cost_nothing(provider, sdk):
    with (
        farebox.capture() as captured,
        getattr(provider, f"{sdk}_client")(base_url="http://127.0.0.1:9", max_retries=1) as client,
    ):
        call = openai_chat if sdk == "openai" else anthropic_message
        with pytest.raises(Exception, match="onnection"):
            call(client)
    (event,) = captured.calls
    assert (event.cost_nano, event.attempts, event.status) == (0, 2, "error")


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_when_every_attempt_timed_out_each_is_charged(provider, sdk):
    provider.answer_next(hang=1.0, times=2)
    call = openai_chat if sdk == "openai" else anthropic_message
    with (
        farebox.capture() as captured,
        getattr(provider, f"{sdk}_client")(timeout=0.4, max_retries=1) as client,
        pytest.raises(Exception, match="timed out"),
    ):
        call(client)
    (event,) = captured.calls
    assert (event.attempts, event.status, event.cost_status) == (2, "error", "estimated")
    with farebox.capture() as single, getattr(provider, f"{sdk}_client")(timeout=0.4, max_retries=0) as client:
        provider.answer_next(hang=1.0)
        with pytest.raises(Exception, match="timed out"):
            call(client)
    assert event.cost_nano == 2 * single.calls[0].cost_nano


def test_a_budget_is_charged_for_what_was_given_up(provider):
    provider.answer_next(hang=1.0)
    with (
        farebox.track_budget(1) as budget,
        provider.openai_client(timeout=0.4, max_retries=1) as client,
        farebox.capture() as captured,
    ):
        openai_chat(client)
    assert budget.total_spent.to_nano() == captured.calls[0].cost_nano
    assert budget.reserved == 0


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_attempts_of_google_are_counted_where_retries_are_asked_for(provider, mode):
    options = {
        "http_options": {
            "base_url": provider.url,
            "retry_options": {"attempts": 3, "initial_delay": 0.01, "max_delay": 0.02},
        }
    }
    provider.answer_next(503, times=2)
    client = provider.genai_client(**options)
    with farebox.capture() as captured:
        if mode == "sync":
            gemini_content(client)
            client.close()
        else:

            async def ask():
                await gemini_content(client.aio)
                await client.aio.aclose()

            asyncio.run(ask())
    (event,) = captured.calls
    assert (event.attempts, event.cost_status, event.status) == (3, "priced", "ok")


def test_an_attempt_outside_a_metered_call_is_left_alone(provider):
    client = provider.genai_client()
    with farebox.capture() as captured:
        assert client.models.count_tokens(model="gemini-2.5-flash", contents="hello").total_tokens > 0

        async def count():
            found = await client.aio.models.count_tokens(model="gemini-2.5-flash", contents="hello")
            await client.aio.aclose()
            return found

        assert asyncio.run(count()).total_tokens > 0
        client.close()
    assert captured.calls == []


def test_an_attempt_of_google_that_timed_out_before_another_is_charged(provider):
    options = {
        "http_options": {
            "base_url": provider.url,
            "timeout": 500,
            "retry_options": {"attempts": 2, "initial_delay": 0.01, "max_delay": 0.02},
        }
    }
    provider.answer_next(hang=1.0)
    client = provider.genai_client(**options)
    with farebox.capture() as captured:
        gemini_content(client)
        client.close()
    (event,) = captured.calls
    assert (event.attempts, event.cost_status) == (2, "estimated")


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_budget_that_cannot_pay_for_another_attempt_refuses_it(provider, sdk, mode):
    provider.answer_next(hang=2.0, times=3)
    told = []
    each = farebox.estimate(MESSAGES, model=MODELS[sdk], max_output_tokens=50).expected
    with farebox.track_budget(each * Decimal("2.5"), on_exceeded=told.append) as budget:
        with pytest.raises(farebox.BudgetExceeded, match="not tried again") as refused:
            asked(provider, sdk, mode, timeout=0.2, max_retries=2)
        assert provider.wait_idle()
        assert len(provider.requests) == 2
        assert told == [refused.value]
        assert budget.reserved == 0
        assert each * 2 <= budget.total_spent <= budget.total_limit


MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_attempt_that_was_answered_by_an_error_costs_no_money_for_another(provider, sdk):
    provider.answer_next(status=503, headers={"retry-after-ms": "1"}, times=2)
    each = farebox.estimate(MESSAGES, model=MODELS[sdk], max_output_tokens=50).expected
    with farebox.track_budget(each * Decimal("1.5")):
        event = asked(provider, sdk, "sync", max_retries=2)
    assert (event.status, event.attempts) == ("ok", 3)


def test_a_budget_refuses_another_attempt_of_google_too(provider):
    provider.answer_next(hang=2.0, times=3)
    each = farebox.estimate("hello", model="gemini-2.5-flash", max_output_tokens=50).expected
    http = {"base_url": provider.url, "timeout": 200, "retry_options": {"attempts": 3, "initial_delay": 0.01}}
    with provider.genai_client(http_options=http) as client, farebox.track_budget(each * Decimal("2.5")) as budget:
        with pytest.raises(farebox.BudgetExceeded, match="not tried again"), farebox.capture() as captured:
            client.models.generate_content(model="gemini-2.5-flash", contents="hello", config={"max_output_tokens": 50})
        assert provider.wait_idle()
    assert len(provider.requests) == 2
    assert [(event.status, event.attempts) for event in captured.calls] == [("error", 2)]
    assert each * 2 <= budget.total_spent <= budget.total_limit
