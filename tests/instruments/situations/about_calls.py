"""Every way to call, each once."""

from __future__ import annotations

import json
from typing import Any

from acts import all_of, lines_of, next_of, read_whole, within
from bills import exact
from pydantic import BaseModel
from situation import CLAUDE, GEMINI, GPT, HELLO, using

openai = using("openai")
anthropic = using("anthropic")
gemini = using("gemini")

ASK = {"include_usage": True}
JSON = '{"miles": 4}'
PICTURE = b"\x89PNG" + bytes(64)
SOUND = b"RIFF$\x00\x00\x00WAVEfmt " + bytes(64)


class Distance(BaseModel):
    miles: int


# --- openai


@openai("calls: sync", "calls: async")
def a_chat_completion(client):
    return client.chat.completions.create(model=GPT, messages=HELLO)


@openai("calls: stream")
def a_chat_stream_that_asks_for_its_usage(client):
    return client.chat.completions.create(model=GPT, messages=HELLO, stream=True, stream_options=ASK)


@openai()
def a_chat_with_several_choices(client):
    return client.chat.completions.create(model=GPT, messages=HELLO, n=3, max_tokens=9)


@openai("calls: parse", needs="chat.completions.parse", habits={"text": JSON})
def a_parsed_chat_completion(client):
    return client.chat.completions.parse(model=GPT, messages=HELLO, response_format=Distance)


@openai("calls: stream helper", needs="chat.completions.stream", habits={"text": JSON})
def the_stream_helper_of_chat(client):
    return read_whole(
        client.chat.completions.stream(model=GPT, messages=HELLO, stream_options=ASK, response_format=Distance)
    )


@openai("calls: raw")
def a_raw_chat_completion(client):
    raw = yield client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    parsed = yield raw.parse()
    return parsed, raw.headers, raw.http_response


@openai("calls: raw stream", asks=True)
def a_raw_chat_stream_that_is_parsed(client):
    raw = yield client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO, stream=True)
    stream = yield raw.parse()
    pieces = yield all_of(stream)
    return pieces, stream


@openai("calls: raw stream")
def a_raw_chat_stream_that_is_read_as_lines(client):
    raw = yield client.chat.completions.with_raw_response.create(
        model=GPT, messages=HELLO, stream=True, stream_options=ASK
    )
    return (yield lines_of(raw.http_response))


@openai(
    "calls: raw stream",
    asks=True,
)
def a_raw_chat_stream_that_is_read_as_lines_by_a_user_who_said_nothing_of_usage(client):
    raw = yield client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO, stream=True)
    lines = yield lines_of(raw.http_response)
    return [len(json.loads(line[6:])["choices"]) for line in lines if line.startswith("data: {")]


@openai("calls: streaming response unparsed")
def a_streaming_response_that_is_read_as_bytes(client):
    return within(
        client.chat.completions.with_streaming_response.create(model=GPT, messages=HELLO),
        lambda response: response.read(),
    )


@openai("calls: streaming response unparsed")
def a_streaming_response_whose_events_are_read_as_lines(client):
    return within(
        client.chat.completions.with_streaming_response.create(
            model=GPT, messages=HELLO, stream=True, stream_options=ASK
        ),
        lambda response: all_of(response.iter_lines()),
    )


@openai("calls: streaming response parsed")
def a_streaming_response_that_is_parsed(client):
    return within(
        client.chat.completions.with_streaming_response.create(model=GPT, messages=HELLO),
        lambda response: response.parse(),
    )


@openai("calls: client.post")
def a_low_level_post_that_gives_a_dict(client):
    return client.post("/chat/completions", cast_to=object, body={"model": GPT, "messages": HELLO})


@openai("calls: client.post")
def a_low_level_post_that_gives_the_transports_response(client):
    body = {"model": GPT, "messages": HELLO}
    transport = type(client._client).__mro__[2].__module__.partition(".")[0]
    response = __import__(transport).Response
    return client.post("/chat/completions", cast_to=response, body=body)


@openai("calls: with_options")
def a_clone_of_a_client(client):
    return client.with_options(timeout=30, max_retries=1).chat.completions.create(model=GPT, messages=HELLO)


@openai("calls: embeddings")
def embeddings(client):
    return client.embeddings.create(model="text-embedding-3-small", input=["near", "far away"])


@openai("calls: embeddings")
def raw_embeddings_as_floats(client):
    raw = yield client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input="near", dimensions=8, encoding_format="float"
    )
    return raw.text if isinstance(raw.text, str) else (yield raw.text())


@openai("calls: legacy completions")
def a_legacy_completion(client):
    return client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["Once", "Twice"], max_tokens=7)


@openai("calls: legacy completions", asks=True)
def a_stream_of_a_legacy_completion(client):
    return client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", max_tokens=7, stream=True)


@openai("calls: sync", "calls: async")
def a_response(client):
    return client.responses.create(model=GPT, input="How far is it?", instructions="Be brief.")


@openai("calls: stream")
def a_stream_of_a_response(client):
    return client.responses.create(model=GPT, input="How far is it?", stream=True)


@openai(needs="responses.retrieve")
def a_response_in_the_background_that_is_asked_for_twice(client):
    queued = yield client.responses.create(model=GPT, input="How far is it?", extra_body={"background": True})
    first = yield client.responses.retrieve(queued.id)
    return queued, first, (yield client.responses.retrieve(queued.id))


@openai("calls: parse", needs="responses.parse", habits={"text": JSON})
def a_parsed_response(client):
    return client.responses.parse(model=GPT, input="How far is it?", text_format=Distance)


@openai("calls: stream helper", needs="responses.stream", habits={"text": JSON})
def the_stream_helper_of_responses(client):
    return read_whole(client.responses.stream(model=GPT, input="How far is it?", text_format=Distance))


@openai("calls: streaming response parsed")
def a_streaming_response_of_a_response_that_is_parsed_as_a_stream(client):
    manager = client.responses.with_streaming_response.create(model=GPT, input="How far is it?", stream=True)

    def read(response):
        stream = response.parse()
        return _all_awaited(stream) if hasattr(stream, "__await__") else list(stream)

    return within(manager, read)


async def _all_awaited(stream):
    return [piece async for piece in await stream]


@openai("calls: count_tokens is free", needs="responses.input_tokens", expect=())
def a_count_of_a_responses_input_tokens(client):
    return client.responses.input_tokens.count(model=GPT, input="How far is it?")


@openai(expect=())
def a_call_that_costs_nothing(client):
    yield client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    return (yield client.files.list())


@openai(modes=("sync",))
def the_module_level_client(run):
    import openai as sdk

    run.instrument()
    sdk.api_key, sdk.base_url = "k", f"{run.provider.openai_base_url}/"
    try:
        return sdk.chat.completions.create(model=GPT, messages=HELLO)
    finally:
        sdk._client.close()
        sdk.api_key = sdk.base_url = sdk.http_client = None
        sdk._reset_client()


@openai()
def an_absolute_url(client, provider):
    return client.post(
        f"{provider.openai_base_url}/chat/completions", cast_to=object, body={"model": GPT, "messages": HELLO}
    )


@openai()
def a_body_that_extra_body_overrides(client):
    return client.chat.completions.create(model="no-such-model", messages=HELLO, extra_body={"model": GPT})


@openai()
def a_subclass_of_a_client_that_calls_its_base(run):
    run.instrument()
    made = run.client()

    class Ours(type(made)):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            return super().request(*args, **kwargs)

    made.__class__ = Ours
    return made.chat.completions.create(model=GPT, messages=HELLO)


@openai("calls: images", expect=(exact(units={"input": 3, "output_image": 1056}),))
def a_picture(client):
    return client.images.generate(model="gpt-image-1", prompt="A bus.", size="1024x1024")


@openai("calls: images", expect=(exact(units={"input": 8, "input_image": 388, "output_image": 2112}),))
def an_edited_picture(client):
    return client.images.edit(model="gpt-image-1", prompt="A red bus.", image=("a.png", PICTURE), n=2)


@openai("calls: audio", expect=(exact(units={"input_audio": 1, "output": 40}),))
def a_transcription(client):
    return client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", SOUND))


@openai("calls: audio", expect=(exact(raw_usage=..., units={"characters": 11}),))
def speech_by_the_letter(client):
    return client.audio.speech.create(model="tts-1", voice="alloy", input="How far is.")


# --- anthropic


@anthropic("calls: sync", "calls: async")
def a_message(client):
    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50)


@anthropic("calls: stream")
def a_stream_of_a_message(client):
    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50, stream=True)


@anthropic("calls: stream helper")
def the_stream_helper_of_messages(client):
    return read_whole(client.messages.stream(model=CLAUDE, messages=HELLO, max_tokens=50))


@anthropic("calls: stream helper")
def the_text_stream_of_a_message(client):
    return within(
        client.messages.stream(model=CLAUDE, messages=HELLO, max_tokens=50), lambda stream: all_of(stream.text_stream)
    )


@anthropic("calls: beta messages", expect=(exact(api="beta.messages"),))
def a_beta_message(client):
    return client.beta.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50, betas=["context-1m-2025-08-07"])


@anthropic("calls: beta messages", expect=(exact(api="beta.messages"),))
def a_stream_of_a_beta_message(client):
    return client.beta.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50, stream=True)


@anthropic("calls: parse", needs="messages.parse", habits={"text": JSON})
def a_parsed_message(client):
    return client.messages.parse(model=CLAUDE, messages=HELLO, max_tokens=50, output_format=Distance)


@anthropic("calls: raw")
def a_raw_message(client):
    raw = yield client.messages.with_raw_response.create(model=CLAUDE, messages=HELLO, max_tokens=50)
    return (yield raw.parse()), raw.headers


@anthropic("calls: raw stream")
def a_raw_stream_of_a_message(client):
    raw = yield client.messages.with_raw_response.create(model=CLAUDE, messages=HELLO, max_tokens=50, stream=True)
    stream = yield raw.parse()
    return (yield all_of(stream))


@anthropic("calls: streaming response unparsed")
def a_streaming_response_of_a_message_read_as_lines(client):
    return within(
        client.messages.with_streaming_response.create(model=CLAUDE, messages=HELLO, max_tokens=50, stream=True),
        lambda response: all_of(response.iter_lines()),
    )


@anthropic("calls: client.post")
def a_low_level_post_of_a_message(client):
    body = {"model": CLAUDE, "messages": HELLO, "max_tokens": 50}
    return client.post("/v1/messages", cast_to=object, body=body)


@anthropic("calls: with_options")
def a_clone_of_an_anthropic_client(client):
    return client.with_options(max_retries=1).messages.create(model=CLAUDE, messages=HELLO, max_tokens=50)


@anthropic("calls: count_tokens is free", expect=())
def a_count_of_a_messages_tokens(client):
    return client.messages.count_tokens(model=CLAUDE, messages=HELLO)


# --- google-genai


@gemini("calls: sync", "calls: async")
def generated_content(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?")


@gemini("calls: stream")
def a_stream_of_generated_content(client):
    stream = yield client.models.generate_content_stream(model=GEMINI, contents="How far is it?")
    before = yield next_of(stream)
    return before, (yield all_of(stream))


@gemini("calls: parse", habits={"text": JSON})
def generated_content_of_a_schema(client):
    config = {"response_mime_type": "application/json", "response_schema": Distance}
    return client.models.generate_content(model=GEMINI, contents="How far is it?", config=config)


@gemini("calls: sync", "calls: async")
def a_conversation_of_two_turns(client):
    chat = client.chats.create(model=GEMINI)
    first = yield chat.send_message("How far is it?")
    return first, (yield chat.send_message("And back?")), chat.get_history()


@gemini("calls: embeddings")
def embedded_content(client):
    return client.models.embed_content(model="gemini-embedding-001", contents=["near", "far away"])


@gemini("calls: count_tokens is free", expect=())
def a_count_of_contents(client):
    return client.models.count_tokens(model=GEMINI, contents="How far is it?")


@gemini("calls: raw")
def generated_content_with_its_headers(client):
    answer = yield client.models.generate_content(model=GEMINI, contents="How far is it?")
    return answer.sdk_http_response, json.loads(answer.model_dump_json(exclude={"sdk_http_response", "response_id"}))
