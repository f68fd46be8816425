"""A ledger, a bill of the same calls on loopback, and what tests make calls with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farebox.testing.billing.provider import FakeBilling

sys.path.append(str(Path(__file__).parent))  # the scenarios and worlds are modules beside the tests

from bill_worlds import NOW, World


@pytest.fixture
def billing():
    with FakeBilling(now=lambda: NOW) as running:
        yield running


@pytest.fixture
def world(tmp_path, billing, monkeypatch):
    made = World(tmp_path / "ledger.db", billing, monkeypatch)
    yield made
    made.ledger.close()
