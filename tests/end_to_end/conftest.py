"""The whole of farebox around real SDK clients, against a provider on loopback that bills what it generates."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from farebox import runtime
from farebox.testing import FakeProvider

sys.path.append(str(Path(__file__).parent))  # the work that tests here do may be run by itself, too


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    """Every answer uses all of `max_tokens`."""
    with FakeProvider("max") as running:
        yield running
