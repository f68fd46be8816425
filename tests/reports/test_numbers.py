"""Every number in every report equals a plain SQL sum over `calls`, whatever is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from farebox.core.money import Money
from farebox.ledger.latency import bucket_of, percentiles
from farebox.reports.registry import REPORTS
from farebox.reports.scope import NOBODY

SEEDS = range(12)
DIMENSIONS = [
    ("model",),
    ("tenant_id", "task_type"),
    ("session_id",),
    ("chain_id",),
    ("tag:team",),
    ("day",),
    ("week",),
    ("month",),
    (),
]
SENT = "status != 'refused'"


def named(told, by):
    """The dimensions as plain SQL."""
    return [f"coalesce(nullif({told.EXPRESSIONS.get(name, name)}, ''), '{NOBODY}')" for name in by]


def rows_by(told, by, select, rest="", **asked):
    """Key → the rest of the row, of a SELECT grouped by dimensions."""
    columns = [*named(told, by), *select]
    group = f"GROUP BY {', '.join(str(at + 1) for at in range(len(by)))}" if by else ""
    having = "" if by else "HAVING count(*) > 0"
    return {row[: len(by)]: row[len(by) :] for row in told.sql(", ".join(columns), f"{rest} {group} {having}", **asked)}


def run(told, name, **more):
    return REPORTS[name].run(told.ledger, **{**told.asked, **more})


def table(told, name, by, **more):
    """Key → record."""
    return {tuple(record[dimension] for dimension in by): record for record in run(told, name, by=by, **more).records()}


def share(part, whole):
    return (Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001")) if whole else None


SUMS = (
    "sum(status != 'refused')",
    "sum((status != 'refused') * coalesce(input_tokens, 0))",
    "sum((status != 'refused') * coalesce(output_tokens, 0))",
    "sum((status != 'refused') * coalesce(cost_nano, 0))",
    "sum(status != 'refused' AND cost_nano IS NULL)",
    "sum(status = 'refused')",
    "sum(status = 'lost')",
    "sum(status = 'error')",
    "sum((status != 'refused') * coalesce(cache_read_tokens, 0))",
)


@pytest.mark.parametrize("seed", SEEDS)
def test_spend_and_averages_are_the_sums_over_calls(told, seed):
    one = told(seed)
    by = DIMENSIONS[seed % len(DIMENSIONS)]
    expected = rows_by(one, by, SUMS)
    found, average, models = (table(one, name, by) for name in ("spend", "average", "models"))
    assert found.keys() == expected.keys()
    whole = sum(row[3] for row in expected.values())
    for key, (calls, tokens_in, tokens_out, nano, unpriced, refused, lost, errors, cached) in expected.items():
        cost = None if calls and calls == unpriced else Money.from_nano(nano)
        spent = found[key]
        assert (spent["calls"], spent["input_tokens"], spent["output_tokens"], spent["cost"]) == (
            calls,
            tokens_in,
            tokens_out,
            cost,
        )
        counted = {"unpriced": unpriced, "refused": refused, "lost": lost, "errors": errors}
        assert {name: spent.get(name, 0) for name in counted} == counted
        assert spent["share"] == (None if cost is None else share(nano, whole))
        assert spent["cached"] == share(cached, tokens_in)
        if calls:
            per_call = Money.from_nano(round(Decimal(nano) / (calls - unpriced))) if calls > unpriced else None
            assert average[key]["cost_per_call"] == models[key]["cost_per_call"] == per_call
            assert average[key]["input_tokens_per_call"] == (Decimal(tokens_in) / calls).quantize(Decimal("0.1"))
            assert models[key]["tokens"] == tokens_in + tokens_out


@pytest.mark.parametrize("seed", SEEDS)
def test_units_are_the_sums_over_the_units_of_calls(told, seed):
    one = told(seed)
    by = DIMENSIONS[seed % len(DIMENSIONS)]
    found = run(one, "tokens", by=by)
    expected = {}
    for unit in ("input", "cache_read", "output", "web_search"):
        amount = f"json_extract(units, '$.{unit}')"
        for key, (amounts, calls) in rows_by(one, by, (f"sum({amount})", f"sum({amount} IS NOT NULL)")).items():
            if amounts:
                expected[*key, unit] = (amounts, calls)
    records = {tuple(record[name] for name in (*by, "unit")): record for record in found.records()}
    assert {key: (record["amount"], record["calls"]) for key, record in records.items()} == expected
    tokens = sum(amount for key, (amount, _) in expected.items() if key[-1] != "web_search")
    assert (found.totals[-2] if found.totals else 0) == tokens


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_are_counted_by_status_and_type(told, seed):
    one = told(seed)
    by = DIMENSIONS[seed % len(DIMENSIONS)]
    bad = rows_by(one, (*by, "status", "error_type"), ("count(*)", "sum(cost_nano)"), "AND status != 'ok'")
    everything = {key: row[0] for key, row in rows_by(one, by, ("count(*)",)).items()}
    found = table(one, "errors", (*by, "status", "error_type"))
    assert {key: (record["calls"], record["cost"]) for key, record in found.items()} == {
        key: (calls, None if nano is None else Money.from_nano(nano)) for key, (calls, nano) in bad.items()
    }
    for key, record in found.items():
        assert record["rate"] == share(record["calls"], everything[key[: len(by)]])


@pytest.mark.parametrize("seed", SEEDS)
def test_caches_are_counted_by_tokens_and_by_calls(told, seed):
    one = told(seed)
    by = DIMENSIONS[seed % len(DIMENSIONS)]
    sums = (
        "sum(kind = 'llm')",
        "sum(kind = 'cache_hit')",
        *(f"sum((kind = 'llm') * coalesce({name}, 0))" for name in ("input_tokens", "cache_read_tokens")),
    )
    expected = rows_by(one, by, sums, f"AND {SENT} AND kind != 'operation'", kinds=True)
    found = table(one, "cache", by)
    assert {
        key: (record["calls"], record["hits"], record["input_tokens"], record["cache_read_tokens"])
        for key, record in found.items()
    } == expected
    for record in found.values():
        assert record["hit_ratio"] == share(record["hits"], record["hits"] + record["calls"])


@pytest.mark.parametrize("seed", SEEDS)
def test_percentiles_are_those_of_the_durations(told, seed):
    one = told(seed)
    by = DIMENSIONS[seed % len(DIMENSIONS)]
    durations = {}
    for *key, taken in one.sql(
        ", ".join([*named(one, by), "duration_ns"]), "AND status = 'ok' AND duration_ns IS NOT NULL"
    ):
        counts = durations.setdefault(tuple(key), {})
        counts[bucket_of(taken)] = counts.get(bucket_of(taken), 0) + 1
    found = table(one, "latency", by)
    assert {key: [record[f"p{percent}_ns"] for percent in (50, 90, 95, 99)] for key, record in found.items()} == {
        key: list(percentiles(counts, (50, 90, 95, 99)).values()) for key, counts in durations.items()
    }
    streams = rows_by(
        one,
        by,
        ("count(first_chunk_ns)",),
        "AND status = 'ok' AND duration_ns IS NOT NULL AND first_chunk_ns IS NOT NULL",
    )
    assert all(found[key]["streams"] >= count for key, (count,) in streams.items())


@pytest.mark.parametrize("seed", SEEDS)
def test_unpriced_calls_are_all_named(told, seed):
    one = told(seed)
    by = ("provider", "model", "operation", "cost_status")
    expected = rows_by(one, by, ("count(*)", "sum(cost_nano)"), "AND cost_status IN ('unpriced', 'partial')")
    found = table_of(run(one, "unpriced"), by)
    assert {key: (record["calls"], record["cost"]) for key, record in found.items()} == {
        key: (calls, None if nano is None else Money.from_nano(nano)) for key, (calls, nano) in expected.items()
    }
    assert all("model x of y" in record["why"] for record in found.values())


def table_of(made, by):
    return {tuple(record[name] for name in by): record for record in made.records()}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_dearest_and_the_latest_calls_are_those_of_the_ledger(told, seed):
    one = told(seed)
    dear = run(one, "calls", limit=7)
    expected = one.sql(
        "id, cost_nano",
        "AND cost_nano IS NOT NULL ORDER BY cost_nano DESC, started_at DESC, id DESC LIMIT 7",
        kinds=True,
    )
    assert [(record["id"], record["cost"].to_nano()) for record in dear.records()] == expected
    pages, cursor = [], None
    while True:
        page = run(one, "latest", limit=70, cursor=cursor)
        pages += [record["id"] for record in page.records()]
        cursor = page.cursor
        if cursor is None:
            break
    assert pages == [row[0] for row in one.sql("id", "ORDER BY started_at DESC, id DESC", kinds=True)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_comparison_has_the_sums_of_both_periods(told, seed):
    one = told(seed)
    by = DIMENSIONS[seed % 5]
    start, end = one.END - 9 * one.DAY - seed * 10**9, one.END - one.DAY
    found = table(one, "compare", by, since=start, until=end)
    sums = (
        "sum(status != 'refused')",
        "sum((status != 'refused') * coalesce(cost_nano, 0))",
        "sum(status != 'refused' AND cost_nano IS NULL)",
    )
    now = rows_by(one, by, sums, since=start, until=end)
    before = rows_by(one, by, sums, since=2 * start - end, until=start)
    assert found.keys() == now.keys() | before.keys()
    for key, record in found.items():
        (calls, nano, unknown), (calls_before, nano_before, unknown_before) = (
            rows.get(key, (0, 0, 0)) for rows in (now, before)
        )
        assert (record["calls"], record["calls_before"]) == (calls, calls_before)
        known = not (calls and unknown == calls) and not (calls_before and unknown_before == calls_before)
        assert record["difference"] == (Money.from_nano(nano - nano_before) if known else None)
        assert record["change"] == (share(nano - nano_before, nano_before) if known else None)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_forecast_starts_from_what_is_spent_and_its_range_holds_it(told, seed):
    one = told(seed)
    by = [(), ("tenant_id",), ("session_id",)][seed % 3]
    found = table(one, "forecast", by, since=None, until=one.END)
    month = one.END // one.DAY * one.DAY - 24 * one.DAY
    spent = rows_by(one, by, ("sum(coalesce(cost_nano, 0))",), since=month, until=one.END)
    for key, record in found.items():
        assert record["spent"] == Money.from_nano(spent.get(key, (0,))[0])
        assert record["spent"] <= record["low"] <= record["forecast"] <= record["high"]
