"""Errors, retries and timeouts: what the provider did not bill costs nothing, and every attempt is counted."""

from __future__ import annotations

from acts import within
from bills import estimated, exact, unbilled, unseen
from situation import CLAUDE, GEMINI, GPT, HELLO, using

openai = using("openai")
anthropic = using("anthropic")
gemini = using("gemini")

AT_ONCE = {"retry-after-ms": "1"}


def fails(*statuses, headers=AT_ONCE):
    def given(provider):
        for status in statuses:
            provider.answer_next(status, headers=headers)

    return given


def chat(client, **more):
    return client.chat.completions.create(model=GPT, messages=HELLO, **more)


def message(client, **more):
    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50, **more)


@openai("payloads: 429 then 200", given=fails(429), expect=(exact(attempts=2),))
def a_chat_completion_that_is_tried_twice(client):
    return chat(client)


@openai("payloads: 429 then 200", given=fails(429, 500), asks=True, expect=(exact(attempts=3),))
def a_chat_stream_that_is_tried_three_times(client):
    return chat(client, stream=True)


@openai("payloads: 429 then 200", given=fails(429), expect=(exact(attempts=2),))
def a_raw_chat_completion_that_is_tried_twice(client):
    raw = yield client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    return raw.retries_taken, (yield raw.parse())


@openai("payloads: 500", given=fails(500, 500, 500), raises="InternalServerError", expect=(unbilled(attempts=3),))
def a_chat_completion_that_fails_every_time(client):
    return chat(client)


@openai("payloads: 500", given=fails(500), options={"max_retries": 0}, raises="InternalServerError",
        expect=(unbilled(error_type="openai.InternalServerError"),))  # fmt: skip
def a_chat_stream_that_fails(client):
    return chat(client, stream=True, stream_options={"include_usage": True})


@openai(given=fails(401), raises="AuthenticationError", expect=(unbilled(),))
def a_wrong_key(client):
    return client.responses.create(model=GPT, input="How far is it?")


@openai(given=fails(400), raises="BadRequestError", expect=(unbilled(),))
def a_raw_request_that_is_refused(client):
    return client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)


@openai(given=fails(404), raises="NotFoundError", expect=(unbilled(),))
def a_streaming_response_that_is_refused(client):
    return within(client.chat.completions.with_streaming_response.create(model=GPT, messages=HELLO), str)


@openai(raises="TypeError", expect=(unbilled(),))
def a_body_that_cannot_be_sent(client):
    return chat(client, extra_body={"x": object()})


@openai(options={"base_url": "http://127.0.0.1:9/v1", "max_retries": 0}, raises="APIConnectionError",
        expect=(unbilled(),))  # fmt: skip
def a_host_that_is_not_there(client):
    return chat(client)


@openai("payloads: an error after billing", given=lambda provider: provider.answer_next(hang=0.3),
        options={"max_retries": 0, "timeout": 0.1}, raises="APITimeoutError",
        expect=(estimated(status="error"),))  # fmt: skip
def a_timeout_after_the_provider_has_billed(client):
    return chat(client)


@openai("payloads: an error after billing", given=lambda provider: provider.answer_next(hang=0.4),
        options={"max_retries": 1, "timeout": 0.2}, expect=(unseen(), estimated(status="ok", attempts=2)))  # fmt: skip
def a_timeout_after_billing_and_then_an_answer(client):
    return chat(client)


@anthropic("payloads: 429 then 200", given=fails(429), expect=(exact(attempts=2),))
def a_message_that_is_tried_twice(client):
    return message(client)


@anthropic(given=fails(529), expect=(exact(attempts=2),))
def a_message_stream_of_an_overloaded_provider(client):
    return message(client, stream=True)


@anthropic("payloads: 500", given=fails(500, 500, 500), raises="InternalServerError", expect=(unbilled(attempts=3),))
def a_message_that_fails_every_time(client):
    return message(client)


def _retrying(client):
    from google.genai import types

    options = types.HttpRetryOptions(attempts=2, initial_delay=0.001, max_delay=0.002)
    return {"http_options": types.HttpOptions(retry_options=options)}


@gemini("payloads: 429 then 200", given=fails(429, headers=None), expect=(exact(attempts=2),))
def generated_content_that_is_tried_twice(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?", config=_retrying(client))


@gemini("payloads: 500", given=fails(500, 500, headers=None), raises="ServerError", expect=(unbilled(attempts=2),))
def generated_content_that_fails_every_time(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?", config=_retrying(client))


@gemini(given=fails(400, headers=None), raises="ClientError", expect=(unbilled(),))
def generated_content_that_is_refused(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?")


@gemini(given=fails(429, headers=None), raises="ClientError", expect=(unbilled(),))
def a_stream_of_generated_content_that_is_refused(client):
    stream = yield client.models.generate_content_stream(model=GEMINI, contents="How far is it?")
    return list(stream) if hasattr(stream, "__next__") else (yield stream.__anext__())
