"""Every answer on a realtime connection is one event with the provider's own usage, and the user's program sees no difference."""

from __future__ import annotations

import asyncio
import base64
import gc
import inspect
import json
import os
import weakref

import pytest

from farebox.core.errors import BudgetExceeded
from farebox.instruments.patching import WireOptions, install

sdk = pytest.importorskip("openai")
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")

SOUND = base64.b64encode(bytes(48_000)).decode()
SILENT = {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}}
ASK = {"type": "response.create"}


def realtime(client):
    resource = client.realtime if hasattr(client, "realtime") else client.beta.realtime
    return resource.connect(model="gpt-realtime-2.1")


def kind(event):
    return event["type"] if isinstance(event, dict) else event.type


async def until(connection, wanted, settled, times=1):
    """Events up to the so-manyth of a type."""
    events = []
    while times:
        events.append(await settled(connection.recv()))
        times -= kind(events[-1]) == wanted
    return events


def usages(sockets, api="realtime"):
    return [entry.usage for entry in sockets.billed if entry.api == api]


def raws(meter, api="realtime"):
    return [call.raw for call in meter.calls if call.request.api == api]


def test_an_answer_is_one_event_with_the_usage_as_sent(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        await wire.settled(connection.send({**ASK, "event_id": "mine", "response": {"instructions": "Be short."}}))
        return await until(connection, "response.done", wire.settled)

    events = ride(realtime, scenario)
    assert kind(events[-1]) == "response.done"
    request, end = meter.call.request, meter.call.end
    assert (request.provider, request.api, request.operation, request.model) == (
        "openai", "realtime", "realtime", "gpt-realtime-2.1",
    )  # fmt: skip
    assert (request.server_address, request.stream, request.begun) == ("127.0.0.1", True, False)
    assert raws(meter) == usages(sockets)
    assert (end["status"], end["billable"], end["partial"]) == ("ok", True, False)
    assert end["response_id"] == end["key"]
    assert end["response_id"].startswith("resp_")
    assert meter.call.first_chunks == 1


def test_cached_tokens_are_told_apart_by_modality(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        await wire.settled(connection.send({"type": "input_audio_buffer.append", "audio": SOUND}))
        for _ in range(2):
            await wire.settled(connection.send(ASK))
            await until(connection, "response.done", wire.settled)

    ride(realtime, scenario)
    assert raws(meter) == usages(sockets)
    units = [call.end["usage"].units for call in meter.calls]
    assert units == [
        {"input_audio": 10, "output": 12, "output_audio": 24},
        {"cache_read_audio": 10, "input_audio": 24, "input": 12, "output": 12, "output_audio": 24},
    ]


def test_a_turn_that_the_server_begins_is_metered_and_never_refused(ride, sockets, hooked, meter, wire):
    meter.refuses = True

    async def scenario(connection):
        await wire.settled(connection.send({"type": "input_audio_buffer.append", "audio": SOUND}))
        await until(connection, "response.done", wire.settled)

    ride(realtime, scenario)
    assert meter.call.request.begun
    assert raws(meter) == usages(sockets) != []


@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "whisper-1"])
def test_a_transcript_is_an_event_of_its_own_at_the_model_that_wrote_it(ride, sockets, hooked, meter, wire, model):
    update = {"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": model}}}}}

    async def scenario(connection):
        await wire.settled(connection.send(update))
        await until(connection, "session.updated", wire.settled)
        await wire.settled(connection.send({"type": "input_audio_buffer.append", "audio": SOUND}))
        await until(connection, "response.done", wire.settled)

    ride(realtime, scenario)
    transcripts = [call for call in meter.calls if call.request.operation == "transcription"]
    assert [call.request.model for call in transcripts] == [model]
    assert raws(meter, "audio.transcriptions") == usages(sockets, "audio.transcriptions")
    assert transcripts[0].end["usage"].units in ({"input_audio": 10, "output": 5}, {"seconds": 1})
    assert raws(meter) == usages(sockets)


def test_a_transcript_whose_model_is_not_known_gets_no_other_models_price(ride, sockets, hooked, meter, wire):
    kind_ = "conversation.item.input_audio_transcription.completed"
    told = {"type": kind_, "event_id": "e", "item_id": "item_0123456789abcdefg", "content_index": 0, "transcript": "a"}

    async def scenario(connection):
        await until(connection, "session.created", wire.settled)
        for _ in range(2):
            sockets.say({**told, "usage": {"type": "duration", "seconds": 2.5}})
            await until(connection, kind_, wire.settled)

    ride(realtime, scenario)
    assert [call.request.model for call in meter.calls] == [None, None]
    assert {call.end["key"] for call in meter.calls} == {"item_0123456789abcdefg/0"}
    assert meter.calls[0].raw == {"type": "duration", "seconds": 2.5}


def test_pieces_of_text_are_counted_for_an_answer_that_is_left(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        with sockets.hold():
            await wire.settled(connection.send(ASK))
            await until(connection, "response.created", wire.settled)
            for _ in range(3):
                sockets.say({"type": "response.output_text.delta", "event_id": "e", "item_id": "i", "delta": "a"})
            await until(connection, "response.output_text.delta", wire.settled, times=3)
            await wire.settled(connection.close())

    ride(realtime, scenario)
    assert meter.call.end["pieces"] == 3


def test_a_message_that_is_no_json_goes_through(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await until(connection, "session.created", wire.settled)
        sockets.say([1, 2])
        assert await wire.settled(connection.recv_bytes()) == b"[1, 2]"
        await wire.settled(connection._connection.send(b"\xff\x00 no json"))

    ride(realtime, scenario)
    assert meter.calls == []


def test_two_answers_in_flight_are_told_apart(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        with sockets.hold():
            for length in (3, 7):
                asked = {"conversation": "none", "max_output_tokens": length}
                await wire.settled(connection.send({**ASK, "response": asked}))
            await until(connection, "response.created", wire.settled, times=2)
        return [
            e for e in await until(connection, "response.done", wire.settled, times=2) if kind(e) == "response.done"
        ]

    done = ride(realtime, scenario)
    lengths = {event.response.id: event.response.usage.output_tokens for event in done}
    assert sorted(lengths.values()) == [9, 21]
    assert {call.end["response_id"]: call.raw["output_tokens"] for call in meter.calls} == lengths


def test_a_refused_turn_is_not_sent_and_the_connection_goes_on(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        meter.refuses = True
        with pytest.raises(BudgetExceeded):
            await wire.settled(connection.response.create())
        meter.refuses = False
        await wire.settled(connection.response.create())
        return await until(connection, "response.done", wire.settled)

    ride(realtime, scenario)
    asked = [json.loads(frame)["type"] for frame in sockets.received]
    assert asked == ["session.update", "response.create"]
    assert raws(meter) == usages(sockets) != []


def test_a_cancelled_answer_is_settled_with_the_usage_until_then(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        with sockets.hold():
            await wire.settled(connection.send(ASK))
            await until(connection, "response.created", wire.settled)
            await wire.settled(connection.send({"type": "response.cancel"}))
            await until(connection, "response.done", wire.settled)

    ride(realtime, scenario)
    assert meter.call.end["status"] == "cancelled"
    assert raws(meter) == usages(sockets) != []


def test_closing_in_the_middle_settles_as_abandoned(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        with sockets.hold():
            await wire.settled(connection.send(ASK))
            await until(connection, "response.created", wire.settled)
            await wire.settled(connection.close())
            assert meter.call.end["status"] == "abandoned"

    ride(realtime, scenario)
    end = meter.call.end
    assert (end["usage"], end["billable"]) == (None, True)
    assert end["response_id"].startswith("resp_")


def test_a_connection_that_breaks_settles_and_raises_as_before(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        from websockets.exceptions import ConnectionClosed

        await wire.settled(connection.send(SILENT))
        with sockets.hold():
            await wire.settled(connection.send(ASK))
            await until(connection, "response.created", wire.settled)
            sockets.cut()
            with pytest.raises(ConnectionClosed):
                await until(connection, "response.done", wire.settled)
            assert meter.call.end["status"] == "abandoned"
            with pytest.raises(ConnectionClosed):
                await wire.settled(connection.send(ASK))

    ride(realtime, scenario)
    assert len(meter.calls) == 1


def test_a_connection_that_nobody_holds_is_settled(sockets, hooked, meter):
    client = sockets.openai_client()
    connection = realtime(client).enter()
    socket = connection._connection
    connection.send(SILENT)
    with sockets.hold():
        connection.send(ASK)
        while kind(connection.recv()) != "response.created":
            pass
        dead = weakref.ref(connection)
        del connection
        gc.collect()
        assert dead() is None
        assert meter.call.end["status"] == "abandoned"
        socket.close()
    client.close()
    assert len(meter.call.ends) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_copy_that_a_fork_made_ends_nothing(sockets, hooked, meter):
    with sockets.openai_client() as client:
        connection = realtime(client).enter()
        connection.send(ASK)
        child = os.fork()
        if child == 0:
            vars(connection._connection)["send"].__self__._conversation.left()
            os._exit(len(meter.call.ends))
        assert os.waitpid(child, 0)[1] == 0
        assert meter.call.ends == []
        connection.close()
    assert meter.call.end["status"] == "abandoned"


def test_a_cancelled_wait_ends_nothing(sockets, hooked, meter, wire):
    async def scenario():
        client = sockets.async_openai_client()
        connection = await realtime(client).enter()
        await connection.send(SILENT)
        with sockets.hold():
            await connection.send(ASK)
            await until(connection, "response.created", wire.settled)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.recv(), 0.05)
            assert meter.call.ends == []
        await until(connection, "response.done", wire.settled)
        await connection.close()
        await client.close()

    asyncio.run(scenario())
    assert raws(meter) == usages(sockets) != []


def test_an_error_that_names_its_message_ends_that_turn_at_no_cost(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        with sockets.hold():
            await wire.settled(connection.send({**ASK, "event_id": "first"}))
            await until(connection, "response.created", wire.settled)
            await wire.settled(connection.send({**ASK, "event_id": "second"}))
            await until(connection, "error", wire.settled)
        await until(connection, "response.done", wire.settled)

    ride(realtime, scenario)
    ends = [(call.end["status"], call.end["billable"]) for call in meter.calls]
    assert ends == [("ok", True), ("error", False)]
    assert meter.calls[0].raw == usages(sockets)[0]


def test_of_several_turns_an_error_ends_the_one_that_it_names(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        with sockets.hold(begun=False):
            for name in ("first", "second"):
                asked = {"conversation": "none"}
                await wire.settled(connection.send({**ASK, "event_id": name, "response": asked}))
            sockets.wait_for_messages(3)
            error = {"type": "invalid_request_error", "code": "x", "message": "m", "param": None}
            sockets.say({"type": "error", "event_id": "e", "error": {**error, "event_id": "second"}})
            await until(connection, "error", wire.settled)
            assert [len(call.ends) for call in meter.calls] == [0, 1]
            assert meter.calls[1].end["billable"] is False
            await wire.settled(connection.close())

    ride(realtime, scenario)
    assert meter.calls[0].end["status"] == "abandoned"


async def ask_until_it_raises(connection, settled):
    while True:  # the transport notices late
        await settled(connection.send(ASK))
        await asyncio.sleep(0.01)


def test_what_a_lost_connection_did_not_send_costs_nothing(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        from websockets.exceptions import ConnectionClosed

        await until(connection, "session.created", wire.settled)
        sockets.cut()
        with pytest.raises(ConnectionClosed):
            await ask_until_it_raises(connection, wire.settled)

    ride(realtime, scenario)
    *sent, last = [(call.end["status"], call.end["billable"]) for call in meter.calls]
    assert last == ("error", False)
    assert set(sent) <= {("abandoned", True)}


@pytest.mark.parametrize("about", ["the turn", "something else"])
def test_an_error_without_a_name_costs_no_turn_its_usage(ride, sockets, hooked, meter, wire, about):
    """Whether it was about the turn shows when the next answer begins."""

    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        if about == "the turn":
            with sockets.hold():
                await wire.settled(connection.send(ASK))
                await until(connection, "response.created", wire.settled)
                await wire.settled(connection.send(ASK))  # refused by the server: one is active
                await until(connection, "error", wire.settled)
            await until(connection, "response.done", wire.settled)
        else:
            await wire.settled(connection.send({"type": "input_audio_buffer.commit"}))
            await wire.settled(connection.send({"type": "no.such.thing"}))
            await wire.settled(connection.send(ASK))
            await until(connection, "response.done", wire.settled)
        await wire.settled(connection.send(ASK))
        await until(connection, "response.done", wire.settled)

    ride(realtime, scenario)
    billed = [call for call in meter.calls if call.end["billable"]]
    assert [call.raw for call in billed] == usages(sockets)
    assert len(billed) == 2
    assert [call.end["status"] for call in meter.calls if call not in billed] == ["error"] * (about == "the turn")


def test_the_user_sees_the_same_objects_and_the_server_the_same_bytes(ride, sockets, meter, wire):
    async def scenario(connection):
        socket = connection._connection
        await wire.settled(connection.send(SILENT))
        await wire.settled(connection.send({**ASK, "response": {"instructions": "Grüße"}}))
        await wire.settled(connection.send({"type": "input_audio_buffer.append", "audio": SOUND}))
        events = await until(connection, "response.done", wire.settled)
        assert connection._connection is socket
        assert inspect.iscoroutinefunction(socket.send) is (ride.mode == "async")
        return type(connection), type(socket), [(type(event), kind(event)) for event in events]

    plain = ride(realtime, scenario)
    frames = sockets.received
    installed = install(("openai_sockets",), meter=lambda: meter, options=WireOptions())
    metered = ride(realtime, scenario)
    installed.undo()
    assert metered == plain
    assert sockets.received[len(frames) :] == frames
    assert len(meter.calls) == 1


def test_raw_bytes_are_metered_and_the_same(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        await wire.settled(connection.send(ASK))
        message = b""
        while b'"response.done"' not in message:
            message = await wire.settled(connection.recv_bytes())
        assert type(message) is bytes

    ride(realtime, scenario)
    assert raws(meter) == usages(sockets) != []


def test_a_connection_outlives_its_installation_and_reports_to_the_next(ride, sockets, meter, wire):
    other = wire.RecordingMeter()

    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        for _ in range(2):
            await wire.settled(connection.send(ASK))
            await until(connection, "response.done", wire.settled)
            first.undo()
        assert len(meter.calls) == 1
        second = install(("openai_sockets",), meter=lambda: other, options=WireOptions())
        await wire.settled(connection.send(ASK))
        await until(connection, "response.done", wire.settled)
        second.undo()

    first = install(("openai_sockets",), meter=lambda: meter, options=WireOptions())
    ride(realtime, scenario)
    assert [meter.call.raw, other.call.raw] == [usages(sockets)[0], usages(sockets)[2]]


def test_after_its_end_a_connection_is_as_it_was(ride, sockets, hooked, meter, wire):
    async def scenario(connection):
        assert {"send", "recv", "close"} <= vars(connection._connection).keys()
        await wire.settled(connection.close())
        assert {"send", "recv", "close"}.isdisjoint(vars(connection._connection))

    ride(realtime, scenario)
    assert meter.calls == []


def test_a_connection_that_is_made_again_is_metered_again(ride, sockets, hooked, meter, wire):
    if not hasattr(sdk, "_websocket_connection"):
        pytest.skip("this openai does not reconnect")

    def connect(client):
        return client.realtime.connect(
            model="gpt-realtime-2.1", on_reconnecting=lambda _event: None, initial_delay=0.01
        )

    async def scenario(connection):
        await wire.settled(connection.send(SILENT))
        with sockets.hold():
            await wire.settled(connection.send(ASK))
            await until(connection, "response.created", wire.settled)
            sockets.cut()
        events = aiter(connection) if ride.mode == "async" else iter(connection)
        seen = None
        while seen != "response.done":
            seen = kind(await anext(events) if ride.mode == "async" else next(events))
            if seen == "session.created":
                await wire.settled(connection.send(ASK))

    ride(connect, scenario)
    assert [call.end["status"] for call in meter.calls] == ["abandoned", "ok"]
    assert meter.calls[1].raw == usages(sockets)[-1]
