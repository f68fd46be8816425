"""Retention, as every engine of the ledger holds to it: single calls go step by step, sums stay, and a question says what it still can."""

from __future__ import annotations

import pytest

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
MIDNIGHT = 1_795_000_000_000_000_000 // DAY * DAY


@pytest.fixture
def filled(ledger, make_event):
    """Six hours apart, ten days up to midnight; a tenth of a second and a hundredth to answer."""
    events = [
        make_event(
            started_at=MIDNIGHT - 10 * DAY + number * 6 * HOUR + 60 * 10**9,
            tenant_id=f"t{number % 3}",
            user_id="u",
            duration_ns=10**8,
            first_chunk_ns=10**7,
        )
        for number in range(40)
    ]
    ledger.ingest(events, journal="j", segment=1, offset=1)
    return events


def retain_all(ledger, before):
    steps = 1
    while ledger.retain(before):
        steps += 1
    return steps


def test_single_calls_go_and_sums_stay(ledger, filled):
    before = ledger.by("tenant_id", "day"), ledger.by("model"), ledger.percentiles("model")
    retain_all(ledger, MIDNIGHT - 3 * DAY + 5 * HOUR)
    assert list(ledger.calls()) == filled[:27:-1]  # a whole day at a time
    assert (ledger.by("tenant_id", "day"), ledger.by("model"), ledger.percentiles("model")) == before
    assert ledger.summary().retained_since == MIDNIGHT - 3 * DAY
    assert ledger.check() == []
    retain_all(ledger, MIDNIGHT)
    assert list(ledger.calls()) == []
    assert ledger.summary().calls == 40
    assert ledger.check() == []


def test_what_was_removed_stays_removed_when_more_is_kept_again(ledger, filled):
    retain_all(ledger, MIDNIGHT - DAY)
    retain_all(ledger, MIDNIGHT - 9 * DAY)
    assert ledger.summary().retained_since == MIDNIGHT - DAY
    assert len(list(ledger.calls())) == 4


def test_where_only_sums_are_left_times_count_by_the_full_hour(ledger, filled):
    start = MIDNIGHT - 10 * DAY
    within = {"since": start + 30 * 60 * 10**9, "until": start + 6 * HOUR + 30 * 10**9}
    assert ledger.summary(**within).calls == 0  # the calls were a minute after their hours began
    retain_all(ledger, MIDNIGHT - DAY)
    assert ledger.summary(**within).calls == 2
    assert ledger.percentiles(**within)[0].calls == 2
    assert ledger.summary(start + 2 * 60 * 10**9, start + HOUR).calls == 1


def test_a_question_that_sums_cannot_answer_is_about_the_calls_that_are_left(ledger, filled):
    assert ledger.by("user_id")[0]["calls"] == 40
    retain_all(ledger, MIDNIGHT - DAY)
    assert ledger.by("user_id")[0]["calls"] == 4


def test_a_call_that_comes_after_its_time_is_counted_and_then_goes(ledger, filled, make_event):
    retain_all(ledger, MIDNIGHT - DAY)
    late = make_event(started_at=MIDNIGHT - 5 * DAY + 5)
    assert ledger.ingest([late], journal="late", segment=1, offset=1) == 1
    assert late in list(ledger.calls())
    assert ledger.check() == []
    retain_all(ledger, MIDNIGHT - DAY)
    assert late not in list(ledger.calls())
    assert ledger.summary().calls == 41
    assert ledger.check() == []
