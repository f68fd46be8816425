from __future__ import annotations

import json

import pytest

import farebox
from farebox import runtime
from farebox.cli.app import COMMANDS

DAILY = ("--limit", "20", "--window", "day Europe/Berlin")


def records(result):
    assert result.exit_code in (0, 3), result.stderr
    return json.loads(result.stdout)["rows"]


def spent(dollars, **who):
    with farebox.tracked(**who):
        farebox.record_call(
            provider="openai", model="gpt-4o-mini", usage={"prompt_tokens": 10, "completion_tokens": 1}, cost=dollars
        )


def test_the_command_is_listed():
    assert COMMANDS["budgets"] == "farebox.cli.budgets:budgets"


def test_a_budget_that_is_set_binds_programs_and_is_listed(farebox_command):
    done = farebox_command(
        "budgets", "set", "each", *DAILY, "--per", "tenant_id", "--match", "model=gpt-4o*", "--match", "model=o3",
        "--override", "acme=100", "--override", "free=none",
    )  # fmt: skip
    assert (done.exit_code, done.stdout) == (0, "Budget 'each' is set.\n")
    (row,) = records(farebox_command("budgets", "list", "--json"))
    assert row == {
        "name": "each",
        "limit": "$20.00",
        "window": "day Europe/Berlin",
        "per": "tenant_id",
        "match": "model=gpt-4o*|o3",
        "strength": "hard",
        "overrides": "acme=$100.00, free=no limit",
        "set_by": "command",
    }
    spent("1.25", tenant_id="globex")
    assert [(one.bucket, one.limit, one.spent) for one in farebox.budget_status("each")] == [
        ("acme", 100, 0),
        ("globex", 20, farebox.Money("1.25")),
    ]


def test_status_says_what_is_left_and_ends_with_3_when_a_limit_is_reached(farebox_command):
    farebox_command("budgets", "set", "all", *DAILY)
    fresh = farebox_command("budgets", "status", "--json")
    assert fresh.exit_code == 0
    assert records(fresh)[0]["remaining"] == "20.00"
    spent(5)
    (row,) = records(farebox_command("budgets", "status", "all", "--json"))
    assert (row["spent"], row["held"], row["remaining"], row["calls"]) == ("5.00", "0.00", "15.00", 1)
    spent(15)
    over = farebox_command("budgets", "status", "--json")
    assert over.exit_code == 3
    assert records(over)[0]["remaining"] == "0.00"
    assert "all" in farebox_command("budgets", "status").stdout


def test_a_tenant_is_looked_at_alone(farebox_command):
    farebox_command("budgets", "set", "each", "--limit", "3 calls", "--window", "24h", "--per", "tenant_id")
    farebox_command("budgets", "set", "all", *DAILY)
    for _ in range(3):
        spent(1, tenant_id="acme")
    assert farebox_command("budgets", "status", "--tenant", "acme").exit_code == 3
    idle = farebox_command("budgets", "status", "--tenant", "globex", "--json")
    assert idle.exit_code == 0
    assert [(row["budget"], row["bucket"], row["spent"]) for row in records(idle)] == [("each", "globex", "0")]


def test_a_reset_starts_anew_and_unset_takes_a_budget_back(farebox_command):
    farebox.set_budget("mine", limit=1, window="month")
    spent(1)
    assert farebox_command("budgets", "status", "mine").exit_code == 3
    done = farebox_command("budgets", "reset", "mine")
    assert done.stdout == "Budget 'mine' starts anew; 1 bucket had spent something.\n"
    assert farebox_command("budgets", "status", "mine").exit_code == 0
    assert [row["set_by"] for row in records(farebox_command("budgets", "list", "--json"))] == ["program"]
    farebox_command("budgets", "set", "mine", *DAILY)
    assert farebox_command("budgets", "unset", "mine").exit_code == 0
    assert records(farebox_command("budgets", "list", "--json")) == []


def test_settings_are_listed_and_another_ledger_has_budgets_of_its_own(farebox_command, tmp_path, monkeypatch):
    monkeypatch.setenv("FAREBOX_BUDGETS", '[{"name": "set", "limit": {"tokens": 1000}, "window": "week"}]')
    (row,) = records(farebox_command("budgets", "list", "--json"))
    assert (row["limit"], row["set_by"]) == ("1,000 tokens", "settings")
    other = str(tmp_path / "other.db")
    farebox_command("budgets", "set", "there", *DAILY, "--ledger", other)
    assert [row["name"] for row in records(farebox_command("budgets", "list", "--json", "--ledger", other))] == [
        "set",
        "there",
    ]
    runtime.reset()
    assert [row["name"] for row in records(farebox_command("budgets", "list", "--json"))] == ["set"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("set", "a", "--limit", "x", "--window", "day"), "limit='x' is not an amount"),
        (("set", "a", "--limit", "5 cars", "--window", "day"), "limit={'cars': 5} cannot be used"),
        (
            ("set", "a", "--limit", "5", "--window", "day", "--match", "x"),
            "--match 'x' cannot be used: give NAME=VALUE",
        ),
        (("unset", "a"), "no budget 'a' was set here"),
        (("reset", "a"), "there is no budget 'a'"),
        (("status", "a"), "there is no budget 'a'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_code_2(farebox_command, words, message):
    result = farebox_command("budgets", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
