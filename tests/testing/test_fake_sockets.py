"""The loopback websockets keep to the rules that meters count on, also for clients that are no SDK."""

from __future__ import annotations

import base64
import json

import pytest

from farebox.testing.sockets import FakeSockets

pytest.importorskip("websockets")
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SECOND = base64.b64encode(bytes(48_000)).decode()


@pytest.fixture
def sockets():
    with FakeSockets(6) as running:
        yield running


def say(socket, *messages):
    for message in messages:
        socket.send(json.dumps(message))


def until(socket, kind):
    events = []
    while not events or events[-1].get("type") != kind:
        events.append(json.loads(socket.recv(timeout=10)))
    return events


def test_without_a_start_there_is_no_address():
    with pytest.raises(RuntimeError, match="not open"):
        _ = FakeSockets().url


def test_realtime_counts_by_modality_and_what_was_said_before_is_cached(sockets):
    with connect(f"{sockets.url}/v1/realtime?model=m") as socket:
        say(socket, {"type": "input_audio_buffer.append", "audio": SECOND})
        until(socket, "response.done")
        say(
            socket,
            {"type": "conversation.item.create", "item": {"content": [{"type": "input_text", "text": "Go on."}]}},
        )
        say(socket, {"type": "response.create"})
        usage = until(socket, "response.done")[-1]["response"]["usage"]
    details = usage["input_token_details"]
    assert details["text_tokens"] + details["audio_tokens"] == usage["input_tokens"]
    assert details["cached_tokens"] == details["cached_tokens_details"]["audio_tokens"] == 10
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert [entry.usage for entry in sockets.billed][-1] == usage
    assert {entry.model for entry in sockets.billed} == {"m"}


def test_an_unknown_event_is_an_error_that_names_it_and_costs_nothing(sockets):
    with connect(f"{sockets.url}/v1/realtime") as socket:
        say(socket, {"type": "nothing.known", "event_id": "mine"})
        assert until(socket, "error")[-1]["error"]["event_id"] == "mine"
    assert sockets.billed == []


def test_answers_that_are_held_come_in_turns_and_are_billed_then(sockets):
    with connect(f"{sockets.url}/v1/responses") as socket:
        with sockets.hold():
            for lane in "ab":
                say(socket, {"type": "response.create", "model": "m", "input": "x", "stream_id": lane})
            assert [until(socket, "response.created")[-1]["stream_id"] for _ in "ab"] == ["a", "b"]
            assert sockets.billed == []
        events = until(socket, "response.completed")
    assert [event["stream_id"] for event in events[:4]] == ["a", "b", "a", "b"]


def test_a_cut_connection_has_no_goodbye(sockets):
    with connect(f"{sockets.url}/v1/realtime") as socket:
        until(socket, "session.created")
        sockets.cut()
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=10)
    assert caught.value.rcvd is None


def test_a_live_session_that_is_left_is_billed_what_was_said_last(sockets):
    with connect(f"{sockets.url}/v1/live/sessions") as socket:
        say(socket, {"type": "session.start", "session": {"model": "gpt-live-1"}})
        say(socket, {"type": "session.input_audio.append", "audio": SECOND})
        until(socket, "session.usage.updated")
    sockets.stop()
    assert [(entry.usage, entry.stated) for entry in sockets.billed] == [({"seconds": 1}, False)]


def test_what_has_no_route_is_closed(sockets):
    with connect(f"{sockets.url}/v1/elsewhere") as socket, pytest.raises(ConnectionClosed):
        socket.recv(timeout=10)
