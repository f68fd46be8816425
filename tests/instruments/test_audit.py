"""The coverage proof: what leaves below the hooks, against what events explain, on the real SDKs' own transports."""

from __future__ import annotations

import asyncio
import logging

import pytest

import farebox
from farebox import runtime
from farebox.testing import FakeProvider

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


def chat(client):
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)


def counted(handle):
    report = handle.audit()
    return (
        report.requests,
        report.explained,
        report.free,
        [(row.method, row.path, row.count) for row in report.unexplained],
    )


def test_metered_calls_explain_their_requests_retries_and_streams_included(provider):
    handle = farebox.instrument(audit=True)
    provider.answer_next(500, headers={"retry-after-ms": "1"})
    with provider.openai_client(max_retries=1) as client:
        chat(client)
        list(client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True))
        response = client.responses.create(model="gpt-5-mini", input="hello", background=True)
        client.responses.retrieve(response.id)
    with provider.anthropic_client() as client:
        client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=MESSAGES)
    assert counted(handle) == (6, 6, 0, [])


@pytest.mark.filterwarnings("ignore:.*Interactions usage is experimental")
def test_asynchronous_clients_and_google_are_audited_alike(provider):
    handle = farebox.instrument(audit=True)

    async def work():
        async with provider.async_openai_client() as client:
            await chat(client)
        google = provider.genai_client().aio
        await google.models.generate_content(model="gemini-2.5-flash", contents="hello")
        await google.models.count_tokens(model="gemini-2.5-flash", contents="hello")
        await google.aclose()

    asyncio.run(work())
    google = provider.genai_client()
    google.models.generate_content(model="gemini-2.5-flash", contents="hello")
    google.interactions.create(model="gemini-2.5-flash", input="hello")
    google.close()
    assert counted(handle) == (5, 4, 1, [])


def test_what_costs_nothing_is_free(provider):
    handle = farebox.instrument(audit=True)
    with provider.openai_client() as client:
        client.moderations.create(input="x")
        file = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        client.files.retrieve(file.id)
        client.responses.input_tokens.count(model="gpt-5-mini", input="x")
    with provider.anthropic_client() as client:
        client.messages.count_tokens(model="claude-haiku-4-5", messages=MESSAGES)
    assert counted(handle) == (5, 0, 5, [])


def test_a_request_past_the_hooks_is_named_once_and_counted(provider, caplog):
    handle = farebox.instrument(audit=True)
    with provider.openai_client() as client, caplog.at_level(logging.WARNING, "farebox"):
        for _ in range(2):
            client._client.post(
                f"{provider.openai_base_url}/chat/completions", json={"model": "gpt-4o-mini", "messages": MESSAGES}
            )
        client._client.post(f"{provider.openai_base_url}/agents/session_0123456789/turns", json={})
    assert counted(handle) == (3, 0, 0, [("POST", "/v1/agents/{}/turns", 1), ("POST", "/v1/chat/completions", 2)])
    assert len([record for record in caplog.records if "no event explains" in record.message]) == 2


def test_a_method_that_was_taken_before_the_hooks_is_found_out(provider):
    with provider.openai_client() as client:
        taken = client.request
        handle = farebox.instrument(audit=True)
        client.request = taken
        chat(client)
        assert counted(handle) == (1, 0, 0, [("POST", "/v1/chat/completions", 1)])


def test_an_endpoint_that_farebox_does_not_know_is_found_out(provider):
    handle = farebox.instrument(audit=True)
    provider.answer_next(body={"id": "x"})
    with provider.openai_client() as client:
        client.post("/quantum/oracles", cast_to=object, body={})
    assert counted(handle) == (1, 0, 0, [("POST", "/v1/quantum/oracles", 1)])


def test_clients_are_left_as_they_were(provider):
    with provider.openai_client() as client:
        handle = farebox.instrument(audit=True)
        assert "send" in vars(client._client)
        handle.undo()
        assert "send" not in vars(client._client)
        chat(client)
    with pytest.raises(farebox.ConfigurationError, match="audit=True"):
        handle.audit()


def test_without_an_audit_nothing_is_counted(provider):
    handle = farebox.instrument()
    with provider.openai_client() as client:
        chat(client)
        assert "send" not in vars(client._client)
    with pytest.raises(farebox.ConfigurationError, match="nothing was audited"):
        handle.audit()
