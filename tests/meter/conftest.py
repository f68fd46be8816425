"""A meter over one flat price and a journal in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farebox.budgets.gate import Gate
from farebox.meter import Meter
from farebox.pricing.estimate import Estimator

sys.path.append(
    str(Path(__file__).parent)
)  # tests are not a package, so the file beside this one is found by its folder

from flat import Flat, Kept


@pytest.fixture
def prices() -> Flat:
    return Flat()


@pytest.fixture
def journal() -> Kept:
    return Kept()


@pytest.fixture
def gate() -> Gate:
    return Gate(1)


@pytest.fixture
def meter(prices: Flat, journal: Kept, gate: Gate) -> Meter:
    return Meter(prices=prices, estimator=Estimator(prices), gate=gate, journal=journal, service="tests")
