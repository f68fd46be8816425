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


def run(name, directory):
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
    assert (done.returncode, done.stderr) == (0, "")
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


def test_no_example_is_left_out():
    tested = {"quickstart", "budget_per_request", "async_fanout", "record_call", "shared_budget", "reconcile"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_that_it_runs_offline(path):
    assert "offline" in path.read_text(encoding="utf-8").splitlines()[0]
