"""What is told more than once is one call, in every engine: the surer telling stands, and lines count in place of their batch."""

from __future__ import annotations

import itertools

import pytest

from farebox.core.identity import stable_id

GROUP = stable_id("openai", "file_1")


@pytest.fixture
def ledger(ledger):
    yield ledger
    assert ledger.check() == []


@pytest.fixture
def put(ledger):
    offsets = itertools.count(1)
    return lambda *events: ledger.ingest(events, journal="j", segment=1, offset=next(offsets))


def sums(ledger):
    found = ledger.summary()
    return found.calls, found.cost_nano, found.input_tokens


def test_a_surer_telling_replaces_a_guess_and_never_the_other_way(ledger, put, make_event):
    key = stable_id("openai", "resp_1", seconds=1_795_000_000)
    guess = make_event(id=key, cost_status="estimated", cost_nano=9, input_tokens=None, output_tokens=None)
    known = make_event(id=key, cost_nano=5, input_tokens=7)
    put(guess)
    assert sums(ledger) == (1, 9, 0)
    put(known)
    assert sums(ledger) == (1, 5, 7)
    assert put(guess) == 0
    assert sums(ledger) == (1, 5, 7)
    assert ledger.summary().estimated == 0


def test_of_equally_sure_tellings_the_later_stands(ledger, put, make_event):
    key = stable_id("anthropic", "session_1")
    put(make_event(id=key, cost_nano=5))
    put(make_event(id=key, cost_nano=8))
    assert sums(ledger)[:2] == (1, 8)


def test_what_is_told_later_belongs_to_whoever_began_it(ledger, put, make_event):
    key = stable_id("openai", "resp_1")
    begun = make_event(id=key, cost_status="estimated", tenant_id="t", task_type="research", duration_ns=5)
    put(begun)
    put(make_event(id=key, tenant_id="poller", user_id="u", duration_ns=None))
    (event,) = ledger.calls()
    assert (event.tenant_id, event.task_type, event.user_id) == ("t", "research", "u")
    assert (event.started_at, event.duration_ns, event.cost_status) == (begun.started_at, 5, "priced")
    assert [row["tenant_id"] for row in ledger.by("tenant_id")] == ["t"]


def test_a_late_event_of_a_lost_call_keeps_all_that_it_says(ledger, put, make_event):
    late = make_event(task_type="real")
    put(make_event(id=late.id, started_at=late.started_at, status="lost", cost_status="estimated", task_type="slot"))
    put(late)
    assert [event.task_type for event in ledger.calls()] == ["real"]


def batch_of(make_event, lines=3):
    whole = make_event(
        id=stable_id("openai", "batch_1"), parent_id=GROUP, operation="batch", batch=True, cost_nano=30, input_tokens=3
    )
    parts = [
        make_event(id=stable_id("openai", f"line_{number}"), parent_id=GROUP, batch=True, cost_nano=10, input_tokens=1)
        for number in range(lines)
    ]
    return whole, parts


@pytest.mark.parametrize("order", ["whole first", "lines first", "together", "between"])
def test_lines_count_in_place_of_their_batch_whichever_came_first(ledger, put, make_event, order):
    whole, lines = batch_of(make_event)
    if order == "together":
        put(whole, *lines)
    elif order == "whole first":
        put(whole)
        assert sums(ledger) == (1, 30, 3)
        put(*lines)
    elif order == "lines first":
        put(*lines)
        put(whole)
    else:
        put(lines[0])
        put(whole)
        put(*lines[1:])
    assert sums(ledger) == (4, 30, 3)
    emptied = next(event for event in ledger.calls() if event.operation == "batch")
    assert (emptied.cost_nano, emptied.units, emptied.usage_notes) == (0, None, ("billed line by line",))
    put(whole)  # once more, by a process that knows nothing of the lines
    assert sums(ledger) == (4, 30, 3)


def test_a_batch_alone_and_parts_of_a_loop_are_left_as_they_are(ledger, put, make_event):
    whole, _ = batch_of(make_event)
    put(whole)
    put(*(make_event(parent_id="loop", cost_nano=1) for _ in range(2)))
    assert sums(ledger)[:2] == (3, 32)
