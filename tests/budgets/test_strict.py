"""What a strict budget holds and is charged, at the gate."""

from __future__ import annotations

import os
import pickle

import pytest

from farebox import BudgetExceeded, ConfigurationError
from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate

NANO = 10**9


@pytest.fixture
def gate():
    return Gate(os.getpid())


@pytest.fixture
def strict(gate):
    return Budget(1, {"analysis": "0.5"}, gate=gate, strength="strict")


def test_a_strict_budget_holds_the_ceiling_and_a_hard_one_around_it_the_expected_cost(gate, strict):
    hard = Budget(1, gate=gate)
    gate.reserve((strict, hard), NANO // 10, None, ceiling=NANO)
    assert (float(strict.reserved), float(hard.reserved)) == (1.0, 0.1)


def test_a_call_whose_ceiling_does_not_fit_is_refused_and_nothing_is_held(gate, strict):
    hard = Budget(1, gate=gate)
    with pytest.raises(BudgetExceeded, match=r"can cost up to \$1.1") as refused:
        gate.reserve((hard, strict), 1, None, ceiling=NANO + NANO // 10)
    assert (refused.value.strength, refused.value.asked) == ("strict", pytest.approx(1.1))
    assert hard.reserved == strict.reserved == 0


def test_the_limit_of_a_task_holds_the_ceiling_too(gate, strict):
    gate.reserve((strict,), 1, "analysis", ceiling=NANO // 2)
    with pytest.raises(BudgetExceeded) as refused:
        gate.reserve((strict,), 1, "analysis", ceiling=1)
    assert refused.value.task_type == "analysis"


def test_a_known_cost_replaces_the_ceiling(gate, strict):
    gate.settle(gate.reserve((strict,), 1, "analysis", ceiling=NANO // 2), 7)
    assert (strict.account.spent, strict.account.held, strict.account.tasks["analysis"].spent) == (7, 0, 7)


@pytest.mark.parametrize(("actual", "charged"), [(7, NANO // 2), (None, NANO // 2), (NANO, NANO)])
def test_an_uncertain_cost_is_charged_at_least_the_ceiling(gate, strict, actual, charged):
    hard = Budget(gate=gate)
    gate.settle(gate.reserve((strict, hard), 5, None, ceiling=NANO // 2), actual, certain=False)
    assert strict.account.spent == charged
    assert hard.account.spent == (5 if actual is None else actual)


def test_waiting_asks_for_the_ceiling(gate):
    budget = Budget(1, gate=gate, strength="strict", wait=5)
    held = gate.reserve((budget,), 1, None, ceiling=NANO)
    assert gate.line_up((budget,), 1, None, patience=5, ceiling=NANO + 1) is None  # more than there ever is
    held.owner = 0
    budget.account.held_by = {0: NANO}
    waiting = gate.line_up((budget,), 1, None, patience=5, ceiling=NANO)
    assert waiting is not None
    assert waiting.amount == NANO


def test_in_another_process_than_its_own_it_refuses(gate, strict):
    gate.renew(os.getpid() + 1)
    with pytest.raises(BudgetExceeded, match="shared=True"):
        gate.reserve((strict,), 1, None, ceiling=1)
    assert strict.account.held == 0


def test_a_bound_is_an_amount_or_a_function(gate):
    asked = []
    assert Budget(1, gate=gate, strength="strict").bound(object()) is None
    assert Budget(1, gate=gate, strength="strict", bound="0.25").bound(object()) == NANO // 4
    assert Budget(1, gate=gate, strength="strict", bound=asked.append).bound(1) is None
    assert asked == [1]
    assert Budget(1, gate=gate, strength="strict", bound=lambda _: 0.5).bound(object()) == NANO // 2


def test_a_bound_without_a_strict_budget_or_that_is_no_amount_is_refused(gate):
    with pytest.raises(ConfigurationError, match="strength='strict'"):
        Budget(1, gate=gate, bound=1)
    with pytest.raises(ConfigurationError, match="bound"):
        Budget(1, gate=gate, strength="strict", bound=-1)
    with pytest.raises(ConfigurationError, match="bound"):
        Budget(1, gate=gate, strength="strict", bound=lambda _: "much").bound(object())


def test_the_ceiling_is_lowered_to_the_room_of_the_account_that_cannot_pay(gate):
    asked = []

    def lower(room):
        asked.append(room)
        return room - room % 7

    inner, outer = (Budget(limit, gate=gate, strength="strict") for limit in ("0.5", "0.3"))
    gate.charge((outer,), NANO // 10, None)
    held = gate.reserve((inner, outer), 1, None, ceiling=NANO, lower=lower)
    assert asked == [NANO // 2, NANO // 5]
    assert held.ceiling == inner.account.held == outer.account.held == NANO // 5 - (NANO // 5) % 7


def test_what_cannot_be_lowered_far_enough_is_refused(gate, strict):
    for lower in (lambda _room: None, lambda _room: 2 * NANO):
        with pytest.raises(BudgetExceeded):
            gate.reserve((strict,), 1, None, ceiling=2 * NANO, lower=lower)
    hard = Budget("0.1", gate=gate)
    with pytest.raises(BudgetExceeded, match="of about"):
        gate.reserve((hard, strict), NANO, None, ceiling=NANO, lower=lambda room: room)


def test_a_refusal_knows_its_budget_until_it_is_pickled(gate, strict):
    with pytest.raises(BudgetExceeded) as refused:
        gate.reserve((strict,), 1, None, ceiling=2 * NANO)
    assert refused.value.holder is strict
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (copy.holder, copy.strength, copy.limit) == (None, "strict", 1)
