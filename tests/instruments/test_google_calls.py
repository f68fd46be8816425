"""Every way of calling the google-genai SDK gives one event with the provider's own usage."""

from __future__ import annotations

import asyncio
import contextlib
import inspect

import pytest

genai = pytest.importorskip("google.genai")
types = genai.types


def generate(client, **more):
    return client.models.generate_content(model="gemini-asked", contents="2+2?", **more)


def generate_stream(client, **more):
    return client.models.generate_content_stream(model="gemini-asked", contents="2+2?", **more)


def test_generated_content_is_one_event_with_the_usage_as_sent(gemini, hooked, meter, wire):
    answer = gemini.ask(generate)
    assert (type(answer), answer.text) == (types.GenerateContentResponse, "four")
    request, end = meter.call.request, meter.call.end
    assert meter.call.raw == wire.GEMINI_USAGE
    assert (request.provider, request.api, request.operation, request.model) == (
        "google", "generateContent", "generate_content", "gemini-asked",
    )  # fmt: skip
    assert (request.server_address, request.stream, request.attempts_allowed) == ("127.0.0.1", False, 1)
    assert request.body["contents"][0]["parts"][0]["text"] == "2+2?"
    assert (end["status"], end["model"], end["response_id"]) == ("ok", "gemini-answered", "g-1")
    assert (end["usage"].units, end["usage"].service_tier) == ({"input": 13, "output": 8}, "standard")


def test_the_tier_in_the_header_counts_where_usage_says_none(gemini, server, hooked, meter, wire):
    usage = {"promptTokenCount": 1, "totalTokenCount": 1}
    server.bodies.append(wire.gemini_chunk("x", finish="STOP", usage=usage))
    gemini.ask(generate)
    assert (meter.call.raw, meter.call.end["usage"].service_tier) == (usage, "flex")


def test_a_stream_counts_its_last_usage(gemini, hooked, meter, wire):
    pieces = gemini.ask(generate_stream)
    assert "".join(piece.text for piece in pieces) == "four"
    end = meter.call.end
    assert (meter.call.raw, end["status"], end["partial"], end["pieces"]) == (wire.GEMINI_USAGE, "ok", False, 2)
    assert (meter.call.first_chunks, meter.call.request.stream) == (1, True)


def test_a_last_chunk_that_drops_its_candidates_keeps_those_before(gemini, server, hooked, meter, wire):
    counted = {"promptTokenCount": 13, "candidatesTokenCount": 6}
    server.events.append(
        [wire.gemini_chunk("four", usage=counted), wire.gemini_chunk("", finish="STOP", usage={"promptTokenCount": 13})]
    )
    gemini.ask(generate_stream)
    assert meter.call.end["usage"].units == {"input": 13, "output": 6}


def test_a_stream_left_early_keeps_what_it_said_as_partial(server, hooked, meter):
    client = genai.Client(api_key="k", http_options={"base_url": server.url})
    pieces = generate_stream(client)
    next(pieces)
    pieces.close()
    end = meter.call.end
    assert (end["status"], end["partial"], meter.call.raw["candidatesTokenCount"]) == ("abandoned", True, 1)


def test_an_async_stream_left_early_settles(server, hooked, meter, wire):
    async def main():
        client = genai.Client(api_key="k", http_options={"base_url": server.url}).aio
        pieces = await generate_stream(client)
        await pieces.__anext__()
        await pieces.aclose()
        del pieces
        wire.collect()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert (meter.call.end["status"], meter.call.end["partial"]) == ("abandoned", True)


def test_nothing_is_opened_before_a_stream_is_read(server, hooked, meter):
    client = genai.Client(api_key="k", http_options={"base_url": server.url})
    pieces = client._api_client.request_streamed(
        "post", "models/m:streamGenerateContent?alt=sse", {"contents": []}, None
    )
    assert inspect.isgenerator(pieces)
    assert (meter.calls, server.requests) == ([], [])
    list(pieces)
    assert meter.call.end["status"] == "ok"


def test_a_chat_is_metered_turn_by_turn(gemini, hooked, meter, wire):
    def call(client):
        return client.chats.create(model="gemini-asked").send_message("2+2?")

    gemini.ask(call)
    assert meter.call.raw == wire.GEMINI_USAGE


def test_each_request_of_automatic_function_calling_is_an_event(gemini, server, hooked, meter, wire):
    asks = wire.gemini_chunk("", finish="STOP")
    asks["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": "add", "args": {"a": 2, "b": 2}}}]
    server.bodies.append(asks)

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    gemini.ask(lambda client: generate(client, config={"tools": [add]}))
    assert (len(meter.calls), len(server.requests)) == (2, 2)
    assert all(call.raw == wire.GEMINI_USAGE for call in meter.calls)


def test_embeddings_are_metered(gemini, hooked, meter):
    gemini.ask(lambda client: client.models.embed_content(model="embed", contents="x"))
    assert (meter.call.request.api, meter.call.request.operation) == ("embedContent", "embeddings")
    assert (meter.call.raw, meter.call.request.model) == ({"promptTokenCount": 4}, "embed")


def test_counting_tokens_and_listing_are_free(gemini, hooked, meter):
    gemini.ask(lambda client: client.models.count_tokens(model="m", contents="x"))
    gemini.ask(lambda client: client.models.get(model="m"))
    assert meter.calls == []


def test_an_error_status_was_not_billed(gemini, server, hooked, meter):
    for call in (generate, generate_stream):
        server.statuses.append(429)
        with pytest.raises(genai.errors.ClientError):
            gemini.ask(call)
    for recorded in meter.calls:
        assert (recorded.end["status"], recorded.end["billable"]) == ("error", False)
        assert recorded.end["error_type"] == "google.genai.errors.ClientError"


def test_an_error_inside_a_stream_was_billed_when_something_came_before_it(gemini, server, hooked, meter, wire):
    server.events.append([wire.gemini_chunk("f"), {"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}])
    with pytest.raises(genai.errors.ServerError):
        gemini.ask(generate_stream)
    assert (meter.call.end["status"], meter.call.end["billable"], meter.call.end["partial"]) == ("error", True, True)


def test_a_refused_connection_was_not_billed(gemini, hooked, meter):
    options = {"base_url": "http://127.0.0.1:9", "timeout": 5000}
    with pytest.raises(Exception, match=r"."):
        gemini.ask(generate, http_options=options)
    assert (meter.call.end["status"], meter.call.end["billable"]) == ("error", False)


def test_a_refusal_sends_nothing(gemini, server, hooked, meter):
    from farebox.core.errors import BudgetExceeded

    meter.refuses = True
    for call in (generate, generate_stream):
        with pytest.raises(BudgetExceeded):
            gemini.ask(call)
    assert server.requests == []


def test_retries_are_told_and_are_one_event(gemini, server, hooked, meter):
    options = {"base_url": server.url, "retry_options": {"attempts": 3, "initial_delay": 0.01, "max_delay": 0.02}}
    server.statuses.append(500)
    gemini.ask(generate, http_options=options)
    assert (meter.call.request.attempts_allowed, len(server.requests), meter.call.end["status"]) == (3, 2, "ok")


def test_a_retry_option_of_the_call_wins(gemini, hooked, meter):
    gemini.ask(lambda client: generate(client, config={"http_options": {"retry_options": {}}}))
    assert meter.call.request.attempts_allowed == 5


@pytest.fixture
def vertex(server, mode, wire):
    credentials = pytest.importorskip("google.auth.credentials")

    class Token(credentials.Credentials):
        token = "t"
        expired = False
        valid = True

        def refresh(self, request):
            self.token = "t"

    def make(**more):
        return genai.Client(
            vertexai=True, project="p", location="us-east5", credentials=Token(),
            http_options={"base_url": server.url, "timeout": 20_000}, **more,
        )  # fmt: skip

    return wire.Both(mode, {"sync": make, "async": lambda **more: make(**more).aio})


def test_vertex_is_named_with_its_location(vertex, hooked, meter, wire):
    vertex.ask(generate)
    request = meter.call.request
    assert (request.provider, request.extra, request.model) == (
        "google-vertex",
        {"location": "us-east5"},
        "gemini-asked",
    )
    assert meter.call.raw == wire.GEMINI_USAGE


def test_embeddings_predicted_by_vertex_are_metered(vertex, hooked, meter):
    vertex.ask(lambda client: client.models.embed_content(model="text-embedding-005", contents="x"))
    statistics = {"truncated": False, "token_count": 4}
    assert meter.call.raw == {"predictions_statistics": [statistics], "metadata": {"billableCharacterCount": 9}}
    assert (meter.call.request.api, meter.call.end["usage"].units) == ("embedContent", {"input": 4})


# --- hosted tools


def grounded(wire, **metadata):
    chunk = wire.gemini_chunk("x", finish="STOP")
    chunk["candidates"][0].update(metadata)
    return chunk


SEARCH = {"groundingMetadata": {"webSearchQueries": ["a", "b", "a", ""], "groundingChunks": [{"web": {"uri": "u"}}]}}


@pytest.mark.parametrize(
    ("shown", "tool", "units", "used"),
    [
        (SEARCH, "google_search", {"google_search_queries": 2}, ("google_search",)),
        ({"groundingMetadata": {"webSearchQueries": None}}, "google_search", {}, ()),
        ({"groundingMetadata": {"groundingChunks": [{"maps": {"uri": "u"}}]}}, "google_maps", {"google_maps_queries": 1}, ("google_maps",)),
        ({"urlContextMetadata": {"urlMetadata": []}}, "url_context", {}, ("url_context",)),
        (
            {"content": {"role": "model", "parts": [{"executableCode": {"code": "1", "language": "PYTHON"}}]}},
            "code_execution",
            {},
            ("code_execution",),
        ),
    ],
)  # fmt: skip
def test_hosted_tools_are_counted_from_the_candidates(gemini, server, hooked, meter, wire, shown, tool, units, used):
    server.bodies.append(grounded(wire, **shown))
    gemini.ask(lambda client: generate(client, config={"tools": [{tool: {}}]}))
    usage = meter.call.end["usage"]
    assert {name: count for name, count in usage.units.items() if "queries" in name} == units
    assert (usage.tools, meter.call.raw) == (used, wire.GEMINI_USAGE)


def test_a_tool_whose_tokens_were_billed_and_that_no_candidate_shows_was_one_of_those_asked_for(
    gemini, server, hooked, meter, wire
):
    usage = {**wire.GEMINI_USAGE, "toolUsePromptTokenCount": 5, "totalTokenCount": 26}
    server.bodies.append(wire.gemini_chunk("x", finish="STOP", usage=usage))
    gemini.ask(lambda client: generate(client, config={"tools": [{"url_context": {}}]}))
    assert meter.call.end["usage"].tools == ("url_context",)


def test_queries_are_counted_over_a_stream(gemini, server, hooked, meter, wire):
    server.events.append([grounded(wire, **SEARCH), wire.gemini_chunk("x", finish="STOP")])
    gemini.ask(lambda client: generate_stream(client, config={"tools": [{"google_search": {}}]}))
    usage = meter.call.end["usage"]
    assert (usage.units["google_search_queries"], usage.tools) == (2, ("google_search",))


@pytest.mark.parametrize(
    "change", [{"candidates": None}, {"candidates": "none"}, {"usageMetadata": None}, {"modelVersion": 5}]
)
def test_odd_members_never_cost_the_usage(gemini, server, hooked, meter, wire, change, faults_pass):
    body = wire.gemini_chunk("x", finish="STOP") | change
    server.bodies.append(body)
    # What the SDK makes of it is its own affair, and differs from version to version.
    with contextlib.suppress(Exception):
        gemini.ask(lambda client: generate(client, config={"tools": [{"google_search": {}}]}))
    assert meter.call.raw == body["usageMetadata"]
