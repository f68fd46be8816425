"""The spend report: sums, shares, order, and everything that a plain sum would hide."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.money import Money
from farebox.ledger.registry import open_ledger
from farebox.reports.spend import spend


def moment(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def make(number, **fields):
    fields = {
        "started_at": moment("2026-11-20T12:00"),
        "provider": "openai",
        "operation": "chat",
        "request_model": "gpt-5-mini",
        "input_tokens": 1000,
        "cache_read_tokens": 0,
        "output_tokens": 100,
        "cost_nano": 10**9,
        "cost_status": "priced",
        **fields,
    }
    return CallEvent(id=f"01900000-0000-7000-8000-{number:012x}", **fields)


def test_groups_come_dearest_first_with_shares_and_a_total(ledger, store):
    store(
        make(1, request_model="small", cost_nano=10**9, cache_read_tokens=250),
        make(2, request_model="large", cost_nano=3 * 10**9),
        make(3, request_model="small", cost_nano=0),
    )
    table = spend(ledger)
    assert table.records() == [
        {
            "model": "large",
            "calls": 1,
            "input_tokens": 1000,
            "cached": Decimal(0),
            "output_tokens": 100,
            "cost": Money("3.00"),
            "share": Decimal("0.75"),
        },
        {
            "model": "small",
            "calls": 2,
            "input_tokens": 2000,
            "cached": Decimal("0.125"),
            "output_tokens": 200,
            "cost": Money("1.00"),
            "share": Decimal("0.25"),
        },
    ]
    assert table.totals == ("total", 3, 3000, Decimal("0.0833"), 300, Money("4.00"), Decimal(1))
    assert table.notes == ()


def test_an_unknown_cost_is_said_and_never_zero(ledger, store):
    store(
        make(1, request_model="mystery", cost_nano=None, cost_status="unpriced"),
        make(2, request_model="known"),
        make(3, request_model="mixed"),
        make(4, request_model="mixed", cost_nano=None, cost_status="unpriced"),
    )
    table = spend(ledger)
    costs = {row["model"]: (row["unpriced"], row["cost"], row["share"]) for row in table.records()}
    assert costs["mystery"] == (1, None, None)
    assert costs["mixed"][:2] == (1, Money("1.00"))
    assert costs["known"][:2] == (0, Money("1.00"))
    assert table.notes == ("2 calls have no known price: every sum over them is a lower bound.",)


def test_estimates_losses_and_errors_are_counted_apart(ledger, store):
    store(
        make(1, status="abandoned", cost_status="estimated"),
        make(2, status="lost", cost_status="estimated"),
        make(3, status="error", cost_nano=0),
        make(4),
    )
    (row,) = spend(ledger).records()
    assert (row["calls"], row["errors"], row["estimated"], row["lost"]) == (4, 1, 2, 1)
    assert [note.split(":")[0] for note in spend(ledger).notes] == [
        "2 calls have an estimated cost",
        "1 call has no end",
    ]


def test_a_cost_that_leaves_something_out_is_said(ledger, store):
    store(make(1, cost_status="partial", cost_missing=("web_search",)), make(2))
    table = spend(ledger, ("tenant_id",))
    (row,) = table.records()
    assert (row["partial"], row["cost"]) == (1, Money("2.00"))
    assert table.notes == ("1 call has a price for only a part of what was used: their cost is a lower bound.",)


def test_a_refused_call_is_no_call(ledger, store):
    store(make(1, status="refused", cost_nano=0, input_tokens=None, output_tokens=None), make(2))
    table = spend(ledger)
    (row,) = table.records()
    assert (row["calls"], row["refused"]) == (1, 1)
    assert table.notes == ("1 call has been refused by a budget: nothing was sent or paid.",)


def test_days_read_in_order_and_the_dearest_first_within_a_day(ledger, store):
    store(
        make(1, started_at=moment("2026-11-19T01:00"), cost_nano=5 * 10**9),
        make(2, started_at=moment("2026-11-18T01:00"), cost_nano=1 * 10**9),
        make(3, started_at=moment("2026-11-18T02:00"), cost_nano=2 * 10**9, request_model="large"),
    )
    table = spend(ledger, ("day", "model"))
    assert [(row["day"], row["model"]) for row in table.records()] == [
        ("2026-11-18", "large"),
        ("2026-11-18", "gpt-5-mini"),
        ("2026-11-19", "gpt-5-mini"),
    ]
    assert table.totals[:2] == ("total", "")


def test_a_period_and_a_condition_bind_and_are_named(ledger, store):
    store(
        make(1, started_at=moment("2026-11-01"), tenant_id="acme"),
        make(2, started_at=moment("2026-11-02"), tenant_id="acme"),
        make(3, started_at=moment("2026-11-02"), tenant_id=None),
        make(4, started_at=moment("2026-11-03T10:30"), tenant_id="acme"),
    )
    table = spend(
        ledger,
        ("tenant_id",),
        since=moment("2026-11-02"),
        until=moment("2026-11-03T10:30"),
        where={"tenant_id": "acme"},
    )
    assert table.title == "Spend by tenant from 2026-11-02 to 2026-11-03 10:30, tenant_id = acme"
    assert [row["calls"] for row in table.records()] == [1]
    nobody = spend(ledger, ("tenant_id",), where={"tenant_id": None})
    assert [(row["tenant_id"], row["calls"]) for row in nobody.records()] == [("(none)", 1)]


def test_grouping_by_status_is_possible(ledger, store):
    store(make(1), make(2, status="error", cost_nano=0))
    assert {row["status"]: row["calls"] for row in spend(ledger, ("status",)).records()} == {"ok": 1, "error": 1}


def test_an_empty_ledger_gives_an_empty_table_without_a_total(ledger):
    table = spend(ledger)
    assert (table.rows, table.totals, table.notes) == ((), None, ())


def test_an_unknown_dimension_names_those_there_are(ledger):
    with pytest.raises(ConfigurationError, match=r"'modle'.*model"):
        spend(ledger, ("modle",))


amounts = st.one_of(st.none(), st.integers(0, 10**12))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), amounts), min_size=1, max_size=12))
def test_rows_add_up_to_the_total_exactly(tmp_path_factory, calls):
    with open_ledger(tmp_path_factory.mktemp("sums") / "ledger.db") as ledger:
        ledger.ingest(
            [
                make(number, request_model=model, cost_nano=nano, cost_status="unpriced" if nano is None else "priced")
                for number, (model, nano) in enumerate(calls)
            ],
            journal="test",
            segment=0,
            offset=1,
        )
        table = spend(ledger)
    known = sum(nano for _, nano in calls if nano is not None)
    assert sum((row["cost"] or Money(0) for row in table.records()), Money(0)) == Money.from_nano(known)
    total = dict(zip([column.name for column in table.columns], table.totals, strict=True))
    assert total["calls"] == len(calls)
    assert total["cost"] == (None if all(nano is None for _, nano in calls) else Money.from_nano(known))
