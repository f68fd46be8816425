"""The coverage proof: what leaves below the hooks, against what events explain, on the real SDKs' own transports."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading

import pytest

import farebox
from farebox import runtime
from farebox.core import guard
from farebox.instruments.free import FREE, is_free
from farebox.instruments.patching import INSTRUMENTS
from farebox.instruments.taps import SEAMS, Tap
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


# --- what is free


@pytest.mark.parametrize(
    ("sdk", "method", "path"),
    [
        ("openai", "POST", "/v1/threads/runs"),
        ("openai", "POST", "/v1/threads/thread_1/runs"),
        ("openai", "POST", "/v1/vector_stores/vs_1/search"),
        ("openai", "GET", "/v1/responses/resp_1"),
        ("openai", "GET", "/v1/files/file-1/content"),
        ("openai", "POST", "/v1/realtime/client_secrets"),
        ("openai", "POST", "/openai/deployments/files/chat/completions"),
        ("anthropic", "GET", "/v1/messages/batches/msgbatch_1/results"),
        ("anthropic", "POST", "/v1/sessions/session_1/events"),
        ("google_genai", "POST", "/upload/v1beta/fileSearchStores/one:uploadToFileSearchStore"),
        ("google_genai", "PATCH", "/v1beta/cachedContents/one"),
        ("google_genai", "POST", "/v1beta/auth_tokens"),
    ],
)
def test_what_is_paid_or_tells_of_it_is_not_free(sdk, method, path):
    assert not is_free(sdk, method, path)


def test_no_endpoint_of_an_instrument_is_free():
    rows = []
    for name in FREE:
        instrument = INSTRUMENTS[name]
        for dialect in {id(hook.dialect): hook.dialect or instrument.dialect for hook in instrument.hooks}.values():
            paths = getattr(dialect, "_paths", None)
            for method, endpoints in (paths._rows if paths is not None else {}).items():
                rows += [(name, method.upper(), f"/v1/{row[2].path}".replace("{}", "an_id")) for row in endpoints]
    assert len(rows) > 30
    assert [row for row in rows if is_free(row[0], row[1], row[2].partition("?")[0])] == []


@pytest.mark.parametrize(
    ("sdk", "method", "path"),
    [
        ("openai", "GET", "/v1/models/gpt-5"),
        ("openai", "GET", "/openai/v1/files"),
        ("anthropic", "POST", "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict"),
        ("google_genai", "POST", "/v1beta1/projects/p/locations/l/publishers/google/models/gemini:countTokens"),
        ("google_genai", "POST", "/upload/v1beta/files"),
    ],
)
def test_clouds_and_versions_before_a_path_do_not_matter(sdk, method, path):
    assert is_free(sdk, method, path)


# --- every way out


def test_every_seam_is_there_in_the_installed_sdks():
    found = 0
    for seam in SEAMS:
        try:
            module = importlib.import_module(seam.module)
        except ModuleNotFoundError:
            assert seam.only, seam
            continue
        owner = getattr(module, seam.owner)
        assert "__init__" in vars(owner), seam
        found += 1
    assert found >= 7


def test_a_stream_of_google_is_explained_though_it_is_sent_when_it_is_first_asked_for(provider):
    handle = farebox.instrument(audit=True)
    client = provider.genai_client()
    pieces = client.models.generate_content_stream(model="gemini-2.5-flash", contents="hello")
    assert counted(handle)[0] == 0
    list(pieces)
    client.close()
    assert counted(handle) == (1, 1, 0, [])


def test_a_retried_stream_of_google_is_one_event_with_its_attempts(provider):
    handle = farebox.instrument(audit=True)
    provider.answer_next(503)
    options = {"retry_options": {"attempts": 2, "initial_delay": 0.01}}
    client = provider.genai_client()
    with farebox.capture() as seen:
        list(
            client.models.generate_content_stream(
                model="gemini-2.5-flash", contents="hi", config={"http_options": options}
            )
        )
    client.close()
    assert counted(handle)[:2] == (2, 2)
    assert [event.attempts for event in seen.calls] == [2]


def test_what_goes_by_a_transport_of_google_itself_is_found_out(provider):
    before = provider.genai_client()
    handle = farebox.instrument(audit=True)
    for client in (before, provider.genai_client()):
        client._api_client._httpx_client.post(f"{provider.url}/v1beta/models/gemini-2.5-flash:generateContent", json={})
        client.close()
    assert counted(handle) == (2, 0, 0, [("POST", "/v1beta/models/gemini-2.5-flash:generateContent", 2)])


def test_a_transport_of_the_users_own_is_audited(provider):
    with provider.openai_client() as plain:
        own = type(plain._client)(base_url=plain.base_url)
    handle = farebox.instrument(audit=True)
    with provider.openai_client(http_client=own) as client:
        chat(client)
        chat(client.with_options(max_retries=0))
        own.post("chat/completions", json={"model": "gpt-5", "messages": MESSAGES})
    assert counted(handle) == (3, 2, 0, [("POST", "/v1/chat/completions", 1)])


def test_an_asynchronous_request_past_the_hooks_is_found_out(provider):
    handle = farebox.instrument(audit=True)

    async def work():
        async with provider.async_anthropic_client() as client:
            await client._client.post("/v1/messages", json={"model": "claude-haiku-4-5", "messages": MESSAGES})
            await client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=MESSAGES)

    asyncio.run(work())
    assert counted(handle) == (2, 1, 0, [("POST", "/v1/messages", 1)])


# --- what explains


def test_a_call_that_could_not_be_opened_explains_nothing(provider, monkeypatch):
    handle = farebox.instrument(audit=True)
    guard.raise_faults(enabled=False)
    monkeypatch.setattr(runtime.current().meter, "open", None)
    with provider.openai_client() as client:
        chat(client)
    assert counted(handle) == (1, 0, 0, [("POST", "/v1/chat/completions", 1)])
    assert sum(guard.faults.values()) == 1


def test_silence_that_was_asked_for_is_counted_apart(provider):
    handle = farebox.instrument(audit=True)
    with provider.openai_client() as client, farebox.suppress():
        chat(client)
    assert counted(handle) == (1, 0, 0, [])
    assert handle.audit().suppressed == 1


def test_calls_of_many_threads_are_all_counted(provider):
    handle = farebox.instrument(audit=True)
    with provider.openai_client() as client:
        threads = [threading.Thread(target=lambda: [chat(client) for _ in range(5)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counted(handle) == (20, 20, 0, [])


def test_ids_are_left_out_of_the_report_and_models_are_not(provider):
    handle = farebox.instrument(audit=True)
    with provider.openai_client() as client:
        for path in ("responses/resp_68af4030baa48193b0b43b4c2a176a1a", "models/claude-haiku-4-5-20251001:think"):
            client._client.post(f"{provider.openai_base_url}/{path}", json={})
    assert [row.path for row in handle.audit().unexplained] == [
        "/v1/models/claude-haiku-4-5-20251001:think",
        "/v1/responses/{}",
    ]


def test_a_report_does_not_grow_without_bound(provider, monkeypatch):
    monkeypatch.setattr("farebox.instruments.audit._LISTED_AT_MOST", 2)
    handle = farebox.instrument(audit=True)
    with provider.openai_client() as client:
        for path in "abcd":
            client._client.post(f"{provider.openai_base_url}/{path}", json={})
    assert counted(handle)[3] == [("*", "*", 2), ("POST", "/v1/a", 1), ("POST", "/v1/b", 1)]


# --- several, and none


def test_two_audits_see_the_same_and_the_last_one_leaves_nothing(provider):
    with provider.openai_client() as client:
        first, second = farebox.instrument(audit=True), farebox.instrument(audit=True)
        chat(client)
        assert counted(first) == counted(second) == (1, 1, 0, [])
        first.undo()
        chat(client)
        assert counted(second) == (2, 2, 0, [])
        second.undo()
        assert "send" not in vars(client._client)


def test_a_patch_of_the_users_own_on_the_transport_stays(provider):
    seen = []
    with provider.openai_client() as client:
        send = client._client.send
        client._client.send = lambda *args, **kwargs: seen.append(1) or send(*args, **kwargs)
        handle = farebox.instrument(audit=True)
        assert isinstance(client._client.send, Tap)
        chat(client)
        handle.undo()
        chat(client)
    assert len(seen) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_child_counts_on_though_its_parent_was_counting(provider):
    handle = farebox.instrument(audit=True)
    audit = handle._installed.audit
    with audit._lock:
        child = os.fork()
        if child == 0:
            audit.sent("openai", "POST", "host", "/v1/x")
            os._exit(counted(handle)[0])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
