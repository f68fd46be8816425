from __future__ import annotations

import logging

import pytest

from farebox.core import guard
from farebox.core.errors import BudgetExceeded, LedgerError


def fail(error: BaseException) -> None:
    raise error


def test_a_fault_is_swallowed_counted_and_logged_once(caplog: pytest.LogCaptureFixture):
    guard.raise_faults(enabled=False)
    with caplog.at_level(logging.WARNING, "farebox"):
        for _ in range(3):
            assert guard.contained("pricing", fail, KeyError("x")) is None
    assert guard.faults["pricing: KeyError"] == 3
    assert len(caplog.records) == 1
    assert "Your program is not affected" in caplog.text


def test_an_error_of_ours_is_one_line_and_any_other_shows_where_it_came_from(caplog: pytest.LogCaptureFixture):
    guard.raise_faults(enabled=False)
    guard.contained("writer", fail, LedgerError("locked: try again"))
    guard.contained("writer", fail, KeyError("x"))
    assert [record.exc_info is None for record in caplog.records] == [True, False]


def test_a_refusal_and_what_is_no_error_of_ours_pass_through():
    guard.raise_faults(enabled=False)
    for error in (BudgetExceeded("no"), KeyboardInterrupt(), GeneratorExit()):
        with pytest.raises(type(error)):
            guard.contained("x", fail, error)


def test_a_result_passes_through():
    assert guard.contained("x", divmod, 7, 2) == (3, 1)


def test_farebox_own_tests_see_faults():
    with pytest.raises(KeyError):
        guard.contained("x", fail, KeyError("x"))


def test_an_attempt_hands_its_error_to_a_policy():
    assert guard.attempt(fail, OSError("disk"), on_error=str) == "disk"
    assert guard.attempt(divmod, 7, 2, on_error=lambda _: (0, 0)) == (3, 1)
