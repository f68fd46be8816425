"""Routes, answers of a local cache, other paid operations and `query_with_tracking`, as a program uses them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging

import pytest

import farebox
from farebox import runtime
from farebox.core import guard
from farebox.testing import FakeProvider

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


@pytest.fixture(autouse=True)
def fresh():
    runtime.reset()
    yield
    runtime.reset()


def call(model="gpt-5-mini", **more):
    return farebox.record_call(provider="openai", model=model, usage=USAGE, **more)


def said(event):
    return event.baseline_model, event.route_reason


def stored():
    farebox.flush()
    with farebox.open_ledger() as ledger:
        return list(ledger.calls())


def test_a_route_holds_until_the_next_and_ends_with_the_scope_it_was_said_in():
    with farebox.tracked("support"):
        farebox.record_route(baseline_model="gpt-5", reason="short")
        with farebox.tracked(user_id="u"):
            assert said(call()) == ("gpt-5", "short")
        farebox.record_route(baseline_model="gpt-4.1")
        event = call()
        assert (*said(event), event.task_type) == ("gpt-4.1", None, "support")
        farebox.record_route(baseline_model=None)
        assert said(call()) == (None, None)
        farebox.record_route(baseline_model="gpt-5")
    assert said(call()) == (None, None)
    with farebox.tracked("next"):
        assert said(call()) == (None, None)


def test_a_route_outside_of_any_scope_stays_in_its_thread():
    farebox.record_route(baseline_model="gpt-5", reason="night")
    farebox.record_route(baseline_model="gpt-5", reason="night again")
    assert said(call()) == ("gpt-5", "night again")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert said(pool.submit(call).result()) == (None, None)
    with farebox.track_budget(1):
        assert said(call()) == ("gpt-5", "night again")
    farebox.record_route(baseline_model=None)
    assert said(call()) == (None, None)


def test_a_route_of_one_task_is_none_of_another():
    async def work(model):
        with farebox.tracked(model):
            farebox.record_route(baseline_model=model)
            await asyncio.sleep(0)
            return said(call())[0]

    async def main():
        return await asyncio.gather(work("gpt-5"), work("gpt-4.1"))

    assert asyncio.run(main()) == ["gpt-5", "gpt-4.1"]


def test_a_route_saves_on_real_calls_also_those_in_flight():
    chat = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    with (
        FakeProvider() as provider,
        farebox.instrument(),
        provider.openai_client() as client,
        farebox.tracked(baseline_model="gpt-5"),
        farebox.capture() as seen,
    ):
        stream = client.chat.completions.create(**chat, stream_options={"include_usage": True})
        farebox.record_route(baseline_model="gpt-4.1")  # for what comes, not for what is open
        list(stream)
        with farebox.tracked(baseline_model="gpt-5"):
            list(client.chat.completions.create(**chat))  # its usage is never told: what it saved is not known
    event, untold = seen.calls
    expected = farebox.price(event.raw_usage, provider="openai", model="gpt-5", at=event.started_at)
    assert (event.baseline_model, event.baseline_cost_nano) == ("gpt-5", expected.nano)
    assert event.baseline_cost_nano > event.cost_nano > 0
    assert (untold.cost_status, untold.baseline_model, untold.baseline_cost_nano) == ("estimated", "gpt-5", None)


@pytest.mark.parametrize(
    ("baseline", "provider", "model"),
    [
        ("gpt-5", "openai", "gpt-5"),
        ("claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("google/gemini-2.5-pro", "google", "gemini-2.5-pro"),
    ],
)
def test_a_baseline_may_be_of_another_provider(baseline, provider, model):
    farebox.record_route(baseline_model=baseline)
    event = call()
    assert event.baseline_cost_nano == farebox.price(USAGE, provider=provider, model=model, at=event.started_at).nano


def test_a_baseline_without_a_price_is_unknown_and_said_once(caplog):
    farebox.record_route(baseline_model="gpt-99")
    with caplog.at_level(logging.WARNING, "farebox"):
        assert [call().baseline_cost_nano for _ in range(2)] == [None, None]
    assert [record.message for record in caplog.records] == [
        "farebox has no full price for the baseline model 'gpt-99': what is saved against it is unknown."
    ]


def test_money_that_the_provider_states_is_not_the_money_of_the_baseline():
    with farebox.tracked(baseline_model="openai/gpt-5"):
        event = farebox.record_call(
            provider="openrouter", model="openai/gpt-5-mini", usage={**USAGE, "cost": 0.0004, "total_tokens": 1100}
        )
    assert (event.cost_status, event.cost_nano) == ("provider", 400_000)
    assert event.baseline_cost_nano not in (None, 400_000)


def test_an_answer_of_a_local_cache_costs_nothing_and_is_no_call():
    with farebox.tracked("chat", tenant_id="acme"), farebox.track_budget("0.0001") as budget, farebox.capture() as seen:
        event = farebox.record_cache_hit(provider="openai", model="gpt-5", usage=USAGE, cache="semantic")
    assert seen.calls == [event]
    assert (budget.total_spent, event.kind, event.cost_nano, event.status) == (0, "cache_hit", 0, "ok")
    assert (event.baseline_model, event.route_reason, event.tenant_id, event.budget) == (
        "gpt-5",
        "semantic",
        "acme",
        None,
    )
    assert event.baseline_cost_nano == farebox.price(USAGE, provider="openai", model="gpt-5", at=event.started_at).nano
    assert [one.id for one in stored()] == [event.id]
    with farebox.open_ledger() as ledger:
        assert (ledger.summary().calls, ledger.summary().input_tokens, ledger.by("tenant_id")) == (0, 0, [])
        assert [row["calls"] for row in ledger.by("kind")] == [1]
    unknown = farebox.record_cache_hit(provider="openai", model="gpt-99", usage=USAGE)
    assert (unknown.cost_nano, unknown.baseline_cost_nano, unknown.route_reason) == (0, None, "local")


def test_an_operation_is_priced_by_its_units_and_charged_to_budgets():
    farebox.set_price(provider="pinecone", operation="vector.search", rates={"read_units": "0.000016", "operations": 1})
    with farebox.track_budget(5, per_task_limits={"lookup": 2}) as budget, farebox.tracked("lookup"):
        event = farebox.record_operation("vector.search", provider="pinecone", units={"read_units": 5}, duration=0.5)
        assert (event.cost_nano, event.cost_status, event.kind, event.operation) == (
            80_000,
            "priced",
            "operation",
            "vector.search",
        )
        whole = farebox.record_operation("vector.search", provider="pinecone", tags={"index": "docs"})
        half = farebox.record_operation("vector.search", provider="pinecone", units={"read_units": 0.5})
        given = farebox.record_operation("rerank", provider="cohere", cost="0.002")
    assert (whole.cost, whole.tags, half.cost_nano) == (1, {"index": "docs"}, 8_000)
    assert (given.cost_status, given.duration_ns, event.duration_ns) == ("provider", None, 5 * 10**8)
    assert budget.total_spent == budget.per_task_spent["lookup"] == farebox.Money("1.002088")
    stored()
    with farebox.open_ledger() as ledger:
        assert {row["operation"]: row["calls"] for row in ledger.by("operation")} == {"vector.search": 3, "rerank": 1}
        assert ledger.summary().cost == budget.total_spent


def test_an_operation_without_a_price_is_unpriced_until_it_is_repriced(caplog):
    event = farebox.record_operation("page.fetch", provider="fetcher", units={"pages": 3})
    assert (event.cost_nano, event.cost_status) == (None, "unpriced")
    stored()
    farebox.set_price(provider="fetcher", operation="page.fetch", rates={"pages": "0.001"})
    from farebox.pricing import installed
    from farebox.pricing.reprice import Repricing

    with farebox.open_ledger() as ledger:
        ledger.rewrite(Repricing(installed.current()))
        (again,) = ledger.calls()
    assert (again.cost, again.cost_status) == (farebox.Money("0.003"), "priced")


def test_prices_of_operations_may_stand_in_the_settings():
    farebox.configure(prices={"operations": {"pinecone/vector.search": {"read_units": "0.5"}}})
    assert farebox.record_operation("vector.search", provider="pinecone", units={"read_units": 2}).cost == 1
    with pytest.raises(farebox.PriceError, match="'read_units' is no unit that is priced"):
        farebox.set_price(provider="pinecone", model="vector.search", rates={"read_units": 1})
    for wrong in ({}, {"model": "a", "operation": "b"}):
        with pytest.raises(farebox.ConfigurationError, match="give one of them"):
            farebox.set_price(provider="pinecone", rates={"read_units": 1}, **wrong)


def test_a_decorated_function_is_recorded_whenever_it_has_run():
    @farebox.tracked_operation(
        "vector.search", provider="pinecone", units=lambda found: {"matches": len(found)}, cost=lambda found: 1
    )
    def search(*matches):
        if not matches:
            raise LookupError("nothing")
        return list(matches)

    @farebox.tracked_operation("vector.upsert", provider="pinecone", cost="0.5", tags={"index": "docs"})
    async def upsert(wrong=None):
        if wrong:
            raise wrong
        return 7

    with farebox.capture() as seen:
        assert search("a", "b") == ["a", "b"]
        with pytest.raises(LookupError):
            search()
        assert asyncio.run(upsert()) == 7
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(upsert(asyncio.CancelledError()))
    assert [(one.operation, one.status, one.cost_nano, one.units) for one in seen.calls] == [
        ("vector.search", "ok", 10**9, {"matches": 2}),
        ("vector.search", "error", None, None),
        ("vector.upsert", "ok", 5 * 10**8, {"operations": 1}),
        ("vector.upsert", "cancelled", None, None),
    ]
    assert all(one.duration_ns > 0 for one in seen.calls)
    assert search.__name__ == "search"


def test_a_fault_in_what_says_the_cost_never_reaches_the_caller(caplog):
    @farebox.tracked_operation("vector.search", provider="pinecone", cost=lambda found: found["cost"])
    def search():
        return {}

    with farebox.capture() as seen, caplog.at_level(logging.WARNING, "farebox"):
        assert search() == {}
    assert [(one.status, one.cost_nano) for one in seen.calls] == [("ok", None)]
    assert guard.faults["tracked_operation: KeyError"] == 1


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        (farebox.record_operation, {"kind": "", "provider": "x"}, "kind=''"),
        (farebox.record_operation, {"kind": "a", "provider": None}, "provider=None"),
        (farebox.record_operation, {"kind": "a", "provider": "x", "units": 5}, "units=5"),
        (farebox.record_operation, {"kind": "a", "provider": "x", "units": {"u": -1}}, r"units\['u'\]=-1"),
        (farebox.record_operation, {"kind": "a", "provider": "x", "units": {"u": float("nan")}}, r"units\['u'\]=nan"),
        (farebox.record_operation, {"kind": "a", "provider": "x", "cost": -1}, "cost=-1"),
        (farebox.record_operation, {"kind": "a", "provider": "x", "duration": -1}, "duration=-1"),
        (farebox.record_operation, {"kind": "a", "provider": "x", "status": "lost"}, "status='lost'"),
        (farebox.record_operation, {"kind": "a", "provider": "x", "tags": 3}, "tags=3"),
        (farebox.tracked_operation, {"kind": "a", "provider": "x", "units": {"u": "much"}}, r"units\['u'\]='much'"),
        (farebox.tracked_operation, {"kind": "a", "provider": "x", "cost": "dear"}, "cost='dear'"),
        (farebox.record_cache_hit, {"provider": "openai", "model": "", "usage": {}}, "model=''"),
        (farebox.record_cache_hit, {"provider": "openai", "model": "m", "usage": {}, "cache": 3}, "cache=3"),
        (farebox.record_cache_hit, {"provider": "openai", "model": "m", "usage": 3}, "usage=3"),
        (farebox.record_route, {"baseline_model": ""}, "baseline_model=''"),
    ],
)
def test_what_cannot_be_used_is_named(function, arguments, reason):
    with pytest.raises(farebox.ConfigurationError, match=reason):
        function(**arguments)


def test_a_query_comes_with_what_it_used():
    with FakeProvider() as provider, farebox.instrument(), provider.openai_client() as client:

        def query(prompt):
            return client.responses.create(model="gpt-5-mini", input=prompt).output_text

        answer, metrics = farebox.query_with_tracking(query, "How many are we?")
        assert answer == query("How many are we?")
        billed = provider.billed[0].usage
    assert (metrics.calls, metrics.input_tokens, metrics.output_tokens) == (
        1,
        billed["input_tokens"],
        billed["output_tokens"],
    )
    assert (metrics.source, metrics.is_actual, metrics.unpriced) == ("calculated", True, 0)
    assert metrics.cost > 0
    assert metrics.duration > 0
    assert metrics.total_tokens == billed["input_tokens"] + billed["output_tokens"]
    assert len(metrics.models) == 1


def test_the_source_of_a_cost_is_that_of_the_least_sure_call():
    async def work(*costs):
        for given in costs:
            call("gpt-99" if given is None else "gpt-5", cost=given or None)
        farebox.record_cache_hit(provider="openai", model="gpt-5", usage=USAGE)
        return "done"

    def source(*costs):
        answer, metrics = asyncio.run(farebox.query_with_tracking(work, *costs))
        assert answer == "done"
        return metrics.calls, metrics.source, metrics.unpriced, metrics.cost is None

    assert source() == (0, "none", 0, False)
    assert source(1, 2) == (2, "provider", 0, False)
    assert source(1, 0) == (2, "calculated", 0, False)
    assert source(1, None) == (2, "unknown", 1, False)
    assert source(None) == (1, "unknown", 1, True)
    cut = {"input_tokens": 3, "output_tokens": 5, "cache_creation_input_tokens": 9}
    _, metrics = farebox.query_with_tracking(
        farebox.record_call, provider="mistral", model="mistral-large-latest", usage=cut
    )
    assert metrics.source == "estimated"
    assert not metrics.is_actual
