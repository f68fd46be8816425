"""The Anthropic wire format of the loopback provider, read by the real SDK."""

from __future__ import annotations

import asyncio

import anthropic
import pytest

from farebox.testing import FakeProvider, tokens

HELLO = [{"role": "user", "content": "Count the passengers."}]
TOOL = {
    "name": "fare",
    "input_schema": {
        "type": "object",
        "properties": {"zone": {"type": "string", "enum": ["all", "one"]}},
        "required": ["zone"],
    },
}


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


def test_a_search_is_shown_and_counted_whole_and_streamed(valid):
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    with FakeProvider(hosted_calls=2) as provider, provider.anthropic_client() as client:
        whole = client.messages.create(model="c", max_tokens=99, messages=HELLO, tools=tools)
        with client.messages.stream(model="c", max_tokens=99, messages=HELLO, tools=tools) as stream:
            final = stream.get_final_message()
    assert [block.type for block in whole.content] == ["server_tool_use", "web_search_tool_result"] * 2 + ["text"]
    assert [block.type for block in final.content] == [block.type for block in whole.content]
    assert valid(whole)["usage"]["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 0}
    assert final.usage.server_tool_use == whole.usage.server_tool_use
    assert provider.billed[0].usage == provider.billed[1].usage == valid(whole)["usage"]


def test_place_and_speed_are_echoed_and_reasoning_is_counted():
    with FakeProvider(reasoning_tokens=5) as provider, provider.anthropic_client() as client:
        usage = client.beta.messages.create(
            model="c", max_tokens=99, messages=HELLO, inference_geo="us", speed="fast", betas=["fast-mode-2026-02-01"]
        ).usage
        assert (usage.inference_geo, usage.speed, usage.output_tokens_details.thinking_tokens) == ("us", "fast", 5)
        assert provider.billed[0].usage == usage.model_dump(exclude_unset=True)


def test_iterations_can_be_laid_over_whole_and_streamed_usage(provider, anthropic_client, valid):
    counts = {
        "input_tokens": 900,
        "output_tokens": 80,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
    }
    extra = {
        "iterations": [
            {"type": "compaction", **counts},
            {"type": "advisor_message", "model": "claude-opus-5", **counts},
            {"type": "message", **counts},
        ]
    }
    provider.answer_next(usage_extra=extra, times=2)
    options = {"model": "c", "max_tokens": 99, "messages": HELLO, "betas": ["compact-2026-01-12"]}
    whole = anthropic_client.beta.messages.create(**options)
    events = list(anthropic_client.beta.messages.create(**options, stream=True))
    assert [item.type for item in whole.usage.iterations] == ["compaction", "advisor_message", "message"]
    (delta,) = [event for event in events if event.type == "message_delta"]
    assert delta.usage.iterations == whole.usage.iterations
    assert events[0].message.usage.iterations is None
    assert [entry.usage for entry in provider.billed] == [valid(whole)["usage"]] * 2


def test_a_tool_is_called_so_often_in_a_conversation_and_each_turn_is_billed():
    def fare(zone: int) -> str:
        """The fare of a zone."""
        asked.append(zone)
        return "three"

    asked = []
    with FakeProvider(function_calls=2) as provider, provider.anthropic_client() as client:
        runner = client.beta.messages.tool_runner(
            model="c", max_tokens=99, messages=HELLO, tools=[anthropic.beta_tool(fare)]
        )
        turns = list(runner)
        with client.messages.stream(model="c", max_tokens=99, messages=HELLO, tools=[TOOL]) as stream:
            (streamed,) = stream.get_final_message().content
    assert [turn.stop_reason for turn in turns] == ["tool_use", "tool_use", "end_turn"]
    assert asked == [1, 1]
    assert (streamed.name, streamed.input) == ("fare", {"zone": "all"})
    assert [entry.usage for entry in provider.billed[:3]] == [
        turn.usage.model_dump(exclude_unset=True) for turn in turns
    ]
    inputs = [entry.usage["input_tokens"] for entry in provider.billed[:3]]
    assert inputs == sorted(set(inputs))


def test_a_thread_that_the_provider_keeps_counts_whole_in_every_turn(provider, anthropic_client):
    options = {"model": "c", "max_tokens": 99}
    body = {**options, "messages": HELLO, "thread": {"type": "create"}}
    first = anthropic_client.post("/v1/messages", body=body, cast_to=object)
    said = {"role": "assistant", "content": first["content"]}
    thread = {"type": "continue", "previous_message_id": first["id"]}
    second = anthropic_client.post("/v1/messages", body={**body, "thread": thread}, cast_to=object)
    whole = anthropic_client.messages.create(**options, messages=[*HELLO, said, *HELLO])
    assert second["usage"]["input_tokens"] == whole.usage.input_tokens
    assert len(provider.billed) == 3


def test_a_batch_is_billed_by_the_line_when_it_has_ended_and_once(valid):
    requests = [
        {"custom_id": "a", "params": {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": HELLO}},
        {"custom_id": "b", "params": {"model": "claude-haiku-4-5", "messages": HELLO}},
        {"custom_id": "c", "params": {"model": "claude-opus-5", "max_tokens": 99, "messages": HELLO}},
    ]
    with FakeProvider(job_polls=2) as provider, provider.anthropic_client() as client:
        batches = client.messages.batches
        begun = batches.create(requests=requests)
        assert (begun.processing_status, begun.request_counts.processing, begun.results_url) == ("in_progress", 3, None)
        assert batches.retrieve(begun.id).processing_status == "in_progress"
        assert provider.billed == []
        ended = batches.retrieve(begun.id)
        rows = list(batches.results(begun.id))
        assert list(batches.results(begun.id)) == rows
        billed = provider.billed
    assert valid(ended)["request_counts"] == {
        "processing": 0,
        "succeeded": 2,
        "errored": 1,
        "canceled": 0,
        "expired": 0,
    }
    assert [(row.custom_id, row.result.type) for row in rows] == [
        ("a", "succeeded"),
        ("b", "errored"),
        ("c", "succeeded"),
    ]
    assert rows[1].result.error.error.type == "invalid_request_error"
    messages = [valid(row)["result"]["message"] for row in rows if row.result.type == "succeeded"]
    assert {message["usage"]["service_tier"] for message in messages} == {"batch"}
    assert [(entry.model, entry.api, entry.usage, entry.batch) for entry in billed] == [
        (message["model"], "messages", message["usage"], True) for message in messages
    ]


def test_a_beta_batch_has_results_of_its_own_kind(provider, anthropic_client):
    batches = anthropic_client.beta.messages.batches
    params = {"model": "c", "max_tokens": 9, "messages": HELLO}
    begun = batches.create(requests=[{"custom_id": "a", "params": params}], betas=["output-300k-2026-03-24"])
    batches.retrieve(begun.id)
    (row,) = batches.results(begun.id)
    (billed,) = provider.billed
    assert (billed.api, billed.usage["output_tokens"]) == ("beta.messages", row.result.message.usage.output_tokens)


def test_a_cancelled_batch_costs_nothing(provider, anthropic_client):
    batches = anthropic_client.messages.batches
    params = {"model": "c", "max_tokens": 9, "messages": HELLO}
    begun = batches.create(requests=[{"custom_id": "a", "params": params}])
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.get(f"/v1/messages/batches/{begun.id}/results", cast_to=object)
    assert batches.cancel(begun.id).request_counts.canceled == 1
    assert [row.result.type for row in batches.results(begun.id)] == ["canceled"]
    assert [batch.id for batch in batches.list()] == [begun.id]
    batches.delete(begun.id)
    assert list(batches.list()) == []
    assert provider.billed == []
