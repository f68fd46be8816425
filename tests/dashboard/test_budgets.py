"""Budgets on the dashboard: those in force, how they were used, where that leads; and nothing is booked by looking."""

from __future__ import annotations

import time

import pytest

import farebox
from farebox.core.identity import new_id
from farebox.dashboard import app


@pytest.fixture
def spending(serve, tmp_path):
    """A dashboard of a ledger into which this process has booked calls of two tenants; the clock is the real one."""
    path = tmp_path / "ledger.db"
    farebox.configure(ledger=path)
    farebox.set_budget("each tenant", limit="2", window="month", per="tenant_id")
    farebox.set_budget(
        "searches", limit={"calls": 100}, window="24h", match={"task_type": ["sea*", "find"]}, strength="soft"
    )
    for tenant, task, cost in (("acme", "search", "0.5"), ("acme", "chat", "0.75"), ("globex", "find", "2.5")):
        with farebox.tracked(task, tenant_id=tenant):
            farebox.record_call(
                provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 10, "completion_tokens": 2}, cost=cost
            )
    farebox.flush()
    return serve(app(path, token=None))


def test_budgets_are_those_of_the_report_and_of_the_status(spending):
    rows = {(row["budget"], row["bucket"]): row for row in spending.panel("budgets").rows}
    for one in farebox.budget_status():
        row = rows.pop((one.name, one.bucket))
        assert (row["limit"], row["spent"], row["remaining"]) == (str(one.limit), str(one.spent), str(one.remaining))
    assert not rows
    globex = next(row for row in spending.panel("budgets").rows if row["bucket"] == "globex")
    assert (globex["spent"], globex["exhausted_at"]) == ("2.50", "now")


def test_a_budget_burns_down_by_the_calls_of_its_bucket_and_ends_where_its_rate_leads(spending):
    answer = spending.panel("burn", name="each tenant", bucket="acme")
    known = [row for row in answer.rows if row["spent"] is not None]
    assert known[0]["spent"] == "0.00"
    assert (known[-1]["spent"], known[-1]["remaining"]) == ("1.25", "0.75")
    assert answer.rows[-1]["spent"] is None
    assert float(answer.rows[-1]["forecast"]) >= 1.25
    assert answer.json["notes"] == []


def test_a_rolling_budget_by_a_beginning_counts_the_calls_that_match(spending):
    answer = spending.panel("burn", name="searches")
    assert (answer.rows[-1]["spent"], answer.rows[-1]["remaining"]) == ("2", "98")
    assert all(row["forecast"] is None for row in answer.rows)


def test_a_budget_that_counted_more_than_the_calls_say_says_so(spending, tmp_path):
    from farebox import runtime

    store = runtime.current().budgets.store()
    standing = runtime.current().budgets.standing.active[0]
    now = time.time_ns()
    piece, since, until = standing.window.place(now)
    from farebox.budgets.store import Draw

    store.book(
        new_id(now),
        [Draw("each tenant", standing.terms, "acme", piece, since, until, "usd", 10**9, None)],
        calls=1,
        now=now,
    )
    answer = spending.panel("burn", name="each tenant", bucket="acme")
    assert "The budget itself says 2.25 spent" in answer.json["notes"][0]


def test_a_budget_that_is_not_there_is_said(spending):
    answer = spending.panel("burn", name="each tenant", bucket="nobody")
    assert (answer.status, "no budget 'each tenant'" in answer.json["error"]) == (400, True)


def test_budgets_set_by_command_beside_another_ledger_are_shown(serve, tmp_path):
    from click.testing import CliRunner

    from farebox import runtime
    from farebox.cli import main

    path = tmp_path / "other.db"
    done = CliRunner().invoke(main, ["budgets", "set", "all", "--limit", "5", "--window", "day", "--ledger", str(path)])
    assert done.exit_code == 0, done.output
    runtime.reset()
    farebox.configure(ledger=tmp_path / "own.db")
    shown = serve(app(path, token=None))
    assert [(row["budget"], row["limit"]) for row in shown.panel("budgets").rows] == [("all", "5.00")]
    assert not (tmp_path / "own.db").exists()
