from __future__ import annotations

import copy
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.core.errors import ConfigurationError
from farebox.core.money import Money, nano_ceiling, parse_amount

amounts = st.integers(min_value=0, max_value=10**18)


@given(amounts)
def test_nano_dollars_survive_the_round_trip(nano: int):
    assert Money.from_nano(nano).to_nano() == nano


@given(amounts, amounts)
def test_sums_are_exact(a: int, b: int):
    assert (Money.from_nano(a) + Money.from_nano(b)).to_nano() == a + b


def test_floats_count_by_their_shortest_representation():
    assert Money("0.1") == 0.1
    assert Money("0.3") - 0.1 == Money("0.2")
    assert 1.5 - Money("0.1") == Money("1.4")
    assert Money("0.75") / 1.5 * 100 == 50
    assert Money("0.2") > 0.1
    assert Money("0.1") <= 0.1
    assert Money("0.1") != 0.2


@pytest.mark.parametrize("operand", [2, 2.0, Decimal(2)])
def test_arithmetic_stays_money(operand: object):
    for result in (Money(4) + operand, Money(4) - operand, Money(4) * operand, Money(4) / operand, Money(4) % operand):
        assert type(result) is Money
    for result in (-Money(4), +Money(4), abs(Money(-4)), Money(9) // operand, operand * Money(4)):
        assert type(result) is Money


def test_money_adds_up_with_sum_and_compares_with_what_is_no_number():
    assert sum([Money("1.10"), Money("2.20")]) == Money("3.30")
    assert Money(1) != "one"
    with pytest.raises(TypeError):
        Money(1) + "one"


def test_cents_are_always_shown_and_smaller_parts_only_when_there():
    assert str(Money.from_nano(1_500_000_000)) == "1.50"
    assert str(Money.from_nano(1_234)) == "0.000001234"
    assert str(Money.from_nano(0)) == "0.00"
    assert f"{Money.from_nano(274)}" == "0.000000274"
    assert repr(Money("1.50")) == "Money('1.50')"


def test_format_specifiers_give_plain_digits_too():
    assert f"{Money.from_nano(274):>14}" == "   0.000000274"
    assert f"{Money(1234567):,}" == "1,234,567"
    assert f"{Money('0.123456'):.2f}" == "0.12"
    assert f"{Money('0.5'):%}" == "50%"


def test_rounding_powers_and_divmod_stay_money():
    results = (round(Money("1.259"), 2), Money("1.259").quantize(Money("0.01")), Money(2) ** 2, *divmod(Money(7), 2.0))
    assert results == (Money("1.26"), Money("1.26"), 4, 3, 1)
    assert {type(one) for one in results} == {Money}
    assert round(Money("1.6")) == 2


def test_a_subclass_of_float_counts_by_its_value():
    class Shown(float):
        def __repr__(self) -> str:
            return f"Shown({float(self)})"

    assert Money(1) + Shown(0.1) == Money("1.1")
    assert parse_amount(Shown(1.5), what="x") == 1_500_000_000


def test_money_pickles_and_copies_as_money():
    for twin in (pickle.loads(pickle.dumps(Money("1.25"))), copy.copy(Money("1.25")), copy.deepcopy(Money("1.25"))):
        assert type(twin) is Money
        assert twin == Money("1.25")
        assert hash(twin) == hash(Decimal("1.25"))


def test_rounding_is_half_even_and_happens_once():
    assert Money("0.0000000005").to_nano() == 0
    assert Money("0.0000000015").to_nano() == 2
    assert nano_ceiling(Decimal("0.0000000001")) == 1


@pytest.mark.parametrize(
    ("value", "nano"), [(1, 10**9), (0.1, 10**8), ("1.50", 1_500_000_000), (Decimal("0.000000001"), 1), (0, 0)]
)
def test_amounts_are_read_exactly(value: object, nano: int):
    assert parse_amount(value, what="limit") == nano


@pytest.mark.parametrize(
    "value",
    [
        -1,
        float("nan"),
        float("inf"),
        "NaN",
        "a dollar",
        "",
        None,
        True,
        [1],
        Decimal("-0.01"),
        Decimal("sNaN"),
        1e100,
        "1e400",
        "1e999999",
    ],
)
def test_what_is_no_amount_is_refused_by_name(value: object):
    with pytest.raises(ConfigurationError, match=r"limit=.*US dollars"):
        parse_amount(value, what="limit")
