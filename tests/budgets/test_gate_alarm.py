"""What the gate tells of shares of limits: each once, and outside its lock."""

from __future__ import annotations

import threading

import pytest

from farebox.budgets.account import Account
from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate
from farebox.budgets.reservation import Reservation
from farebox.core import guard
from farebox.core.errors import BudgetExceeded

AT = (500_000, 800_000, 1_000_000)


class Heard:
    """An alarm that remembers."""

    def __init__(self):
        self.told = []

    def tell(self, kind, /, **facts):
        self.told.append((kind, facts))

    def spent(self, *_given, **_terms):
        raise AssertionError("request budgets are not shared")

    @property
    def shares(self):
        return [(facts["name"], facts["task_type"], facts["share"]) for _, facts in self.told]


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def gate(heard):
    made = Gate(1)
    made.alarm, made.alert_at = heard, AT
    return made


def test_each_share_of_each_limit_is_told_once_and_the_highest_of_several(gate, heard):
    outer = Budget(1, {"draft": "0.2", "final": 1}, gate=gate, name="outer")
    inner = Budget("0.4", gate=gate, name="inner")
    chain = (inner, outer)
    for _ in range(4):
        gate.charge(chain, 100_000_000, "draft" if not heard.told else None)
    assert heard.shares == [
        ("outer", "draft", 500_000),
        ("inner", None, 500_000),
        ("inner", None, 1_000_000),
    ]
    gate.charge((outer,), 600_000_000, "final")
    assert heard.shares[3:] == [("outer", None, 1_000_000), ("outer", "final", 500_000)]
    assert heard.told[3][1]["spent"] == heard.told[3][1]["limit"] == 1_000_000_000


def test_a_share_is_reached_at_its_amount_and_not_one_nano_dollar_before(gate, heard):
    budget = Budget("0.000000003", gate=gate)  # half of 3 is not reached by 1
    gate.charge((budget,), 1, None)
    assert heard.told == []
    gate.charge((budget,), 1, None)
    assert heard.shares == [(None, None, 500_000)]


def test_without_a_limit_or_with_none_at_all_nothing_is_told(gate, heard):
    gate.charge((Budget(gate=gate),), 10**9, "t")
    gate.charge((Budget(0, gate=gate, strength="soft"),), 10**9, None)
    assert heard.told == []


def test_an_unknown_cost_reaches_what_it_held(gate, heard):
    budget = Budget(1, gate=gate)
    gate.settle(gate.reserve((budget,), 10**9, None), None)
    assert [(kind, facts["spent"]) for kind, facts in heard.told] == [("threshold", 10**9)]


def test_it_is_told_outside_the_lock_and_its_faults_stay_inside(gate):
    guard.raise_faults(enabled=False)
    budget = Budget(1, gate=gate)
    seen = []

    def tell(_kind, **_facts):
        seen.append(budget.total_spent)
        raise RuntimeError("a fault of the alarm")

    gate.alarm.tell = tell
    gate.charge((budget,), 10**9, None)
    assert seen == [1]
    assert guard.faults["alert: RuntimeError"] == 1


def test_what_a_finaliser_booked_inside_the_gate_is_told_by_whoever_looks_next(gate, heard):
    budget = Budget(1, gate=gate)
    held = gate.reserve((budget,), 10**9, None)
    gate._inside = threading.get_ident()
    gate.settle(held, 10**9)
    gate._inside = 0
    assert heard.told == []
    assert budget.total_spent == 1
    assert heard.shares == [(None, None, 1_000_000)]


def test_a_charge_that_is_refused_is_told(gate, heard):
    budget = Budget(1, gate=gate, name="small")
    with pytest.raises(BudgetExceeded) as error:
        gate.charge((budget,), 2 * 10**9, None)
    assert heard.told == [("refusal", {"error": error.value})]


def test_a_limit_is_looked_at_from_its_first_share_on(gate):
    watched = Account(10**15)
    gate._book(Reservation([watched], 0, 0), 1, certain=True)
    assert watched.alert_from == 5 * 10**14
