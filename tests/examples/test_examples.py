"""Every example runs offline as it stands, and prints what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def run(name, directory, *, stderr=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FAREBOX_", "OPENAI_"))}
    environment |= {"HOME": str(directory), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" if stderr is None else re.search(stderr, done.stderr, re.DOTALL), done.stderr
    assert list(directory.iterdir()) == []
    return done.stdout


def test_quickstart_spends_and_the_ledger_knows_on_what(tmp_path):
    text = run("quickstart", tmp_path)
    (spent,) = re.findall(r"spent \$([\d.]+) of \$1\.5", text)
    tasks = re.findall(r"^  \w+: \$([\d.]+)$", text, re.MULTILINE)
    written = re.findall(r"(\d+) nano-dollars", text)
    assert Decimal(spent) == sum(map(Decimal, tasks)) == sum(map(Decimal, written)).scaleb(-9)
    assert Decimal(spent) > 0


def test_the_runaway_request_is_stopped_and_its_neighbours_are_not(tmp_path):
    lines = run("budget_per_request", tmp_path).splitlines()
    assert lines[0].startswith("acme: 2 calls")
    assert lines[0].endswith("answered")
    assert "stopped: " in lines[1]
    assert lines[2].startswith("initech: 3 calls")
    (calls,) = re.findall(r"^globex: (\d+) calls", lines[1])
    assert 0 < int(calls) < 1000


def test_the_fan_out_sends_only_what_fits(tmp_path):
    text = run("async_fanout", tmp_path)
    ((answered, refused, seen),) = re.findall(r"(\d+) answered, (\d+) refused; the provider saw (\d+) requests", text)
    assert int(answered) + int(refused) == 50
    assert answered == seen
    assert int(refused) > 0
    (spent,) = re.findall(r"spent \$([\d.]+);", text)
    assert Decimal(spent) <= Decimal("0.005")


def test_two_processes_spend_one_limit_together(tmp_path):
    text = run("shared_budget", tmp_path)
    sent = [int(number) for number in re.findall(r"sent (\d+) of 12 calls", text)]
    ((seen, spent),) = re.findall(r"the provider saw (\d+); spent \$([\d.]+) of \$0\.0012", text)
    tasks = re.findall(r"^  worker \d: \$([\d.]+)$", text, re.MULTILINE)
    assert len(sent) == 2
    assert 2 < sum(sent) == int(seen) < 24
    assert sum(map(Decimal, tasks)) == Decimal(spent) <= Decimal("0.0012")


def test_recorded_calls_are_priced_by_whatever_is_known_of_them(tmp_path):
    lines = run("record_call", tmp_path).splitlines()
    assert [line.split()[1] for line in lines[:4]] == ["priced", "priced", "provider", "priced"]
    amounts = [Decimal(line.split("$")[1]) for line in lines[:5]]
    assert sum(amounts[:4]) == amounts[4] > 0
    assert lines[5] == "4 calls in the ledger"


def test_the_bill_differs_by_what_the_ledger_cannot_know(tmp_path):
    text = run("reconcile", tmp_path)
    causes = dict(re.findall(r"^  (\w+) .*: ([+-][\d.]+) USD$", text, re.MULTILINE))
    assert {name: Decimal(amount) for name, amount in causes.items()} == {
        "not_metered": Decimal("0.0115"),
        "credit": Decimal("-0.005"),
    }
    ((billed, computed),) = re.findall(r"billed \$([\d.]+), computed \$([\d.]+)", text)
    assert Decimal(billed) - Decimal(computed) == Decimal("0.0065")
    assert "unexplained: $0.00" in text


def amounts(text, pattern):
    """The dollars behind each match."""
    return [Decimal(found) for found in re.findall(pattern + r"\$(-?[\d.]*\d)", text, re.MULTILINE)]


def test_the_orchestrators_tracker_has_every_breakdown_of_the_session(tmp_path):
    text = run(
        "moving_orchestrator", tmp_path, stderr=r"returned no token counts.*estimated.*no price for model 'brand-new'"
    )
    (session,) = amounts(text, "^session: ")
    models, providers = (
        amounts(text, rf"^  (?:{names}): ") for names in ("llama\\S+|gpt-5|claude\\S+", "groq|openai|anthropic")
    )
    assert session == sum(models) == sum(providers) > 0
    assert "brand-new: unknown" in text
    assert "! 1 call has no known price" in text
    assert "! 1 call has an estimated cost" in text
    assert amounts(text, "^daily ") == amounts(text, ", weekly ") == amounts(text, ", monthly ") == [session]
    assert "5 calls exported" in text
    for table in ("Cost, session_id", "Distribution by provider, model", "Spend by task"):
        assert table in text


def test_the_chains_tracker_adds_retries_to_their_task(tmp_path):
    text = run("moving_task_chains", tmp_path)
    assert re.search(r"careful: \d{5} tokens, probably \$0\.\d+", text)
    (chain,) = amounts(text, "^chain complaints: ")
    tasks = amounts(text, r"^task \w+: ")
    assert (len(tasks), sum(tasks), tasks[-1]) == (3, chain, 0)
    assert amounts(text, r"^google: 4 calls, ") == amounts(text, r"^today google: .* out, ") == [chain]
    assert len(re.findall(r"^in plain SQL: ", text, re.MULTILINE)) == 3


def test_the_router_saves_by_routes_and_by_its_cache(tmp_path):
    text = run("moving_router", tmp_path)
    for period in ("daily", "weekly", "monthly"):
        assert amounts(text, f"^{period}: .* spent, ")
    routing, caches = amounts(text, "^  routing ")[0], amounts(text, ", caches ")[0]
    assert amounts(text, "^daily: .* spent, ") == [routing + caches]
    assert min(routing, caches) > 0
    assert sum(amounts(text, "^routing against gpt-5: . calls, ")) == routing
    assert amounts(text, "^local_cache against calling gpt-5-nano: 1 calls, ") == [caches]
    assert text.splitlines()[-6:-4] == ["cache_hit: gpt-5-nano, exact", "llm: gpt-5, long"]
    assert "4 calls in costs.csv" in text
    assert "4 calls in costs.json" in text


def test_the_client_library_tells_usage_of_every_kind_and_where_the_cost_is_from(tmp_path):
    text = run("moving_client_library", tmp_path)
    cached = re.findall(r"\((\d+) cached, (\d+) written\), (\d+) out, thinking (\w+)", text)
    assert [(read != "0", written != "0") for read, written, _, _ in cached] == [
        *((False, False), (False, True), (True, False), (False, False)),
    ]
    assert [thinking for *_, thinking in cached] == ["32", "32", "32", "None"]
    assert re.findall(r"source: (\w+)", text) == ["calculated"] * 3 + ["estimated"]
    assert "rate of input: $1 for 1000000" in text


def test_the_bot_keeps_tenants_tiers_and_requests_within_their_budgets(tmp_path):
    text = run("moving_tenants", tmp_path)
    assert "acme, quick: rejected: the limit of budget 'quick' for task 'transcription'" in text
    assert "globex, standard: rejected: budget 'tenants daily'" in text
    assert "request: $0.70 spent, analysis: $0.70, the next rejected" in text
    ((total, operations),) = re.findall(r"^acme: \$([\d.]+) in (\d+) operations", text, re.MULTILINE)
    by = amounts(text, r"^  (?:qdrant|openai|openrouter): ")
    assert (sum(by), int(operations)) == (Decimal(total), 13)
    assert sum(amounts(text, r"^  (?:chat|vector\.\w+): ")) == Decimal(total)
    assert "| vector.search | 1 |" in text
    assert f'farebox_tenant_cost_usd_total{{tenant="acme"}} {total}' in text
    assert 'farebox_tenant_budget_exceeded_total{tenant="globex"} 1.0' in text
    assert "the chat was told: True" in text


def test_no_example_is_left_out():
    tested = {
        "quickstart",
        "budget_per_request",
        "async_fanout",
        "record_call",
        "shared_budget",
        "reconcile",
        "moving_orchestrator",
        "moving_task_chains",
        "moving_router",
        "moving_client_library",
        "moving_tenants",
    }
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_that_it_runs_offline(path):
    assert "offline" in path.read_text(encoding="utf-8").splitlines()[0]
