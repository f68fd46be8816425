"""Ceilings: more text or a higher cap never lowers one, no usage within it costs more, and no key is let through unseen."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from farebox.budgets.bound import Bound, Unbounded, bound
from farebox.budgets.bound_table import Rule, table
from farebox.core import semconv
from farebox.core.event import CallRequest
from farebox.core.usage import Usage
from farebox.meter.ceiling import Ceiling, Ceilings
from farebox.pricing.book import Book
from farebox.pricing.calculate import calculate
from farebox.pricing.context import PriceContext
from farebox.pricing.installed import book_data

BOOK = Book(book_data())
CEILINGS = Ceilings(lambda: BOOK)
NOW = time.time_ns()

TEXTS = st.text(max_size=200)
CAPS = st.integers(1, 200_000)
SHAPES = {
    "chat.completions": ("openai", "gpt-5.4", "max_completion_tokens"),
    "responses": ("azure", "gpt-5.4", "max_output_tokens"),
    "completions": ("openai", "gpt-3.5-turbo-instruct", "max_tokens"),
    "messages": ("anthropic", "claude-sonnet-4-6", "max_tokens"),
    "generateContent": ("google", "gemini-2.5-flash", "maxOutputTokens"),
    "interactions": ("google", "gemini-2.5-flash", "max_output_tokens"),
    "embeddings": ("openai", "text-embedding-3-small", ""),
    "embedContent": ("google", "gemini-embedding-001", ""),
}
CONFIGS = {"generateContent": "generationConfig", "interactions": "generation_config"}


def request(api: str, text: str, cap: int | None = None, **more: object) -> CallRequest:
    provider, model, name = SHAPES[api]
    body: dict[str, object] = {
        "chat.completions": {"messages": [{"role": "user", "content": text}]},
        "responses": {"input": text, "tools": [{"type": "function", "name": "f", "parameters": {"x": text}}]},
        "completions": {"prompt": [text, "other"]},
        "messages": {
            "system": text,
            "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
            "tools": [{"name": "f", "input_schema": {"description": text}}],
        },
        "generateContent": {"contents": [{"parts": [{"text": text}]}]},
        "interactions": {"input": text},
        "embeddings": {"input": text},
        "embedContent": {"requests": [{"content": {"parts": [{"text": text}]}}]},
    }[api]
    if cap is not None:
        capped = {name: cap}
        body |= {CONFIGS[api]: capped} if api in CONFIGS else capped
    return CallRequest(provider, "chat", api, model, {**body, **more})


def bounded(asked: CallRequest) -> Bound:
    found = bound(asked)
    assert isinstance(found, Bound), found
    return found


@pytest.mark.parametrize("api", SHAPES)
@settings(deadline=None)
@given(text=TEXTS, more=TEXTS)
def test_more_text_never_lowers_a_bound_and_no_byte_goes_uncounted(api, text, more):
    less = bounded(request(api, text)).input_tokens
    assert bounded(request(api, text + more)).input_tokens >= less
    assert less >= len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("api", [api for api, (_, _, name) in SHAPES.items() if name])
@settings(deadline=None)
@given(cap=CAPS, higher=CAPS)
def test_a_higher_cap_never_lowers_a_bound_and_no_cap_is_below_what_it_says(api, cap, higher):
    assume(cap <= higher)
    low, high = bounded(request(api, "x", cap)).output_tokens, bounded(request(api, "x", higher)).output_tokens
    assert low is not None
    assert high is not None
    assert cap < low <= high


@pytest.mark.parametrize("api", SHAPES)
@settings(deadline=None)
@given(key=st.text(min_size=1), value=st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()))
def test_a_key_that_the_table_does_not_have_is_never_let_through(api, key, value):
    found = table().endpoint(SHAPES[api][0], api)
    assert found is not None
    assume(key not in found[1])
    refused = bound(request(api, "x", **{key: value}))
    assert isinstance(refused, Unbounded)
    assert repr(key) in refused.reason


INSIDE = {
    "chat.completions": lambda odd: {"messages": [{"role": "user", "content": "x", **odd}]},
    "responses": lambda odd: {"text": {"verbosity": "low", **odd}, "input": "x"},
    "messages": lambda odd: {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", **odd}]}]},
    "generateContent": lambda odd: {"contents": [], "generationConfig": {"temperature": 1, **odd}},
    "interactions": lambda odd: {"input": [{"type": "text", "text": "x", **odd}]},
    "embedContent": lambda odd: {"requests": [{"taskType": "x", **odd}]},
}


@pytest.mark.parametrize("api", INSIDE)
@settings(deadline=None)
@given(key=st.text(min_size=1), value=st.booleans() | st.integers() | st.text() | st.lists(st.text()))
def test_a_key_that_a_node_does_not_have_is_never_let_through_either(api, key, value):
    assume(all(key not in keys for node in table().nodes for keys in (node.keys, *node.kinds.values())))
    provider, model, _ = SHAPES[api]
    refused = bound(CallRequest(provider, "chat", api, model, INSIDE[api]({key: value})))
    assert isinstance(refused, Unbounded)
    assert repr(key) in refused.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("api", SHAPES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whatever_a_key_holds_is_bounded_or_refused_and_never_a_fault(api, data):
    found = table().endpoint(SHAPES[api][0], api)
    assert found is not None
    body = data.draw(st.dictionaries(st.sampled_from(sorted(found[1])), shaped(found[1], data) | JSON, max_size=4))
    provider, model, _ = SHAPES[api]
    assert isinstance(bound(CallRequest(provider, "chat", api, model, body)), Bound | Unbounded)


def shaped(keys: Mapping[str, Rule], data: st.DataObject) -> st.SearchStrategy[object]:
    """Objects with the keys of some node of this interface, and anything in them."""
    nodes = [rule.argument for rule in keys.values() if rule.kind in {"node", "nodes", "parts"}]
    if not nodes:
        return JSON
    shape = data.draw(st.sampled_from(nodes))
    kind = data.draw(st.sampled_from(sorted(shape.kinds))) if shape.kinds else None
    names = sorted(shape.keys if kind is None else shape.kinds[kind])
    tag = {} if kind is None else {shape.tag: kind}
    return st.dictionaries(st.sampled_from(names), JSON).map(lambda drawn: [{**drawn, **tag}])


@settings(deadline=None)
@given(nano=st.integers(0, 10**11), cap=st.none() | CAPS, least=st.integers(1, 5000))
def test_a_cap_within_an_amount_never_costs_more_and_one_more_token_would(nano, cap, least):
    ceiling = CEILINGS.of(request("chat.completions", "x", cap), NOW)
    assert isinstance(ceiling, Ceiling)
    within = ceiling.cap_within(nano, least=least)
    if within is None:
        assert ceiling.clamp is not None
        assert ceiling.clamp.most < least or ceiling.nano(least) > nano
        return
    assert within >= least
    assert ceiling.nano(within) <= nano
    assert within == ceiling.clamp.most or ceiling.nano(within + 1) > nano


MODELS = [
    (provider, model)
    for provider in (semconv.OPENAI, semconv.ANTHROPIC, semconv.GOOGLE)
    for _, model in BOOK.models(provider)
    if table().model(provider, model.lower()) is not None and "embed" not in model
]
API_OF = {semconv.OPENAI: "chat.completions", semconv.ANTHROPIC: "messages", semconv.GOOGLE: "generateContent"}
TIERS = ("default", "auto", "flex", "priority", "fast", "ultrafast")


@st.composite
def calls(draw: st.DrawFn) -> tuple[CallRequest, Usage, str | None]:
    """A request with a ceiling, a usage within its bound that the provider may answer with, and a region."""
    provider, model = draw(st.sampled_from(MODELS))
    cap = draw(CAPS)
    extra: dict[str, object] = {}
    asked = draw(st.none() | st.sampled_from(TIERS)) if provider == semconv.OPENAI else None
    if asked is not None:
        extra["service_tier"] = asked
    marked = provider == semconv.ANTHROPIC and draw(st.booleans())
    text = "x" * draw(st.sampled_from([10, 1_000, 150_000, 300_000]))
    content: object = text
    if marked:
        content = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    if provider == semconv.GOOGLE:
        body = {"contents": [{"parts": [{"text": text}]}], "generationConfig": {"maxOutputTokens": cap}}
    else:
        body = {"messages": [{"role": "user", "content": content}], "max_tokens": cap, **extra}
    sent = CallRequest(provider, "chat", API_OF[provider], model, body, server_address="gateway.example")
    tokens = bound(sent)
    assert isinstance(tokens, Bound), tokens
    assert tokens.output_tokens is not None
    left = tokens.input_tokens
    units = {semconv.OUTPUT: draw(st.integers(0, tokens.output_tokens))}
    for unit in (semconv.CACHE_READ, *sorted(tokens.writes)):
        units[unit] = draw(st.integers(0, left))
        left -= units[unit]
    units[semconv.INPUT] = left
    tiers = (None, *TIERS) if asked in (None, "auto") and provider == semconv.OPENAI else (None, asked)
    usage = Usage(
        units={unit: count for unit, count in units.items() if count},
        service_tier=draw(st.sampled_from(tiers)),
        geo=draw(st.sampled_from([None, "us"])) if provider == semconv.ANTHROPIC else None,
    )
    return sent, usage, draw(st.sampled_from([None, "eu"])) if provider == semconv.OPENAI else None


@settings(deadline=None)
@given(call=calls(), minutes=st.integers(0, 59))
def test_no_usage_within_a_bound_costs_more_than_its_ceiling(call, minutes):
    sent, usage, region = call
    ceiling = CEILINGS.of(sent, NOW)
    assume(isinstance(ceiling, Ceiling))
    cost = calculate(
        usage,
        book=BOOK,
        provider=sent.provider,
        model=sent.model,
        at_ns=NOW + minutes * 60_000_000_000,
        context=PriceContext(data_residency=region),
    )
    assume(cost.nano is not None and not any("tier" in why or "fast" in why for why in cost.missing))
    assert cost.nano <= ceiling.nano()


def test_most_models_of_the_table_have_a_ceiling():
    asked = [
        CallRequest(provider, "chat", API_OF[provider], model, {"max_tokens": 1, "messages": []})
        if provider != semconv.GOOGLE
        else CallRequest(provider, "chat", API_OF[provider], model, {"contents": []})
        for provider, model in MODELS
    ]
    without = [one.model for one in asked if not isinstance(CEILINGS.of(one, NOW), Ceiling)]
    assert len(without) < len(asked) // 10, without
