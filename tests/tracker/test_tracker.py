"""`CostTracker`: periods, sessions and dimensions; the numbers are those of the reports, and of a plain sum."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import farebox
from farebox.ledger.registry import open_ledger

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def call(model="gpt-5-mini", cost=None, provider="openai", **more):
    return farebox.record_call(provider=provider, model=model, usage=USAGE, cost=cost, **more)


@pytest.fixture
def tracker():
    made = farebox.CostTracker()
    yield made
    made.close()


def test_the_session_is_what_came_after_the_tracker():
    call(cost=5)
    tracker = farebox.CostTracker()
    call(cost=1)
    call("claude-haiku-4-5", provider="anthropic", cost=2)
    call("gpt-99")
    assert tracker.get_session_cost() == 3
    assert tracker.total().cost == 8
    assert tracker.get_cost_by_model() == {"claude-haiku-4-5": 2, "gpt-5-mini": 1, "gpt-99": None}
    assert tracker.get_cost_by_provider() == {"anthropic": 2, "openai": 1}
    assert tracker.get_cost_by_provider("all") == {"openai": 6, "anthropic": 2}
    tracker.close()


def test_a_session_with_a_name_has_its_own_calls_wherever_they_were_made():
    with farebox.tracked(session_id="s1"):
        call(cost=1)
    call(cost=4)
    tracker = farebox.CostTracker(session_id="s1")
    with tracker:
        call(cost=2)
    tracker.record_call(provider="openai", model="gpt-5", usage=USAGE, cost=3)

    @tracker
    def work():
        return call(cost=5)

    assert work().session_id == "s1"
    assert (tracker.get_session_cost(), tracker.total("session").calls) == (11, 4)
    tracker.close()


def test_periods_are_days_weeks_and_months_in_utc(tracker):
    now = datetime.now(UTC)
    for ago, cost in ((0, 1), (1, 2), (8, 4), (40, 8)):
        call(cost=cost, started_at=now - timedelta(days=ago))
    days = [(now - timedelta(days=ago)).date() for ago in (0, 1, 8, 40)]
    assert [tracker.get_daily_cost(day) for day in days] == [1, 2, 4, 8]
    assert tracker.get_daily_cost() == 1
    assert tracker.get_weekly_cost() == 1 + 2 * (now.weekday() >= 1)
    assert tracker.get_monthly_cost() == sum(c for d, c in zip(days, (1, 2, 4, 8), strict=True) if d.month == now.month)
    assert tracker.get_cost_report(now - timedelta(days=9), now - timedelta(hours=1)).total_cost == 6
    with pytest.raises(farebox.ConfigurationError, match="period='hourly' is not known: use one of daily"):
        tracker.total("hourly")
    with pytest.raises(farebox.ConfigurationError, match="'tenant' is no dimension"):
        tracker.total(tenant="acme")


def test_chains_tasks_requests_and_tenants_have_totals(tracker):
    with farebox.tracked("draft", chain_id="c1", tenant_id="acme", tags={"task_id": "t1", "request_id": "r1"}):
        call(cost=1)
        call(cost=2)
    call(cost=4)
    assert tracker.get_chain_cost("c1") == tracker.get_task_cost("t1") == tracker.get_request_cost("r1") == 3
    assert tracker.get_tenant_cost("acme") == tracker.get_tenant_cost("acme", "daily") == 3
    assert tracker.get_chain_cost("c2") == 0
    assert {name: one.cost for name, one in tracker.by("task_type").items()} == {"(none)": 4, "draft": 3}


def test_a_report_has_averages_and_says_what_it_leaves_out(tracker):
    call(cost=1)
    call(cost=2)
    call("gpt-99")
    report = tracker.get_cost_report()
    assert (report.total.calls, report.total_cost, report.total.average, report.total.unpriced) == (3, 3, 1.5, 1)
    assert (report.total.input_tokens, report.total.output_tokens) == (3000, 300)
    assert report.by_model["gpt-99"].cost is None
    assert report.by_model["gpt-99"].average is None
    assert report.notes == ("1 call has no known price: every sum over them is a lower bound.",)
    assert tracker.get_average_cost() == 1.5
    assert tracker.get_model_distribution() == {"gpt-5-mini": Decimal("0.6667"), "gpt-99": Decimal("0.3333")}
    assert tracker.get_platform_totals()["openai"].calls == tracker.get_session_summary()["openai"].calls == 3


def test_a_summary_has_what_routes_and_caches_saved(tracker):
    farebox.record_route(baseline_model="gpt-5")
    call()
    farebox.record_route(baseline_model=None)
    farebox.record_cache_hit(provider="openai", model="gpt-5", usage=USAGE)
    farebox.record_call(
        provider="anthropic",
        model="claude-haiku-4-5",
        usage={"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 1000},
    )
    mini, large = (farebox.price(USAGE, provider="openai", model=name).amount for name in ("gpt-5-mini", "gpt-5"))
    summary = tracker.get_summary("daily")
    assert summary.routing_savings == large - mini
    assert summary.cache_savings == large - farebox.Money("0.00025")  # a cache write costs a quarter more than input
    assert summary.total_saved == summary.routing_savings + summary.cache_savings
    assert (summary.period, summary.calls, summary.unknown) == ("daily", 2, 0)
    assert summary.total_cost == tracker.total().cost
    assert [row["method"] for row in tracker.get_savings().records()] == ["local_cache", "routing", "prompt_cache"]


def test_calls_reports_budgets_and_estimates_are_at_hand(tracker):
    farebox.set_tenant_budget("acme", max_daily_cost=5)
    with farebox.tracked(tenant_id="acme"):
        event = call(cost=1)
    assert [one.id for one in tracker.get_recent_calls()] == [event.id]
    assert [bucket.spent for bucket in tracker.get_budgets("acme")] == [1]
    assert tracker.report("budgets").rows
    assert tracker.report("spend", "daily", by=("tenant_id",)).records()[0]["tenant_id"] == "acme"
    with pytest.raises(farebox.ConfigurationError, match="'spending' is no report"):
        tracker.report("spending")
    assert tracker.estimate_cost("x" * 400, "gpt-5-mini").expected > 0
    assert tracker.should_warn_cost("x" * 90_000, "gpt-5-mini")
    assert not tracker.should_warn_cost("x", "gpt-5-mini")


def test_files_are_written_and_written_again(tracker, tmp_path):
    call(cost=1)
    for path, read in (
        (tmp_path / "a.csv", csv.DictReader),
        (tmp_path / "a.jsonl", lambda file: map(json.loads, file)),
    ):
        for _ in range(2):
            assert (tracker.export_csv if path.suffix == ".csv" else tracker.export_json)(path) == 1
        with path.open() as file:
            assert [row["request_model"] for row in read(file)] == ["gpt-5-mini"]
    tracker.export_markdown(tmp_path / "a.md")
    assert "| gpt-5-mini | 1 |" in (tmp_path / "a.md").read_text()


def test_another_ledger_can_be_asked_by_path_or_open(tmp_path, make_event):
    path = tmp_path / "other.db"
    with open_ledger(path) as ledger:
        ledger.ingest([make_event(cost_nano=10**9)], journal="j", segment=1, offset=1)
        given = farebox.CostTracker(ledger)
        assert given.total().cost == 1
        given.close()
        assert given.total().cost == 1  # it is not the tracker's to close
    named = farebox.CostTracker(path)
    assert named.total().cost == 1
    named.close()


def test_records_of_any_shape_are_written(tracker, caplog):
    class Record:
        provider, model_id, input_tokens, output_tokens, task_type = "openai", "gpt-5", 1000, 100, "chat"

    moment = datetime(2026, 11, 1, tzinfo=UTC)
    priced = tracker.record_usage(Record())
    assert priced.cost == farebox.price(USAGE, provider="openai", model="gpt-5").amount
    stated = tracker.record_usage(
        {"provider": "openai", "model": "gpt-5", "cost": "0.5", "request_id": "r1", "timestamp": moment}
    )
    assert (stated.cost, stated.response_id, stated.started_at) == (0.5, "r1", int(moment.timestamp()) * 10**9)
    uncounted = {"provider": "openai", "model_id": "gpt-5"}
    estimated = tracker.record_usage({**uncounted, "prompt": "x" * 3000, "completion": "y" * 300})
    unknown = tracker.record_usage(uncounted)
    unpriced = tracker.record_usage({**uncounted, "model_id": "gpt-99", "prompt": "x"})
    assert (estimated.cost_status, estimated.cost > 0, estimated.input_tokens) == ("estimated", True, None)
    assert (unknown.cost, unpriced.cost) == (None, None)
    assert [record.message for record in caplog.records if "token counts" in record.message] == [
        "openai returned no token counts for model 'gpt-5': its cost is estimated.",
        "openai returned no token counts for model 'gpt-5': its cost is unknown.",
        "openai returned no token counts for model 'gpt-99': its cost is unknown.",
    ]
    assert tracker.get_request_cost("r1") == 0.5
    with pytest.raises(farebox.ConfigurationError, match="provider=None"):
        tracker.record_usage({"model_id": "gpt-5"})
