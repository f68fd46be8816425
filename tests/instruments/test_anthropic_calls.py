"""Every way of calling the anthropic SDK gives one event with the provider's own usage, merged over a stream."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

anthropic_sdk = pytest.importorskip("anthropic")

ASK = {"model": "claude-asked", "max_tokens": 50, "messages": [{"role": "user", "content": "2+2?"}]}
MERGED = {
    "input_tokens": 30,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 12,
    "service_tier": "standard",
    "inference_geo": "us",
}


def test_a_message_is_one_event_with_the_usage_as_sent(anthropic, hooked, meter, wire):
    answer = anthropic.ask(lambda client: client.messages.create(**ASK))
    assert type(answer) is anthropic_sdk.types.Message
    request, end = meter.call.request, meter.call.end
    assert meter.call.raw == wire.MESSAGE_USAGE
    assert (request.provider, request.api, request.operation, request.model) == (
        "anthropic", "messages", "chat", "claude-asked",
    )  # fmt: skip
    assert (end["status"], end["model"], end["response_id"]) == ("ok", "claude-answered", "msg-1")
    assert end["usage"].units == {"input": 30, "cache_read": 5, "cache_write_5m": 6, "cache_write_1h": 4, "output": 12}
    assert end["usage"].geo == "us"


def test_a_beta_message_is_its_own_interface(anthropic, hooked, meter, wire):
    anthropic.ask(lambda client: client.beta.messages.create(**ASK))
    assert (meter.call.request.api, meter.call.raw) == ("beta.messages", wire.MESSAGE_USAGE)


def test_a_stream_merges_its_delta_over_its_start(anthropic, hooked, meter):
    pieces = anthropic.ask(lambda client: client.messages.create(**ASK, stream=True))
    assert [piece.type for piece in pieces][-2:] == ["message_delta", "message_stop"]
    assert (meter.call.raw, meter.call.end["partial"], meter.call.end["pieces"]) == (MERGED, False, 7)
    assert (meter.call.end["model"], meter.call.end["response_id"]) == ("claude-answered", "msg-1")
    assert meter.call.first_chunks == 1


def test_the_stream_helper_is_metered(anthropic, hooked, meter):
    def sync(manager):
        with manager as helper:
            return helper.get_final_message()

    async def asynchronous(manager):
        async with manager as helper:
            return await helper.get_final_message()

    final = anthropic.use(
        lambda client: client.messages.stream(**ASK), asynchronous if anthropic.mode == "async" else sync
    )
    assert final.usage.output_tokens == 12
    assert (meter.call.raw, meter.call.end["status"]) == (MERGED, "ok")


def test_a_stream_left_early_keeps_the_input_side_as_partial(anthropic, hooked, meter, wire):
    def sync(manager):
        with manager as helper:
            for _piece in helper.text_stream:
                break

    async def asynchronous(manager):
        async with manager as helper:
            async for _piece in helper.text_stream:
                break

    anthropic.use(lambda client: client.messages.stream(**ASK), asynchronous if anthropic.mode == "async" else sync)
    end = meter.call.end
    assert (end["status"], end["partial"], meter.call.raw) == ("abandoned", True, wire.START_USAGE)
    assert end["pieces"] >= 3


def test_a_stream_that_ends_without_its_delta_is_partial(anthropic, server, hooked, meter, wire):
    server.events.append(wire.message_events()[:4])
    anthropic.ask(lambda client: client.messages.create(**ASK, stream=True))
    assert (meter.call.end["status"], meter.call.end["partial"], meter.call.raw) == ("ok", True, wire.START_USAGE)


def test_a_raw_response_is_metered(anthropic, hooked, meter, wire):
    raw = anthropic.ask(lambda client: client.messages.with_raw_response.create(**ASK))
    assert raw.http_response.status_code == 200
    assert meter.call.raw == wire.MESSAGE_USAGE


def test_a_raw_stream_is_metered(anthropic, hooked, meter, wire):
    def sync(raw):
        return list(raw.parse())

    async def asynchronous(raw):
        return [piece async for piece in await wire.settled(raw.parse())]

    pieces = anthropic.use(
        lambda client: client.messages.with_raw_response.create(**ASK, stream=True),
        asynchronous if anthropic.mode == "async" else sync,
    )
    assert (len(pieces), meter.call.raw, meter.call.end["pieces"]) == (7, MERGED, 7)


def test_a_stream_that_the_caller_reads_is_metered(anthropic, hooked, meter):
    def sync(manager):
        with manager as response:
            return list(response.iter_lines())

    async def asynchronous(manager):
        async with manager as response:
            return [line async for line in response.iter_lines()]

    anthropic.use(
        lambda client: client.messages.with_streaming_response.create(**ASK, stream=True),
        asynchronous if anthropic.mode == "async" else sync,
    )
    assert (meter.call.raw, meter.call.end["pieces"], meter.call.end["partial"]) == (MERGED, 7, False)


def test_counting_tokens_is_free(anthropic, hooked, meter):
    anthropic.ask(lambda client: client.messages.count_tokens(model="m", messages=ASK["messages"]))
    assert meter.calls == []


def test_generators_in_the_messages_are_not_touched(anthropic, server, hooked, meter):
    """Newer versions pass the body unprepared; reading a one-shot iterator would send an empty conversation."""

    def messages():
        yield {"role": "user", "content": "2+2?"}

    anthropic.ask(lambda client: client.messages.create(model="m", max_tokens=5, messages=messages()))
    assert server.request.body["messages"] == [{"role": "user", "content": "2+2?"}]
    assert meter.call.end["status"] == "ok"


def test_an_error_status_was_not_billed(anthropic, server, hooked, meter):
    server.statuses.append(529)
    with pytest.raises(anthropic_sdk.APIStatusError):
        anthropic.ask(lambda client: client.messages.create(**ASK))
    assert (meter.call.end["status"], meter.call.end["billable"]) == ("error", False)


@pytest.mark.parametrize(("before", "billable"), [(0, False), (3, True)])
def test_an_error_event_was_billed_when_something_came_before_it(
    anthropic, server, hooked, meter, wire, before, billable
):
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    server.events.append([*wire.message_events()[:before], error])
    with pytest.raises(anthropic_sdk.APIError):
        anthropic.ask(lambda client: client.messages.create(**ASK, stream=True))
    end = meter.call.end
    assert (end["status"], end["billable"], end["pieces"]) == ("error", billable, before)
    assert end["partial"] is (before > 0)


def test_an_answer_that_cannot_be_parsed_was_billed_all_the_same(anthropic, server, hooked, meter, wire):
    if not hasattr(anthropic_sdk.resources.Messages, "parse"):
        pytest.skip("this anthropic has no messages.parse")

    class Sum(anthropic_sdk.BaseModel):
        answer: int

    server.bodies.append(wire.message(content=[{"type": "text", "text": "four"}]))
    with pytest.raises(Exception, match=r"validation error|JSON"):
        anthropic.ask(lambda client: client.messages.parse(**ASK, output_format=Sum))
    assert (meter.call.raw, meter.call.end["status"]) == (wire.MESSAGE_USAGE, "error")


def test_a_dropped_stream_is_freed_as_before(server, hooked, meter, wire):
    """Version 1 and later free it by reference count: nothing of ours may close a cycle through it."""
    import gc
    import weakref

    with anthropic_sdk.Anthropic(api_key="k", base_url=server.url) as client:
        pieces = client.messages.create(**ASK, stream=True)
        next(pieces)
        counted = hasattr(type(pieces), "_iterator")
        reference = weakref.ref(pieces)
        gc.disable()
        try:
            del pieces
            if counted:
                assert reference() is None
        finally:
            gc.enable()
        wire.collect()
    assert (meter.call.end["status"], meter.call.end["partial"]) == ("abandoned", True)


# --- the clouds


def clouds():
    yield pytest.param(
        "AnthropicVertex",
        {"region": "us-east5", "project_id": "p", "access_token": "t"},
        ("google-vertex", {"location": "us-east5"}),
        marks=pytest.mark.skipif(not importlib.util.find_spec("google.auth"), reason="google-auth is not installed"),
    )
    yield pytest.param(
        "AnthropicBedrock",
        {"aws_region": "eu-west-1", "aws_access_key": "a", "aws_secret_key": "s"},
        ("aws-bedrock", {"location": "eu-west-1"}),
        marks=pytest.mark.skipif(not importlib.util.find_spec("boto3"), reason="boto3 is not installed"),
    )
    if hasattr(anthropic_sdk, "AnthropicFoundry"):
        yield pytest.param("AnthropicFoundry", {"api_key": "k"}, ("azure", None))


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("name", "options", "place"), list(clouds()))
def test_a_clouds_client_is_named_and_metered(server, hooked, meter, mode, wire, name, options, place, streams):
    options = {"base_url": server.url, "max_retries": 0, **options}

    async def main():
        async with getattr(anthropic_sdk, f"Async{name}")(**options) as client:
            answer = await client.messages.create(**ASK, stream=streams)
            return [piece async for piece in answer] if streams else answer

    if mode == "async":
        answer = asyncio.run(main())
    else:
        with getattr(anthropic_sdk, name)(**options) as client:
            answer = wire.all_pieces(client.messages.create(**ASK, stream=streams))
    assert answer
    assert meter.call.raw == (MERGED if streams else wire.MESSAGE_USAGE)
    request = meter.call.request
    assert (request.provider, request.extra, request.model) == (*place, "claude-asked")


@pytest.mark.skipif(not importlib.util.find_spec("boto3"), reason="boto3 is not installed")
@pytest.mark.parametrize("how", ["with_raw_response", "with_streaming_response"])
def test_a_binary_stream_of_bedrock_is_metered_however_it_is_read(server, hooked, meter, how):
    options = {"aws_region": "eu-west-1", "aws_access_key": "a", "aws_secret_key": "s", "base_url": server.url}
    with anthropic_sdk.AnthropicBedrock(**options) as client:
        answer = getattr(client.messages, how).create(**ASK, stream=True)
        if how == "with_raw_response":
            assert len(list(answer.parse())) == 7
        else:
            with answer as response:
                assert b"".join(response.iter_bytes(50))
    assert (meter.call.raw, meter.call.end["pieces"], meter.call.end["partial"]) == (MERGED, 7, False)
