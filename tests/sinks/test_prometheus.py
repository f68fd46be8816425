"""Metrics: every sample is a plain SQL sum over the calls, labels are bounded, and counters do not fall."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from farebox.budgets.status import BudgetStatus
from farebox.core.errors import ConfigurationError
from farebox.core.money import Money
from farebox.ledger.registry import open_ledger
from farebox.sinks.prometheus import BOUNDS, OTHER, LedgerCollector, exposition

DAY = 86_400 * 10**9
MODEL = "coalesce(nullif(request_model, ''), response_model, '')"


def samples(collector, name):
    """Labels, in the order of their names, → value; read back from the text."""
    text = exposition(collector)[0].decode()
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize("seed", range(6))
def test_every_counter_is_a_plain_sum_over_the_calls(told, seed):
    one = told(seed)
    one.since, one.until, one.where = None, None, {}
    collector = LedgerCollector(one.ledger)
    for prefix, label in (
        ("farebox", f"{MODEL}, provider"),
        ("farebox_tenant", "coalesce(tenant_id, '')"),
        ("farebox_task", "coalesce(task_type, '')"),
        ("farebox_operation", "operation"),
    ):
        width = 2 if prefix == "farebox" else 1
        by = f"GROUP BY {', '.join(str(at + 1) for at in range(width))}"

        def sums(expression, rest="", *, label=label, width=width, by=by):
            return {row[:width]: row[width] for row in one.sql(f"{label}, {expression}", f"{rest} {by}")}

        sent = "(status != 'refused')"
        nano = samples(collector, f"{prefix}_cost_usd_total")
        assert {key: round(value * 1e9) for key, value in nano.items()} == sums(f"sum({sent} * coalesce(cost_nano, 0))")
        assert samples(collector, f"{prefix}_unpriced_calls_total") == sums(f"sum({sent} * (cost_nano IS NULL))")
        refused = samples(collector, f"{prefix}_budget_exceeded_total")
        assert refused == {key: calls for key, calls in sums("sum(status = 'refused')").items() if calls}
        for status in ("ok", "error", "lost"):
            calls = {key: value for key, value in samples(collector, f"{prefix}_calls_total").items() if status in key}
            index = next(iter(calls)).index(status)
            assert {(*key[:index], *key[index + 1 :]): value for key, value in calls.items()} == sums(
                "count(*)", f"AND status = '{status}'"
            )
        for kind, tokens in (
            ("output", "output_tokens"),
            ("cache_read", "cache_read_tokens"),
            ("input", "input_tokens - cache_read_tokens"),
        ):
            found = {
                key[:-1]: value
                for key, value in samples(collector, f"{prefix}_tokens_total").items()
                if key[-1] == kind
            }
            assert found == sums(f"sum({sent} * coalesce({tokens}, 0))")


@pytest.mark.parametrize("seed", range(6))
def test_every_bucket_counts_the_durations_up_to_its_bound(told, seed):
    one = told(seed)
    one.since, one.until, one.where = None, None, {}
    collector = LedgerCollector(one.ledger)
    for name, column in (("duration", "duration_ns"), ("first_chunk", "first_chunk_ns")):
        found = samples(collector, f"farebox_call_{name}_seconds_bucket")
        counts = samples(collector, f"farebox_call_{name}_seconds_count")
        for bound in (BOUNDS[0], BOUNDS[8], BOUNDS[-1]):
            rows = one.sql(
                f"{MODEL}, provider, sum({column} / 1e9 <= {(bound - 1) / 1e9!r})",
                f"AND {column} IS NOT NULL GROUP BY 1, 2",
            )
            assert {key[1:]: value for key, value in found.items() if float(key[0]) == (bound - 1) / 1e9} == {
                row[:2]: row[2] for row in rows
            }
        rows = one.sql(f"{MODEL}, provider, count({column})", f"AND {column} IS NOT NULL GROUP BY 1, 2")
        assert (
            counts
            == {row[:2]: row[2] for row in rows}
            == {key[1:]: value for key, value in found.items() if key[0] == "+Inf"}
        )


def test_all_programs_that_write_to_the_ledger_add_up(told, make_event):
    one = told(1)
    collector = LedgerCollector(one.ledger)
    before = sum(samples(collector, "farebox_calls_total").values())
    with open_ledger(one.path) as other:
        other.ingest([make_event(), make_event()], journal="another process", segment=0, offset=1)
    assert sum(samples(collector, "farebox_calls_total").values()) == before + 2


def ledger_of(tmp_path, *events):
    ledger = open_ledger(tmp_path / "ledger.db")
    ledger.ingest(events, journal="test", segment=0, offset=1)
    return ledger


def test_the_dearest_of_past_months_are_named_and_the_rest_is_other(tmp_path, make_event):
    now = time.time_ns()
    past = now - 40 * DAY
    with ledger_of(
        tmp_path,
        make_event(started_at=past, tenant_id="small", cost_nano=1),
        make_event(started_at=past, tenant_id="large", cost_nano=10**9),
        make_event(started_at=past, tenant_id="middle", cost_nano=10**8),
        make_event(started_at=now, tenant_id="new", cost_nano=10**10),
        make_event(started_at=now, tenant_id=None, cost_nano=5 * 10**9),
    ) as ledger:
        collector = LedgerCollector(ledger, top=2)
        assert samples(collector, "farebox_tenant_cost_usd_total") == {
            ("",): 5.0,
            ("large",): 1.0,
            ("middle",): 0.1,
            (OTHER,): 10.000000001,
        }
        assert samples(LedgerCollector(ledger, top=0), "farebox_tenant_cost_usd_total") == {
            ("",): 5.0,
            (OTHER,): 11.100000001,
        }
        assert samples(LedgerCollector(ledger), "farebox_tenant_cost_usd_total")["new",] == 10.0


def test_a_value_that_comes_later_gets_a_name_while_there_is_room_and_keeps_it(tmp_path, make_event):
    with ledger_of(tmp_path, make_event(tenant_id="first", started_at=time.time_ns())) as ledger:
        collector = LedgerCollector(ledger, top=2)
        assert set(samples(collector, "farebox_tenant_cost_usd_total")) == {("first",)}
        for offset, name in enumerate(("second", "third"), start=2):
            ledger.ingest(
                [make_event(tenant_id=name, cost_nano=10**12, started_at=time.time_ns())],
                journal="test",
                segment=0,
                offset=offset,
            )
            found = samples(collector, "farebox_tenant_cost_usd_total")
        assert set(found) == {("first",), ("second",), (OTHER,)}


def test_counters_stay_where_single_calls_are_removed(tmp_path, make_event):
    with ledger_of(
        tmp_path,
        make_event(started_at=time.time_ns() - 200 * DAY, duration_ns=10**9),
        make_event(started_at=time.time_ns()),
    ) as ledger:
        before = exposition(LedgerCollector(ledger))[0].splitlines()
        while ledger.retain(time.time_ns() - 90 * DAY):
            pass
        assert len(list(ledger.calls())) == 1
        after = exposition(LedgerCollector(ledger))[0].splitlines()
    assert [line for line in before if b"last_hour" not in line] == [line for line in after if b"last_hour" not in line]


def test_a_counter_never_falls_where_a_cost_is_corrected(tmp_path, make_event):
    event = make_event(cost_nano=2 * 10**9)
    with ledger_of(tmp_path, event) as ledger:
        collector = LedgerCollector(ledger)
        assert samples(collector, "farebox_cost_usd_total") == {("gpt-5-mini", "openai"): 2.0}
        ledger.rewrite(
            lambda call: type(call)(
                **{**{name: getattr(call, name) for name in call.__struct_fields__}, "cost_nano": 10**9}
            )
        )
        assert samples(collector, "farebox_cost_usd_total") == {("gpt-5-mini", "openai"): 2.0}
        assert samples(LedgerCollector(ledger), "farebox_cost_usd_total") == {("gpt-5-mini", "openai"): 1.0}
        ledger.ingest([make_event(cost_nano=3 * 10**9)], journal="test", segment=0, offset=2)
        assert samples(collector, "farebox_cost_usd_total") == {("gpt-5-mini", "openai"): 4.0}


def test_tiers_are_told_of_the_last_hour(tmp_path, make_event):
    now = time.time_ns()
    refused = {"status": "refused", "cost_nano": 0}
    with ledger_of(
        tmp_path,
        make_event(started_at=now, budget="standard", cost_nano=10**9),
        make_event(started_at=now, budget="standard", **refused),
        make_event(started_at=now, budget="deep", cost_nano=2 * 10**9),
        make_event(started_at=now, budget="quick", cost_nano=1),
        make_event(started_at=now - DAY, budget="deep", cost_nano=10**12),
        make_event(started_at=now, budget=None, cost_nano=10**12),
    ) as ledger:
        collector = LedgerCollector(ledger, top=2)
        assert samples(collector, "farebox_budget_last_hour_cost_usd") == {
            ("deep",): 2.0,
            ("standard",): 1.0,
            (OTHER,): 1e-9,
        }
        assert samples(collector, "farebox_budget_last_hour_exceeded") == {
            ("deep",): 0.0,
            ("standard",): 1.0,
            (OTHER,): 0.0,
        }


def status(bucket, spent):
    start = datetime(2026, 11, 25, tzinfo=UTC)
    money = Money(spent)
    return BudgetStatus(
        "tenants",
        bucket,
        "day UTC",
        start,
        start + timedelta(days=1),
        "usd",
        Money(10),
        money,
        Money(1),
        Money(9) - money,
        float(money / 10),
        3,
        "hard",
    )


def test_the_fullest_standing_budgets_are_gauges(tmp_path):
    with ledger_of(tmp_path) as ledger:
        collector = LedgerCollector(
            ledger, budgets=lambda: [status("a", "1"), status("b", "10"), status(None, "5")], top=2
        )
        key = ("b", "tenants", "usd", "day UTC"), ("", "tenants", "usd", "day UTC")
        assert samples(collector, "farebox_budget_spent") == {key[0]: 10.0, key[1]: 5.0}
        assert samples(collector, "farebox_budget_limit") == dict.fromkeys(key, 10.0)
        assert samples(collector, "farebox_budget_held") == dict.fromkeys(key, 1.0)
        assert samples(collector, "farebox_budget_utilization") == {key[0]: 1.0, key[1]: 0.5}
        assert samples(collector, "farebox_budget_buckets") == {("false",): 2.0, ("true",): 1.0}


def test_a_hostile_name_stays_a_label(tmp_path, make_event):
    name = 'a"} 1\nfarebox_cost_usd_total{x="\\'
    with ledger_of(tmp_path, make_event(tenant_id=name, started_at=time.time_ns())) as ledger:
        assert set(samples(LedgerCollector(ledger), "farebox_tenant_cost_usd_total")) == {(name,)}


def test_a_registry_of_the_user_takes_it_and_does_not_read_at_once(tmp_path):
    ledger = open_ledger(tmp_path / "ledger.db")
    ledger.close()
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger))
    assert {family.name for family in registry.collect()} >= {"farebox_cost_usd", "farebox_call_duration_seconds"}
    ledger.close()


def test_the_text_has_its_media_type_and_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    with ledger_of(tmp_path) as ledger:
        assert exposition(LedgerCollector(ledger))[1].startswith("text/plain")
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        with pytest.raises(ConfigurationError, match=r"pip install 'farebox\[prometheus\]'"):
            LedgerCollector(ledger)
