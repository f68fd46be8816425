"""The OpenAI wire format of the loopback provider, read by the real SDK."""

from __future__ import annotations

import asyncio

import openai
import pytest

from farebox.testing import FakeProvider, tokens

HELLO = [{"role": "user", "content": "Count the passengers."}]
SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}


def test_a_chat_answer_bills_its_own_tokens(provider, openai_client):
    answer = openai_client.chat.completions.create(model="gpt-5-mini", messages=HELLO, max_completion_tokens=12)
    assert answer.usage.completion_tokens == 12 == tokens.count(answer.choices[0].message.content)
    assert answer.usage.prompt_tokens == tokens.count("Count the passengers.") + 4 + 3
    assert answer.choices[0].finish_reason == "length"
    (billed,) = provider.billed
    assert (billed.provider, billed.model, billed.api) == ("openai", "gpt-5-mini", "chat.completions")
    assert billed.usage["total_tokens"] == answer.usage.total_tokens
    assert billed.stated


def test_a_chat_stream_states_usage_only_where_it_is_asked_for(provider, openai_client):
    silent = list(openai_client.chat.completions.create(model="m", messages=HELLO, stream=True))
    asked = list(
        openai_client.chat.completions.create(
            model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert all(chunk.usage is None for chunk in silent)
    assert [chunk.usage.completion_tokens for chunk in asked if chunk.usage] == [40]
    assert asked[-1].choices == []
    first, second = provider.billed
    assert first.usage == second.usage
    assert (first.stated, second.stated) == (False, True)


def test_a_streamed_text_is_the_text_of_the_whole_answer(openai_client):
    whole = openai_client.chat.completions.create(model="m", messages=HELLO)
    stream = openai_client.chat.completions.create(model="m", messages=HELLO, stream=True)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        == whole.choices[0].message.content
    )


def test_two_choices_are_billed_twice_whole_and_streamed(openai_client):
    whole = openai_client.chat.completions.create(model="m", messages=HELLO, n=2)
    assert (len(whole.choices), whole.usage.completion_tokens) == (2, 80)
    stream = openai_client.chat.completions.create(
        model="m", messages=HELLO, n=2, stream=True, stream_options={"include_usage": True}
    )
    assert list(stream)[-1].usage == whole.usage


def test_tools_response_formats_and_pictures_count(openai_client):
    def prompt_tokens(**options):
        options = {"messages": HELLO, **options}
        return openai_client.chat.completions.create(model="m", **options).usage.prompt_tokens

    plain = prompt_tokens()
    tool = {"type": "function", "function": {"name": "fare", "parameters": {"type": "object"}}}
    assert prompt_tokens(tools=[tool]) == plain + 12 + tokens.count(tool)
    assert prompt_tokens(response_format={"type": "json_object"}) > plain
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    assert prompt_tokens(messages=[{"role": "user", "content": parts}]) == 3 + 4 + 1 + 258
    called = {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}],
    }
    assert prompt_tokens(messages=[called]) > 7


def test_a_long_prompt_is_cached_when_it_comes_again(openai_client):
    long = [{"role": "user", "content": "".join(tokens.prose(2000))}]
    first = openai_client.chat.completions.create(model="m", messages=long).usage
    second = openai_client.chat.completions.create(model="m", messages=long).usage
    other = openai_client.chat.completions.create(model="n", messages=long).usage
    assert first.prompt_tokens_details.cached_tokens == 0 == other.prompt_tokens_details.cached_tokens
    cached = second.prompt_tokens_details.cached_tokens
    assert 1024 <= cached <= second.prompt_tokens
    assert cached % 128 == 0


def test_reasoning_is_part_of_the_output_and_stays_within_the_cap():
    with FakeProvider(reasoning_tokens=30) as provider, provider.openai_client() as client:
        free = client.responses.create(model="m", input="x").usage
        capped = client.responses.create(model="m", input="x", max_output_tokens=16).usage
        chat = client.chat.completions.create(model="m", messages=HELLO).usage
    assert (free.output_tokens, free.output_tokens_details.reasoning_tokens) == (70, 30)
    assert (capped.output_tokens, capped.output_tokens_details.reasoning_tokens) == (16, 15)
    assert (chat.completion_tokens, chat.completion_tokens_details.reasoning_tokens) == (70, 30)


def test_output_tokens_may_be_a_number_or_all_that_is_allowed():
    with FakeProvider(7) as provider, provider.openai_client() as client:
        assert client.responses.create(model="m", input="x").usage.output_tokens == 7
        provider.output_tokens = "max"
        assert client.responses.create(model="m", input="x", max_output_tokens=99).usage.output_tokens == 99
        assert client.responses.create(model="m", input="x").usage.output_tokens == 1024


def test_a_response_stream_ends_with_the_whole_response(provider, openai_client):
    with openai_client.responses.stream(model="gpt-5-mini", input="Hello", instructions="Be brief") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert tokens.count(final.output_text) == final.usage.output_tokens == 40
    assert provider.billed[0].usage == final.usage.model_dump(exclude_unset=True)


def test_a_capped_response_is_incomplete(openai_client):
    response = openai_client.responses.create(model="m", input=[{"role": "user", "content": "x"}], max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"


def test_counting_input_tokens_is_free_and_agrees_with_the_bill(provider, openai_client):
    text = {"format": {"type": "text"}}
    counted = openai_client.responses.input_tokens.count(model="m", input="How many are we?", text=text)
    billed = openai_client.responses.create(model="m", input="How many are we?", text=text).usage.input_tokens
    assert counted.input_tokens == billed
    assert len(provider.billed) == 1


def test_completions_answer_every_prompt(openai_client):
    answer = openai_client.completions.create(model="m", prompt=["one", "two"], max_tokens=5)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.usage.completion_tokens == 10
    stream = openai_client.completions.create(
        model="m", prompt=[1, 2, 3], max_tokens=5, stream=True, stream_options={"include_usage": True}
    )
    assert list(stream)[-1].usage.model_dump(exclude_unset=True) == {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
    }


def test_embeddings_come_as_the_sdk_asks_and_have_the_size_asked_for(provider, openai_client):
    packed = openai_client.embeddings.create(model="e", input=["a", "b"])
    plain = openai_client.embeddings.create(model="e", input="a", dimensions=8, encoding_format="float")
    assert [len(item.embedding) for item in packed.data] == [1536, 1536]
    assert len(plain.data[0].embedding) == 8
    assert sum(value * value for value in packed.data[0].embedding) == pytest.approx(1, rel=0.01)
    assert [entry.usage["total_tokens"] for entry in provider.billed] == [2, 1]


def test_an_azure_deployment_is_the_model(provider):
    with openai.AzureOpenAI(
        azure_endpoint=provider.url, api_key="offline", api_version="2024-10-21", azure_deployment="mine"
    ) as client:
        client.chat.completions.create(model="ignored", messages=HELLO)
    assert provider.billed[0].model == "mine"


def test_the_async_client_is_served_the_same(provider):
    async def both():
        async with provider.async_openai_client() as client:
            whole = await client.responses.create(model="m", input="x")
            stream = await client.responses.create(model="m", input="x", stream=True)
            return whole, [event async for event in stream][-1].response

    whole, streamed = asyncio.run(both())
    assert whole.usage == streamed.usage


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda client: client.chat.completions.create(model=None, messages=HELLO), 400),
        (lambda client: client.embeddings.create(model="m", input=[]), 400),
        (lambda client: client.responses.retrieve("resp_none"), 404),
        (lambda client: client.post("/responses", body=[1], cast_to=object), 400),
        (lambda client: client.models.list(), 404),
    ],
)
def test_what_cannot_be_answered_gets_the_providers_own_error(provider, openai_client, call, status):
    with pytest.raises(openai.APIStatusError) as caught:
        call(openai_client)
    assert caught.value.status_code == status
    assert provider.billed == []


def test_a_function_is_called_so_often_in_a_conversation_whole_and_streamed():
    tool = {"type": "function", "function": {"name": "fare", "parameters": SCHEMA}}
    with FakeProvider(function_calls=1) as provider, provider.openai_client() as client:
        options = {"model": "m", "tools": [tool]}
        asking = client.chat.completions.create(messages=HELLO, **options)
        message = asking.choices[0].message
        (call,) = message.tool_calls
        with client.chat.completions.stream(
            messages=HELLO, stream_options={"include_usage": True}, **options
        ) as stream:
            streamed = stream.get_final_completion()
        answer = {"role": "tool", "tool_call_id": call.id, "content": "three"}
        spoken = client.chat.completions.create(messages=[*HELLO, message.to_dict(), answer], **options)
    assert (asking.choices[0].finish_reason, call.function.name, call.function.arguments) == (
        "tool_calls",
        "fare",
        '{"zone": "all"}',
    )
    assert streamed.choices[0].message.tool_calls[0].function.arguments == call.function.arguments
    assert streamed.usage == asking.usage
    assert tokens.count(spoken.choices[0].message.content) == 40
    assert [entry.usage["total_tokens"] for entry in provider.billed] == [
        asking.usage.total_tokens,
        asking.usage.total_tokens,
        spoken.usage.total_tokens,
    ]


@pytest.mark.parametrize(("asked", "answered"), [(None, "default"), ("flex", "flex"), ("fast", "priority")])
def test_the_service_tier_is_answered(openai_client, asked, answered):
    extra = {} if asked is None else {"service_tier": asked}
    assert openai_client.chat.completions.create(model="m", messages=HELLO, **extra).service_tier == answered
    assert openai_client.responses.create(model="m", input="x", **extra).service_tier == answered
