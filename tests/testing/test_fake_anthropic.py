"""The Anthropic wire format of the loopback provider, read by the real SDK."""

from __future__ import annotations

import asyncio

import anthropic
import pytest

from farebox.testing import tokens

HELLO = [{"role": "user", "content": "Count the passengers."}]


def test_a_message_bills_its_own_tokens(provider, anthropic_client):
    message = anthropic_client.messages.create(model="claude-haiku-4-5", max_tokens=12, messages=HELLO)
    assert message.usage.output_tokens == 12 == tokens.count(message.content[0].text)
    assert message.stop_reason == "max_tokens"
    (billed,) = provider.billed
    assert (billed.provider, billed.api) == ("anthropic", "messages")
    assert billed.usage == message.usage.model_dump(exclude_unset=True)


def test_a_stream_starts_with_the_prompt_and_ends_with_cumulative_usage(provider, anthropic_client):
    events = list(anthropic_client.messages.create(model="c", max_tokens=200, messages=HELLO, stream=True))
    assert events[0].type == "message_start"
    assert events[0].message.usage.output_tokens == 1
    (delta,) = [event for event in events if event.type == "message_delta"]
    assert delta.usage.output_tokens == 40
    assert events[-1].type == "message_stop"
    assert provider.billed[0].usage["output_tokens"] == 40


def test_the_stream_helper_ends_with_the_text_of_the_whole_message(anthropic_client):
    whole = anthropic_client.messages.create(model="c", max_tokens=99, messages=HELLO)
    with anthropic_client.messages.stream(model="c", max_tokens=99, messages=HELLO) as stream:
        final = stream.get_final_message()
    assert final.content[0].text == whole.content[0].text
    assert final.usage == whole.usage


def test_a_beta_call_says_so(provider, anthropic_client):
    anthropic_client.beta.messages.create(
        model="c", max_tokens=9, messages=HELLO, betas=["interleaved-thinking-2025-05-14"]
    )
    assert provider.billed[0].api == "beta.messages"


def test_counting_is_free_and_agrees_with_the_bill(provider, anthropic_client):
    options = {
        "model": "c",
        "messages": HELLO,
        "system": "Be exact.",
        "tools": [{"name": "fare", "input_schema": {"type": "object"}}],
    }
    counted = anthropic_client.messages.count_tokens(**options).input_tokens
    assert counted > 346
    assert anthropic_client.messages.create(max_tokens=9, **options).usage.input_tokens == counted
    assert len(provider.billed) == 1


@pytest.mark.parametrize(("ttl", "bucket"), [(None, "ephemeral_5m_input_tokens"), ("1h", "ephemeral_1h_input_tokens")])
def test_a_marked_prefix_is_written_once_and_then_read(anthropic_client, ttl, bucket):
    mark = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    system = [{"type": "text", "text": "".join(tokens.prose(1500)), "cache_control": mark}]
    first, second = (
        anthropic_client.messages.create(model="c", max_tokens=9, system=system, messages=HELLO).usage for _ in range(2)
    )
    assert first.cache_creation_input_tokens == 1500 == getattr(first.cache_creation, bucket)
    assert (second.cache_read_input_tokens, second.cache_creation_input_tokens) == (1500, 0)
    assert first.input_tokens == second.input_tokens


def test_a_short_marked_prefix_is_not_cached(anthropic_client):
    content = [{"type": "text", "text": "Short.", "cache_control": {"type": "ephemeral"}}]
    usage = anthropic_client.messages.create(
        model="c", max_tokens=9, messages=[{"role": "user", "content": content}]
    ).usage
    assert usage.cache_creation_input_tokens == 0


def test_tool_results_count_their_content(anthropic_client):
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "12 passengers"}]}
    asked = {"type": "tool_use", "id": "1", "name": "count", "input": {}}
    usage = anthropic_client.messages.create(
        model="c",
        max_tokens=9,
        messages=[{"role": "assistant", "content": [asked]}, {"role": "user", "content": [result]}],
    ).usage
    assert usage.input_tokens == 3 + 4 + tokens.count(asked) + 4 + tokens.count("12 passengers")


def test_the_async_client_is_served_the_same(provider):
    async def stream():
        async with (
            provider.async_anthropic_client() as client,
            client.messages.stream(model="c", max_tokens=9, messages=HELLO) as events,
        ):
            return await events.get_final_message()

    assert asyncio.run(stream()).usage.output_tokens == 9


def test_errors_are_of_the_providers_own_kind(provider, anthropic_client):
    provider.answer_next(529)
    with pytest.raises(anthropic.APIStatusError) as caught:
        anthropic_client.messages.create(model="c", max_tokens=9, messages=HELLO)
    assert caught.value.body["error"]["type"] == "overloaded_error"
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.models.list()
