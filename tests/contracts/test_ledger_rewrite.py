"""Changing stored calls, as every engine of the ledger holds to it."""

from __future__ import annotations

from contextlib import closing

import msgspec
import pytest

from farebox.core.errors import LedgerError
from farebox.ledger import open_ledger

NOON = 1_795_000_000_000_000_000
HOUR = 3_600_000_000_000


@pytest.fixture
def ledger(ledger, make_event):
    events = [
        make_event(started_at=NOON + at * HOUR, request_model="a" if at % 2 else "b", tenant_id=f"t{at % 3}")
        for at in range(60)
    ]
    ledger.ingest(events, journal="j", segment=1, offset=1)
    return ledger


def doubled(event):
    return msgspec.structs.replace(event, cost_nano=2 * event.cost_nano)


def test_calls_and_sums_change_together(ledger):
    before = ledger.summary().cost_nano

    assert ledger.rewrite(doubled) == 60

    assert ledger.summary().cost_nano == 2 * before
    assert sum(event.cost_nano for event in ledger.calls()) == 2 * before
    assert sum(row["cost_nano"] for row in ledger.by("tenant_id")) == 2 * before
    assert ledger.check() == []


def test_only_what_is_asked_for_changes(ledger):
    assert ledger.rewrite(doubled, model="a") == 30
    assert ledger.rewrite(doubled, since=NOON + 50 * HOUR) == 10
    assert ledger.rewrite(doubled, since=NOON + 50 * HOUR, model="b") == 5
    assert ledger.rewrite(doubled, since=NOON + 900 * HOUR) == 0
    assert ledger.check() == []


def test_a_call_that_came_late_is_not_missed(ledger, make_event):
    late = msgspec.structs.replace(make_event(started_at=NOON + 900 * HOUR), started_at=NOON + 10 * HOUR)
    early = msgspec.structs.replace(make_event(started_at=NOON - 900 * HOUR), started_at=NOON + 10 * HOUR)
    ledger.ingest([late, early], journal="j", segment=1, offset=2)
    seen = []

    ledger.rewrite(lambda event: seen.append(event.id), since=NOON + 10 * HOUR)

    assert {late.id, early.id} <= set(seen)
    assert len(seen) == 52


def test_a_dry_run_asks_and_changes_nothing(ledger):
    before = ledger.summary()

    assert ledger.rewrite(doubled, dry_run=True) == 60
    assert ledger.summary() == before
    assert ledger.check() == []


def test_a_fault_on_the_way_changes_nothing(ledger):
    before, count = ledger.summary(), iter(range(60))

    def failing(event):
        if next(count) == 40:
            raise ArithmeticError("a fault")
        return doubled(event)

    with pytest.raises(ArithmeticError):
        ledger.rewrite(failing)
    assert ledger.summary() == before
    assert ledger.rewrite(lambda event: event) == 0
    assert ledger.check() == []


def test_a_call_keeps_its_id_and_time(ledger):
    with pytest.raises(ValueError, match="keeps its id and time"):
        ledger.rewrite(lambda event: msgspec.structs.replace(event, id="other"))


def test_a_ledger_that_is_only_read_is_not_changed(ledger, place):
    before = ledger.summary()
    with closing(open_ledger(place, read_only=True)) as reading, pytest.raises(LedgerError):
        reading.rewrite(doubled)
    assert ledger.summary() == before
