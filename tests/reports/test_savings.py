"""The savings report: method and baseline of every saving, losses and unknowns shown, and a note for what cannot be told apart."""

from __future__ import annotations

from decimal import Decimal

import pytest

from farebox.core.money import Money
from farebox.reports.registry import REPORTS

DAY = 86_400 * 10**9
NOON = 1_795_608_000_000_000_000


@pytest.fixture
def saved(store, make_event):
    store(
        make_event(cost_nano=10**6, baseline_model="gpt-5", baseline_cost_nano=4 * 10**6, tenant_id="acme"),
        make_event(cost_nano=10**6, baseline_model="gpt-9", tenant_id="acme"),
        make_event(cost_nano=3 * 10**6, cache_write_tokens=900, uncached_cost_nano=2 * 10**6),
        make_event(
            kind="cache_hit",
            cost_nano=0,
            baseline_model="gpt-5-mini",
            baseline_cost_nano=900_000,
            tenant_id="globex",
            route_reason="semantic",
        ),
        make_event(),
    )


def test_every_saving_states_its_method_and_baseline(ledger, saved):
    table = REPORTS["savings"].run(ledger)
    assert [(row["method"], row["baseline"], row["model"], row["saved"]) for row in table.records()] == [
        ("routing", "gpt-5", "gpt-5-mini", Money("0.003")),
        ("local_cache", "calling gpt-5-mini", "gpt-5-mini", Money("0.0009")),
        ("routing", "gpt-9", "gpt-5-mini", None),
        ("prompt_cache", "uncached", "gpt-5-mini", Money("-0.001")),
    ]
    assert table.totals == (
        *("total", "", "", 4, 1),
        *(Money("0.004"), Money("0.0069"), Money("0.0029"), Decimal("0.4203")),
    )
    assert [note.split(":")[0] for note in table.notes[:3]] == ["routing", "prompt_cache", "local_cache"]
    assert table.notes[3].startswith("Each method has a baseline of its own")
    assert table.notes[4].startswith("Of 1 the cost or the baseline is not wholly known")
    assert table.notes[5] == "Below zero it cost more than the baseline."


def test_savings_are_told_apart_and_chosen_by_dimensions(ledger, saved):
    table = REPORTS["savings"].run(ledger, by=("tenant_id", "method"), where={"method": "local_cache"})
    assert table.title == "Savings by tenant, method = local_cache"
    assert [(row["tenant_id"], row["share"]) for row in table.records()] == [("globex", Decimal(1))]
    reasons = REPORTS["savings"].run(ledger, by=("route_reason",), where={"kind": "cache_hit"}).records()
    assert [row["route_reason"] for row in reasons] == ["semantic"]


def test_what_a_local_cache_answered_is_in_no_other_sum(ledger, saved):
    assert ledger.summary().calls == 4
    assert [row["calls"] for row in REPORTS["spend"].run(ledger).records()] == [4]
    assert REPORTS["spend"].run(ledger, by=("tenant_id",), where={"tenant_id": "globex"}).rows == ()
    assert REPORTS["spend"].run(ledger, by=("user_id",)).totals[1] == 4
    assert [row["hits"] for row in REPORTS["cache"].run(ledger).records()] == [1]


def test_nothing_saved_is_said(ledger, store, make_event):
    store(make_event())
    table = REPORTS["savings"].run(ledger)
    assert (table.rows, table.totals, table.notes) == ((), None, ())
    assert table.empty.startswith("No savings")


def test_what_only_sums_are_left_of_is_said_where_they_do_not_tell_it_apart(ledger, store, make_event):
    plain = {"baseline_model": "gpt-5", "baseline_cost_nano": 10**6, "user_id": "u"}
    store(make_event(started_at=NOON - 3 * DAY, **plain), make_event(started_at=NOON, **plain))
    while ledger.retain(NOON - DAY):
        pass
    assert REPORTS["savings"].run(ledger).totals[3] == 2
    table = REPORTS["savings"].run(ledger, by=("user_id",))
    assert table.totals[3] == 1
    assert table.notes[-1] == "1 before 2026-11-24 are kept as sums only, which do not tell this apart: left out."
    assert REPORTS["savings"].run(ledger, by=("user_id",), since=NOON - DAY // 2).totals[3] == 1
    assert "left out" not in REPORTS["savings"].run(ledger, by=("user_id",), since=NOON - DAY // 2).notes[-1]
