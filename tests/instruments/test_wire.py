"""Usage is read out of bytes however they are cut, and out of answers however odd."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
import wire_payloads
import wire_server
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.core import semconv
from farebox.core.event import CallRequest
from farebox.instruments.anthropic import INSTRUMENT
from farebox.instruments.google_tools import asked
from farebox.instruments.hook import Answer
from farebox.instruments.observation import Observation
from farebox.instruments.openai_text import CHAT, Completion, asked_tools, hosted_tools
from farebox.instruments.reading import decode, header, plain, read
from farebox.instruments.wire import Scanner, without_bare, without_bare_async

MERGED = {**wire_payloads.START_USAGE, "output_tokens": 12}


class Call:
    def __init__(self):
        self.ends = []

    def first_chunk(self):
        pass

    def settle(self, usage=None, **facts):
        self.ends.append((usage, facts))


def scanned(content_type):
    options = type("Options", (), {"method": "post", "url": "/v1/messages"})()
    seen, call = Observation(INSTRUMENT.dialect.route((None, options), {}), None), Call()
    seen.watches(call, CallRequest(semconv.ANTHROPIC, "chat", "messages", "m"))
    seen.begin()
    return Scanner(seen, content_type), call


def cut(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 10_000), max_size=12),
    st.sampled_from(["text/event-stream", "application/vnd.amazon.eventstream"]),
)
def test_usage_is_the_same_however_the_bytes_are_cut(cuts, content_type):
    frame = wire_server.aws_frame if "amazon" in content_type else wire_server.sse
    scanner, call = scanned(content_type)
    for piece in cut(b"".join(map(frame, wire_payloads.message_events())), cuts):
        assert scanner.note(piece) is False
    scanner.exhausted()
    ((usage, facts),) = call.ends
    assert (usage.raw, facts["pieces"], facts["partial"]) == (MERGED, 7, False)


@settings(deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(["text/event-stream", "application/vnd.amazon.eventstream", "application/json", ""]),
)
def test_any_bytes_are_scanned_without_harm(data, content_type):
    from farebox.core import guard

    guard.raise_faults(enabled=False)
    scanner, call = scanned(content_type)
    scanner.note(data)
    scanner.exhausted()
    guard.raise_faults(enabled=True)
    assert len(call.ends) == 1


def test_an_event_that_the_server_did_not_end_is_read():
    scanner, call = scanned("text/event-stream")
    scanner.note(b"".join(map(wire_server.sse, wire_payloads.message_events()[:6])).rstrip())
    scanner.exhausted()
    assert call.ends[0][0].raw == MERGED


@pytest.mark.parametrize(("how", "status"), [("left", "abandoned"), ("failed", "error")])
def test_bytes_that_end_early_are_partial(how, status):
    scanner, call = scanned("text/event-stream")
    scanner.note(wire_server.sse(wire_payloads.message_events()[0]))
    scanner.failed(OSError()) if how == "failed" else scanner.left()
    ((usage, facts),) = call.ends
    assert (facts["status"], facts["partial"], usage.raw) == (status, True, wire_payloads.START_USAGE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["usage", "model", "id", "service_tier", "output", "tools", "tool_usage"]), json_values
    )
)
def test_any_members_are_read_alike_from_a_dict_and_from_its_text(answer):
    row = Answer(Completion, tier="service_tier")
    assert read(answer, row) == read(decode(json.dumps(answer), row), row)
    hosted_tools(answer, ())


@pytest.mark.parametrize("value", [None, "x", 3, [1], object()])
def test_what_is_no_object_is_no_usage(value):
    assert plain(value) is None


def test_usage_that_is_an_object_already_is_not_copied():
    usage = {"a": 1}
    assert plain(usage) is usage


@pytest.mark.parametrize("answer", [{}, "text", None, 3])
def test_an_answer_without_members_says_nothing(answer):
    reading = read(answer, CHAT)
    assert (reading.usage, reading.model, reading.id, reading.tier) == (None, None, None, None)


@pytest.mark.parametrize("headers", [{"X-Tier": "flex"}, {"x-tier": "flex"}])
def test_a_header_is_found_in_either_case(headers):
    assert header(headers, "x-tier") == "flex"
    assert header(None, "x-tier") is None


@pytest.mark.parametrize("body", [None, [], {}, {"tools": None}, {"tools": "x"}, {"tools": [3, {}, {"type": 4}]}])
def test_odd_tools_in_a_request_are_none(body):
    assert (asked(body), asked_tools(body)) == ((), ())


def test_cached_content_may_hold_a_search():
    assert asked({"cachedContent": "c"}) == ("google_search",)


CHUNK = b'data: {"choices": [{"delta": {"content": "a"}}], "usage": null}\n\n'
ASKED_FOR = b'data: {"choices": [], "usage": {"prompt_tokens": 3}}\n\n'
LAST = b'data: {"choices": [{"delta": {}}], "usage": {"prompt_tokens": 3}}\r\n\r\n'


@settings(deadline=None)
@given(cuts=st.lists(st.integers(min_value=0), max_size=9))
def test_the_chunk_that_was_asked_for_is_cut_out_however_the_bytes_come(cuts):
    whole = CHUNK * 2 + ASKED_FOR + LAST + b'data: {"usage": odd\n\ndata: [DONE]'
    wanted = whole.replace(ASKED_FOR, b"")
    assert b"".join(without_bare(iter_of(cut(whole, cuts)))) == wanted
    assert asyncio.run(joined(without_bare_async(aiter_of(cut(whole, cuts))))) == wanted


def iter_of(parts):
    yield from parts


async def aiter_of(parts):
    for part in parts:
        yield part


async def joined(parts):
    return b"".join([part async for part in parts])


def test_who_stops_reading_lines_closes_what_he_read_from():
    source = iter_of([CHUNK, CHUNK])
    reader = without_bare(source)
    next(reader)
    reader.close()
    assert list(source) == []
