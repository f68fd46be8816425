"""What one side has on another day than the other: calls over midnight, batches, days of which only sums are left."""

from __future__ import annotations

from decimal import Decimal

from bill_worlds import DAY, DAYS, FIRST, call

from farebox.testing.billing.traffic import Used

SECOND = 10**9
MINI = {"input": 100_000, "output": 20_000}


def kinds(result):
    return {(cause.kind, cause.what): cause.amount for cause in result.causes if cause.kind != "rounding"}


def over_midnight(world, number, units):
    """A call of the ledger's that began ten seconds before midnight, and is billed ten seconds after."""
    at = FIRST + number * DAY - 10 * SECOND
    world.meter(call(at, "openai", "gpt-5-mini", units, duration_ns=20 * SECOND), bill=False)
    world.billing.bill(Used("openai", "gpt-5-mini", at + 20 * SECOND, units))


def test_calls_over_midnight_are_named_on_both_days(world):
    world.meter(*(call(FIRST + number * DAY + 5, "openai", "gpt-5-mini", MINI) for number in range(2)))
    over_midnight(world, 1, {"input": 1000, "output": 100})
    first, second = world.reconcile("openai", since=DAYS[0], until=DAYS[1]).results
    assert kinds(first) == {("over_midnight", "to the next day"): Decimal("-0.00045")}
    assert kinds(second) == {("over_midnight", "from the day before"): Decimal("0.00045")}


def test_a_day_may_have_them_at_both_ends(world):
    world.meter(*(call(FIRST + number * DAY + 5, "openai", "gpt-5-mini", MINI) for number in range(3)))
    over_midnight(world, 1, {"input": 1000, "output": 100})
    over_midnight(world, 2, {"input": 300, "output": 400})
    result = world.day("openai", DAYS[1])
    assert kinds(result) == {
        ("over_midnight", "from the day before"): Decimal("0.00045"),
        ("over_midnight", "to the next day"): Decimal("-0.000875"),
    }


def test_a_provider_that_counts_by_the_beginning_matches_as_well(world):
    at = FIRST + DAY - 10 * SECOND
    world.meter(call(at, "openai", "gpt-5-mini", MINI, duration_ns=20 * SECOND))
    for day in DAYS[:2]:
        assert kinds(world.day("openai", day)) == {}


def test_calls_over_midnight_do_not_take_another_programs_calls_for_theirs(world):
    at = FIRST + DAY - 10 * SECOND
    world.meter(call(at, "openai", "gpt-5-mini", {"input": 10, "output": 10}, duration_ns=20 * SECOND))
    world.billing.bill(Used("openai", "gpt-5-mini", FIRST + DAY, {"input": 500, "output": 70}))
    assert [cause.kind for cause in world.day("openai", DAYS[1]).causes] == ["not_metered"]


def test_a_batch_that_is_billed_when_it_is_done_is_the_same_batch(world):
    world.meter(*(call(FIRST + number * DAY + 5, "anthropic", "claude-opus-5", MINI) for number in range(3)))
    batch = {"input": 50_000, "output": 4_000}
    world.meter(call(FIRST + 9, "anthropic", "claude-opus-5", batch, batch=True), bill=False)
    world.billing.bill(Used("anthropic", "claude-opus-5", FIRST + 2 * DAY, batch, batch=True))
    first, second, third = world.reconcile("anthropic", since=DAYS[0], until=DAYS[2]).results
    assert kinds(first) == {("other_day", f"billed on {DAYS[2]}"): Decimal("-0.175")}
    assert kinds(second) == {}
    assert kinds(third) == {("other_day", f"metered on {DAYS[0]}"): Decimal("0.175")}


def test_other_numbers_on_another_day_have_nothing_to_do_with_it(world):
    world.meter(call(FIRST + 9, "anthropic", "claude-opus-5", MINI, batch=True), bill=False)
    world.billing.bill(Used("anthropic", "claude-opus-5", FIRST + DAY, {"input": 7}))
    first, second = world.reconcile("anthropic", since=DAYS[0], until=DAYS[1]).results
    assert [cause.kind for cause in first.causes] == ["not_billed"]
    assert [cause.kind for cause in second.causes] == ["not_metered"]


def test_of_a_day_that_is_kept_as_sums_only_the_total_is_compared(world):
    world.meter(call(FIRST + 9, "openai", "gpt-5-mini", MINI), call(FIRST + DAY, "openai", "gpt-5-mini", MINI))
    world.billing.bill(Used("openai", "gpt-5-mini", FIRST + 7, {"output": 1_000_000}))
    while world.ledger.retain(FIRST + DAY):
        pass
    result = world.day("openai")
    assert (result.status, result.complete) == ("differs", True)
    assert (result.computed, result.billed, result.unexplained) == (Decimal("0.065"), Decimal("2.065"), Decimal(2))
    assert (result.causes, result.tokens) == ((), ())
    assert "keeps only sums" in result.notes[0]
    world.billing.answer_next(403, times=8)
    assert world.day("openai", again=True).billed == Decimal("2.065")
    assert world.day("openai", DAYS[1]).status == "matched"


def test_what_was_found_while_the_calls_were_there_stays(world):
    world.meter(call(FIRST + 9, "openai", "gpt-5-mini", MINI), call(FIRST + DAY, "openai", "gpt-5-mini", MINI))
    before = world.day("openai")
    while world.ledger.retain(FIRST + DAY):
        pass
    assert world.day("openai") == before
    assert before.tokens
