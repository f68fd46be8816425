"""`farebox reconcile`: tables for people and JSON, exit codes, and what is said where a bill cannot be had."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from farebox.core.identity import new_id
from farebox.ledger.registry import open_ledger
from farebox.testing.billing.causes import Credit
from farebox.testing.billing.provider import FakeBilling

DAY = 86_400 * 10**9


@pytest.fixture
def billing(tmp_path, monkeypatch, make_event):
    """A ledger with a call four days ago and one now, and a bill of the same."""
    now = int(datetime.now(UTC).timestamp()) * 10**9
    usage = {"input_tokens": 1200, "output_tokens": 300}
    moments = (now - 4 * DAY, now)
    events = [
        make_event(started_at=at, id=new_id(at), response_model="gpt-5-mini", raw_usage=usage, api="responses")
        for at in moments
    ]
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger, FakeBilling() as running:
        ledger.ingest(events, journal="test", segment=0, offset=1)
        running.bill_ledger(ledger)
        running.closed = datetime.fromtimestamp(moments[0] // 10**9, UTC).date().isoformat()
        monkeypatch.setenv("OPENAI_ADMIN_KEY", running.admin_key)
        monkeypatch.setenv("FAREBOX_RECONCILE", json.dumps({"openai": {"url": running.openai_url}}))
        yield running


def test_a_bill_that_matches_ends_with_0(farebox_command, billing):
    done = farebox_command("reconcile")

    assert (done.exit_code, done.stderr) == (0, "")
    for part in (
        "Tokens and other quantities",
        "Money by line item",
        "Nothing differs.",
        "Bills against the ledger",
        "matched",
    ):
        assert part in done.stdout


def test_json_has_every_table_and_a_day_that_differs_ends_with_3(farebox_command, billing):
    billing.inject(Credit("openai", billing.closed, Decimal("-0.0005")))

    done = farebox_command("reconcile", "--provider", "openai", "--json")

    assert done.exit_code == 3
    tables = json.loads(done.stdout)
    assert list(tables) == ["tokens", "money", "causes", "days"]
    (cause,) = tables["causes"]["rows"]
    assert (cause["cause"], cause["amount"]) == ("credit", "-0.0005")
    by_day = {row["day"]: row for row in tables["days"]["rows"]}
    assert by_day[billing.closed]["status"] == "differs"
    assert by_day[billing.closed]["difference"] == "-0.0005"


def test_without_a_key_the_computed_costs_stay_and_it_ends_with_4(farebox_command, billing, monkeypatch):
    monkeypatch.delenv("OPENAI_ADMIN_KEY")

    done = farebox_command("reconcile", "--json")

    assert done.exit_code == 4
    days = json.loads(done.stdout)["days"]
    assert any("set OPENAI_ADMIN_KEY" in note for note in days["notes"])
    row = next(row for row in days["rows"] if row["day"] == billing.closed)
    assert (row["status"], row["billed"], row["computed"]) == ("missing", None, "0.0009")


def test_what_was_found_is_shown_again_without_fetching(farebox_command, billing):
    farebox_command("reconcile", "--by-day")
    before = len(billing.requests)

    done = farebox_command("reconcile", "--stored", "--provider", "openai", "--json")

    assert done.exit_code == 0
    assert len(billing.requests) == before
    assert json.loads(done.stdout)["days"]["rows"]
    other = farebox_command("reconcile", "--stored", "--provider", "anthropic", "--json")
    assert json.loads(other.stdout)["days"]["rows"] == []


def test_files_are_named_on_the_command_line(farebox_command, billing, tmp_path):
    (tmp_path / "bill.csv").write_text(f"Date,Cost\n{billing.closed},1.25\n")

    missing = farebox_command("reconcile", "--provider", "google", "--files", f"google={tmp_path}/none-*.csv")
    assert missing.exit_code == 4
    assert "there is no file at" in missing.stdout
    wrong = farebox_command("reconcile", "--files", "google")
    assert (wrong.exit_code, "--files 'google' has no path" in wrong.stderr) == (2, True)
    unknown = farebox_command("reconcile", "--provider", "nobody")
    assert (unknown.exit_code, "bill 'nobody' is not known" in unknown.stderr) == (2, True)


def test_the_help_states_the_exit_codes(farebox_command):
    text = " ".join(farebox_command("reconcile", "--help").stdout.split())
    for part in (
        "0 every closed day is within 1 %",
        "3 a closed day differs",
        "4 a part of a statement could not be had",
    ):
        assert part in text


def test_a_report_shows_what_was_billed(farebox_command, billing):
    before = json.loads(farebox_command("report", "--billed", "--json").stdout)
    assert {row["basis"] for row in before["rows"]} == {"estimated"}
    billing.inject(Credit("openai", billing.closed, Decimal("-0.0005")))
    farebox_command("reconcile")

    after = json.loads(farebox_command("report", "--billed", "--by", "day", "--json").stdout)

    rows = {row["day"]: (row["cost"], row["basis"], row["source"]) for row in after["rows"]}
    assert rows[billing.closed] == ("0.0004", "actual", "OpenAI usage and costs")
    assert {basis for _, basis, _ in rows.values()} == {"actual", "estimated"}
    assert farebox_command("report", "models", "--billed").exit_code == 2
    assert "bills do not know 'tenant_id'" in farebox_command("report", "--billed", "--by", "tenant").stderr


def test_days_are_named_as_moments_are(farebox_command, billing):
    done = farebox_command("reconcile", "--since", billing.closed, "--until", billing.closed, "--json")
    assert [row["day"] for row in json.loads(done.stdout)["days"]["rows"]] == [billing.closed]
    assert farebox_command("reconcile", "--since", "someday").exit_code == 2
