"""A real ledger, and a way to write events into it."""

from __future__ import annotations

import itertools

import pytest

from farebox.ledger.registry import open_ledger


@pytest.fixture
def ledger(tmp_path):
    with open_ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def store(ledger):
    marks = itertools.count(1)

    def write(*events):
        ledger.ingest(events, journal="test", segment=0, offset=next(marks))

    return write
