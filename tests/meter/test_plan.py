"""The ways in which a call that a strict budget binds can be sent."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox import BudgetExceeded, Money
from farebox.budgets.bound import MIN_OUTPUT_TOKENS, Clamp
from farebox.core.event import CallRequest, Limits
from farebox.meter.ceiling import Ceiling, NoCeiling
from farebox.meter.plan import LONG_ANSWER, Plan

RATE = 2_000  # pico-dollars a token that comes out: two nano-dollars


def request(*, attempts=3, adjusts=True, counts=True):
    return CallRequest(
        provider="openai",
        operation="chat",
        api="chat.completions",
        model="m",
        attempts_allowed=attempts,
        adjusts=adjusts,
        counts_attempts=counts,
    )


def ceiling(cap=1000, *, most=None, least=1, copies=1):
    clamp = Clamp(("max_tokens",), cap, least, cap if most is None else most, copies, Fraction(0), 0)
    return Ceiling(100, 500, RATE, None if cap is None else clamp.tokens(cap), clamp)


def refusal(room, *, unit="usd", strength="strict"):
    limit = Money.from_nano(room + 7) if unit == "usd" else room + 7
    spent = Money.from_nano(3) if unit == "usd" else 3
    reserved = Money.from_nano(4) if unit == "usd" else 4
    return BudgetExceeded("no", limit=limit, spent=spent, reserved=reserved, unit=unit, strength=strength)


def test_while_there_is_money_it_is_sent_as_the_program_made_it():
    plan = Plan(request(), ceiling())
    assert (plan.taken.nano, plan.taken.tokens, plan.taken.limits) == (3 * 2_500, 3 * 1_100, None)


def test_retries_are_given_up_before_anything_else():
    plan = Plan(request(), ceiling())
    assert plan.lower(7_499) == 2_500
    assert plan.taken.limits == Limits(attempts=1)


def test_then_the_cap_is_lowered_to_the_money_left():
    plan = Plan(request(), ceiling())
    assert plan.lower(1_301) == 500 + 400 * 2
    assert plan.taken.limits == Limits(1, 400, ("max_tokens",))
    assert plan.taken.tokens == 500


def test_a_cap_is_not_lowered_while_waiting_may_help():
    plan = Plan(request(), ceiling())
    plan.begin(clamps=False)
    assert plan.lower(1_301) is None
    assert plan.least == 2_500
    plan.begin(clamps=True)
    assert plan.lower(1_301) == 1_300


def test_an_answer_too_short_to_be_of_use_is_refused_and_the_floor_says_what_would_do():
    plan = Plan(request(), ceiling())
    assert plan.floor == 500 + 2 * MIN_OUTPUT_TOKENS
    assert plan.lower(plan.floor - 1) is None
    assert plan.lower(plan.floor) == plan.floor


def test_a_huge_answer_is_held_to_a_long_one_first():
    plan = Plan(request(attempts=1), ceiling(200_000))
    assert plan.lower(100_000) == 500 + 2 * LONG_ANSWER
    assert plan.taken.limits == Limits(1, LONG_ANSWER, ("max_tokens",))


def test_an_answer_without_any_limit_is_given_one():
    plan = Plan(request(), ceiling(None, most=4_096))
    assert plan.reason is None
    assert plan.taken.limits == Limits(1, 4_096, ("max_tokens",))


def test_what_cannot_be_changed_must_have_a_limit_of_its_own():
    assert "state one" in Plan(request(adjusts=False), ceiling(None, most=4_096)).reason
    plan = Plan(request(adjusts=False), ceiling())
    assert plan.taken.nano == 7_500
    assert plan.lower(7_499) is None
    assert plan.floor is None


def test_a_client_that_retries_by_time_has_no_ceiling():
    assert "retries for a time" in Plan(request(counts=False), ceiling()).reason
    assert "retries for a time" in Plan(request(counts=False), NoCeiling("why"), 7).reason


def test_a_bound_of_the_users_stands_in_for_a_ceiling_but_says_nothing_of_tokens():
    plan = Plan(request(), NoCeiling("why"), 100)
    assert (plan.reason, plan.taken.nano, plan.taken.tokens) == (None, 300, None)
    assert plan.lower(299) == 100
    assert plan.taken.limits == Limits(1)
    assert plan.lower(99) is None
    assert not plan.yields(refusal(99, unit="tokens"))


def test_without_ceiling_and_bound_the_reason_stands():
    plan = Plan(request(), NoCeiling("why"))
    assert plan.reason == "why"
    assert not plan.yields(refusal(10**9))


def test_nothing_comes_out_of_embeddings_that_could_be_lowered():
    plan = Plan(request(attempts=1), Ceiling(100, 500, RATE, 0))
    assert (plan.taken.nano, plan.floor, plan.lower(499)) == (500, None, None)


def test_it_yields_to_what_a_standing_budget_has_left():
    plan = Plan(request(), ceiling())
    assert plan.yields(refusal(1_301))
    assert plan.taken.nano == 1_300
    assert not plan.yields(refusal(600))


def test_it_yields_to_tokens_that_are_left():
    plan = Plan(request(), ceiling())
    assert plan.yields(refusal(1_100, unit="tokens"))
    assert plan.taken.limits == Limits(attempts=1)
    assert plan.yields(refusal(500, unit="tokens"))
    assert plan.taken.limits == Limits(1, 400, ("max_tokens",))
    assert not plan.yields(refusal(300, unit="tokens"))
    assert not plan.yields(refusal(0, unit="calls"))


@pytest.mark.parametrize("strength", ["hard", None])
def test_it_does_not_yield_to_a_budget_that_does_not_ask_for_the_ceiling(strength):
    assert not Plan(request(), ceiling()).yields(refusal(1_301, strength=strength))


@given(
    cap=st.integers(1, 10**6),
    attempts=st.integers(1, 5),
    copies=st.integers(1, 4),
    rooms=st.lists(st.integers(0, 10**7), min_size=1, max_size=6),
)
def test_whatever_is_asked_it_never_costs_more_than_the_room_nor_more_than_before(cap, attempts, copies, rooms):
    plan = Plan(request(attempts=attempts), ceiling(cap, copies=copies))
    for room in rooms:
        before = plan.taken.nano
        lowered = plan.lower(room)
        assert lowered is None or lowered <= room
        assert plan.taken.nano <= before
        assert lowered in (None, plan.taken.nano)
        limits = plan.taken.limits
        if limits is not None and limits.output is not None:
            assert MIN_OUTPUT_TOKENS <= limits.output <= cap
