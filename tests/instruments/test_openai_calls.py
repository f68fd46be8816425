"""Every way of calling the openai SDK gives one event with the provider's own usage, and the user's own result."""

from __future__ import annotations

import asyncio

import pytest

openai_sdk = pytest.importorskip("openai")

MESSAGES = [{"role": "user", "content": "2+2?"}]


def chat(client, **more):
    return client.chat.completions.create(model="gpt-asked", messages=MESSAGES, **more)


def test_a_chat_completion_is_one_event_with_the_usage_as_sent(openai, hooked, meter, wire):
    answer = openai.ask(chat)
    assert type(answer) is openai_sdk.types.chat.ChatCompletion
    request, end = meter.call.request, meter.call.end
    assert meter.call.raw == wire.CHAT_USAGE
    assert (request.provider, request.api, request.operation) == ("openai", "chat.completions", "chat")
    assert (request.model, request.server_address, request.stream, request.attempts_allowed) == (
        "gpt-asked", "127.0.0.1", False, 1,
    )  # fmt: skip
    assert (end["status"], end["model"], end["response_id"]) == ("ok", "gpt-answered", "chat-1")
    assert (end["billable"], end["partial"], end["error_type"]) == (True, False, None)
    assert end["usage"].service_tier == "default"
    assert end["usage"].units == {"input": 7, "cache_read": 4, "output": 7}


def test_the_body_in_the_request_is_the_users_with_extra_body_on_top(openai, hooked, meter):
    openai.ask(lambda client: chat(client, extra_body={"model": "gpt-other", "top_k": 3}))
    assert meter.call.request.model == "gpt-other"
    assert meter.call.request.body == {"model": "gpt-other", "messages": MESSAGES, "top_k": 3}


def test_retries_allowed_are_told(openai, hooked, meter):
    openai.ask(chat, max_retries=3)
    assert meter.call.request.attempts_allowed == 4


def test_a_legacy_completion_is_metered(openai, hooked, meter):
    openai.ask(lambda client: client.completions.create(model="gpt-text", prompt="2+2"))
    assert (meter.call.request.api, meter.call.request.operation) == ("completions", "text_completion")
    assert meter.call.raw == {"prompt_tokens": 6, "completion_tokens": 0, "total_tokens": 6}


def test_embeddings_are_metered_and_still_decoded(openai, hooked, meter, wire):
    answer = openai.ask(lambda client: client.embeddings.create(model="embed", input="x"))
    assert answer.data[0].embedding == [0.5, 1.0]
    assert (meter.call.request.api, meter.call.request.operation) == ("embeddings", "embeddings")
    assert (meter.call.raw, meter.call.end["model"]) == (wire.EMBEDDING_USAGE, "embed-answered")


def test_a_response_is_metered_with_its_tier(openai, hooked, meter, wire):
    openai.ask(lambda client: client.responses.create(model="gpt-asked", input="2+2?"))
    assert meter.call.request.api == "responses"
    assert (meter.call.raw, meter.call.end["usage"].service_tier) == (wire.RESPONSE_USAGE, "flex")
    assert meter.call.end["response_id"] == "resp-1"


def test_a_beta_response_is_metered(openai, hooked, meter, wire):
    if not hasattr(openai_sdk.resources.beta.Beta, "responses"):
        pytest.skip("this openai has no beta responses")
    openai.ask(lambda client: client.beta.responses.create(model="gpt-asked", input="2+2?"))
    assert (meter.call.request.api, meter.call.raw) == ("responses", wire.RESPONSE_USAGE)


@pytest.mark.parametrize(
    ("items", "tools", "expected"),
    [
        ([{"type": "web_search_call", "action": {"type": "search", "query": "q"}}], [], {"web_search": 1}),
        ([{"type": "web_search_call", "action": {"type": "open_page", "url": "u"}}], [], {}),
        (
            [{"type": "web_search_call", "action": {"type": "search", "query": "q"}}],
            [{"type": "web_search_preview"}],
            {"web_search_preview": 1},
        ),
        ([{"type": "file_search_call", "queries": ["a"]}] * 2, [], {"file_search": 2}),
    ],
)
def test_hosted_tools_are_counted_from_the_output(openai, server, hooked, meter, wire, items, tools, expected):
    output = [{"id": f"i{number}", "status": "completed", **item} for number, item in enumerate(items)]
    server.bodies.append(wire.response(output=output, tools=tools))
    openai.ask(lambda client: client.responses.create(model="gpt-asked", input="x", tools=tools))
    units = meter.call.end["usage"].units
    assert {name: units[name] for name in units if "search" in name} == expected


def test_searches_that_the_provider_counts_itself_win(openai, server, hooked, meter, wire):
    server.bodies.append(wire.response(tool_usage={"web_search": {"num_requests": 3}}))
    openai.ask(lambda client: client.responses.create(model="gpt-asked", input="x"))
    assert meter.call.end["usage"].units["web_search"] == 3


# --- shapes of the result


def test_a_raw_response_is_metered_and_parses_as_before(openai, hooked, meter, wire):
    def call(client):
        return client.chat.completions.with_raw_response.create(model="gpt-asked", messages=MESSAGES)

    raw = openai.ask(call)
    assert raw.parse().usage.prompt_tokens == 11
    assert (meter.call.raw, meter.call.end["response_id"]) == (wire.CHAT_USAGE, "chat-1")


def test_raw_embeddings_are_metered_without_parsing_them(openai, hooked, meter, wire):
    raw = openai.ask(lambda client: client.embeddings.with_raw_response.create(model="embed", input="x"))
    assert meter.call.raw == wire.EMBEDDING_USAGE
    assert raw.parse().data[0].embedding == [0.5, 1.0]


@pytest.mark.parametrize("reading", ["parse", "read", "iter_lines", "json"])
def test_a_response_that_the_caller_reads_is_metered_when_it_is_read(openai, hooked, meter, wire, reading):
    def call(client):
        return client.chat.completions.with_streaming_response.create(model="gpt-asked", messages=MESSAGES)

    def sync(manager):
        with manager as response:
            assert meter.call.ends == []
            return list(response.iter_lines()) if reading == "iter_lines" else getattr(response, reading)()

    async def asynchronous(manager):
        async with manager as response:
            assert meter.call.ends == []
            if reading == "iter_lines":
                return [line async for line in response.iter_lines()]
            return await getattr(response, reading)()

    assert openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert (meter.call.raw, meter.call.end["status"]) == (wire.CHAT_USAGE, "ok")


def test_a_response_that_is_never_read_is_abandoned(openai, hooked, meter):
    def call(client):
        return client.chat.completions.with_streaming_response.create(model="gpt-asked", messages=MESSAGES)

    def sync(manager):
        with manager:
            pass

    async def asynchronous(manager):
        async with manager:
            pass

    openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert (meter.call.end["status"], meter.call.end["usage"]) == ("abandoned", None)


def parse_method(client):
    completions = client.chat.completions
    return completions.parse if hasattr(completions, "parse") else client.beta.chat.completions.parse


class Sum(openai_sdk.BaseModel):
    answer: int


def test_a_parsed_completion_is_metered(openai, hooked, meter, wire):
    answer = openai.ask(lambda client: parse_method(client)(model="gpt-asked", messages=MESSAGES, response_format=Sum))
    assert answer.choices[0].message.parsed == Sum(answer=4)
    assert meter.call.raw == wire.CHAT_USAGE


def test_an_answer_that_cannot_be_parsed_was_billed_all_the_same(openai, server, hooked, meter, wire):
    body = wire.chat_body()
    body["choices"][0]["message"]["content"] = "four"
    server.bodies.append(body)
    with pytest.raises(Exception, match=r"validation error|JSON"):
        openai.ask(lambda client: parse_method(client)(model="gpt-asked", messages=MESSAGES, response_format=Sum))
    assert (meter.call.raw, meter.call.end["status"]) == (wire.CHAT_USAGE, "error")
    assert (meter.call.end["billable"], meter.call.end["partial"]) == (True, False)


def test_an_answer_cut_by_its_length_was_billed_all_the_same(openai, server, hooked, meter, wire):
    body = wire.chat_body()
    body["choices"][0]["finish_reason"] = "length"
    server.bodies.append(body)
    with pytest.raises(openai_sdk.LengthFinishReasonError):
        openai.ask(lambda client: parse_method(client)(model="gpt-asked", messages=MESSAGES, response_format=Sum))
    assert (meter.call.raw, meter.call.end["error_type"]) == (wire.CHAT_USAGE, "openai.LengthFinishReasonError")


def test_an_answer_that_fails_strict_validation_was_billed_all_the_same(openai, server, hooked, meter, wire):
    body = wire.chat_body()
    body["choices"] = "none"
    server.bodies.append(body)
    with pytest.raises(openai_sdk.APIResponseValidationError):
        openai.ask(chat, _strict_response_validation=True)
    assert (meter.call.raw, meter.call.end["billable"]) == (wire.CHAT_USAGE, True)


def test_the_low_level_post_is_metered_as_a_dict(openai, hooked, meter, wire):
    body = {"model": "gpt-asked", "messages": MESSAGES}
    answer = openai.ask(lambda client: client.post("/chat/completions", cast_to=object, body=body))
    assert answer["usage"] == meter.call.raw == wire.CHAT_USAGE


@pytest.mark.parametrize("path", ["chat/completions", "/v1/chat/completions", "chat/completions?trace=1"])
def test_a_path_written_otherwise_is_the_same_endpoint(openai, server, hooked, meter, path):
    openai.ask(
        lambda client: client.post(path, cast_to=object, body={"model": "m", "messages": MESSAGES}),
        base_url=server.url,
    )
    assert meter.call.request.api == "chat.completions"


def test_an_absolute_url_decides_the_host(openai, server, hooked, meter):
    url = server.url.replace("127.0.0.1", "localhost") + "/v1/chat/completions"
    openai.ask(lambda client: client.post(url, cast_to=object, body={"model": "m", "messages": MESSAGES}))
    assert meter.call.request.server_address == "localhost"


def test_the_transports_own_response_is_metered(openai, hooked, meter, wire):
    with_transport = openai_sdk._base_client.httpx if hasattr(openai_sdk._base_client, "httpx") else None
    transport = with_transport or openai_sdk._base_client.httpx2
    body = {"model": "gpt-asked", "messages": MESSAGES}
    answer = openai.ask(lambda client: client.post("/chat/completions", cast_to=transport.Response, body=body))
    assert isinstance(answer, transport.Response)
    assert meter.call.raw == wire.CHAT_USAGE


def test_a_body_given_as_bytes_is_understood(openai, hooked, meter):
    if "content" not in openai_sdk._models.FinalRequestOptions.__annotations__:
        pytest.skip("this openai takes no content")
    content = b'{"model": "gpt-asked", "messages": []}'
    openai.ask(lambda client: client.post("/chat/completions", cast_to=object, content=content))
    assert meter.call.request.model == "gpt-asked"


# --- who calls


def test_a_client_its_clone_and_a_bound_method_from_before_are_metered(server, meter, request):
    client = openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0)
    create, raw = client.chat.completions.create, client.chat.completions.with_raw_response.create
    request.getfixturevalue("hooked")
    create(model="m", messages=MESSAGES)
    raw(model="m", messages=MESSAGES)
    client.with_options(timeout=10).chat.completions.create(model="m", messages=MESSAGES)
    client.close()
    assert [call.end["status"] for call in meter.calls] == ["ok"] * 3


def test_the_module_level_client_is_metered(server, hooked, meter, monkeypatch, wire):
    for name, value in {
        "api_key": "k",
        "base_url": f"{server.url}/v1/",
        "max_retries": 0,
        "api_type": "openai",
        "http_client": None,  # the module keeps the first client's, closed or not, for every later one
    }.items():
        monkeypatch.setattr(openai_sdk, name, value)
    openai_sdk.chat.completions.create(model="m", messages=MESSAGES)
    openai_sdk._client.close()
    openai_sdk._reset_client()
    assert meter.call.raw == wire.CHAT_USAGE


def test_azure_is_named_and_its_model_is_seen(server, hooked, meter, mode, wire):
    options = {"azure_endpoint": server.url, "api_version": "2024-10-21", "api_key": "k", "max_retries": 0}
    if mode == "async":

        async def main():
            async with openai_sdk.AsyncAzureOpenAI(**options) as client:
                await chat(client)

        asyncio.run(main())
    else:
        with openai_sdk.AzureOpenAI(**options) as client:
            chat(client)
    assert "/openai/deployments/gpt-asked/chat/completions" in server.request.path
    assert (meter.call.request.provider, meter.call.request.model) == ("azure", "gpt-asked")
    assert meter.call.raw == wire.CHAT_USAGE


def test_a_users_subclass_that_calls_super_is_metered_once(server, hooked, meter):
    class Mine(openai_sdk.OpenAI):
        def request(self, *args, **kwargs):
            return super().request(*args, **kwargs)

    with Mine(api_key="k", base_url=f"{server.url}/v1") as client:
        chat(client)
    assert meter.call.end["status"] == "ok"


@pytest.mark.parametrize("path", ["/moderations", "/responses/input_tokens", "/chat/completions/chat-1", "/files"])
def test_free_endpoints_pass_straight_through(openai, hooked, meter, path):
    openai.ask(lambda client: client.post(path, cast_to=object, body={"model": "m"}))
    openai.ask(lambda client: client.models.list())
    assert meter.calls == []


def test_a_suppressed_call_is_sent_and_not_metered(openai, server, hooked, meter):
    meter.suppresses = True
    assert openai.ask(chat).usage.total_tokens == 18
    assert (meter.calls, len(server.requests)) == ([], 1)


# --- odd payloads


@pytest.mark.parametrize(
    "change",
    [
        {"choices": None},
        {"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]},
        {"model": None, "id": 7},
        {"service_tier": 3},
    ],
)
def test_nulls_elsewhere_never_cost_the_usage(openai, server, hooked, meter, wire, change):
    server.bodies.append(wire.chat_body() | change)
    openai.ask(chat)
    assert meter.call.raw == wire.CHAT_USAGE


@pytest.mark.parametrize("usage", [None, "lots", []])
def test_usage_that_is_no_object_is_no_usage(openai, server, hooked, meter, wire, usage):
    server.bodies.append(wire.chat_body() | {"usage": usage})
    openai.ask(chat)
    assert (meter.call.end["usage"], meter.call.end["status"], meter.call.end["billable"]) == (None, "ok", True)


def test_an_answer_that_is_no_json_is_given_back_and_settled(openai, server, hooked, meter):
    server.bodies.append(b"<html>")
    with pytest.raises(Exception, match=r"."):
        openai.ask(chat)
    assert (meter.call.end["status"], meter.call.end["billable"]) == ("error", True)
