"""Readers of bills never fail on what they are sent: it is read, or named, or the part ends with a sentence. Amounts stay exact."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from farebox.reconcile import anthropic, openai, reading
from farebox.reconcile.pages import Clock, Pages, StatementError, hidden
from farebox.reconcile.transport import Answer

DAY = "2026-11-18"
START = 1_794_960_000

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OPENAI_FIELDS = (
    "model",
    "batch",
    "service_tier",
    "api_key_id",
    "input_tokens",
    "output_tokens",
    "input_cached_tokens",
    "images",
    "num_requests",
    "line_item",
)
ANTHROPIC_FIELDS = (
    "model",
    "service_tier",
    "uncached_input_tokens",
    "output_tokens",
    "cache_creation",
    "server_tool_use",
    "amount",
    "currency",
    "description",
    "cost_type",
    "token_type",
)


def rows(fields):
    amount = st.fixed_dictionaries({"value": anything, "currency": st.sampled_from(["usd", "eur"]) | anything})
    row = st.dictionaries(st.sampled_from(fields), anything, max_size=6)
    return st.lists(
        st.tuples(row, amount | anything).map(lambda pair: {**pair[0], "amount": pair[1]}) | anything, max_size=4
    )


class Once:
    """A transport that gives one body."""

    def __init__(self, body):
        self._body = body

    def get(self, path, parameters):
        return Answer(200, self._body)


def lines(read, part, body):
    """Whatever is read of a body, or the sentence that the part ended with."""
    try:
        return [found for _, found in read(Pages(Once(body), Clock(), key="", hint=""), part, DAY, DAY)]
    except StatementError as error:
        return [str(error)]


@given(rows(OPENAI_FIELDS), st.sampled_from(sorted(openai.PARTS)))
def test_no_result_of_openais_makes_the_reader_fail(results, part):
    body = json.dumps({"data": [{"start_time": START, "results": results}], "has_more": False}).encode()
    (found,) = lines(openai.read, part, body)
    assert len(found.usage) + len(found.money) + len(found.problems) <= len(results)
    assert bool(results) == bool(found.usage or found.money or found.problems)
    assert all(number > 0 for line in found.usage for number in line.units.values())


@given(rows(ANTHROPIC_FIELDS), st.sampled_from(sorted(anthropic.PARTS)))
def test_no_result_of_anthropics_makes_the_reader_fail(results, part):
    body = json.dumps({"data": [{"starting_at": f"{DAY}T00:00:00Z", "results": results}]}).encode()
    (found,) = lines(anthropic.read, part, body)
    assert bool(results) == bool(found.usage or found.money or found.problems)


@given(anything, st.sampled_from([("costs", openai.read), ("messages", anthropic.read)]))
def test_no_body_at_all_makes_a_reader_fail(body, way):
    part, read = way
    for sent in (body, {"data": body, "has_more": False}, {"data": [body]}):
        assert all(lines(read, part, json.dumps(sent).encode()))


@given(st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=12), st.booleans())
def test_amounts_survive_to_the_last_digit(amount, as_text):
    value = json.loads(f'"{amount}"' if as_text else f"{amount:f}", parse_float=Decimal)
    assert reading.amount(value, "amount") == amount


@given(st.text("abcdefgh-0123", min_size=12, max_size=40), st.text(max_size=20), st.integers(0, 40))
def test_no_beginning_or_end_of_a_key_is_shown(key, around, length):
    for part in (key, key[: max(6, length)], key[-max(4, length) :]):
        shown = hidden(f"{around} {part} {around}", key)
        assert key[:6] not in shown
        assert key[-4:] not in shown
