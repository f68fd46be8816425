from __future__ import annotations

import pytest

from farebox.core.event import LINE_BY_LINE, emptied


@pytest.mark.parametrize(
    ("fields", "certainty"),
    [
        ({"status": "lost", "cost_status": "estimated"}, 0),
        ({"cost_status": "estimated"}, 1),
        ({"cost_status": "unpriced", "cost_nano": None}, 1),
        ({"cost_status": "partial"}, 2),
        ({"cost_status": "provider"}, 2),
        ({}, 2),
    ],
)
def test_an_event_is_as_sure_as_its_cost(make_event, fields, certainty):
    assert make_event(**fields).certainty == certainty


def test_an_emptied_batch_stays_and_counts_nothing(make_event):
    event = make_event(operation="batch", response_id="batch_1", cost_status="estimated", cost_low_nano=1)
    empty = emptied(event)
    assert (empty.id, empty.response_id, empty.request_model) == (event.id, "batch_1", event.request_model)
    assert (empty.cost_nano, empty.cost_status, empty.cost_low_nano) == (0, "priced", None)
    assert (empty.units, empty.input_tokens, empty.usage_notes) == (None, None, (LINE_BY_LINE,))
