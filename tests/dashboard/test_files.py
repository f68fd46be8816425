"""What is taken out of the dashboard: files that are safe to open, and the arithmetic of calls."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from serving import DAY, NOW

NAMES = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "+1",
    "@SUM(1)",
    "-2",
    '"><img src=x onerror=alert(1)>',
    "a\r\nb",
    "\u202eevil",
    "名前",
)


@pytest.fixture
def named(dashboard, write, make_event):
    write(*(make_event(started_at=NOW, tenant_id=name, task_type=name, request_model=name) for name in NAMES))
    return dashboard


@pytest.mark.parametrize("panel", ["spend", "timeline", "calls", "reports/latest"])
@pytest.mark.parametrize("by", ["tenant_id", "model"])
def test_no_cell_of_a_spreadsheet_is_a_formula(named, panel, by):
    answer = named.panel(panel, by=by, format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="farebox-{panel.split("/")[-1]}.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert len(rows) > len(NAMES) / 2
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "@", "\t", "\r"))
        assert "\r" not in cell
        if cell.startswith("-"):
            float(cell)


def test_names_are_kept_as_they_are_in_json_and_found_by_filters(named):
    rows = named.panel("spend", by="tenant_id", limit=100).rows
    assert {row["tenant_id"] for row in rows} == set(NAMES)
    for name in NAMES:
        assert named.panel("totals", tenant_id=name).rows[0]["calls"] == 1
    assert set(named.panel("values", by="tenant_id", limit=100).json["rows"][0]) <= set(NAMES)


def test_json_is_never_taken_for_a_page(named):
    answer = named.panel("spend", by="tenant_id")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_has_every_row_and_exact_money(dashboard, write, make_event):
    write(*(make_event(started_at=NOW, tenant_id=f"t{number}", cost_nano=1) for number in range(120)))
    page = dashboard.panel("spend", by="tenant_id")
    assert len(page.rows) == 50
    assert "70 more are in the totals" in page.json["notes"][-1]
    file = json.loads(dashboard.panel("spend", by="tenant_id", format="json").text)
    assert len(file["rows"]) == 120
    assert {row["cost"] for row in file["rows"]} == {"0.000000001"}


def test_a_call_is_explained_as_the_command_explains_it(dashboard, path, write, make_event):
    from click.testing import CliRunner

    from farebox.cli import main

    event = make_event(
        started_at=NOW,
        request_model="gpt-5-mini",
        api="chat.completions",
        raw_usage={"prompt_tokens": 1200, "completion_tokens": 300},
    )
    write(event)
    shown = dashboard.panel("explain", name=event.id)
    printed = json.loads(
        CliRunner().invoke(main, ["prices", "explain", event.id, "--ledger", str(path), "--json"]).stdout
    )
    assert shown.rows == printed["rows"]
    assert shown.json["title"] == printed["title"]
    assert len(shown.rows) == 2


def test_what_is_stored_of_a_call_is_told_field_by_field(dashboard, write, make_event):
    event = make_event(started_at=NOW, tenant_id="acme", duration_ns=1_500_000_000, tags={"team": "x"}, cost_nano=5)
    write(event)
    fields = {row["field"]: row["value"] for row in dashboard.panel("call", name=event.id).rows}
    assert fields["tenant id"] == "acme"
    assert fields["duration, seconds"] == "1.500"
    assert fields["cost, USD"] == "0.000000005"
    assert json.loads(fields["tags"]) == {"team": "x"}
    assert "chain id" not in fields


def test_a_call_that_is_not_there_is_said(dashboard):
    for panel in ("call", "explain"):
        answer = dashboard.panel(panel, name="nothing")
        assert (answer.status, "has no call with the id 'nothing'" in answer.json["error"]) == (400, True)


def test_savings_are_those_of_the_report_for_whole_days(dashboard, write, make_event):
    routed = {"baseline_model": "gpt-5", "baseline_cost_nano": 5_000_000}
    write(
        make_event(started_at=NOW, cost_nano=1_000_000, **routed),
        make_event(started_at=NOW - DAY, cost_nano=9_000_000, **routed),
        make_event(started_at=NOW - 9 * DAY, cost_nano=0, **routed),
    )
    week = dashboard.panel("savings", range="7d")
    assert [(row["method"], row["baseline"], row["saved"]) for row in week.rows] == [("routing", "gpt-5", "0.00")]
    assert not any("whole days" in note for note in week.json["notes"])
    today = dashboard.panel("savings", range="1h")
    assert [row["saved"] for row in today.rows] == ["0.004"]
    assert "Of whole days (UTC)" in today.json["notes"][0]


def test_bills_are_those_that_were_compared_last(dashboard, path, write, make_event):
    from decimal import Decimal

    from farebox.reconcile.outcome import DayResult
    from farebox.reconcile.store import StatementStore, statements_path

    write(make_event(started_at=NOW))
    empty = dashboard.panel("bills")
    assert (empty.rows, "run farebox reconcile" in empty.json["empty"]) == ([], True)
    assert not statements_path(path).exists()
    day = datetime.fromtimestamp(NOW // 10**9, UTC).date().isoformat()
    known = {"status": "differs", "computed": Decimal(2), "complete": True, "source": "test", "fetched_at": NOW}
    with StatementStore(statements_path(path)) as store:
        names = ("openai", "anthropic")
        store.write(
            [DayResult(provider=name, day=day, billed=Decimal(3), unexplained=Decimal(1), **known) for name in names],
            NOW,
        )
    rows = dashboard.panel("bills", range="7d").rows
    assert [(row["provider"], row["billed"], row["difference"]) for row in rows] == [
        ("anthropic", "3", "1"),
        ("openai", "3", "1"),
    ]
    assert [row["provider"] for row in dashboard.panel("bills", provider="openai").rows] == ["openai"]
    assert dashboard.panel("bills", since="2026-01-01", until="2026-01-31").rows == []


def test_every_report_answers_for_the_view(dashboard, write, make_event):
    from farebox.reports.registry import REPORTS

    write(make_event(started_at=NOW, tenant_id="acme"), make_event(started_at=NOW, tenant_id="globex"))
    assert dashboard.ask("/api/about").json["reports"].keys() == REPORTS.keys()
    for name in REPORTS:
        answer = dashboard.panel(f"reports/{name}", range="7d", tenant_id="acme", by="task_type")
        assert answer.status == 200, (name, answer.text)
    assert dashboard.panel("reports/spend", tenant_id="acme").rows[0]["calls"] == 1
    page = dashboard.panel("reports/latest", limit=1)
    assert dashboard.panel("reports/latest", limit=1, cursor=page.json["cursor"]).rows != page.rows
    assert "use one of" in dashboard.ask("/api/reports").json["error"]


def test_money_that_a_provider_stated_is_explained_as_such(dashboard, write, make_event):
    event = make_event(started_at=NOW, cost_status="provider")
    write(event)
    assert "not computed from rates" in dashboard.panel("explain", name=event.id).json["notes"][0]


def test_the_program_and_the_panels_of_the_documentation_are_true(serve):
    import re
    from pathlib import Path

    from farebox import runtime
    from farebox.dashboard.panels import PANELS

    page = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    made = {}
    exec(program, made)
    assert serve(made["application"]).ask("/money/api/about", Host="intern.example").status == 200
    runtime.reset()
    named = set(re.findall(r"`api/(?:reports/)?([a-z]+)", page))
    assert named <= {*PANELS, "errors"}
