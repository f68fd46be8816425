from __future__ import annotations

import concurrent.futures
import copy
import multiprocessing
import pickle

import pytest

from farebox.core.errors import BudgetExceeded, ConfigurationError, FareboxError, LedgerError, PriceError
from farebox.core.money import Money


def refusal() -> BudgetExceeded:
    return BudgetExceeded(
        "no money",
        budget="b",
        limit=Money("1.50"),
        spent=Money("1.40"),
        reserved=Money("0.05"),
        asked=Money("0.10"),
        task_type="t",
    )


@pytest.mark.parametrize("twin", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_a_refusal_keeps_its_data_when_pickled_or_copied(twin):
    again = twin(refusal())
    assert type(again) is BudgetExceeded
    assert str(again) == "no money"
    assert vars(again) == vars(refusal())
    assert type(again.limit) is Money


RAISING = """
from farebox.core.errors import BudgetExceeded
from farebox.core.money import Money
raise BudgetExceeded("no money", asked=Money("0.10"), task_type="t")
"""


def test_a_refusal_crosses_a_process_pool():
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool, pytest.raises(BudgetExceeded) as caught:
        pool.submit(exec, RAISING).result()
    assert caught.value.asked == Money("0.10")
    assert caught.value.task_type == "t"


def test_every_error_is_a_farebox_error():
    for kind in (ConfigurationError, BudgetExceeded, LedgerError, PriceError):
        assert issubclass(kind, FareboxError)
