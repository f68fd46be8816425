"""litellm's own HTTP paths give one event per request with the provider's own usage; its SDK paths are metered once, by the SDK's hook."""

from __future__ import annotations

import asyncio
import gc
import os
import time

import pytest

from farebox.core.errors import BudgetExceeded
from farebox.instruments import litellm_rows as rows

pytestmark = pytest.mark.filterwarnings("ignore")  # litellm's own, of which it has many

MESSAGES = [{"role": "user", "content": "2+2?"}]


@pytest.fixture(scope="session")
def litellm():
    """Imported by the first test that needs it, as it takes three seconds and writes to the environment, which is put back."""
    before = dict(os.environ)
    # Or it asks the network for prices while it is imported.
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
    try:
        module = pytest.importorskip("litellm")
    finally:
        os.environ.clear()
        os.environ |= before
    module.suppress_debug_info = True
    return module


@pytest.fixture
def targets(server):
    """Where each provider is called: on this machine."""
    aws = {"aws_access_key_id": "k", "aws_secret_access_key": "k", "aws_region_name": "eu-west-1"}
    return {
        "openai": {"model": "openai/gpt-asked", "api_base": f"{server.url}/v1", "api_key": "k"},
        "anthropic": {"model": "anthropic/claude-asked", "api_base": server.url, "api_key": "k"},
        "gemini": {"model": "gemini/gemini-asked", "api_base": f"{server.url}/v1beta", "api_key": "k"},
        "groq": {"model": "groq/llama-asked", "api_base": f"{server.url}/v1", "api_key": "k"},
        "cohere": {"model": "cohere/command-asked", "api_base": f"{server.url}/v2/chat", "api_key": "k"},
        "bedrock": {
            "model": "bedrock/converse/anthropic.claude-asked-v1:0",
            "aws_bedrock_runtime_endpoint": server.url,
            **aws,
        },
        "invoke": {
            "model": "bedrock/invoke/anthropic.claude-asked-v1:0",
            "aws_bedrock_runtime_endpoint": server.url,
            **aws,
        },
    }


@pytest.fixture
def ask(litellm, mode, targets):
    """One completion, synchronous or not; a stream is read to its end."""

    async def asynchronous(options):
        answer = await litellm.acompletion(**options)
        return [piece async for piece in answer] if options.get("stream") else answer

    def asking(provider, **more):
        options = {"messages": MESSAGES, **targets[provider], **more}
        if mode == "async":
            return asyncio.run(asynchronous(options))
        answer = litellm.completion(**options)
        return list(answer) if options.get("stream") else answer

    return asking


EXPECTED = {
    "openai": ("openai", "chat.completions", "gpt-asked", "CHAT_USAGE"),
    "anthropic": ("anthropic", "messages", "claude-asked", "MESSAGE_USAGE"),
    "gemini": ("google", "generateContent", "gemini-asked", "GEMINI_USAGE"),
    "groq": ("groq", "chat.completions", "llama-asked", "CHAT_USAGE"),
    "bedrock": ("aws-bedrock", "bedrock converse", "anthropic.claude-asked-v1:0", "CONVERSE_USAGE"),
    "invoke": ("aws-bedrock", "messages", "anthropic.claude-asked-v1:0", "MESSAGE_USAGE"),
    "cohere": ("cohere", "", "command-asked", "COHERE_USAGE"),
}


@pytest.mark.parametrize("provider", EXPECTED)
def test_a_completion_is_one_event_with_the_usage_that_the_provider_sent(
    litellm, ask, server, hooked, meter, wire, provider
):
    answer = ask(provider)
    assert type(answer) is litellm.ModelResponse
    name, api, model, usage = EXPECTED[provider]
    request, end = meter.call.request, meter.call.end
    assert len(server.requests) == 1
    assert (request.provider, request.api, request.model, request.operation[-4:]) == (
        name, api, model, "chat" if provider != "gemini" else "tent",
    )  # fmt: skip
    assert meter.call.raw == getattr(wire, usage)
    assert (end["status"], end["billable"], end["partial"]) == ("ok", True, False)


@pytest.mark.parametrize("provider", [name for name in EXPECTED if name != "cohere"])
def test_a_stream_is_one_event_with_the_usage_that_the_provider_sent(ask, server, hooked, meter, wire, provider):
    pieces = ask(provider, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) in {
        "four",
        '{"answer": 4}',
    }
    name, api, model, usage = EXPECTED[provider]
    assert len(server.requests) == 1
    request, end = meter.call.request, meter.call.end
    assert (request.provider, request.api, request.model, request.stream) == (name, api, model, True)
    raw = getattr(wire, usage)
    assert meter.call.raw == raw
    assert (end["status"], end["partial"]) == ("ok", False)


def test_a_stream_that_was_asked_for_its_usage_by_us_looks_to_the_caller_as_without(ask, server, hooked, meter):
    with_us = [piece.model_dump(exclude={"id", "created"}) for piece in ask("groq", stream=True)]
    assert server.requests[0].body["stream_options"] == {"include_usage": True}
    hooked.undo()
    without = [piece.model_dump(exclude={"id", "created"}) for piece in ask("groq", stream=True)]
    assert "stream_options" not in server.requests[1].body
    assert with_us == without


def test_a_caller_who_asks_for_usage_is_left_alone(ask, server, hooked, meter, wire):
    pieces = ask("groq", stream=True, stream_options={"include_usage": True})
    assert pieces[-1].usage.total_tokens == wire.CHAT_USAGE["total_tokens"]
    assert meter.call.raw == wire.CHAT_USAGE


def test_cached_tokens_of_anthropic_are_not_counted_as_fresh_ones_again(ask, hooked, meter):
    answer = ask("anthropic")
    assert answer.usage.prompt_tokens == 45  # litellm's own count holds what was cached
    assert meter.call.end["usage"].units == {
        "input": 30, "cache_read": 5, "cache_write_5m": 6, "cache_write_1h": 4, "output": 12,
    }  # fmt: skip


def test_a_region_of_bedrock_and_vertex_is_told(meter):
    assert rows.location("https://bedrock-runtime.eu-west-1.amazonaws.com/model/x/converse") == "eu-west-1"
    vertex = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/c:rawPredict"
    assert (rows.location(vertex), rows.model(vertex)) == ("us-east5", "c")
    assert rows.endpoint(vertex).api == "messages"
    assert rows.endpoint(vertex.replace("anthropic", "mistralai")).api == "chat.completions"


def test_embeddings_are_metered(litellm, hooked, meter, server):
    litellm.embedding(model="gemini/embedder", input=["x"], api_base=f"{server.url}/v1beta", api_key="k")
    litellm.embedding(
        model="openai/embedder", input=["x"], api_base=f"{server.url}/v1", api_key="k", encoding_format=None
    )
    assert len(server.requests) == len(meter.calls) == 2
    assert [call.request.operation for call in meter.calls] == ["embeddings", "embeddings"]
    assert [call.request.provider for call in meter.calls] == ["google", "openai"]
    assert all(call.raw for call in meter.calls)


@pytest.mark.parametrize("stream", [False, True])
def test_responses_are_metered_whoever_answers_them(litellm, hooked, meter, server, targets, wire, stream):
    for provider in ("openai", "anthropic"):
        answer = litellm.responses(input="2+2?", stream=stream, **targets[provider])
        if stream:
            list(answer)
    assert len(server.requests) == 2
    assert [call.request.api for call in meter.calls] == ["responses", "messages"]
    assert [call.raw for call in meter.calls] == [wire.RESPONSE_USAGE, wire.MESSAGE_USAGE]


def test_a_free_request_gives_no_event(litellm, hooked, meter, server):
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    HTTPHandler().post(f"{server.url}/v1/messages/count_tokens", json={"model": "claude", "messages": MESSAGES})
    HTTPHandler().post(f"{server.url}/api/public/ingestion", json={"batch": []})
    assert len(server.requests) == 2
    assert meter.calls == []


def test_each_retry_is_an_event_and_only_the_answer_is_billed(ask, server, hooked, meter, wire):
    server.statuses.extend([500])
    ask("anthropic", num_retries=2)
    assert len(server.requests) == len(meter.calls) == 2
    assert [(call.end["status"], call.end["billable"]) for call in meter.calls] == [("error", False), ("ok", True)]
    assert meter.calls[1].raw == wire.MESSAGE_USAGE


def test_a_fallback_of_the_router_is_one_event_a_request(litellm, server, hooked, meter, targets, wire):
    server.statuses.extend([500, 500])
    answer = _router(litellm, targets).completion(model="main", messages=MESSAGES)
    assert answer.model == "gpt-answered"
    assert len(server.requests) == len(meter.calls) == 3
    assert [call.request.provider for call in meter.calls] == ["anthropic", "anthropic", "openai"]
    assert [call.end["billable"] for call in meter.calls] == [False, False, True]


def _router(litellm, targets):
    return litellm.Router(
        model_list=[
            {"model_name": "main", "litellm_params": targets["anthropic"]},
            {"model_name": "spare", "litellm_params": targets["openai"]},
        ],
        fallbacks=[{"main": ["spare"]}],
        num_retries=1,
        retry_after=0,
    )


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "groq", "bedrock"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_reaches_the_caller_as_it_is_and_is_not_retried(ask, server, hooked, meter, provider, stream):
    asked = []
    meter.refuses, meter.on_open = True, asked.append
    with pytest.raises(BudgetExceeded) as raised:
        ask(provider, stream=stream, num_retries=2)
    assert type(raised.value) is BudgetExceeded
    assert (len(asked), server.requests) == (1, [])


def test_a_refusal_goes_through_the_router_without_fallbacks(litellm, server, hooked, meter, targets):
    asked = []
    meter.refuses, meter.on_open = True, asked.append
    with pytest.raises(BudgetExceeded):
        _router(litellm, targets).completion(model="main", messages=MESSAGES)
    assert (len(asked), server.requests) == (1, [])


def test_a_refusal_that_the_program_is_handling_is_not_mistaken_for_one_of_this_call(
    litellm, ask, server, hooked, meter
):
    server.statuses.extend([400])
    meter.refuses = True
    try:
        ask("anthropic")
    except BudgetExceeded:
        meter.refuses = False
        with pytest.raises(litellm.BadRequestError):
            ask("anthropic")


def test_a_timeout_after_sending_may_have_been_billed(litellm, ask, server, hooked, meter):
    server.gate_after = 0
    with pytest.raises(litellm.Timeout):
        ask("anthropic", timeout=0.2)
    server.gate.set()
    assert (meter.call.end["status"], meter.call.end["billable"]) == ("error", True)


def test_a_stream_that_breaks_is_settled_once_with_what_was_seen(litellm, ask, server, hooked, meter):
    server.cut_after = 3
    with pytest.raises(litellm.exceptions.MidStreamFallbackError):
        ask("anthropic", stream=True)
    assert (meter.call.end["status"], meter.call.end["partial"]) == ("error", True)
    assert meter.call.raw["input_tokens"] == 30


def test_a_stream_that_its_reader_leaves_is_settled_once(litellm, server, hooked, meter, targets, wire):
    server.gate_after = 3
    for _piece in litellm.completion(messages=MESSAGES, stream=True, **targets["anthropic"]):
        break
    del _piece
    server.gate.set()
    deadline = time.monotonic() + 10
    while not meter.call.ends and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert (meter.call.end["status"], meter.call.end["partial"]) == ("abandoned", True)


def test_a_path_that_is_not_known_is_metered_when_litellm_says_what_it_is_for(litellm, hooked, meter, server):
    from litellm.litellm_core_utils.litellm_logging import Logging

    record = Logging("m", MESSAGES, False, "completion", None, "id", "f")
    record.model_call_details["custom_llm_provider"] = "xai"
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    HTTPHandler().post(f"{server.url}/predict/now", json={"model": "m"}, logging_obj=record)
    request = meter.call.request
    assert (request.provider, request.operation, request.model) == ("x-ai", "chat", "m")


def test_what_nobody_knows_is_asked_about_where_budgets_are_strict_but_not_what_goes_to_logs(
    litellm, server, hooked, meter
):
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    meter.is_strict = True
    HTTPHandler().post(f"{server.url}/ingest", json={"event": 1})
    record = type("Record", (), {"call_type": "dream", "model_call_details": {}})()
    with pytest.raises(BudgetExceeded):
        HTTPHandler().post(f"{server.url}/dream", json={"model": "m"}, logging_obj=record)
    assert meter.unknowns == [("litellm", "POST /dream is not a request that farebox knows")]
    assert [request.path for request in server.requests] == ["/ingest"]
