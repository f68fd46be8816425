from __future__ import annotations

import pytest

from farebox import runtime


@pytest.fixture(autouse=True)
def fresh():
    runtime.reset()
    yield
    runtime.reset()
