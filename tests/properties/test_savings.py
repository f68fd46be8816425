"""Savings: a baseline is what `farebox.price` says of the same usage, and every sum of savings is the plain SQL sum over `calls`."""

from __future__ import annotations

import contextlib
import random
import sqlite3

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import farebox
from farebox.core.usage import Usage
from farebox.ledger.sqlite import SQLiteLedger

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
END = 1_795_622_400_000_000_000

METHODS = {
    "routing": "kind != 'cache_hit' AND baseline_model IS NOT NULL AND NOT (units IS NULL AND cost_nano IS 0)",
    "prompt_cache": (
        "kind != 'cache_hit' AND (uncached_cost_nano IS NOT NULL"
        " OR coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) > 0)"
    ),
    "local_cache": "kind = 'cache_hit'",
}


def random_saving(choose, make_event):
    cached = choose.choice([0, 0, 40, 900])
    routed = choose.choice([None, "gpt-5", "opus"])
    kind = choose.choice(["llm", "llm", "llm", "operation", "cache_hit"])
    cost = choose.choice([None, 0, choose.randrange(10**9)])
    refused = choose.random() < 0.1
    return make_event(
        started_at=END - choose.randrange(12 * DAY),
        kind=kind,
        status="refused" if refused else "ok",
        units=None if refused else {"input": 10},
        cost_nano=0 if refused else cost,
        request_model=choose.choice(["gpt-5-mini", "haiku", None]),
        cache_read_tokens=None if refused else cached,
        cache_write_tokens=choose.choice([None, 0, 7]),
        uncached_cost_nano=choose.choice([None, choose.randrange(10**9)]) if cached and not refused else None,
        baseline_model=routed,
        baseline_cost_nano=None if routed is None else choose.choice([None, choose.randrange(10**9)]),
        tenant_id=choose.choice(["acme", "globex", None]),
        task_type=choose.choice(["chat", None]),
        route_reason=choose.choice(["short", None]),
    )


def expected(path, by, since, until):
    """method and the other dimensions → calls, unknown, cost and baseline of the rest: in words that are none of the ledger's own."""
    found = {}
    with contextlib.closing(sqlite3.connect(path)) as plain:
        for method, test in METHODS.items():
            baseline = "uncached_cost_nano" if method == "prompt_cache" else "baseline_cost_nano"
            names = {"model": "coalesce(request_model, response_model)"}
            if method == "prompt_cache":
                names["baseline_model"] = "NULL"
            known = f"(cost_nano IS NOT NULL AND {baseline} IS NOT NULL)"
            keys = ", ".join(names.get(name, name) for name in by)
            sql = (
                f"SELECT {keys}, count(*), sum(NOT {known}), coalesce(sum(iif({known}, cost_nano, 0)), 0),"
                f" coalesce(sum(iif({known}, {baseline}, 0)), 0) FROM calls WHERE {test} AND started_at >= ? AND started_at < ?"
                f" GROUP BY {', '.join(str(at + 1) for at in range(len(by)))}"
            )
            for row in plain.execute(sql, (since, until)):
                found[method, *row[: len(by)]] = row[len(by) :]
    return found


@pytest.mark.parametrize("seed", range(10))
def test_every_sum_of_savings_is_the_plain_sum_over_calls(tmp_path, make_event, seed):
    choose = random.Random(seed)
    with SQLiteLedger(tmp_path / "x.db") as ledger:
        events = [random_saving(choose, make_event) for _ in range(200)]
        for start in (0, 120):
            ledger.ingest(events[start : start + 120], journal="j", segment=1, offset=1 + start)
        assert ledger.check() == []
        for by in (
            ("model", "baseline_model"),
            ("tenant_id",),
            ("task_type",),
            ("tenant_id", "model"),
            ("route_reason",),
        ):
            since, until = sorted(END - choose.randrange(12 * DAY) for _ in range(2))
            found = ledger.savings("method", *by, since=since, until=until)
            told = {
                tuple(one.group.values()): (one.calls, one.unknown, one.cost_nano, one.baseline_nano) for one in found
            }
            assert told == expected(tmp_path / "x.db", by, since, until)
            assert [one.saved for one in found] == sorted((one.saved for one in found), reverse=True)
        for point in ledger.savings("day", method="routing"):
            day = ledger.savings(method="routing", since=None, until=None, where={"day": point.group["day"]})
            assert (day[0].calls, day[0].cost_nano) == (point.calls, point.cost_nano)


def test_savings_outlive_the_calls(tmp_path, make_event):
    choose = random.Random(7)
    with SQLiteLedger(tmp_path / "x.db") as ledger, SQLiteLedger(tmp_path / "y.db") as other:
        ledger.ingest([random_saving(choose, make_event) for _ in range(200)], journal="j", segment=1, offset=1)
        asked = [("method", "model", "baseline_model"), ("method", "tenant_id"), ("method", "task_type", "month")]
        before = [ledger.savings(*by) for by in asked]
        while ledger.retain(END):
            pass
        assert all(one.started_at >= ledger.reach("id", saved=True) > 0 for one in ledger.calls())
        assert [ledger.savings(*by) for by in asked] == before
        assert ledger.check() == []
        assert ledger.reach("tenant_id", "month", saved=True) == 0
        assert ledger.reach("tenant_id", "model", saved=True) > 0
        other.ingest([], journal="j", segment=1, offset=1)
        other.merge(tmp_path / "x.db")
        assert [other.savings(*by) for by in asked] == before


def test_a_call_that_is_told_anew_saves_what_it_saves_now(tmp_path, make_event):
    event = make_event(cost_status="estimated", baseline_model="gpt-5", cache_read_tokens=5)
    sure = make_event(
        id=event.id,
        started_at=event.started_at,
        baseline_model="gpt-5",
        baseline_cost_nano=10**6,
        uncached_cost_nano=10**6,
        cache_read_tokens=5,
    )
    with SQLiteLedger(tmp_path / "x.db") as ledger:
        ledger.ingest([event], journal="j", segment=1, offset=1)
        assert [(one.calls, one.unknown) for one in ledger.savings("method")] == [(1, 1), (1, 1)]
        ledger.ingest([sure], journal="j", segment=1, offset=2)
        assert [(one.calls, one.unknown, one.saved) for one in ledger.savings("method")] == [
            (1, 0, farebox.Money("0.0001"))
        ] * 2
        assert ledger.check() == []
        bare = {"baseline_model": None, "cache_read_tokens": 0, "uncached_cost_nano": None}
        ledger.rewrite(lambda one: msgspec.structs.replace(one, **bare))
        assert ledger.savings("method") == []
        assert ledger.check() == []


units = st.fixed_dictionaries(
    {"input": st.integers(1, 10**6), "output": st.integers(0, 10**5)},
    optional={"cache_read": st.integers(1, 10**5), "cache_write_5m": st.integers(1, 10**5)},
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(units, st.sampled_from(["claude-opus-4-1", "claude-haiku-4-5", "claude-3-opus-20240229"]))
def test_a_baseline_is_the_price_of_the_same_usage(units, baseline):
    usage = Usage(units=units)
    with farebox.tracked(baseline_model=baseline):
        event = farebox.record_call(provider="anthropic", model="claude-sonnet-4-5", usage=usage)
    at = event.started_at
    assert (event.cost_status, event.baseline_model) == ("priced", baseline)
    assert event.baseline_cost_nano == farebox.price(usage, provider="anthropic", model=baseline, at=at).nano
    hit = farebox.record_cache_hit(provider="anthropic", model=baseline, usage=usage)
    assert (hit.cost_nano, hit.baseline_cost_nano) == (0, event.baseline_cost_nano)
    fresh = {"input": sum(units.values()) - units["output"], "output": units["output"]}
    cached = units.keys() & {"cache_read", "cache_write_5m"}
    plain = farebox.price(Usage(units=fresh), provider="anthropic", model="claude-sonnet-4-5", at=at).nano
    # A prompt of more than 200 000 tokens has other rates, with and without a cache.
    assert event.uncached_cost_nano == (plain if cached else None)
