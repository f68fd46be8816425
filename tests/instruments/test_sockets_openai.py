"""Responses, live and translation connections of the openai SDK: every answer and every session is one event."""

from __future__ import annotations

import base64
import json

import pytest

from farebox.core.errors import BudgetExceeded

sdk = pytest.importorskip("openai")
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")

SECOND = {"type": "session.input_audio.append", "audio": base64.b64encode(bytes(48_000)).decode()}
ENDS = {"response.completed", "response.incomplete", "response.failed"}


def responses(client):
    if not hasattr(client.responses, "connect"):
        pytest.skip("this openai has no responses connection")
    return client.responses.connect()


def live(client):
    if not hasattr(client, "live"):
        pytest.skip("this openai has no live connection")
    return client.live.connect()


def ask(model="gpt-5-mini", **more):
    return {"type": "response.create", "model": model, "input": "2+2?", **more}


def kind(event):
    return event["type"] if isinstance(event, dict) else event.type


async def until(connection, wanted, settled, times=1):
    events = []
    while times:
        events.append(await settled(connection.recv()))
        times -= kind(events[-1]) in wanted
    return events


# --- responses


def test_a_response_is_one_event_with_its_usage_tier_and_id(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(ask()))
        return await until(connection, ENDS, wire.settled)

    last = ride(responses, scenario)[-1]
    request, end = meter.call.request, meter.call.end
    assert (request.api, request.operation, request.model) == ("responses", "chat", "gpt-5-mini")
    assert request.body["input"] == "2+2?"
    assert meter.call.raw == sockets.billed[0].usage
    assert (end["status"], end["model"], end["response_id"]) == ("ok", "gpt-5-mini", last.response.id)
    assert (end["key"], end["created"]) == (last.response.id, int(last.response.created_at))
    assert end["usage"].service_tier == "default"


def test_an_incomplete_response_is_billed_as_it_says(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(ask(max_output_tokens=4)))
        return await until(connection, ENDS, wire.settled)

    assert kind(ride(responses, scenario)[-1]) == "response.incomplete"
    assert meter.call.raw == sockets.billed[0].usage
    assert meter.call.raw["output_tokens"] == 4


def test_lanes_are_told_apart_whatever_order_they_are_answered_in(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        with sockets.hold():
            for lane, model in (("a", "gpt-5-mini"), ("b", "gpt-5.2"), ("a", "gpt-5-nano")):
                await wire.settled(connection.send(ask(model, stream_id=lane)))
            await until(connection, {"response.created"}, wire.settled, times=3)
        await until(connection, ENDS, wire.settled, times=3)

    ride(responses, scenario)
    assert [(call.request.model, call.end["model"]) for call in meter.calls] == [
        (model, model) for model in ("gpt-5-mini", "gpt-5.2", "gpt-5-nano")
    ]
    by_model = {entry.model: entry.usage for entry in sockets.billed}
    assert {call.end["model"]: call.raw for call in meter.calls} == by_model


def test_an_answer_is_for_the_first_request_of_its_own_lane(ride, sockets, hooked, meter, wire):
    answer = {
        "id": "resp_00000000000000000000b",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5.2",
        "output": [],
    }
    usage = {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}

    async def scenario(connection):
        with sockets.hold(begun=False):
            await wire.settled(connection.send(ask("gpt-5-mini", stream_id="a")))
            await wire.settled(connection.send(ask("gpt-5.2", stream_id="b")))
            sockets.wait_for_messages(2)
            sockets.say({"type": "response.created", "response": answer, "stream_id": "b", "sequence_number": 0})
            done = {**answer, "status": "completed", "usage": usage}
            sockets.say({"type": "response.completed", "response": done, "stream_id": "b", "sequence_number": 1})
            await until(connection, ENDS, wire.settled)
            assert [len(call.ends) for call in meter.calls] == [0, 1]
            await wire.settled(connection.close())

    ride(responses, scenario)
    assert (meter.calls[1].raw, meter.calls[1].request.model) == (usage, "gpt-5.2")
    assert meter.calls[0].end["status"] == "abandoned"


def test_an_error_before_an_answer_costs_nothing(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send({"type": "response.create", "model": "gpt-5-mini"}))
        await until(connection, {"error"}, wire.settled)
        await wire.settled(connection.send(ask()))
        await until(connection, ENDS, wire.settled)

    ride(responses, scenario)
    assert [(call.end["status"], call.end["billable"]) for call in meter.calls] == [("error", False), ("ok", True)]
    assert meter.calls[1].raw == sockets.billed[0].usage


def test_a_refused_response_leaves_the_connection_usable(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        meter.refuses = True
        with pytest.raises(BudgetExceeded):
            await wire.settled(connection.send(ask()))
        assert sockets.received == []
        meter.refuses = False
        await wire.settled(connection.send(ask()))
        await until(connection, ENDS, wire.settled)

    ride(responses, scenario)
    assert meter.call.raw == sockets.billed[0].usage


def test_closing_in_the_middle_of_a_response_keeps_its_id(ride, sockets, hooked, meter, wire):
    """It is stored at the provider, and may be asked for and told of later."""

    async def scenario(connection):
        with sockets.hold():
            await wire.settled(connection.send(ask()))
            created = (await until(connection, {"response.created"}, wire.settled))[-1]
            await wire.settled(connection.close())
        return created.response.id

    identity = ride(responses, scenario)
    end = meter.call.end
    assert (end["status"], end["usage"], end["key"], end["model"]) == ("abandoned", None, identity, "gpt-5-mini")
    assert end["created"] is not None


def test_a_session_of_lanes_is_metered(mode, sockets, hooked, meter, wire):
    sessions = pytest.importorskip("openai.lib.responses_websocket", reason="this openai has no lanes")
    limits = sessions.ResponsesWebSocketLimits(4, 100, 400, 1_000_000, 4_000_000)

    def synchronous():
        with (
            sockets.openai_client() as client,
            client.responses.connect() as connection,
            sessions.ResponsesWebSocketSession(connection, limits=limits) as session,
        ):
            lane = session.lane("mine")
            lane.send(ask())
            meter.refuses = True
            with pytest.raises(BudgetExceeded):
                session.default.send(ask())
            meter.refuses = False
            return lane.get_final_response(timeout=10)

    async def asynchronous():
        async with (
            sockets.async_openai_client() as client,
            client.responses.connect() as connection,
            sessions.AsyncResponsesWebSocketSession(connection, limits=limits) as session,
        ):
            lane = session.lane("mine")
            await lane.send(ask())
            return await lane.get_final_response()

    final = wire.run(asynchronous) if mode == "async" else synchronous()
    assert meter.call.raw == sockets.billed[0].usage
    assert meter.call.end["response_id"] == final.id


def test_messages_queued_before_the_connection_stands_are_metered(mode, sockets, hooked, meter, wire):
    def connect(client):
        manager = responses(client)
        if not hasattr(manager, "send"):
            pytest.skip("this openai has no queue")
        manager.send(ask())
        return manager

    async def scenario():
        client = sockets.async_openai_client() if mode == "async" else sockets.openai_client()
        connection = await wire.settled(connect(client).enter())
        await until(connection, ENDS, wire.settled)
        await wire.settled(connection.close())
        await wire.settled(client.close())

    wire.run(scenario)
    assert meter.call.raw == sockets.billed[0].usage


# --- live


def start(**more):
    return {"type": "session.start", "session": {"model": "gpt-live-1", **more}}


async def talk(connection, settled, seconds, *, close=True, **more):
    await settled(connection.send(start(**more)))
    for _ in range(seconds):
        await settled(connection.send(SECOND))
        await until(connection, {"session.usage.updated"}, settled)
    if close:
        await settled(connection.send({"type": "session.close"}))
        await until(connection, {"session.closed"}, settled)


def test_a_live_session_is_one_event_with_the_seconds_in_all(ride, sockets, hooked, meter, wire):
    ride(live, lambda connection: talk(connection, wire.settled, 3))
    request, end = meter.call.request, meter.call.end
    assert (request.api, request.operation, request.model) == ("live", "realtime", "gpt-live-1")
    assert end["usage"].units == {"seconds": 3}
    assert (end["status"], end["partial"]) == ("ok", False)
    assert end["key"] == end["response_id"]
    assert [entry.usage for entry in sockets.billed] == [meter.call.raw]


def test_of_a_session_that_breaks_the_most_seconds_that_were_said_count(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await talk(connection, wire.settled, 2, close=False)
        sockets.say({"type": "session.usage.updated", "event_id": "late", "usage": {"seconds": 1}})
        await until(connection, {"session.usage.updated"}, wire.settled)

    ride(live, scenario)
    end = meter.call.end
    assert (end["usage"].units, end["status"], end["partial"]) == ({"seconds": 2}, "abandoned", True)


def test_a_refused_session_is_not_started(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        meter.refuses = True
        with pytest.raises(BudgetExceeded):
            await wire.settled(connection.send(start()))
        assert sockets.received == []
        meter.refuses = False
        await talk(connection, wire.settled, 1)

    ride(live, scenario)
    assert meter.call.raw == sockets.billed[0].usage


def test_models_behind_a_live_session_are_billed_apart(ride, sockets, hooked, meter, wire):
    behind = {"type": "responses", "responses": {"model": "gpt-5-mini"}}
    ride(live, lambda connection: talk(connection, wire.settled, 2, delegation=behind))
    assert sorted(call.request.api for call in meter.calls) == ["live", "responses", "responses"]
    told = [(call.end["model"] or call.request.model, call.raw) for call in meter.calls]
    assert sorted(told, key=repr) == sorted(((entry.model, entry.usage) for entry in sockets.billed), key=repr)


def test_decisions_behind_a_live_session_are_billed_apart(ride, sockets, hooked, meter, wire):
    behind = {"type": "decisions", "decisions": {"model": "gpt-decisions"}}
    ride(live, lambda connection: talk(connection, wire.settled, 1, delegation=behind))
    decided = [call for call in meter.calls if call.request.api == "decisions"]
    assert [(call.request.model, call.raw) for call in decided] == [
        (entry.model, entry.usage) for entry in sockets.billed if entry.api == "decisions"
    ]
    assert len(meter.calls) == 2


def test_a_session_that_is_joined_is_known_by_its_id(ride, sockets, hooked, meter, wire):
    def attach(client):
        live(client)
        return client.live.sideband.connect(session_id="live_0123456789abcdef")

    session = {"id": "live_0123456789abcdef", "model": "gpt-live-1", "status": "active", "expires_at": 0}

    async def scenario(connection):
        sockets.say({"type": "session.updated", "event_id": "e1", "session": session})
        sockets.say({"type": "session.usage.updated", "event_id": "e2", "usage": {"seconds": 4}})
        closed = {"type": "session.closed", "event_id": "e3", "reason": "expired", "session": session}
        sockets.say({**closed, "usage": {"seconds": 5}})
        await until(connection, {"session.closed"}, wire.settled)

    ride(attach, scenario)
    assert meter.call.request.begun
    assert (meter.call.raw, meter.call.end["key"], meter.call.end["model"]) == (
        {"seconds": 5}, session["id"], "gpt-live-1",
    )  # fmt: skip


# --- translations


def test_a_translation_is_estimated_by_the_sound_that_was_sent(ride, sockets, hooked, meter, wire):
    def translations(client):
        if not hasattr(getattr(client, "realtime", None), "translations"):
            pytest.skip("this openai has no translations")
        return client.realtime.translations.connect(model="gpt-realtime-translate")

    async def scenario(connection):
        for _ in range(5):
            half = base64.b64encode(bytes(24_000)).decode()
            await wire.settled(connection.send({"type": "session.input_audio_buffer.append", "audio": half}))
        await wire.settled(connection.send({"type": "session.close"}))
        await until(connection, {"session.closed"}, wire.settled)

    ride(translations, scenario)
    end = meter.call.end
    assert meter.call.request.model == "gpt-realtime-translate"
    assert (end["usage"].units, end["usage"].raw) == ({"seconds": 2.5}, None)
    assert end["partial"]
    assert [json.loads(frame)["type"] for frame in sockets.received].count("session.close") == 1


@pytest.mark.parametrize("bounded", [True, False])
def test_a_translation_session_of_the_sdks_library_is_metered(mode, sockets, hooked, meter, wire, bounded):
    """Its `recv` with a timeout reads the transport itself."""
    library = pytest.importorskip("openai.lib.realtime_translation", reason="this openai has no translations")
    half = {"type": "session.input_audio_buffer.append", "audio": base64.b64encode(bytes(24_000)).decode()}

    def synchronous():
        with (
            sockets.openai_client() as client,
            library.TranslationSession(client.realtime.translations, model="gpt-realtime-translate") as session,
        ):
            session.send(half)
            session.send({"type": "session.close"})
            while session.recv(**{"timeout": 10} if bounded else {}).type != "session.closed":
                pass

    async def asynchronous():
        async with (
            sockets.async_openai_client() as client,
            library.AsyncTranslationSession(client.realtime.translations, model="gpt-realtime-translate") as session,
        ):
            await session.send(half)
            await session.send({"type": "session.close"})
            while (await session.recv()).type != "session.closed":
                pass

    if mode == "async":
        wire.run(asynchronous)
    else:
        synchronous()
    assert (meter.call.end["usage"].units, meter.call.end["status"]) == ({"seconds": 0.5}, "ok")
