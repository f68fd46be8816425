"""`stream_options.include_usage` is added only where the program was silent, and nothing of the user's is changed."""

from __future__ import annotations

import copy

import pytest

from farebox.instruments.patching import WireOptions, install

openai_sdk = pytest.importorskip("openai")

MESSAGES = [{"role": "user", "content": "2+2?"}]


def stream(client, **more):
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **more)


def test_where_the_program_is_silent_usage_is_asked_for_and_the_extra_chunk_hidden(openai, server, hooked, meter, wire):
    pieces = openai.ask(stream)
    assert server.request.body["stream_options"] == {"include_usage": True}
    assert [len(piece.choices) for piece in pieces] == [1, 1, 1]
    assert (meter.call.raw, meter.call.end["partial"]) == (wire.CHAT_USAGE, False)


def test_the_bytes_sent_differ_by_the_option_alone(openai, server, hooked, request):
    openai.ask(stream)
    hooked.undo()
    openai.ask(stream)
    asked, plain = (received.body for received in server.requests)
    assert asked == {**plain, "stream_options": {"include_usage": True}}


def test_legacy_completions_are_asked_too(openai, server, hooked, meter, wire):
    pieces = openai.ask(lambda client: client.completions.create(model="m", prompt="x", stream=True))
    assert (len(pieces), meter.call.raw) == (1, wire.CHAT_USAGE)


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("where", ["argument", "extra_body"])
def test_what_the_user_said_is_respected(openai, server, hooked, meter, said, where):
    options = {"include_usage": said}
    more = {"stream_options": options} if where == "argument" else {"extra_body": {"stream_options": options}}
    pieces = openai.ask(lambda client: stream(client, **more))
    assert server.request.body["stream_options"] == {"include_usage": said}
    assert (len(pieces), meter.call.raw is not None) == ((4, True) if said else (3, False))


@pytest.mark.parametrize("where", ["argument", "extra_body"])
def test_other_stream_options_of_the_user_are_kept(openai, server, hooked, meter, wire, where):
    options = {"include_obfuscation": False}
    before = copy.deepcopy(options)
    more = {"stream_options": options} if where == "argument" else {"extra_body": {"stream_options": options}}
    openai.ask(lambda client: stream(client, **more))
    assert server.request.body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert (options, meter.call.raw) == (before, wire.CHAT_USAGE)


def test_an_explicit_null_is_the_users_word(openai, server, hooked, meter):
    openai.ask(lambda client: stream(client, extra_body={"stream_options": None}))
    assert server.request.body["stream_options"] is None


def test_the_users_body_is_not_changed(server, hooked, meter):
    body = {"model": "m", "messages": MESSAGES, "stream": True}
    before = copy.deepcopy(body)
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        chunk = openai_sdk.types.chat.ChatCompletionChunk
        answer = client.post(
            "/chat/completions", cast_to=chunk, body=body, stream=True, stream_cls=openai_sdk.Stream[chunk]
        )
        assert len(list(answer)) == 3
    assert body == before
    assert server.request.body["stream_options"] == {"include_usage": True}


def test_bytes_that_the_caller_reads_are_not_added_to(openai, server, hooked, meter):
    def call(client):
        return client.chat.completions.with_streaming_response.create(model="m", messages=MESSAGES, stream=True)

    def sync(manager):
        with manager as response:
            return response.read()

    async def asynchronous(manager):
        async with manager as response:
            return await response.read()

    openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert "stream_options" not in server.request.body
    assert (meter.call.end["usage"], meter.call.end["pieces"]) == (None, 4)


def test_a_raw_stream_hides_the_extra_chunk_too(openai, server, hooked, meter, wire):
    def call(client):
        return client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES, stream=True)

    def sync(raw):
        return list(raw.parse())

    async def asynchronous(raw):
        return [piece async for piece in await wire.settled(raw.parse())]

    assert len(openai.use(call, asynchronous if openai.mode == "async" else sync)) == 3
    assert meter.call.raw == wire.CHAT_USAGE


def test_only_the_bare_chunk_is_hidden(openai, server, hooked, meter, wire):
    last = wire.chat_chunk(finish="stop", usage=wire.CHAT_USAGE)
    server.events.append([wire.chat_chunk("four"), last, "[DONE]"])
    assert len(openai.ask(stream)) == 2
    assert meter.call.raw == wire.CHAT_USAGE


def test_answers_that_are_no_stream_are_not_asked(openai, server, hooked):
    openai.ask(lambda client: client.chat.completions.create(model="m", messages=MESSAGES))
    openai.ask(lambda client: client.responses.create(model="m", input="x", stream=True))
    assert all("stream_options" not in received.body for received in server.requests)


@pytest.mark.parametrize(
    "options", [WireOptions(), WireOptions(include_usage=False, usage_hosts=("127.0.0.1",))], ids=["host", "off"]
)
def test_an_unknown_host_is_not_asked_and_the_setting_turns_it_off(openai, server, meter, options):
    installed = install(("openai",), meter=lambda: meter, options=options)
    openai.ask(stream)
    installed.undo()
    assert "stream_options" not in server.request.body
    assert (meter.call.end["usage"], meter.call.end["pieces"]) == (None, 3)


@pytest.mark.parametrize(
    ("version", "asked"), [("2024-06-01", False), ("2024-10-21", True), ("2025-04-01-preview", True)]
)
def test_azure_is_asked_from_the_api_version_that_takes_the_option(server, hooked, version, asked):
    with openai_sdk.AzureOpenAI(azure_endpoint=server.url, api_version=version, api_key="k") as client:
        list(stream(client))
    assert ("stream_options" in server.request.body) is asked


def test_the_same_options_may_be_sent_twice(server, hooked, meter):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=1) as client:
        server.statuses.append(500)
        assert len(list(stream(client))) == 3
    assert [received.body.get("stream_options") for received in server.requests] == [{"include_usage": True}] * 2
    assert len(meter.calls) == 1
