"""Strict budgets around real SDK clients: what is sent, what is refused, and that no more is billed than the limit."""

# ruff: noqa: PT017, SIM117 - what is asserted of an error, and which block is left first, is the point here
from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

import farebox
from farebox.core import guard
from farebox.core.money import Money
from farebox.meter.ceiling import Ceilings
from farebox.testing import FakeProvider

MESSAGES = [{"role": "user", "content": "Tell me what the keeper of the lighthouse wrote."}]


def chat(client, **changes):
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, **changes)


def respond(client, **changes):
    return client.responses.create(model="gpt-4o-mini", input="Tell me.", **changes)


def message(client, **changes):
    return client.messages.create(
        **{"model": "claude-haiku-4-5", "messages": MESSAGES, "max_tokens": 20_000, **changes}
    )


def content(client, **changes):
    return client.models.generate_content(model="gemini-2.5-flash-lite", contents="Tell me.", **changes)


CALLS = {
    "chat": ("openai", chat, "chat.completions"),
    "responses": ("openai", respond, "responses"),
    "messages": ("anthropic", message, "messages"),
    "content": ("genai", content, "generateContent"),
}


@pytest.fixture(autouse=True)
def hooked(provider):
    farebox.instrument(usage_hosts=["127.0.0.1"])


def billed(provider) -> Money:
    """Dollars that the provider bills, from what it says it generated."""
    total = Money(0)
    for one in provider.billed:
        context = farebox.PriceContext(tool_calls=dict(one.tool_calls)) if one.tool_calls else None
        cost = farebox.price(one.usage, provider=one.provider, model=one.model, api=one.api, context=context)
        assert cost.amount is not None, cost
        total += cost.amount
    return total


def cap_sent(request) -> int | None:
    body = request.body
    for key in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        if body.get(key) is not None:
            return body[key]
    return (body.get("generationConfig") or {}).get("maxOutputTokens")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_answers_as_long_as_they_may_be_never_pass_the_limit_and_the_cap_shrinks(name, mode):
    sdk, call, _ = CALLS[name]
    with FakeProvider("max") as provider:
        budget = farebox.track_budget("0.02", strength="strict", name="strict")
        sent = 0

        async def ask():
            nonlocal sent
            async with provider.async_openai_client() as one, provider.async_anthropic_client() as two:
                three = provider.genai_client().aio
                client = {"openai": one, "anthropic": two, "genai": three}[sdk]
                while True:
                    await call(client)
                    sent += 1

        def ask_in_turn():
            nonlocal sent
            with getattr(provider, f"{sdk}_client")() as client:
                while True:
                    call(client)
                    sent += 1

        with budget, pytest.raises(farebox.BudgetExceeded, match="could still cost") as refused:
            asyncio.run(ask()) if mode == "async" else ask_in_turn()
        assert refused.value.strength == "strict"
        assert 0 < sent == len(provider.requests)
        assert budget.total_spent == billed(provider) <= Money("0.02")
        caps = [cap_sent(request) for request in provider.requests]
        lowered = [cap for cap in caps if cap is not None]
        assert caps[-1] is not None
        assert sorted(lowered, reverse=True) == lowered
        assert all(cap >= 256 for cap in lowered)


def test_while_there_is_money_the_request_goes_out_as_the_program_made_it(provider):
    with provider.openai_client() as client:
        chat(client)
        with farebox.track_budget(100, strength="strict"):
            chat(client)
        chat(client, max_tokens=100)
        with farebox.track_budget("0.001", strength="strict"):
            chat(client, max_tokens=100)
    bodies = [request.body for request in provider.requests]
    assert bodies[0] == bodies[1]
    assert bodies[2] == bodies[3]


def test_the_programs_own_objects_are_not_changed(provider):
    body = {"model": "gpt-4o-mini", "messages": MESSAGES, "max_tokens": 9_000}
    config = {"max_output_tokens": 9_000}
    with provider.openai_client() as client, provider.genai_client() as gemini:
        with farebox.track_budget("0.002", strength="strict"):
            client.post("/chat/completions", body=body, cast_to=object)
        with farebox.track_budget("0.002", strength="strict"):
            content(gemini, config=config)
    assert (body["max_tokens"], config) == (9_000, {"max_output_tokens": 9_000})
    assert all(cap_sent(request) < 9_000 for request in provider.requests)


def test_extra_body_wins_over_the_cap_and_is_lowered_where_it_stands(provider):
    with provider.openai_client() as client, provider.genai_client() as gemini:
        with farebox.track_budget("0.002", strength="strict"):
            chat(client, extra_body={"max_tokens": 8_000})
        with farebox.track_budget("0.002", strength="strict"):
            extra = {"generationConfig": {"maxOutputTokens": 8_000}}
            content(gemini, config={"http_options": {"extra_body": extra}})
    assert [256 <= cap_sent(request) < 8_000 for request in provider.requests] == [True, True]


@pytest.mark.parametrize("sdk", ["openai", "anthropic", "genai"])
def test_retries_are_given_up_where_the_money_does_not_pay_for_them(sdk):
    call = {"openai": chat, "anthropic": message, "genai": content}[sdk]
    with FakeProvider(20) as provider:
        http = {"base_url": provider.url, "retry_options": {"attempts": 3, "initial_delay": 0.01}}
        options = {"http_options": http} if sdk == "genai" else {}
        more = {"config": {"max_output_tokens": 300}} if sdk == "genai" else {"max_tokens": 300}
        with getattr(provider, f"{sdk}_client")(**options) as client:
            rich, poor = 10, {"openai": "0.0006", "anthropic": "0.003", "genai": "0.0006"}[sdk]
            for limit, attempts in ((rich, 2), (poor, 1)):
                before = len(provider.requests)
                provider.answer_next(status=503)
                with farebox.track_budget(limit, strength="strict") as budget:
                    try:
                        call(client, **more)
                    except Exception as error:
                        assert not isinstance(error, farebox.BudgetExceeded), error
                assert len(provider.requests) - before == attempts, limit
                assert budget.total_spent <= Money(limit)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda client: respond(client, tools=[{"type": "web_search"}]), "web_search"),
        (lambda client: respond(client, previous_response_id="resp_1"), "previous_response_id"),
        (lambda client: respond(client, extra_body={"background": True}), "background"),
        (lambda client: client.images.generate(model="gpt-image-1", prompt="a lighthouse"), "images"),
        (
            lambda client: client.batches.create(input_file_id="f", endpoint="/v1/responses", completion_window="24h"),
            "batches",
        ),
        (lambda client: client.post("/brand/new", body={}, cast_to=object), "POST /brand/new"),
    ],
)
def test_what_has_no_ceiling_is_refused_with_the_reason_and_never_sent(provider, call, reason):
    told = []
    with (
        provider.openai_client() as client,
        farebox.track_budget(5, strength="strict", on_exceeded=told.append) as budget,
    ):
        with pytest.raises(farebox.BudgetExceeded, match=reason) as refused:
            call(client)
    assert provider.requests == []
    assert (refused.value.strength, refused.value.asked, told) == ("strict", None, [refused.value])
    assert budget.total_spent == 0


def test_a_bound_of_the_users_lets_it_go_and_holds_it(provider):
    bounds = {"web": "0.02", "none": None}
    with provider.openai_client(max_retries=0) as client:
        with farebox.track_budget("0.03", strength="strict", bound=lambda request: bounds["web"]) as budget:
            respond(client, tools=[{"type": "web_search"}])
            spent = budget.total_spent
            assert 0 < spent <= Money("0.02")
            with pytest.raises(farebox.BudgetExceeded):
                respond(client, tools=[{"type": "web_search"}])
        with farebox.track_budget(5, strength="strict", bound=lambda request: bounds["none"]):
            with pytest.raises(farebox.BudgetExceeded, match="no proven ceiling"):
                respond(client, tools=[{"type": "web_search"}])
            chat(client)


def test_requests_that_cost_nothing_pass(provider):
    with provider.openai_client() as client, farebox.track_budget("0.0001", strength="strict"):
        client.files.create(file=("f.jsonl", b"{}"), purpose="batch")
    assert len(provider.requests) == 1


def test_a_strict_budget_without_a_limit_only_counts(provider):
    with provider.openai_client() as client, farebox.track_budget(strength="strict") as budget:
        respond(client, tools=[{"type": "web_search"}])
        with pytest.raises(farebox.BudgetExceeded):
            with farebox.track_budget(per_task_limits={"search": 1}, strength="strict"), farebox.tracked("search"):
                respond(client, tools=[{"type": "web_search"}])
    assert budget.total_spent == billed(provider) > 0


@pytest.mark.parametrize("ended", ["cancelled", "broken", "silent"])
def test_an_outcome_that_nobody_knows_is_charged_the_ceiling(provider, ended):
    with farebox.track_budget(1, strength="strict") as budget, farebox.track_budget(1) as hard:
        if ended == "cancelled":

            async def cancel():
                async with provider.async_openai_client(max_retries=0) as client:
                    with provider.hold():
                        task = asyncio.create_task(chat(client, max_tokens=400))
                        await asyncio.to_thread(provider.wait_for_requests, 1)
                        held.append(budget.reserved)
                        task.cancel()
                        await asyncio.gather(task, return_exceptions=True)

            held: list[Money] = []
            asyncio.run(cancel())
            assert budget.total_spent == held[0] > hard.total_spent
        else:
            with provider.openai_client(max_retries=0) as client:
                if ended == "broken":
                    provider.cut_next_stream(after=3)
                    with pytest.raises(Exception, match=r"."):
                        list(chat(client, max_tokens=400, stream=True))
                else:
                    provider.answer_next(
                        body={"id": "c", "object": "chat.completion", "model": "gpt-4o-mini", "choices": []}
                    )
                    chat(client, max_tokens=400)
            assert budget.total_spent > hard.total_spent > 0
    assert budget.reserved == 0
    assert budget.total_spent >= billed(provider)


def test_threads_that_all_start_at_once_never_pass_the_limit():
    with FakeProvider("max") as provider, provider.openai_client() as client:
        with farebox.track_budget("0.003", strength="strict") as budget, ThreadPoolExecutor(16) as pool:
            done = list(pool.map(lambda _: _outcome(client), range(64)))
    assert 0 < done.count("sent") == len(provider.billed)
    assert budget.total_spent == billed(provider) <= Money("0.003")


def test_waiting_uses_the_budget_up_before_it_cuts_answers_short():
    with FakeProvider("max") as provider, provider.openai_client() as client:
        with farebox.track_budget("0.01", strength="strict", wait=20) as budget, ThreadPoolExecutor(16) as pool:
            done = list(pool.map(lambda _: _outcome(client, max_tokens=300), range(80)))
    assert 0 < done.count("sent") == len(provider.billed)
    assert Money("0.0095") <= budget.total_spent == billed(provider) <= Money("0.01")


def _outcome(client, **changes) -> str:
    try:
        chat(client, **changes)
    except farebox.BudgetExceeded:
        return "refused"
    return "sent"


def test_a_hard_budget_inside_holds_what_is_likely_and_a_strict_one_around_it_what_is_possible(provider):
    with provider.openai_client(max_retries=0) as client:
        with farebox.track_budget(1, strength="strict") as outer, farebox.track_budget(1) as inner:
            stream = chat(client, max_tokens=2000, stream=True)
            next(stream)
            assert outer.reserved > inner.reserved > 0
            list(stream)
    assert outer.total_spent == inner.total_spent == billed(provider)


def test_a_child_process_of_the_one_that_made_it_cannot_spend_it(provider):
    with provider.openai_client() as client, farebox.track_budget(1, strength="strict"):
        child = os.fork()
        if child == 0:
            try:
                os._exit(7 if _outcome(client) == "refused" else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert _outcome(client) == "sent"
    assert len(provider.requests) == 1


def test_a_standing_strict_budget_lowers_and_then_refuses():
    with FakeProvider("max") as provider, provider.openai_client() as client:
        farebox.set_budget("all", limit="0.002", window="day", strength="strict")
        refusals = 0
        for _ in range(20):
            refusals += _outcome(client) == "refused"
        (status,) = farebox.budget_status("all")
    assert 0 < refusals < 20
    assert status.spent == billed(provider) <= Money("0.002")


def test_a_standing_strict_budget_of_tokens_holds_too():
    with FakeProvider("max") as provider, provider.openai_client() as client:
        farebox.set_budget("all", limit={"tokens": 5_000}, window="day", strength="strict")
        outcomes = [_outcome(client) for _ in range(10)]
        with pytest.raises(farebox.BudgetExceeded, match="web_search"):
            respond(client, tools=[{"type": "web_search"}])
        (status,) = farebox.budget_status("all")
    used = sum(one.usage["prompt_tokens"] + one.usage["completion_tokens"] for one in provider.billed)
    assert "sent" in outcomes
    assert "refused" in outcomes
    assert status.spent == used <= 5_000


def test_an_unknown_request_is_refused_where_a_standing_strict_budget_binds_it(provider):
    farebox.set_budget("acme", limit=5, window="day", strength="strict", match={"tenant_id": "acme"})
    with provider.openai_client() as client:
        with pytest.raises(farebox.BudgetExceeded, match="POST /brand/new"), farebox.tracked(tenant_id="acme"):
            client.post("/brand/new", body={}, cast_to=object)
        assert provider.requests == []
        with pytest.raises(Exception, match="404"):
            client.post("/brand/new", body={}, cast_to=object)


def test_a_fault_of_ours_never_lets_a_call_through_unheld(provider, monkeypatch):
    guard.raise_faults(enabled=False)

    def broken(*_):
        raise sqlite3.OperationalError("no ceiling today")

    monkeypatch.setattr(Ceilings, "of", broken)
    with provider.openai_client() as client:
        with (
            farebox.track_budget(5, strength="strict"),
            pytest.raises(farebox.BudgetExceeded, match="no ceiling today"),
        ):
            chat(client)
        monkeypatch.setattr("farebox.meter.meter.PaidCall", broken)
        with (
            farebox.track_budget(5, strength="strict"),
            pytest.raises(farebox.BudgetExceeded, match="no ceiling today"),
        ):
            chat(client)
        assert provider.requests == []
        with farebox.track_budget(5):
            chat(client)
    assert len(provider.requests) == 1
