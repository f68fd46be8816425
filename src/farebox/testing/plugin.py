"""The pytest plugin: fixtures for tests of programs that call language models. Imports pytest; the rest when a fixture is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from farebox.scopes import Capture
    from farebox.testing.provider import FakeProvider


@pytest.fixture
def farebox_provider() -> Iterator[FakeProvider]:
    """A `FakeProvider` of the test's own, on loopback."""
    from farebox.testing.provider import FakeProvider

    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def farebox_calls(tmp_path: Path) -> Iterator[Capture]:
    """Every call of the test, metered: `.calls`, `.usage`, `.cost`.

    The ledger is a temporary one. At the end every hook and setting is undone, also those that the program under test made.
    """
    from farebox import runtime
    from farebox.verbs import capture

    runtime.instrument(ledger=tmp_path / "farebox.db", usage_hosts=("127.0.0.1",))
    try:
        with capture() as seen:
            yield seen
    finally:
        runtime.reset()
