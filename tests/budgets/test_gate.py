from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.budgets.budget import Budget
from farebox.budgets.gate import Gate
from farebox.core.errors import BudgetExceeded
from farebox.core.money import Money

NANO = 10**9


@pytest.fixture
def gate() -> Gate:
    return Gate(1)


def budget(gate: Gate, limit: object = None, tasks: dict | None = None, **terms) -> Budget:
    return Budget(limit, tasks, gate=gate, **terms)


def test_a_hold_is_replaced_by_the_actual_cost(gate: Gate):
    one = budget(gate, 1)
    held = gate.reserve((one,), 400_000_000, "t")
    assert one.reserved == Money("0.40")
    assert one.remaining == Money("0.60")
    gate.settle(held, 100_000_000)
    assert one.total_spent == Money("0.10")
    assert one.reserved == 0
    assert one.per_task_spent == {"t": Money("0.10")}


def test_settling_twice_counts_once(gate: Gate):
    one = budget(gate, 1)
    held = gate.reserve((one,), 1, None)
    gate.settle(held, 5)
    gate.settle(held, 5)
    assert one.account.spent == 5
    assert one.account.held == 0


def test_all_budgets_are_booked_or_none(gate: Gate):
    inner, outer = budget(gate, 10), budget(gate, "0.50")
    with pytest.raises(BudgetExceeded) as refused:
        gate.reserve((inner, outer), 600_000_000, None)
    assert refused.value.limit == Money("0.50")
    assert (inner.account.held, outer.account.held) == (0, 0)


def test_exactly_the_limit_fits_and_a_nano_dollar_more_does_not(gate: Gate):
    one = budget(gate, 1)
    gate.reserve((one,), 10**9, None)
    with pytest.raises(BudgetExceeded):
        gate.reserve((one,), 1, None)
    gate.reserve((one,), 0, None)


def test_a_task_has_a_limit_of_its_own_beside_the_total(gate: Gate):
    one = budget(gate, 1, {"analysis": "0.20"})
    gate.charge((one,), 200_000_000, "analysis")
    with pytest.raises(BudgetExceeded) as refused:
        gate.reserve((one,), 1, "analysis")
    assert refused.value.task_type == "analysis"
    assert refused.value.limit == Money("0.20")
    gate.reserve((one,), 800_000_000, "other")


def test_a_soft_budget_never_refuses(gate: Gate):
    one = budget(gate, 1, strength="soft")
    gate.charge((one,), 5 * 10**9, None)
    assert one.total_spent == 5
    assert one.utilization == 5.0


def test_an_unknown_cost_is_counted_and_not_booked_as_zero(gate: Gate):
    one = budget(gate, 1)
    gate.settle(gate.reserve((one,), 0, None), None)
    assert one.unpriced_calls == 1
    assert one.total_spent == 0


def test_a_refusal_says_what_is_missing(gate: Gate):
    one = budget(gate, 1, name="nightly")
    gate.reserve((one,), 300_000_000, None)
    gate.charge((one,), 500_000_000, None)
    with pytest.raises(BudgetExceeded) as refused:
        gate.reserve((one,), 250_000_000, None)
    error = refused.value
    assert (error.budget, error.limit, error.spent, error.reserved, error.asked) == (
        "nightly",
        Money(1),
        Money("0.50"),
        Money("0.30"),
        Money("0.25"),
    )
    assert "'nightly'" in str(error)
    assert "$0.25" in str(error)


def test_a_finaliser_inside_the_gate_is_booked_by_the_next_caller_instead_of_waiting_for_itself(gate: Gate):
    one = budget(gate, 1)
    abandoned = gate.reserve((one,), 100, None)

    class Colliding(Budget):
        """Its account is looked at inside the gate, where the garbage collector may run any finaliser."""

        @property
        def account(self):
            gate.settle(abandoned, 70)
            return one.account

        @account.setter
        def account(self, value: object) -> None:
            pass

    other = Colliding(1, gate=gate)
    gate.settle(gate.reserve((other,), 30, None), 30)
    assert one.total_spent.to_nano() == 100
    assert one.reserved == 0


def test_a_paid_call_made_by_a_finaliser_inside_the_gate_is_an_error_and_no_deadlock(gate: Gate):
    with pytest.raises(RuntimeError, match="inside the budget gate"):
        gate.read(lambda: gate.reserve((), 1, None))


def test_a_lock_held_at_fork_does_not_hang_the_child(gate: Gate):
    one = budget(gate, 1)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        gate.read(lambda: (inside.set(), leave.wait(10)))

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    gate.renew(2)  # what the fork hook does in the child
    gate.charge((one,), 1, None)
    assert one.account.spent == 1
    leave.set()
    thread.join()


def test_threads_never_pass_the_limit_together(gate: Gate):
    one = budget(gate, 1)
    sent = []

    def work() -> None:
        for _ in range(200):
            try:
                held = gate.reserve((one,), 7_000_000, "t")
            except BudgetExceeded:
                return
            sent.append(1)
            gate.settle(held, 7_000_000)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 1_000 // 7
    assert one.account.spent == 7_000_000 * (1_000 // 7)


@given(
    st.lists(
        st.tuples(st.sampled_from(["reserve", "settle", "charge"]), st.integers(0, 400), st.integers(0, 100)),
        max_size=60,
    )
)
def test_what_is_booked_never_passes_the_limit_when_holds_are_upper_bounds(steps):
    gate = Gate(1)
    inner, outer = Budget("0.000001", gate=gate), Budget("0.0000008", {"t": "0.0000005"}, gate=gate)
    chain, held = (inner, outer), []
    for what, amount, share in steps:
        try:
            if what == "reserve":
                held.append(gate.reserve(chain, amount, "t"))
            elif what == "charge":
                gate.charge(chain, amount, None)
            elif held:
                one = held.pop()
                gate.settle(one, one.amount * share // 100)
        except BudgetExceeded:
            pass
        for account, limit in ((inner.account, 1000), (outer.account, 800), (outer.account.task("t"), 500)):
            assert account.spent + account.held <= limit
            assert account.held == sum(one.amount for one in held)


def test_a_hold_is_extended_by_another_attempt_or_not_at_all(gate):
    small, strict = Budget("0.25", {"t": "0.25"}, gate=gate), Budget(1, gate=gate, strength="strict")
    held = gate.reserve((small, strict), NANO // 10, "t", ceiling=NANO)
    gate.extend(held, (small, strict), NANO // 10, "t")
    assert (held.once, held.amount, small.account.held, strict.account.held) == (NANO // 10, NANO // 5, NANO // 5, NANO)
    with pytest.raises(BudgetExceeded) as refused:
        gate.extend(held, (small, strict), NANO // 10, "t")
    assert refused.value.holder is small
    assert small.account.held == NANO // 5
    gate.settle(held, 7)
    assert (small.account.held, small.account.tasks["t"].held, small.account.spent) == (0, 0, 7)
    gate.extend(held, (small, strict), NANO, "t")  # what has settled holds nothing more
    assert small.account.held == 0


def test_a_waiter_knows_what_an_extended_hold_holds(gate):
    budget = Budget(1, gate=gate, wait=5)
    held = gate.reserve((budget,), NANO // 10, None)
    gate.extend(held, (budget,), NANO // 10, None)
    assert budget.account.held_by == {held.owner: NANO // 5}
    gate.release(held)
    assert budget.account.held_by == {}
