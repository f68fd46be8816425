from __future__ import annotations

from decimal import Decimal

from farebox.core.usage import Usage


def test_totals_are_inclusive_and_units_disjoint():
    usage = Usage(
        units={
            "input": 10,
            "input_audio": 5,
            "cache_read": 100,
            "cache_write_5m": 20,
            "cache_write_1h": 1,
            "output": 7,
            "output_image": 3,
            "web_search": 2,
        }
    )
    assert usage.totals() == (136, 100, 21, 10)
    assert usage.input_tokens == 136
    assert usage.cache_read_tokens == 100
    assert usage.cache_write_tokens == 21
    assert usage.output_tokens == 10


def test_adding_adds_units_and_drops_what_only_one_call_can_have():
    total = Usage(units={"input": 1, "seconds": Decimal("1.5")}, raw={"a": 1}, reasoning=2) + Usage(
        units={"input": 2, "output": 3}
    )
    assert total.units == {"input": 3, "seconds": Decimal("1.5"), "output": 3}
    assert total.raw is None
    assert total.reasoning == 2
    assert (Usage(units={}) + Usage(units={})).reasoning is None
