"""Requests that the meter limits: what goes over the wire, and what happens where they cannot be limited."""

from __future__ import annotations

import pytest

from farebox import BudgetExceeded
from farebox.core.event import Limits
from farebox.instruments.placing import overlaid, placed
from farebox.instruments.stainless import Stainless

MESSAGES = [{"role": "user", "content": "2+2?"}]
GENERATION = ("generationConfig", "maxOutputTokens")


def chat(client, **more):
    return client.chat.completions.create(model="m", messages=MESSAGES, **more)


def message(client, **more):
    return client.messages.create(**{"model": "m", "messages": MESSAGES, "max_tokens": 900, **more})


def generate(client, **more):
    return client.models.generate_content(model="m", contents="2+2?", **more)


def stream(client, **more):
    return client.models.generate_content_stream(model="m", contents="2+2?", **more)


def test_the_cap_of_a_chat_is_lowered_on_the_wire(openai, server, hooked, meter):
    meter.limits = Limits(1, 300, ("max_tokens",))
    openai.ask(chat, max_retries=2)
    openai.ask(lambda client: chat(client, max_tokens=900, temperature=0))
    openai.ask(lambda client: chat(client, max_tokens=900, stream=True))
    assert [request.body["max_tokens"] for request in server.requests] == [300, 300, 300]
    assert server.requests[1].body["temperature"] == 0
    assert [call.request.adjusts for call in meter.calls] == [True] * 3


def test_extra_body_is_lowered_where_the_cap_stands_there(openai, server, hooked, meter):
    meter.limits = Limits(1, 300, ("max_tokens",))
    openai.ask(lambda client: chat(client, extra_body={"max_tokens": 900, "other": 1}))
    assert (server.request.body["max_tokens"], server.request.body["other"]) == (300, 1)


def test_the_cap_of_a_message_is_lowered_on_the_wire(anthropic, server, hooked, meter):
    meter.limits = Limits(None, 300, ("max_tokens",))
    anthropic.ask(message)
    assert server.request.body["max_tokens"] == 300


@pytest.mark.parametrize("call", [generate, stream])
@pytest.mark.parametrize("config", [None, {"max_output_tokens": 900, "temperature": 0.5}])
def test_the_cap_of_generated_content_is_lowered_on_the_wire(gemini, server, hooked, meter, call, config):
    meter.limits = Limits(1, 300, GENERATION)
    gemini.ask(lambda client: call(client, config=config))
    settings = server.request.body["generationConfig"]
    assert settings["maxOutputTokens"] == 300
    assert settings.get("temperature") == (config or {}).get("temperature")


def test_a_body_that_is_laid_over_generated_content_is_seen_and_lowered(gemini, server, hooked, meter):
    meter.limits = Limits(1, 300, GENERATION)
    options = {"extra_body": {"generationConfig": {"maxOutputTokens": 900, "topK": 3}}}
    gemini.ask(lambda client: generate(client, config={"http_options": options}))
    assert meter.call.request.body["generationConfig"]["maxOutputTokens"] == 900
    assert server.request.body["generationConfig"] == {"maxOutputTokens": 300, "topK": 3}
    assert options["extra_body"]["generationConfig"]["maxOutputTokens"] == 900


def test_retries_are_as_many_as_the_limits_say(openai, anthropic, server, hooked, meter):
    for limits, attempts in ((None, 2), (Limits(attempts=1), 1)):
        for sdk, call in ((openai, chat), (anthropic, message)):
            meter.limits = limits
            server.requests.clear()
            server.statuses.extend([503] * attempts)
            with pytest.raises(Exception, match="503"):
                sdk.ask(call, max_retries=1)
            assert len(server.requests) == attempts
            server.statuses.clear()


def test_retries_of_google_are_as_many_as_the_limits_say(gemini, server, hooked, meter):
    retry = {"attempts": 2, "initial_delay": 0.01, "jitter": 0}
    for limits, attempts in ((None, 2), (Limits(attempts=1), 1)):
        meter.limits = limits
        server.requests.clear()
        server.statuses.extend([503] * attempts)
        with pytest.raises(Exception, match="503"):
            gemini.ask(lambda client: generate(client, config={"http_options": {"retry_options": retry}}))
        assert len(server.requests) == attempts
        server.statuses.clear()


def test_a_request_that_cannot_be_limited_is_not_sent(openai, server, hooked, meter, monkeypatch):
    def broken(*_):
        raise TypeError("no such field")

    monkeypatch.setattr(Stainless, "limited", broken)
    meter.limits = Limits(1, 300, ("max_tokens",))
    with pytest.raises(BudgetExceeded, match="no such field"):
        openai.ask(chat)
    assert server.requests == []
    assert (meter.call.ends[0]["status"], meter.call.ends[0]["billable"]) == ("refused", False)


def test_a_request_that_nobody_knows_is_asked_about_where_budgets_are_strict(openai, server, hooked, meter):
    def ask(client):
        return client.post("/brand/new", body={}, cast_to=object)

    openai.ask(ask)
    assert meter.unknowns == []
    meter.is_strict = True
    server.requests.clear()
    with pytest.raises(BudgetExceeded):
        openai.ask(ask)
    openai.ask(lambda client: client.models.retrieve("m"))
    assert meter.unknowns == [("openai", "POST /brand/new is not a request that farebox knows")]
    assert [request.path for request in server.requests if request.path == "/v1/brand/new"] == []


def test_google_requests_that_nobody_knows_are_asked_about_too(gemini, server, hooked, meter):
    meter.is_strict = True
    with pytest.raises(BudgetExceeded):
        gemini.ask(lambda client: _google_request(client, "models/m:dream"))
    assert meter.unknowns == [("google_genai", "POST models/m:dream is not a request that farebox knows")]
    gemini.ask(lambda client: client.models.count_tokens(model="m", contents="x"))
    assert server.request.path.endswith(":countTokens")


def _google_request(client, path):
    api = client._api_client
    ask = api.async_request if hasattr(client, "aclose") or "Async" in type(client).__name__ else api.request
    return ask("post", path, {})


def test_a_call_that_could_not_be_opened_is_told_and_goes_on_where_it_may(openai, server, hooked, meter, faults_pass):
    def broken(_request):
        raise ValueError("broken")

    meter.on_open = broken
    openai.ask(chat)
    meter.is_strict = True
    with pytest.raises(BudgetExceeded, match="fault"):
        openai.ask(chat)
    assert len(server.requests) == 1
    assert [str(fault) for fault in meter.faults] == ["broken", "broken"]


def test_members_are_placed_in_copies():
    body = {"a": {"b": 1, "c": 2}, "d": 3}
    assert placed(body, ("a", "b"), 9) == {"a": {"b": 9, "c": 2}, "d": 3}
    assert placed(body, ("d", "e"), 9) == {"a": {"b": 1, "c": 2}, "d": {"e": 9}}
    assert overlaid(body, {"a": {"b": 5}, "f": [1]}) == {"a": {"b": 5, "c": 2}, "d": 3, "f": [1]}
    assert overlaid(body, None) is None
    assert body == {"a": {"b": 1, "c": 2}, "d": 3}
