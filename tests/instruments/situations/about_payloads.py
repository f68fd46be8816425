"""Answers that are odd, broken or new: they reach the user as they are, and what was billed is in the ledger."""

from __future__ import annotations

from typing import Any

from bills import estimated, exact
from pydantic import BaseModel
from situation import CLAUDE, GEMINI, GPT, HELLO, using

openai = using("openai")
anthropic = using("anthropic")
gemini = using("gemini")

ID = "chatcmpl-00000000000000000000000a"
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
MESSAGE = {"role": "assistant", "content": "far"}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": None}


class Distance(BaseModel):
    miles: int


def answers(usage: Any = USAGE, **members: Any) -> Any:
    """The provider answers the next chat completion with these members, and bills `usage`."""
    body = {"id": ID, "object": "chat.completion", "created": 1, "model": GPT, "choices": [CHOICE], "usage": usage}
    return lambda provider: provider.answer_next(body=body | members, usage=usage)


def chunk(text: str = "", finish: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish, "logprobs": None}
    return {"id": ID, "object": "chat.completion.chunk", "created": 1, "model": GPT, "choices": [choice], **members}


def streams(*events: Any) -> Any:
    """The provider streams these events, and bills USAGE."""
    return lambda provider: provider.answer_next(events=[*events, "[DONE]"], usage=USAGE)


def chat(client: Any, **more: Any) -> Any:
    return client.chat.completions.create(model=GPT, messages=HELLO, **more)


def chat_stream(client: Any) -> Any:
    return chat(client, stream=True)


# --- nulls


@openai("payloads: null choices", given=answers(choices=None))
def an_answer_without_choices(client):
    return chat(client)


@openai("payloads: null message", given=answers(choices=[{**CHOICE, "message": None}]))
def a_choice_without_a_message(client):
    return chat(client)


@openai(
    "payloads: null choices",
    known=False,
    given=streams(chunk("far"), chunk(choices=None), chunk(choices=None, usage=USAGE)),
)
def chunks_without_choices(client):
    return chat_stream(client)


@openai("payloads: null message", known=False, given=streams(
    chunk(choices=[{"index": 0, "delta": None, "finish_reason": None}]), chunk(finish="stop", usage=USAGE)
))  # fmt: skip
def a_chunk_without_a_delta(client):
    return chat_stream(client)


@openai("payloads: null usage", given=lambda provider: provider.answer_next(
    body={"id": ID, "object": "chat.completion", "created": 1, "model": GPT, "choices": [CHOICE], "usage": None}, usage=USAGE
), expect=(estimated(status="ok", raw_usage=None),))  # fmt: skip
def an_answer_whose_usage_is_null(client):
    return chat(client)


@anthropic("payloads: null usage", given=lambda provider: provider.answer_next(
    usage_extra={"cache_read_input_tokens": None, "cache_creation_input_tokens": None, "cache_creation": None}
))  # fmt: skip
def a_message_whose_cache_counts_are_null(client):
    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=9)


# --- what users pass


@openai("payloads: Omit and NotGiven")
def an_argument_that_is_not_given(client):
    import openai as sdk

    return chat(client, temperature=sdk.NOT_GIVEN, stream_options=getattr(sdk, "omit", sdk.NOT_GIVEN))


@openai("payloads: Omit and NotGiven", asks=True)
def a_stream_whose_options_are_not_given(client):
    import openai as sdk

    return chat(client, stream=True, stream_options=sdk.NOT_GIVEN)


@anthropic("payloads: Omit and NotGiven")
def a_system_prompt_that_is_not_given(client):
    import anthropic as sdk

    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=9, system=sdk.NOT_GIVEN)


@openai("payloads: generator messages")
def messages_from_a_generator(client):
    return client.chat.completions.create(model=GPT, messages=(message for message in HELLO))


@anthropic("payloads: generator messages")
def messages_from_a_generator_for_a_message(client):
    return client.messages.create(model=CLAUDE, messages=(message for message in HELLO), max_tokens=9)


@openai("payloads: generator messages")
def inputs_from_a_tuple(client):
    return client.embeddings.create(model="text-embedding-3-small", input=("near", "far"))


# --- what is new


@openai("payloads: unknown fields", given=lambda provider: provider.answer_next(
    usage_extra={"a_new_counter": 5, "prompt_tokens_details": {"never_seen_before": {"deep": [1, None]}}}
))  # fmt: skip
def usage_with_fields_that_are_new(client):
    return chat(client)


@anthropic("payloads: unknown fields", given=lambda provider: provider.answer_next(usage_extra={"a_new_counter": 5}))
def a_message_stream_with_usage_that_is_new(client):
    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=9, stream=True)


@gemini("payloads: unknown fields", given=lambda provider: provider.answer_next(usage_extra={"aNewCounter": 5}))
def generated_content_with_usage_that_is_new(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?")


@openai("payloads: unknown fields", known=False,
        given=streams(chunk("far"), {"object": "chat.completion.keepalive"}, chunk(finish="stop", usage=USAGE)))  # fmt: skip
def an_event_of_a_kind_that_is_new(client):
    return chat_stream(client)


# --- where usage stands


@openai("payloads: usage on a chunk with choices", known=False,
        given=streams(chunk("far"), chunk(finish="stop", usage=USAGE)))  # fmt: skip
def usage_beside_the_last_choice(client):
    return chat_stream(client)


@openai("payloads: usage on a chunk with choices", known=False,
        given=streams(*[chunk("far", usage=USAGE | {"completion_tokens": n, "total_tokens": 12 + n}) for n in (1, 2)],
                      chunk(finish="stop", usage=USAGE)))  # fmt: skip
def usage_that_grows_from_chunk_to_chunk(client):
    return chat_stream(client)


@openai("payloads: usage under x_groq", known=False,
        given=streams(chunk("far"), chunk(finish="stop", x_groq={"id": "req_1", "usage": USAGE})))  # fmt: skip
def usage_under_x_groq(client):
    return chat_stream(client)


@openai("payloads: usage on a chunk with choices", asks=True,
        given=streams(chunk("far"), chunk(finish="stop", usage=USAGE)))  # fmt: skip
def a_host_that_is_asked_and_answers_beside_the_last_choice(client):
    return chat_stream(client)


@openai("payloads: duration instead of tokens", "calls: audio")
def a_transcription_billed_by_its_seconds(client):
    return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", SOUND), response_format="json")


# --- errors after billing


@openai("payloads: an error after billing", known=False, raises="APIError",
        given=streams(chunk("far"), {"error": {"message": "overloaded", "type": "server_error"}}),
        expect=(estimated(status="error"),))  # fmt: skip
def a_stream_that_tells_an_error(client):
    return chat_stream(client)


@anthropic("payloads: an error after billing", raises=("APIStatusError", "OverloadedError", "InternalServerError"),
           expect=(estimated(status="error"),),
           given=lambda provider: provider.answer_next(usage={"input_tokens": 9, "output_tokens": 1}, events=[
               {"type": "message_start", "message": {
                   "id": "msg_00000000000000000000000a", "type": "message", "role": "assistant", "model": CLAUDE,
                   "content": [], "stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1}}},
               {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}]))  # fmt: skip
def a_message_stream_that_tells_an_error(client):
    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=9, stream=True)


@openai("payloads: parse failure after billing", needs="chat.completions.parse", habits={"text": "no JSON"},
        raises="ValidationError", expect=(exact(status="error"),))  # fmt: skip
def a_parsed_completion_that_does_not_parse(client):
    return client.chat.completions.parse(model=GPT, messages=HELLO, response_format=Distance)


@openai("payloads: parse failure after billing", needs="chat.completions.parse", habits={"text": '{"miles": 4}'},
        raises="LengthFinishReasonError", expect=(exact(status="error"),))  # fmt: skip
def a_parsed_completion_that_is_too_long(client):
    return client.chat.completions.parse(model=GPT, messages=HELLO, response_format=Distance, max_tokens=2)


@openai("payloads: parse failure after billing", needs="responses.parse", habits={"text": "no JSON"},
        raises="ValidationError", expect=(exact(status="error"),))  # fmt: skip
def a_parsed_response_that_does_not_parse(client):
    return client.responses.parse(model=GPT, input="How far is it?", text_format=Distance)


@anthropic("payloads: parse failure after billing", needs="messages.parse", habits={"text": "no JSON"},
           raises="ValidationError", expect=(exact(status="error"),))  # fmt: skip
def a_parsed_message_that_does_not_parse(client):
    return client.messages.parse(model=CLAUDE, messages=HELLO, max_tokens=50, output_format=Distance)


@openai("payloads: parse failure after billing", raises=("APIResponseValidationError", "JSONDecodeError"),
        given=lambda provider: provider.answer_next(body=b"{broken", usage=USAGE), options={"max_retries": 0},
        expect=(estimated(status="error"),))  # fmt: skip
def an_answer_that_is_no_json(client):
    return chat(client)


SOUND = b"RIFF$\x00\x00\x00WAVEfmt " + bytes(64)
