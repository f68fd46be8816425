from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import openai
import pytest

import farebox
from farebox import runtime
from farebox.core.errors import ConfigurationError
from farebox.pricing import ask, guess
from farebox.testing import FakeProvider

TEXT = "Where is my bag? I left it on the tram to the lighthouse, below the third seat. " * 4
TOOL = {"name": "find", "description": "Look for a lost thing", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture(autouse=True)
def no_vocabulary(monkeypatch, tmp_path):
    """tiktoken's cache is empty, so that every machine counts alike."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider("max") as running:
        yield running


@pytest.fixture
def openai_client(provider):
    with provider.openai_client(max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(provider):
    with provider.anthropic_client(max_retries=0) as client:
        yield client


@pytest.fixture
def genai_client(provider):
    client = provider.genai_client()
    yield client
    client.close()


def test_nothing_is_sent_and_bytes_are_counted_without_a_client():
    found = farebox.estimate(TEXT, model="gpt-5-mini")
    assert found.how == "bytes"
    assert found.low < found.expected


def test_anthropics_count_of_a_body_is_what_it_then_bills(provider, anthropic_client):
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 5,
        "system": "You look for lost things. " * 20,
        "tools": [TOOL],
        "messages": [{"role": "user", "content": TEXT}],
        "stop_sequences": ["END"],
    }
    found = farebox.estimate(body, model="claude-haiku-4-5", client=anthropic_client)
    used = anthropic_client.messages.create(**body).usage
    assert (found.how, found.input_tokens) == ("count_tokens", used.input_tokens)
    assert found.expected == farebox.price(used, provider="anthropic", model="claude-haiku-4-5", api="messages").amount
    assert len(provider.billed) == 1  # counting is free


def test_openais_count_of_a_body_is_what_it_then_bills(provider, openai_client):
    body = {"model": "gpt-5-mini", "input": TEXT, "instructions": "You look for lost things. " * 20}
    found = farebox.estimate(body, model="gpt-5-mini", client=openai_client)
    used = openai_client.responses.create(**body, max_output_tokens=20).usage
    assert (found.how, found.input_tokens) == ("count_tokens", used.input_tokens)
    assert len(provider.billed) == 1


def test_googles_count_of_contents_is_what_it_then_bills(provider, genai_client):
    found = farebox.estimate([TEXT, "And my hat?"], model="gemini-2.5-flash", client=genai_client)
    answer = genai_client.models.generate_content(model="gemini-2.5-flash", contents=[TEXT, "And my hat?"])
    assert (found.how, found.input_tokens) == ("count_tokens", answer.usage_metadata.prompt_token_count)
    assert len(provider.billed) == 1


@pytest.mark.parametrize("content", [TEXT, [TEXT], [{"role": "user", "content": TEXT}], (TEXT,)])
def test_a_text_and_messages_are_counted_alike(content, openai_client, anthropic_client):
    for client, model in ((openai_client, "gpt-5-mini"), (anthropic_client, "claude-haiku-4-5")):
        found = farebox.estimate(content, model=model, client=client)
        plain = farebox.estimate([{"role": "user", "content": TEXT}], model=model, client=client)
        assert (found.how, found.input_tokens) == ("count_tokens", plain.input_tokens)


def test_a_chat_body_of_messages_is_counted_and_one_with_tools_is_not_undercounted(provider, openai_client):
    body = {"messages": [{"role": "user", "content": TEXT}]}
    assert farebox.estimate(body, model="gpt-5-mini", client=openai_client).how == "count_tokens"
    asked = len(provider.requests)
    tools = {**body, "tools": [{"type": "function", "function": {"name": "find"}}]}
    assert farebox.estimate(tools, model="gpt-5-mini", client=openai_client).how == "bytes"
    assert len(provider.requests) == asked


@pytest.mark.parametrize(
    "more",
    [
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}},
        {"config": {"system_instruction": "Be brief."}},
        {"config": {"cached_content": "cachedContents/1"}},
        {"cachedContent": "cachedContents/1"},
        {"config": SimpleNamespace(tools=[{"functionDeclarations": [{"name": "find"}]}])},
    ],
)
def test_what_googles_count_cannot_be_told_of_is_counted_here(more, provider, genai_client):
    body = {"contents": TEXT, **more}
    assert farebox.estimate(body, model="gemini-2.5-flash", client=genai_client).how == "bytes"
    assert provider.requests == []


def test_a_failing_count_is_no_error_and_the_next_way_is_taken(provider, openai_client, anthropic_client, caplog):
    caplog.set_level(logging.INFO, "farebox")
    provider.answer_next(500, times=2, message=TEXT)
    for client, model in ((openai_client, "gpt-5-mini"), (anthropic_client, "claude-haiku-4-5")):
        found = farebox.estimate(TEXT, model=model, client=client)
        assert found == farebox.estimate(TEXT, model=model)
        assert found.how == "bytes"
    assert "InternalServerError" in caplog.text
    assert TEXT[:20] not in caplog.text


def test_a_failing_count_falls_back_to_the_vocabulary_where_it_is_there(provider, openai_client, monkeypatch):
    monkeypatch.setattr(guess, "count_exactly", lambda content, model: 77)
    assert farebox.estimate(TEXT, model="gpt-5-mini", client=openai_client).how == "count_tokens"
    provider.answer_next(429)
    found = farebox.estimate(TEXT, model="gpt-5-mini", client=openai_client)
    assert (found.how, found.input_tokens) == ("tiktoken", 77)


def test_a_provider_that_is_not_there_is_no_error():
    with openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="offline", max_retries=0) as client:
        assert farebox.estimate(TEXT, model="gpt-5-mini", client=client).how == "bytes"


def test_an_older_sdk_without_a_count_is_not_asked():
    older = SimpleNamespace(chat=object(), responses=SimpleNamespace(create=print))
    assert farebox.estimate(TEXT, model="gpt-5-mini", client=older).how == "bytes"


@pytest.mark.parametrize("count", [None, -1, True, "12", 1.5])
def test_a_count_that_is_none_is_not_believed(count):
    answering = SimpleNamespace(messages=SimpleNamespace(count_tokens=lambda **_: SimpleNamespace(input_tokens=count)))
    assert ask.count_by(answering, TEXT, "claude-haiku-4-5") is None


def test_an_asynchronous_client_is_refused_and_sends_nothing(provider):
    async def ask_all() -> None:
        async with provider.async_openai_client() as one, provider.async_anthropic_client() as two:
            for client in (one, two, provider.genai_client().aio):
                with pytest.raises(ConfigurationError, match=r"client=Async\w+ is asynchronous: give .* synchronous"):
                    farebox.estimate(TEXT, model="gpt-5-mini", client=client)

    asyncio.run(ask_all())
    assert provider.requests == []


def test_what_is_no_client_is_named():
    with pytest.raises(ConfigurationError, match="client=3 cannot count tokens: give a client of openai"):
        farebox.estimate(TEXT, model="gpt-5-mini", client=3)


def test_counting_is_not_metered(provider, anthropic_client):
    with farebox.instrument("anthropic"), farebox.capture() as seen, farebox.track_budget(0):
        assert farebox.estimate(TEXT, model="claude-haiku-4-5", client=anthropic_client).how == "count_tokens"
    assert seen.calls == []
    assert len(provider.requests) == 1
