"""Where each engine of the ledger keeps a test's data: with one line here and one in `ENGINES`, another engine has the whole suite."""

from __future__ import annotations

import pytest

from farebox.ledger import open_ledger
from farebox.ledger.registry import ENGINES

PLACES = {"sqlite": lambda path: f"sqlite://{path / 'contract.db'}"}


@pytest.fixture(params=sorted(ENGINES))
def new_place(request, tmp_path_factory):
    """Names another place for a ledger, where there is none yet."""
    return lambda: PLACES[request.param](tmp_path_factory.mktemp("ledger"))


@pytest.fixture
def place(new_place):
    """Where the ledger of the test is."""
    return new_place()


@pytest.fixture
def ledger(place):
    opened = open_ledger(place)
    yield opened
    opened.close()
