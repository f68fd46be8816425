"""The commands that ask a ledger, beside `report`: cost, calls, forecast, top, export, metrics. Their numbers are plain SQL's."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest

from farebox.cli import calls as calls_module
from farebox.cli import top as top_module
from farebox.cli.asking import Asked
from farebox.core.money import Money
from farebox.ledger.registry import open_ledger

DAY = 86_400 * 10**9


def rows_of(result):
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return json.loads(result.stdout)["rows"]


@pytest.fixture
def today(tmp_path, make_event):
    """A ledger of calls that were just now, a week and two months ago."""
    path = tmp_path / "today.db"
    now = time.time_ns()
    with open_ledger(path) as ledger:
        ledger.ingest(
            [
                make_event(
                    started_at=now,
                    tenant_id="acme",
                    task_type="analysis",
                    session_id="s1",
                    cost_nano=3_000_000,
                ),
                make_event(started_at=now + 1, tenant_id="globex", cost_nano=None, cost_status="unpriced"),
                make_event(started_at=now - 6 * DAY - 10**9, tenant_id="acme", session_id="s1", cost_nano=5_000_000),
                make_event(started_at=now - 65 * DAY, tenant_id="acme", cost_nano=9_000_000),
            ],
            journal="test",
            segment=0,
            offset=1,
        )
    return str(path)


@pytest.mark.parametrize("seed", range(6))
def test_numbers_that_commands_print_are_sums_over_the_calls(farebox_command, told, seed):
    one = told(seed)
    asked = ["--ledger", str(one.path), "--json"]
    for name, moment in (("--since", one.since), ("--until", one.until)):
        if moment is not None:
            whole = moment // 10**9 * 10**9
            asked += [name, f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole // 10**9))}"]
    one.since, one.until = (None if moment is None else moment // 10**9 * 10**9 for moment in (one.since, one.until))
    for name, value in one.where.items():
        asked += ["--where", f"{name}={value or ''}"]
    calls, nano = one.sql("count(*), coalesce(sum(cost_nano), 0)", "AND status != 'refused'")[0]
    spend = rows_of(farebox_command("report", "spend", "--by", "tenant", "--by", "day", *asked))
    assert sum(row["calls"] for row in spend) == calls
    assert sum(Money(row["cost"] or 0) for row in spend) == Money.from_nano(nano)
    if one.since or one.until:
        (cost,) = rows_of(farebox_command("cost", *asked))
        assert (cost["calls"], Money(cost["cost"] or 0)) == (calls, Money.from_nano(nano))
    listed = rows_of(farebox_command("calls", "--limit", "10000", *asked))
    assert [row["id"] for row in listed] == [
        row[0] for row in one.sql("id", "ORDER BY started_at DESC, id DESC", kinds=True)
    ]


def test_cost_is_of_today_of_seven_days_and_of_this_month(farebox_command, today):
    rows = rows_of(farebox_command("cost", "--json", "--ledger", today))
    assert [row["period"] for row in rows][:2] == ["today", "last 7 days"]
    assert [(row["calls"], row["unpriced"], row["cost"]) for row in rows[:2]] == [(2, 1, "0.003"), (3, 1, "0.008")]
    everything = rows_of(farebox_command("cost", "--json", "--ledger", today, "--since", "2020-01-01"))
    assert [(row["period"], row["calls"], row["cost"]) for row in everything] == [("from 2020-01-01", 4, "0.017")]


def test_the_cost_of_a_session_counts_whenever_it_was(farebox_command, today):
    (row,) = rows_of(farebox_command("cost", "--session", "s1", "--json", "--ledger", today))
    assert (row["calls"], row["cost"], row["cost_per_call"]) == (2, "0.008", "0.004")


def test_details_are_more_tables_and_the_export_is_a_file(farebox_command, today, tmp_path):
    target = tmp_path / "costs.csv"
    result = farebox_command("cost", "--detailed", "--export", str(target), "--ledger", today)
    assert (result.exit_code, result.stderr) == (0, f"2 calls are written to {target}.\n")
    for title in ("Cost", "Distribution by provider, model", "Spend by task"):
        assert title in result.stdout
    assert [row["tenant_id"] for row in csv.DictReader(io.StringIO(target.read_text()))] == ["globex", "acme"]
    tables = json.loads(farebox_command("cost", "--detailed", "--json", "--ledger", today).stdout)
    assert [table["rows"][0]["calls"] for table in tables] == [2, 2, 1]
    as_csv = farebox_command("cost", "--detailed", "--csv", "--ledger", today).stdout
    assert [block.splitlines()[0].split(",")[0] for block in as_csv.split("\n\n")] == [
        "period",
        "provider",
        "task_type",
    ]


def test_calls_come_page_by_page(farebox_command, today):
    first = json.loads(farebox_command("calls", "--limit", "3", "--json", "--ledger", today).stdout)
    assert [row["tenant_id"] for row in first["rows"]] == ["globex", "acme", "acme"]
    second = json.loads(farebox_command("calls", "--cursor", first["cursor"], "--json", "--ledger", today).stdout)
    assert [row["cost"] for row in second["rows"]] == ["0.009"]
    assert "cursor" not in second
    for people in (
        farebox_command("calls", "--limit", "3", "--ledger", today),
        farebox_command("calls", "--limit", "3", "--csv", "--ledger", today),
    ):
        assert people.stderr == f"There are more: farebox calls --cursor {first['cursor']}\n"
    only = rows_of(farebox_command("calls", "--where", "tenant=globex", "--json", "--ledger", today))
    assert [(row["cost"], row["cost_status"]) for row in only] == [(None, "unpriced")]
    wrong = farebox_command("calls", "--cursor", "here", "--ledger", today)
    assert (wrong.exit_code, "'here' is no cursor" in wrong.stderr) == (2, True)


def test_calls_are_followed_as_they_come_each_once_also_when_they_took_long(today, make_event):
    asked = Asked(None, None, {}, today, read_only=False)
    now = time.time_ns()
    with open_ledger(today) as ledger:
        late = make_event(started_at=now - 3 * 10**9, tenant_id="late\x1b[2J")

        def sleep(_seconds):
            ledger.ingest([late], journal="other", segment=0, offset=1)

        coming = calls_module._coming(ledger, asked, now - 60 * 10**9, sleep)
        seen = [next(coming) for _ in range(3)]
    assert [event.tenant_id for event in seen] == ["acme", "globex", "late\x1b[2J"]
    assert calls_module.line(seen[0]).endswith("openai/gpt-5-mini  ok  1,200 in 300 out  $0.003  acme analysis")
    assert "unknown" in calls_module.line(seen[1])
    assert "\x1b" not in calls_module.line(seen[2])


def test_calls_that_are_followed_are_printed_line_by_line(farebox_command, today, monkeypatch):
    def end(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(calls_module.time, "sleep", end)
    monkeypatch.setattr(calls_module._coming, "__defaults__", (end,))
    result = farebox_command("calls", "--follow", "--since", "1h", "--ledger", today)
    assert [line.split("  ")[-1] for line in result.stdout.splitlines()] == ["acme analysis", "globex"]
    lines = farebox_command("calls", "--follow", "--json", "--since", "1h", "--ledger", today).stdout.splitlines()
    assert [json.loads(line)["cost_usd"] for line in lines] == ["0.003", None]
    wrong = farebox_command("calls", "--follow", "--csv", "--ledger", today)
    assert (wrong.exit_code, "--follow prints lines, and no csv" in wrong.stderr) == (2, True)


def test_the_forecast_is_of_this_month_and_says_why_there_is_none(farebox_command, today):
    data = json.loads(farebox_command("forecast", "--by", "tenant", "--json", "--ledger", today).stdout)
    assert data["title"].startswith("Forecast of ")
    assert {row["tenant_id"] for row in data["rows"]} == {"acme", "globex"}
    early = json.loads(farebox_command("forecast", "--until", "2020-01-05", "--json", "--ledger", today).stdout)
    assert "There is no forecast" in early["notes"][0]


@pytest.fixture
def budgeted(today, farebox_command):
    """Sets a budget beside the ledger, and books in it."""
    from farebox import runtime
    from farebox.budgets.store import Draw

    def book(limit, spent):
        runtime.configure(ledger=today)
        result = farebox_command(
            "budgets",
            "set",
            "each tenant",
            "--limit",
            limit,
            "--window",
            "day",
            "--per",
            "tenant_id",
            "--ledger",
            today,
        )
        assert result.exit_code == 0
        store = runtime.current().budgets.store()
        now = time.time_ns()
        day = now - now % DAY
        store.book(
            "b1",
            [Draw("each tenant", "usd/day UTC/tenant_id", "acme", day, day, day + DAY, "usd", spent, None)],
            calls=1,
            now=now,
        )
        store.close()
        return today

    return book


def test_top_shows_paces_models_calls_and_budgets(farebox_command, budgeted):
    ledger = budgeted("0.01", 4_000_000)
    result = farebox_command("top", "--once", "--ledger", ledger)
    assert (result.exit_code, result.stderr) == (0, "")
    for text in (
        "farebox top",
        "last 5 minutes",
        "Spend by provider, model",
        "Calls, newest first",
        "each tenant acme: ████████░░░░░░░░░░░░ $0.004 of $0.01",
    ):
        assert text in result.stdout
    only = farebox_command("top", "--once", "--where", "tenant=globex", "--ledger", ledger)
    assert "tenant_id = globex" in only.stdout
    assert "analysis" not in only.stdout


def test_top_shows_the_fullest_budgets_and_how_many_more_there_are(farebox_command, today):
    for number in range(10):
        farebox_command("budgets", "set", f"b{number}", "--limit", "1", "--window", "day", "--ledger", today)
    text = farebox_command("top", "--once", "--ledger", today).stdout
    assert text.count("░" * 20) == 8
    assert "2 more budgets are less full." in text


def test_a_budget_that_is_used_up_ends_every_look_at_budgets_with_3(farebox_command, budgeted):
    ledger = budgeted("0.004", 4_000_000)
    for command in (("top", "--once"), ("budgets", "status"), ("report", "budgets")):
        result = farebox_command(*command, "--ledger", ledger)
        assert result.exit_code == 3, command
        assert "used up" in result.stdout
    bare = farebox_command("budgets")
    assert bare.exit_code == 3
    assert "1 of 1 is used up." in bare.stdout


def test_top_looks_again_until_it_is_ended(today, monkeypatch, farebox_command):
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(top_module.time, "sleep", sleep)
    result = farebox_command("top", "--interval", "0.5", "--ledger", today)
    assert (result.exit_code, looks) == (0, [0.5, 0.5])
    assert "last 5 minutes" in result.stdout


def test_the_pace_of_five_minutes_is_an_hour_by_twelve(today):
    now = time.time_ns()
    with open_ledger(today) as ledger:
        five, hour, _ = top_module.paces(ledger, Asked(None, None, {}, today, read_only=False), now).records()
    assert (five["calls"], five["unpriced"], five["cost"], five["per_hour"]) == (2, 1, Money("0.003"), Money("0.036"))
    assert hour["per_hour"] == Money("0.003")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("report", "unpriced", "--by", "model"), "the report unpriced takes no --by: it takes only filters"),
        (("report", "spend", "--limit", "3"), "the report spend takes no --limit: it takes --by"),
        (("report", "budgets", "--since", "today"), "takes no --since"),
        (("report", "tokne"), "'tokne' is not one of"),
        (("calls", "--limit", "0"), "--limit"),
    ],
)
def test_what_a_report_does_not_take_is_refused(farebox_command, today, arguments, reason):
    result = farebox_command(*arguments, "--ledger", today)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


def test_metrics_are_printed_as_prometheus_reads_them(farebox_command, budgeted):
    result = farebox_command("metrics", "--ledger", budgeted("0.01", 4_000_000))
    assert (result.exit_code, result.stderr) == (0, "")
    assert 'farebox_tenant_cost_usd_total{tenant="acme"} 0.017\n' in result.stdout
    assert (
        'farebox_budget_utilization{bucket="acme",budget="each tenant",unit="usd",window="day UTC"} 0.4\n'
        in result.stdout
    )


def test_an_export_goes_to_a_file_by_its_ending_or_to_stdout(farebox_command, today, tmp_path):
    target = tmp_path / "calls.jsonl"
    result = farebox_command("export", str(target), "--where", "tenant=acme", "--ledger", today)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"3 calls are written to {target}.\n")
    assert [json.loads(line)["cost_usd"] for line in target.read_text().splitlines()] == ["0.003", "0.005", "0.009"]
    piped = farebox_command("export", "-", "--format", "csv", "--since", "24h", "--ledger", today)
    assert [row["cost_usd"] for row in csv.DictReader(io.StringIO(piped.stdout))] == ["", "0.003"]
    assert piped.stderr == "2 calls are written to stdout.\n"


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("-", "give --format csv|jsonl|parquet"),
        ("calls.xlsx", "does not say in which format"),
        ("there.csv", "exists already"),
    ],
)
def test_an_export_that_cannot_be_is_refused(farebox_command, today, tmp_path, monkeypatch, out, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    result = farebox_command("export", out, "--ledger", today)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert farebox_command("export", "there.csv", "--force", "--ledger", today).exit_code == 0


def test_a_terminal_gets_a_progress_bar_on_stderr(farebox_command, today, tmp_path, monkeypatch):
    from farebox.cli import export as export_module

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(export_module.sys, "stderr", terminal)
    with open_ledger(today) as ledger:
        assert export_module.write(ledger, str(tmp_path / "calls.csv"), None, {}, force=False) == 4
    assert "Writing" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_an_export_says_what_only_sums_are_left_of(farebox_command, today):
    with open_ledger(today) as ledger:
        while ledger.retain(time.time_ns() - 30 * DAY):
            pass
    result = farebox_command("export", "-", "--format", "csv", "--ledger", today)
    assert result.stderr.startswith("! 1 calls before ")
    assert result.stderr.endswith("3 calls are written to stdout.\n")
