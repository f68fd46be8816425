"""Call sites as the trackers have them that `farebox.compat` replaces."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import farebox
from farebox import compat
from farebox.compat import chains
from farebox.testing import FakeProvider


def test_every_name_is_there():
    assert all(getattr(compat, name) is not None for name in compat.__all__)
    assert farebox.compat is compat


# --- an orchestrator


def test_an_orchestrator_writes_records_and_asks_its_session(tmp_path):
    tracker = farebox.CostTracker()
    tracker.record_usage(
        compat.UsageRecord(
            timestamp=datetime.now(UTC),
            model_id="claude-haiku-4-5",
            provider="anthropic",
            input_tokens=1200,
            output_tokens=300,
            cost=None,
            request_id="req-1",
            task_type="plan",
        )
    )
    compat.record_usage(
        {"model_id": "gpt-5", "provider": "openai", "input_tokens": 10, "output_tokens": 5, "cost": 0.25}
    )
    cost = farebox.price({"input_tokens": 1200, "output_tokens": 300}, provider="anthropic", model="claude-haiku-4-5")
    assert tracker.get_session_cost() == cost.amount + Decimal("0.25")
    assert tracker.get_cost_by_model() == {"gpt-5": Decimal("0.25"), "claude-haiku-4-5": cost.amount}
    assert list(tracker.get_cost_by_provider()) == ["openai", "anthropic"]
    end = datetime.now(UTC) + timedelta(minutes=1)
    report = tracker.get_cost_report(end - timedelta(days=1), end)
    assert (report.total.calls, report.by_task["plan"].cost) == (2, cost.amount)
    assert tracker.export_csv(tmp_path / "costs.csv") == 2
    tracker.close()


# --- chains and tasks


def test_chains_keep_retries_with_their_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = compat.ChainCostTracker()
    results = [
        {"metadata": {"model": "gpt-5", "tokens": {"input": 1000, "output": 100}, "platform": "openai"}},
        {
            "metadata": {
                "model": "gpt-5",
                "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
                "provider": "openai",
            }
        },
        {"model_id": "gpt-5", "input_tokens": 1000, "output_tokens": 100},
    ]
    first = [tracker.record("t1", result, chain_id="c1", platform="openai", task_type="x") for result in results[:2]]
    other = tracker.record(task_id=2, result=results[2], platform="openai", chain_id="c1")
    assert {event.cost_nano for event in (*first, other)} == {first[0].cost_nano}
    assert tracker.get_task_cost("t1") == 2 * other.cost
    assert tracker.get_chain_cost("c1") == 3 * other.cost
    assert tracker.get_platform_totals()["openai"].calls == 3
    assert tracker.get_session_summary()["openai"].cost == 3 * other.cost
    assert (tmp_path / chains.LEDGER).exists()
    assert tracker.estimate_cost("How many?", "gpt-5").expected > 0
    assert tracker.should_warn_cost("word " * 20_000, "gpt-5")
    with pytest.raises(farebox.ConfigurationError, match="model=None"):
        tracker.record("t1", {"tokens": {"input": 1}}, platform="openai")
    tracker.close()


def test_a_free_tier_costs_nothing_and_is_no_unknown(tmp_path):
    tracker = compat.ChainCostTracker(tmp_path / "costs.db")
    farebox.set_price(provider="google", model="gemini-free", rates={"input": "0.00", "output": "0.00"})
    event = tracker.record("t", {"model": "gemini-free", "tokens": {"input": 10, "output": 5}}, platform="google")
    assert (event.cost, event.cost_status) == (0, "priced")
    assert compat.ChainCostTracker(None).get_task_cost("t") == 0
    tracker.close()


# --- a router


def test_a_router_sees_what_its_routes_and_its_cache_saved(tmp_path):
    settings = {
        "enabled": True,
        "storage_path": tmp_path / "router.db",
        "retention_days": 90,
        "dashboard_port": 3335,
        "export_formats": ["csv", "json"],
    }
    tracker = compat.RouterCostTracker(settings, baseline_model="gpt-5")
    plain = {"provider": "openai", "input_tokens": 1000, "output_tokens": 100}
    small = tracker.log_call(model="gpt-5-mini", latency=0.4, routing_reason="short", **plain)
    tracker.log_call(model="gpt-5", routing_reason="long", **plain)
    tracker.log_call(model="gpt-5", cache_hit=True, **plain)
    tracker.route("night")
    assert farebox.record_call(provider="openai", model="gpt-5", usage={}).route_reason == "night"
    assert (small.duration_ns, small.route_reason) == (4 * 10**8, "short")
    summary = tracker.get_daily_summary()
    large = farebox.price({"prompt_tokens": 1000, "completion_tokens": 100}, provider="openai", model="gpt-5").amount
    assert summary.total_saved == summary.routing_savings + summary.cache_savings
    assert (summary.routing_savings, summary.cache_savings) == (large - small.cost, large)
    assert summary.model_distribution == {"gpt-5": Decimal("0.6667"), "gpt-5-mini": Decimal("0.3333")}
    assert tracker.get_weekly_summary().total_saved == tracker.get_monthly_summary().total_saved == summary.total_saved
    for name in ("costs.csv", "costs.json"):
        assert tracker.export(tmp_path / name) == 4
    assert tracker.export(tmp_path / "dump", format="json") == 4
    assert tracker.dashboard_port == 3335
    with pytest.raises(farebox.ConfigurationError, match="format='xml' is not exported"):
        tracker.export(tmp_path / "costs.xml")
    tracker.close()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"storage": "x"}, "'storage' is no setting"), ({"export_formats": ["xml"]}, "export_formats has 'xml'")],
)
def test_a_setting_that_no_router_has_is_named(settings, reason):
    with pytest.raises(farebox.ConfigurationError, match=reason):
        compat.RouterCostTracker(settings)


def test_a_tracker_that_is_not_enabled_meters_nothing():
    compat.RouterCostTracker({"enabled": False})
    with (
        FakeProvider() as provider,
        farebox.instrument(),
        provider.openai_client() as client,
        farebox.capture() as seen,
    ):
        client.responses.create(model="gpt-5-mini", input="hello")
    assert seen.calls == []


# --- a client library


def test_a_query_with_tracking_stands_beside_an_unchanged_query():
    with FakeProvider() as provider, farebox.instrument(), provider.anthropic_client() as client:

        def query(prompt):
            asked = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": prompt}]}
            return client.messages.create(**asked).content[0].text

        answer, metrics = compat.query_with_tracking(query, "hello")
        assert answer == query("hello")
    assert (metrics.is_actual, metrics.source, metrics.calls) == (True, "calculated", 1)
    assert (metrics.cached_tokens, metrics.cache_write_tokens) == (0, 0)


# --- a service with tenants


def test_signatures_take_their_arguments_in_their_order():
    assert [*inspect.signature(compat.record_llm_cost).parameters] == [
        *("operation_id", "provider", "model", "input_tokens", "output_tokens"),
        *("cost_usd", "duration_seconds", "tenant_id", "workspace_id"),
    ]
    assert [*inspect.signature(compat.record_vector_operation_cost).parameters] == [
        *("operation_id", "operation_type", "provider", "vectors_count", "cost_usd", "tenant_id"),
    ]
    assert [*inspect.signature(compat.get_cost_summary).parameters] == ["start_time", "end_time", "tenant_id"]
    assert [*inspect.signature(compat.set_tenant_budget).parameters] == [
        *("tenant_id", "max_daily_cost", "max_monthly_cost", "max_hourly_cost"),
    ]


def test_costs_of_tenants_are_summed_by_provider_and_operation():
    compat.record_llm_cost("op-1", "openai", "gpt-5", 1000, 100, Decimal("0.02"), 1.5, "acme", "ws-1")
    compat.record_vector_operation_cost("op-2", "search", "pinecone", 40, Decimal("0.01"), "acme")
    nobody = compat.record_llm_cost("op-3", "openai", "gpt-5", 1000, 100)
    with farebox.tracked(tenant_id="globex"):
        unknown = compat.record_vector_operation_cost("op-4", "upsert", "pinecone", 7)
    assert (nobody.tenant_id, unknown.tenant_id, unknown.cost, unknown.units) == (
        "default",
        "globex",
        None,
        {"vectors": 7},
    )
    assert nobody.tags == {"operation_id": "op-3"}
    now = datetime.now(UTC)
    summary = compat.get_cost_summary(now - timedelta(hours=1), now + timedelta(hours=1), "acme")
    assert (summary.total_cost, summary.operation_count, summary.average_cost) == (Decimal("0.03"), 2, Decimal("0.015"))
    assert summary.by_provider == {"openai": Decimal("0.02"), "pinecone": Decimal("0.01")}
    assert summary.by_operation_type == {"chat": Decimal("0.02"), "vector.search": Decimal("0.01")}
    assert compat.get_cost_summary().operation_count == 4
    assert compat.get_cost_summary().unpriced == 1
    assert compat.get_cost_summary(tenant_id="nobody").total_cost == 0
    text = compat.export_cost_report(days=7)
    assert "| acme | 2 |" in text
    assert "| vector.search | 1 |" in text
    assert "| gpt-5 | 2 |" not in compat.export_cost_report(7, "acme")
    with pytest.raises(farebox.ConfigurationError, match="operation_type='query'"):
        compat.record_vector_operation_cost("op", "query", "pinecone", 1)


def test_a_tenant_that_has_spent_its_budget_is_refused():
    compat.set_tenant_budget("acme", 0.05, 1.0, None)
    compat.set_tenant_budget("default", max_daily_cost=1)
    compat.record_llm_cost("op-1", "openai", "gpt-5", 10, 10, "0.05", tenant_id="acme")
    statuses = {one.name: one for one in compat.get_tenant_status("acme")}
    assert (statuses["tenants daily"].utilization, statuses["tenants daily"].over) == (1.0, True)
    assert [one.bucket for one in compat.get_tenant_status()] == ["default"]
    with FakeProvider() as provider, farebox.instrument(), provider.openai_client() as client:
        with farebox.tracked(tenant_id="acme"), pytest.raises(farebox.BudgetExceeded):
            client.responses.create(model="gpt-5-mini", input="hello")
        assert provider.requests == []


def test_a_request_budget_counts_by_task_and_refuses():
    with compat.track_request_budget(total_limit=1.50, per_task_limits={"analysis": 0.75}):
        tracker = compat.current_request_tracker()
        tracker.charge(0.5, "analysis")
        with farebox.tracked("knowledge"):
            compat.record_llm_cost("op", "openai", "gpt-5", 10, 10, 0.25)
        assert tracker.total_spent == 0.75
        assert tracker.per_task_spent == {"analysis": 0.5, "knowledge": 0.25}
        with pytest.raises(farebox.BudgetExceeded):
            tracker.charge(0.3, "analysis")
    assert compat.current_request_tracker() is None
