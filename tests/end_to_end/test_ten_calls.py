"""A budget for exactly ten calls holds in every circumstance of `ten_calls`, and is still used up where outcomes are known."""

from __future__ import annotations

import pytest
from ten_calls import TERMS, WORK, do

KNOWN = (
    "15 in sequence",
    "50 at once, async, cold",
    "8 threads by 10",
    "4 forked processes by 10",
    "4 spawned processes by 10",
)
"""Work whose every outcome is known, of calls that cost what they are expected to."""

MADE = [terms for terms in TERMS if terms != "bare SDK"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.setenv("FAREBOX_LEDGER", str(tmp_path / "ledger.db"))


@pytest.mark.parametrize("terms", MADE)
@pytest.mark.parametrize("work", WORK)
def test_what_is_billed_is_booked_and_a_strict_limit_is_never_passed(work, terms):
    result = do(work, terms)
    print(f"{work}, {terms}: {result}")
    assert result.booked >= result.billed
    if "strict" in terms:
        assert 0 < result.billed <= result.booked <= result.limit
    if work == "15 in sequence":
        assert result.billed <= result.limit
    if work in KNOWN:
        assert result.booked == result.billed
        if terms == "hard, wait":
            assert result.sent >= 9


def test_without_a_budget_the_same_work_passes_it():
    result = do("15 in sequence", "bare SDK")
    assert (result.sent, result.billed > result.limit) == (15, True)
