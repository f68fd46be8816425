"""A runtime of the test's own, and a provider on loopback."""

from __future__ import annotations

import pytest

from farebox import runtime
from farebox.testing import FakeProvider


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running
