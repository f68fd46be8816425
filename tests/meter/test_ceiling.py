from __future__ import annotations

import time

import pytest

from farebox.core.event import CallRequest
from farebox.meter.ceiling import Ceiling, Ceilings, NoCeiling
from farebox.price_settings import PriceSettings
from farebox.pricing import rate
from farebox.pricing.book import Book
from farebox.pricing.dearest import thresholds
from farebox.pricing.installed import book_data

NOW = time.time_ns()


@pytest.fixture
def book() -> Book:
    return Book(book_data())


@pytest.fixture
def ceilings(book) -> Ceilings:
    return Ceilings(lambda: book)


def chat(model: str = "gpt-4o", **body: object) -> CallRequest:
    whole = {"model": model, "messages": [{"role": "user", "content": "hello"}], **body}
    return CallRequest("openai", "chat", "chat.completions", model, whole, server_address="api.openai.com")


def test_a_ceiling_is_the_most_tokens_at_the_dearest_rates(ceilings, book):
    book.set_price(provider="openai", model="gpt-4o", rates={"input": "1", "output": "10"})
    found = ceilings.of(chat(max_tokens=1000), NOW)
    assert isinstance(found, Ceiling)
    tokens = 256 + 16 + len("hello")
    assert found.input_nano == tokens * 1000
    assert found.nano() == tokens * 1000 + (1000 + 125 + 64) * 10_000
    assert found.nano(500) == tokens * 1000 + (500 + 63 + 64) * 10_000


def test_the_largest_cap_within_an_amount_fits_and_one_more_does_not(ceilings):
    found = ceilings.of(chat(max_tokens=10_000), NOW)
    assert isinstance(found, Ceiling)
    amount = 20_000_000
    cap = found.cap_within(amount)
    assert cap is not None
    assert found.nano(cap) <= amount < found.nano(cap + 1)
    assert found.cap_within(found.input_nano) is None
    assert found.cap_within(0) is None
    assert found.cap_within(10**12) == 10_000


def test_a_model_without_a_price_has_no_ceiling(ceilings):
    found = ceilings.of(chat("gpt-5.9"), NOW)
    assert isinstance(found, NoCeiling)
    assert "'gpt-5.9' of openai has no price" in found.reason
    assert "set_price" in found.reason


def test_what_has_no_bound_has_no_ceiling(ceilings):
    found = ceilings.of(chat(web_search_options={}), NOW)
    assert isinstance(found, NoCeiling)
    assert "web_search_options" in found.reason


def test_embeddings_have_a_ceiling_and_no_cap(ceilings):
    body = {"model": "text-embedding-3-small", "input": ["a", "b"]}
    found = ceilings.of(CallRequest("openai", "embeddings", "embeddings", "text-embedding-3-small", body), NOW)
    assert isinstance(found, Ceiling)
    assert found.clamp is None
    assert found.nano() == found.input_nano > 0
    assert found.cap_within(10**9) is None


def message(provider: str = "anthropic", model: str = "claude-sonnet-4-6", **body: object) -> CallRequest:
    whole = {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": "hello"}], **body}
    return CallRequest(provider, "chat", "messages", model, whole)


def test_a_geography_that_a_workspace_may_be_set_to_is_reckoned_with(ceilings, book):
    found = ceilings.of(message(), NOW)
    assert isinstance(found, Ceiling)
    rates = book.unit_rates("anthropic", "claude-sonnet-4-6", NOW)
    assert found.output_rate * 10 == rates["output"] * 11


def test_a_cache_mark_is_billed_as_a_write_and_an_hour_dearer_than_five_minutes(ceilings):
    def marked(**mark: object) -> int:
        part = {"type": "text", "text": "x" * 10_000, "cache_control": {"type": "ephemeral", **mark}}
        found = ceilings.of(message(messages=[{"role": "user", "content": [part]}]), NOW)
        assert isinstance(found, Ceiling)
        return found.input_nano

    plain = ceilings.of(message(messages=[{"role": "user", "content": [{"type": "text", "text": "x" * 10_000}]}]), NOW)
    assert isinstance(plain, Ceiling)
    assert marked() * 4 >= plain.input_nano * 5 - 4
    assert marked(ttl="1h") >= plain.input_nano * 2 - 1


def test_a_long_prompt_is_billed_at_the_prices_beyond_the_threshold(ceilings):
    short = ceilings.of(chat("gpt-5.4", max_tokens=1), NOW)
    long = ceilings.of(chat("gpt-5.4", max_tokens=1, messages=[{"role": "user", "content": "x" * 272_001}]), NOW)
    assert isinstance(short, Ceiling)
    assert isinstance(long, Ceiling)
    tokens = 272_001 + 256 + 16
    assert long.input_nano >= tokens * 5_000
    assert short.output_rate >= 15_000_000


def test_a_tier_that_is_stated_narrows_what_may_be_billed(ceilings):
    any_tier, standard = (ceilings.of(chat("gpt-5.4", service_tier=tier), NOW) for tier in ("auto", "default"))
    assert isinstance(any_tier, Ceiling)
    assert isinstance(standard, Ceiling)
    assert any_tier.output_rate == 2 * standard.output_rate
    refused = ceilings.of(chat("gpt-5.4", service_tier="lightning"), NOW)
    assert isinstance(refused, NoCeiling)
    assert "tier lightning" in refused.reason


def test_a_region_is_reckoned_with_where_the_host_does_not_tell_it(ceilings):
    request = chat("gpt-5.4")
    known = ceilings.of(request, NOW)
    request.server_address = "gateway.example"
    unknown = ceilings.of(request, NOW)
    assert isinstance(known, Ceiling)
    assert isinstance(unknown, Ceiling)
    assert unknown.output_rate * 10 == known.output_rate * 11


def test_a_promotion_that_has_run_out_is_reckoned_with_at_the_dearest_that_the_model_ever_cost(ceilings, book):
    entry = book.find("openai", "gpt-5.6-sol", NOW)
    assert entry is not None
    assert entry.promotion is not None
    found = ceilings.of(chat("gpt-5.6-sol", service_tier="default"), NOW)
    assert isinstance(found, Ceiling)
    before = min(NOW, *(rate.day_ns(one.since) for one in entry.periods if one.since is not None)) - 1
    assert found.output_rate >= book.unit_rates("openai", "gpt-5.6-sol", before)["output"]


def test_a_deployment_whose_region_nobody_stated_is_reckoned_with_as_regional(ceilings):
    body = {"messages": [{"role": "user", "content": "hello"}], "service_tier": "default"}
    openai, azure = (
        ceilings.of(CallRequest(provider, "chat", "chat.completions", "gpt-5.4", body, server_address=host), NOW)
        for provider, host in (("openai", "api.openai.com"), ("azure", None))
    )
    assert isinstance(openai, Ceiling)
    assert isinstance(azure, Ceiling)
    assert azure.output_rate * 10 == openai.output_rate * 11


def test_a_model_that_is_not_billed_by_tokens_of_output_has_no_ceiling_of_an_answer(ceilings):
    found = ceilings.of(chat("text-embedding-3-small"), NOW)
    assert isinstance(found, NoCeiling)
    assert "no price for output" in found.reason


def test_a_model_whose_location_nobody_stated_is_reckoned_with_as_regional(ceilings):
    here, anywhere = (
        ceilings.of(
            CallRequest("google-vertex", "chat", "messages", "claude-sonnet-4-6", message().body, extra=extra), NOW
        )
        for extra in ({"location": "global"}, None)
    )
    assert isinstance(here, Ceiling)
    assert isinstance(anywhere, Ceiling)
    assert anywhere.output_rate > here.output_rate


def test_a_free_model_costs_nothing_under_any_cap(ceilings, book):
    book.set_price(provider="openai", model="gpt-4o", rates={"input": "0", "output": "0"})
    found = ceilings.of(chat(max_tokens=1000), NOW)
    assert isinstance(found, Ceiling)
    assert found.nano() == 0
    assert found.cap_within(0) == 1000


def test_rates_are_remembered_by_what_decides_them_and_found_again_when_a_price_changes(ceilings, book):
    first = ceilings.of(chat(max_tokens=10), NOW)
    assert ceilings.of(chat(max_tokens=10), NOW) == first
    book.set_price(provider="openai", model="gpt-4o", rates={"input": "1", "output": "1000"})
    again = ceilings.of(chat(max_tokens=10), NOW)
    assert isinstance(first, Ceiling)
    assert isinstance(again, Ceiling)
    assert again.nano() > first.nano()


def test_speech_that_is_billed_by_the_character_has_a_ceiling_and_by_the_token_has_none(ceilings):
    def speech(model: str) -> CallRequest:
        return CallRequest(
            "openai", "speech", "audio.speech", model, {"model": model, "input": "x" * 1000, "voice": "ash"}
        )

    found = ceilings.of(speech("tts-1"), NOW)
    assert isinstance(found, Ceiling)
    assert found.nano() == 15_000_000  # $15 for a million characters
    assert isinstance(ceilings.of(speech("gpt-4o-mini-tts"), NOW), NoCeiling)


def test_a_name_that_is_about_to_mean_another_model_is_reckoned_with_as_the_dearer(ceilings, book):
    before = rate.day_ns("2026-12-01") - 1_800_000_000_000
    body = {"contents": [{"parts": [{"text": "x" * 250_000}]}], "serviceTier": "standard"}
    found = ceilings.of(CallRequest("google", "chat", "generateContent", "gemini-2.5-pro", body), before)
    assert isinstance(found, Ceiling)
    after = book.unit_rates("google", "gemini-2.5-pro", before + 3_600_000_000_000)
    assert found.output_rate >= max(after["output"], 15_000_000)
    assert thresholds(book, "google", "gemini-2.5-pro", before)[0] == 200_000


def test_a_deployment_is_judged_by_the_model_behind_it():
    settings = PriceSettings(azure_deployments={"gpt-5": "gpt-5-pro", "mine": "gpt-5.1"})
    ceilings = Ceilings(lambda: Book(book_data(), settings))
    body = {"messages": [{"role": "user", "content": "hello"}]}
    behind = ceilings.of(CallRequest("azure", "chat", "chat.completions", "gpt-5", body), NOW)
    assert isinstance(behind, NoCeiling)
    assert isinstance(ceilings.of(CallRequest("azure", "chat", "chat.completions", "mine", body), NOW), Ceiling)


def test_a_cap_is_written_that_each_name_of_a_model_takes(ceilings):
    found = ceilings.of(chat("gpt-5-chat-latest"), NOW)
    assert isinstance(found, Ceiling)
    assert found.clamp is not None
    assert found.clamp.most == 16_384
