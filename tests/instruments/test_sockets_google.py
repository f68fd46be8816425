"""Every turn on a live connection of google-genai is one event, whoever begins it, and the user's program sees no difference."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from farebox.core.errors import BudgetExceeded
from farebox.instruments.patching import WireOptions, install
from farebox.testing.sockets import FakeSockets

genai = pytest.importorskip("google.genai")
types = genai.types

MODEL = "gemini-3.1-flash-live-preview"
HELLO = {"role": "user", "parts": [{"text": "2+2?"}]}
SOUND = {"data": bytes(32_000), "mime_type": "audio/pcm;rate=16000"}
TURN_ON = {"function_declarations": [{"name": "turn_on", "parameters": {"type": "OBJECT", "properties": {}}}]}


def ride(sockets, scenario, *, model=MODEL, client=None, **config):
    async def connected():
        client = sockets.genai_client(**options)
        try:
            async with client.aio.live.connect(
                model=model, config={"response_modalities": ["TEXT"], **config}
            ) as session:
                return await scenario(session)
        finally:
            await client.aio.aclose()

    options = client or {}
    return asyncio.run(connected())


async def heard(session):
    return [message async for message in session.receive()]


def usages(sockets):
    return [entry.usage for entry in sockets.billed]


def test_a_turn_is_one_event_with_the_usage_as_sent(sockets, hooked, meter):
    async def scenario(session):
        await session.send_client_content(turns=HELLO)
        return await heard(session)

    messages = ride(sockets, scenario, model=f"models/{MODEL}")
    assert messages[-1].usage_metadata.response_token_count == 12
    request, end = meter.call.request, meter.call.end
    assert (request.provider, request.api, request.operation, request.model) == ("google", "live", "realtime", MODEL)
    assert (request.server_address, request.begun, request.stream) == ("127.0.0.1", False, True)
    assert [meter.call.raw] == usages(sockets)
    assert (end["status"], end["billable"], end["partial"]) == ("ok", True, False)
    assert meter.call.first_chunks >= 1


def test_vertex_is_billed_by_vertex(sockets, hooked, meter):
    async def scenario(session):
        await session.send_client_content(turns=HELLO)
        await heard(session)

    ride(sockets, scenario, client={"vertexai": True, "api_key": "k"})
    assert (meter.call.request.provider, meter.call.request.model) == ("google-vertex", MODEL)
    assert [meter.call.raw] == usages(sockets)


def test_thoughts_outside_the_total_are_output_and_nothing_is_odd(sockets, hooked, meter):
    async def scenario(session):
        await session.send_client_content(turns=HELLO)
        await heard(session)

    ride(sockets, scenario)
    usage = meter.call.end["usage"]
    assert (usage.units["output"], usage.reasoning, usage.notes) == (12 + 7, 7, ())


def test_each_turn_pays_for_the_whole_conversation(sockets, hooked, meter):
    async def scenario(session):
        for _ in range(3):
            await session.send_client_content(turns=HELLO)
            await heard(session)

    ride(sockets, scenario)
    assert [call.raw for call in meter.calls] == usages(sockets)
    prompts = [call.raw["promptTokenCount"] for call in meter.calls]
    assert prompts == sorted(set(prompts))
    assert len(prompts) == 3


def test_content_that_is_not_complete_begins_no_turn(sockets, hooked, meter):
    async def scenario(session):
        await session.send_client_content(turns=HELLO, turn_complete=False)
        sockets.wait_for_messages(2)
        assert meter.calls == []
        await session.send_client_content(turns=HELLO)
        await heard(session)

    ride(sockets, scenario)
    assert [meter.call.raw] == usages(sockets)


def test_a_turn_that_voice_begins_is_metered_and_never_refused(sockets, hooked, meter):
    async def scenario(session):
        meter.refuses = True
        await session.send_realtime_input(audio=SOUND)
        await heard(session)

    ride(sockets, scenario)
    assert meter.call.request.begun
    assert [meter.call.raw] == usages(sockets)
    assert meter.call.end["usage"].units["input_audio"] == 25


def test_a_text_in_real_time_begins_a_turn(sockets, hooked, meter):
    if "text" not in inspect.signature(genai.live.AsyncSession.send_realtime_input).parameters:
        pytest.skip("this google-genai sends no text in real time")

    async def scenario(session):
        await session.send_realtime_input(text="2+2?")
        await heard(session)

    ride(sockets, scenario)
    assert not meter.call.request.begun
    assert [meter.call.raw] == usages(sockets)


def test_a_function_call_and_its_answer_are_two_turns(hooked, meter):
    async def scenario(session):
        await session.send_client_content(turns=HELLO)
        message = await anext(session.receive())
        call = message.tool_call.function_calls[0]
        answer = types.FunctionResponse(id=call.id, name=call.name, response={"result": "on"})
        await session.send_tool_response(function_responses=answer)
        await heard(session)

    with FakeSockets(12, function_calls=1) as sockets:
        ride(sockets, scenario, tools=[TURN_ON])
        assert [call.raw for call in meter.calls] == usages(sockets)
    assert [call.end["status"] for call in meter.calls] == ["ok", "ok"]


@pytest.mark.parametrize("order", ["before", "after", "twice"])
def test_usage_beside_the_end_of_a_turn_is_counted_once(sockets, hooked, meter, order):
    usage = {"promptTokenCount": 3, "responseTokenCount": 4, "totalTokenCount": 7}
    end = {"serverContent": {"turnComplete": True}}
    early = {"usageMetadata": {**usage, "responseTokenCount": 1, "totalTokenCount": 4}}
    messages = {
        "before": [{"usageMetadata": usage}, end],
        "after": [end, {"usageMetadata": usage}],
        "twice": [early, {**end, "usageMetadata": usage}],
    }[order]

    async def scenario(session):
        with sockets.hold():
            await session.send_client_content(turns=HELLO)
            sockets.wait_for_messages(2)
            for message in messages:
                sockets.say(message)
            for _ in messages:
                await session._receive()
            await session.close()

    ride(sockets, scenario)
    assert (meter.call.raw, meter.call.end["status"], meter.call.end["partial"]) == (usage, "ok", False)


def test_a_refused_turn_is_not_sent_and_the_session_goes_on(sockets, hooked, meter):
    async def scenario(session):
        meter.refuses = True
        with pytest.raises(BudgetExceeded):
            await session.send_client_content(turns=HELLO)
        assert len(sockets.received) == 1
        meter.refuses = False
        await session.send_client_content(turns=HELLO)
        await heard(session)

    ride(sockets, scenario)
    assert [meter.call.raw] == usages(sockets)


def test_no_session_begins_when_a_budget_is_exhausted(sockets, hooked, meter):
    meter.refuses = True

    async def scenario(_session):
        pytest.fail("connected")

    with pytest.raises(BudgetExceeded):
        ride(sockets, scenario)
    assert sockets.received == []
    assert meter.calls == []


def test_leaving_in_the_middle_settles_as_abandoned(sockets, hooked, meter):
    async def scenario(session):
        with sockets.hold():
            await session.send_client_content(turns=HELLO)

    ride(sockets, scenario)
    end = meter.call.end
    assert (end["usage"], end["status"], end["billable"]) == (None, "abandoned", True)


def test_a_connection_that_breaks_settles_and_raises_as_before(sockets, hooked, meter):
    async def scenario(session):
        with sockets.hold():
            await session.send_client_content(turns=HELLO)
            sockets.wait_for_messages(2)
            sockets.cut()
            with pytest.raises(genai.errors.APIError) as caught:
                await session._receive()
            assert caught.value.code == 1006

    ride(sockets, scenario)
    assert meter.call.end["status"] == "abandoned"


def test_an_error_of_the_users_reaches_the_user(sockets, hooked, meter):
    async def scenario(session):
        await session.send_client_content(turns=HELLO)
        await heard(session)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ride(sockets, scenario)
    assert [meter.call.raw] == usages(sockets)


def test_the_user_sees_the_same_objects_and_the_server_the_same_bytes(sockets, meter):
    async def scenario(session):
        socket = session._ws
        await session.send_client_content(turns=HELLO)
        first = await heard(session)
        await session.send_realtime_input(audio=SOUND)
        messages = first + await heard(session)
        assert session._ws is socket
        return type(session), type(socket), [message.model_dump_json() for message in messages]

    plain = ride(sockets, scenario)
    frames = sockets.received
    installed = install(("google_genai",), meter=lambda: meter, options=WireOptions())
    try:
        assert ride(sockets, scenario) == plain
    finally:
        installed.undo()
    assert sockets.received[len(frames) :] == frames
    assert ride(sockets, scenario) == plain
    assert len(meter.calls) == 2
