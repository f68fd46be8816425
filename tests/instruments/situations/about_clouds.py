"""The clients of the clouds: the same models, other hosts, paths and bills."""

from __future__ import annotations

from acts import all_of
from bills import estimated, exact
from situation import CLAUDE, GEMINI, GPT, HELLO, using
from wire_server import aws_frame

azure = using("azure")
vertex = using("vertex")
bedrock = using("bedrock")
foundry = using("foundry")
gemini = using("vertex gemini")

USAGE = {"input_tokens": 9, "output_tokens": 3}
BEDROCK_MODEL = "anthropic.claude-sonnet-4-6"


def answer(**members):
    """A message as a cloud answers it."""
    text = [{"type": "text", "text": "far"}]
    return {"id": "msg_00000000000000000000000a", "type": "message", "role": "assistant", "model": CLAUDE, "content": text,
            "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE, **members}  # fmt: skip


EVENTS = [
    {"type": "message_start", "message": answer(content=[], stop_reason=None, usage={**USAGE, "output_tokens": 1})},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "far"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    },
    {"type": "message_stop"},
]
BINARY = {"content-type": "application/vnd.amazon.eventstream"}


def billed_as(model, **fields):
    """The line of a path that the loopback provider knows by what it was told only."""
    return (exact(api="messages", request_model=model, **fields),)


def message(client, **more):
    return client.messages.create(**{"model": CLAUDE, "messages": HELLO, "max_tokens": 50, **more})


@azure("calls: azure")
def a_chat_completion_on_azure(client):
    return client.chat.completions.create(model=GPT, messages=HELLO)


@azure("calls: azure", asks=True)
def a_chat_stream_on_azure(client):
    return client.chat.completions.create(model=GPT, messages=HELLO, stream=True)


@azure("calls: azure", options={"api_version": "2024-06-01"}, expect=(estimated(status="ok"),))
def a_chat_stream_of_an_older_azure_is_not_asked(client):
    return client.chat.completions.create(model=GPT, messages=HELLO, stream=True)


@azure("calls: azure")
def embeddings_on_azure(client):
    return client.embeddings.create(model="text-embedding-3-small", input="near")


@azure("calls: azure", options={"azure_deployment": "ours"}, expect=(exact(request_model=GPT),))
def a_deployment_of_the_clients_own(client):
    return client.chat.completions.create(model=GPT, messages=HELLO)


@vertex(given=lambda provider: provider.answer_next(body=answer(), usage=USAGE), expect=billed_as(CLAUDE))
def a_message_on_vertex(client):
    return message(client)


@vertex(given=lambda provider: provider.answer_next(events=EVENTS, usage=USAGE), expect=billed_as(CLAUDE))
def a_message_stream_on_vertex(client):
    return message(client, stream=True)


@bedrock(given=lambda provider: provider.answer_next(body=answer(), usage=USAGE), expect=billed_as(BEDROCK_MODEL))
def a_message_on_bedrock(client):
    return message(client, model=BEDROCK_MODEL)


@bedrock(given=lambda provider: provider.answer_next(body=b"".join(map(aws_frame, EVENTS)), usage=USAGE, headers=BINARY),
         expect=billed_as(BEDROCK_MODEL))  # fmt: skip
def a_message_stream_on_bedrock(client):
    return message(client, model=BEDROCK_MODEL, stream=True)


@bedrock(given=lambda provider: provider.answer_next(body=b"".join(map(aws_frame, EVENTS)), usage=USAGE, headers=BINARY),
         expect=billed_as(BEDROCK_MODEL))  # fmt: skip
def a_raw_message_stream_on_bedrock(client):
    raw = yield client.messages.with_raw_response.create(
        model=BEDROCK_MODEL, messages=HELLO, max_tokens=50, stream=True
    )
    stream = yield raw.parse()
    return (yield all_of(stream))


@foundry()
def a_message_on_foundry(client):
    return message(client)


@foundry()
def a_message_stream_on_foundry(client):
    return message(client, stream=True)


@gemini("calls: sync", "calls: async")
def generated_content_on_vertex(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?")


@gemini("calls: stream")
def a_stream_of_generated_content_on_vertex(client):
    return client.models.generate_content_stream(model=GEMINI, contents="How far is it?")
