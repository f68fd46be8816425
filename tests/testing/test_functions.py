"""Which function the loopback provider calls, and with what."""

from __future__ import annotations

import pytest

from farebox.testing.functions import next_call
from farebox.testing.wire import Habits


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (None, {}),
        ({"type": "object"}, {}),
        ({"type": "OBJECT", "properties": {"zone": {"type": "INTEGER"}}, "required": ["zone"]}, {"zone": 1}),
        (
            {"properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "array"}}, "required": ["a", "b"]},
            {"a": "x", "b": []},
        ),
        (
            {
                "properties": {"a": {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]}},
                "required": ["a"],
            },
            {"a": {"b": True}},
        ),
        ({"properties": {"a": {"type": "string"}}}, {}),
    ],
)
def test_arguments_are_the_smallest_that_the_schema_allows(schema, arguments):
    call = next_call([("fare", schema), ("other", None)], 0, Habits(function_calls=1))
    assert (call.name, call.arguments) == ("fare", arguments)


def test_a_conversation_has_its_share_of_calls_and_no_more():
    assert next_call([("fare", None)], 1, Habits(function_calls=2)) is not None
    assert next_call([("fare", None)], 2, Habits(function_calls=2)) is None
    assert next_call([], 0, Habits(function_calls=2)) is None
    assert next_call([("fare", None)], 0, Habits()) is None
