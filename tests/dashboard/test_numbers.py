"""Every number of every panel is what plain SQL over `calls` says, for random calls, filters, ranges and zones."""

from __future__ import annotations

import random
import sqlite3
from datetime import datetime
from decimal import Decimal

import pytest
from serving import DAY, NOW

from farebox.dashboard.panels.timeline import OTHERS, SERIES

MODEL = "coalesce(nullif(request_model, ''), response_model)"
COLUMNS = {"model": MODEL}
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati")
RANGES = ("1h", "24h", "7d", "30d", "90d", "today", "month", "year", "all")
SUMS = """count(*), sum(status = 'error'), sum(cost_status = 'unpriced'), sum(cost_status = 'partial'),
    sum(cost_status = 'estimated'), sum(coalesce(input_tokens, 0)), sum(coalesce(cache_read_tokens, 0)),
    sum(coalesce(cache_write_tokens, 0)), sum(coalesce(output_tokens, 0)), sum(coalesce(cost_nano, 0))"""
NAMES = (
    *("calls", "errors", "unpriced", "partial", "estimated", "input_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "output_tokens", "cost_nano"),
)


@pytest.fixture(scope="module", params=range(2))
def chance(request):
    return random.Random(request.param)


@pytest.fixture
def events(chance, make_event):
    return [one(chance, make_event) for _ in range(400)]


def one(chance, make_event):
    unpriced = chance.random() < 0.1
    refused = not unpriced and chance.random() < 0.1
    return make_event(
        started_at=NOW - int(chance.paretovariate(0.6) * 10**11) % (500 * DAY),
        provider=chance.choice(["openai", "anthropic"]),
        kind=chance.choice(["llm", "llm", "operation", "cache_hit"]),
        request_model=chance.choice(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "", None]),
        response_model="answered",
        status="refused" if refused else chance.choice(["ok", "ok", "ok", "error", "lost"]),
        tenant_id=chance.choice(["acme", "globex", "<script>alert(1)</script>", "=cmd()", None]),
        task_type=chance.choice(["search", "chat", None]),
        user_id=chance.choice(["u1", "u2", None]),
        tags=chance.choice([{"team": "x"}, {"team": "y"}, None]),
        input_tokens=chance.choice([None, 10, 1000]),
        cache_read_tokens=chance.choice([None, 7]),
        cache_write_tokens=chance.choice([None, 3]),
        output_tokens=chance.choice([None, 5, 50]),
        duration_ns=chance.choice([None, 10**9]),
        cost_nano=None if unpriced else 0 if refused else chance.randrange(10**12),
        cost_status="unpriced"
        if unpriced
        else "priced"
        if refused
        else chance.choice(["priced", "estimated", "partial"]),
    )


def filters(chance):
    found = {}
    for name, values in {
        "tenant_id": ["acme", "<script>alert(1)</script>", "=cmd()", ""],
        "model": ["a", "b", "answered"],
        "task_type": ["search", ""],
        "user_id": ["u1"],
        "tag:team": ["x", ""],
        "provider": ["openai"],
        "kind": ["operation", "cache_hit"],
    }.items():
        if chance.random() < 0.25:
            found[name] = chance.choice(values)
    return found


def conditions(where, *, paid=True):
    # What a local cache answered is no paid call, and counts where it is asked for.
    tests, values = ["1"], []
    if paid:
        tests += ["status <> 'refused'", *([] if "kind" in where else ["kind <> 'cache_hit'"])]
    for name, value in where.items():
        column = "json_extract(tags, '$.team')" if name == "tag:team" else COLUMNS.get(name, name)
        tests.append(f"coalesce({column}, '') = ?")
        values.append(value)
    return " AND ".join(tests), values


def sql(path, since, until, where, group="NULL"):
    """The sums of SUMS by a group, out of `calls` alone."""
    test, values = conditions(where)
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            f"SELECT {group}, {SUMS} FROM calls WHERE started_at >= ? AND started_at < ? AND {test} GROUP BY 1",
            (nano(since), nano(until), *values),
        ).fetchall()
    connection.close()
    return {row[0]: dict(zip(NAMES, row[1:], strict=True)) for row in rows}


def nano(iso):
    moment = datetime.fromisoformat(iso)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def cost(text):
    return None if text is None else int(Decimal(text).scaleb(9))


def known(sums):
    """What of a cost is known, as panels say it."""
    return None if sums["calls"] and sums["unpriced"] == sums["calls"] else sums["cost_nano"]


@pytest.mark.parametrize("range_", RANGES)
def test_the_figures_are_plain_sums_of_both_periods(dashboard, path, write, events, chance, range_):
    write(*events)
    for _ in range(3):
        where, zone = filters(chance), chance.choice(ZONES)
        rows = dashboard.panel("totals", range=range_, zone=zone, **where).rows
        assert [row["period"] for row in rows] == ["this", "before"]
        for row in rows:
            sums = sql(path, row["since"], row["until"], where).get(None) or dict.fromkeys(NAMES, 0)
            assert cost(row["cost"]) == known(sums)
            for name in NAMES[:-1]:
                assert row[name] == sums[name], name
            if sums["input_tokens"]:
                assert row["cached"] == pytest.approx(sums["cache_read_tokens"] / sums["input_tokens"], abs=1e-4)


@pytest.mark.parametrize("range_", RANGES)
@pytest.mark.parametrize("by", ["model", "tenant_id", "tag:team"])
def test_every_piece_of_the_timeline_is_a_plain_sum_and_together_they_are_all(
    dashboard, path, write, events, chance, range_, by
):
    write(*events)
    where, zone = filters(chance), chance.choice(ZONES)
    rows = dashboard.panel("timeline", range=range_, zone=zone, by=by, **where).rows
    group = f"coalesce({'json_extract(tags, ' + chr(39) + '$.team' + chr(39) + ')' if by == 'tag:team' else COLUMNS.get(by, by)}, '(none)')"
    named = {row["group"] for row in rows} - {OTHERS, ""}
    assert len(named) <= SERIES
    for row in rows:
        found = sql(path, row["start"], row["end"], where, group)
        if row["group"] == OTHERS:
            rest = [sums for name, sums in found.items() if name not in named]
            sums = {name: sum(one[name] for one in rest) for name in NAMES}
        else:
            sums = found.get(row["group"]) or dict.fromkeys(NAMES, 0)
        assert cost(row["cost"]) == known(sums)
        for name in (
            "calls",
            "errors",
            "unpriced",
            "input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_tokens",
        ):
            assert row[name] == sums[name], (row, name)
    whole = sql(path, rows[0]["start"], rows[-1]["end"], where).get(None) or dict.fromkeys(NAMES, 0)
    assert sum(row["calls"] for row in rows) == whole["calls"]
    assert sum(cost(row["cost"]) or 0 for row in rows) == whole["cost_nano"]
    starts = sorted({row["start"] for row in rows}, key=nano)
    ends = sorted({row["end"] for row in rows}, key=nano)
    assert list(map(nano, starts[1:])) == list(map(nano, ends[:-1])), "no moment is left out, none is counted twice"


@pytest.mark.parametrize("by", ["model", "tenant_id", "task_type", "user_id", "provider"])
def test_what_spent_most_is_a_plain_sum(dashboard, path, write, events, chance, by):
    write(*events)
    where = filters(chance)
    since, until = (dashboard.panel("totals", range="90d", **where).rows[0][name] for name in ("since", "until"))
    rows = dashboard.panel("spend", range="90d", by=by, limit=500, **where).rows
    found = sql(path, since, until, where, f"coalesce({COLUMNS.get(by, by)}, '(none)')")
    refused_only = {row[by] for row in rows if not row["calls"]}
    assert {row[by] for row in rows} - refused_only == set(found)
    for row in rows:
        sums = found.get(row[by]) or dict.fromkeys(NAMES, 0)
        assert (row["calls"], cost(row["cost"])) == (sums["calls"], known(sums))
        assert row["input_tokens"] == sums["input_tokens"]


def test_calls_are_listed_once_each_page_by_page(dashboard, path, write, events, chance):
    write(*events)
    where = filters(chance)
    seen, cursor = [], ""
    while page := dashboard.panel("calls", range="all", limit=37, cursor=cursor, **where).rows:
        seen += page
        cursor = page[-1]["cursor"]
    # What was refused, and what a local cache answered, is in the list, and in no sum.
    test, values = conditions(where, paid=False)
    with sqlite3.connect(path) as connection:
        stored = connection.execute(
            f"SELECT id, cost_nano FROM calls WHERE {test} ORDER BY started_at DESC, id DESC", values
        ).fetchall()
    connection.close()
    assert [(row["id"], cost(row["cost"])) for row in seen] == stored


def test_unsure_costs_are_counted_by_model(dashboard, path, write, events):
    write(*events)
    rows = dashboard.panel("unpriced", range="all", limit=500).rows
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            f"SELECT provider, coalesce({MODEL}, '(none)'), sum(cost_status = 'unpriced'), sum(cost_status = 'partial'),"
            " sum(cost_status = 'estimated'), count(*) FROM calls WHERE status <> 'refused' AND kind <> 'cache_hit' GROUP BY 1, 2 HAVING"
            " sum(cost_status IN ('unpriced', 'partial', 'estimated'))"
        ).fetchall()
    connection.close()
    assert sorted(tuple(row.values()) for row in rows) == sorted(found)


def test_a_cost_that_nobody_knows_is_null_and_never_0(dashboard, write, make_event):
    write(make_event(started_at=NOW, cost_nano=None, cost_status="unpriced", request_model="mystery"))
    assert dashboard.panel("totals").rows[0]["cost"] is None
    assert [row["cost"] for row in dashboard.panel("timeline").rows if row["group"]] == [None]
    assert dashboard.panel("spend").rows[0]["cost"] is None
    assert dashboard.panel("calls").rows[0]["cost"] is None


def test_money_is_exact_to_the_nano_dollar(dashboard, write, make_event):
    nano_dollars = 9_007_199_254_740_993_123  # no binary float has it
    write(make_event(started_at=NOW, cost_nano=nano_dollars))
    assert dashboard.panel("totals").rows[0]["cost"] == "9007199254.740993123"


def test_where_only_sums_by_the_hour_are_left_no_hour_is_counted_twice(dashboard, path, write, make_event):
    from farebox.ledger.registry import open_ledger

    moments = [NOW - 20 * DAY + minutes * 60 * 10**9 for minutes in range(0, 3 * 24 * 60, 7)]
    write(*(make_event(started_at=moment, cost_nano=1) for moment in moments))
    with open_ledger(path) as ledger:
        while ledger.retain(NOW):
            pass
    answer = dashboard.panel("timeline", range="30d", zone="Asia/Kolkata")
    assert sum(row["calls"] for row in answer.rows) == len(moments)
    assert "sums by the hour" in answer.json["notes"][0]
    short = dashboard.panel("timeline", since="2026-10-30T03:05", until="2026-10-30T06:05", zone="UTC")
    whole = dashboard.panel("totals", since="2026-10-30T03:05", until="2026-10-30T06:05", zone="UTC")
    assert sum(row["calls"] for row in short.rows) == whole.rows[0]["calls"] > 0
