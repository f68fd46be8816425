"""The book: names, look-ups, own prices, what is remembered."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

import farebox.pricing
from farebox.core.errors import PriceError
from farebox.core.usage import Usage
from farebox.pricing import Book, price, quote
from farebox.pricing import book as book_module
from farebox.pricing.rate import parse, written

FILE = Path(farebox.pricing.__file__).with_name("book.json")
NOW = 1_795_000_000_000_000_000
JUNE = 1_780_000_000_000_000_000


@pytest.fixture
def book():
    return Book(FILE.read_bytes())


@pytest.mark.parametrize(
    ("provider", "name", "model"),
    [
        ("openai", "gpt-5.4", "gpt-5.4"),
        ("openai", "GPT-5.4 ", "gpt-5.4"),
        ("openai", "openai/gpt-5.4", "gpt-5.4"),
        ("openai", "gpt-5.2-2025-12-11", "gpt-5.2"),
        ("openai", "gpt-5.2-20251211", "gpt-5.2"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-4o-mini-tts-2025-12-15", "gpt-4o-mini-tts"),
        ("openai", "gpt-4o-realtime-preview-2025-06-03", "gpt-4o-realtime-preview"),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:org::abc", "ft:gpt-4.1-mini"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:org:suffix:id", "ft:gpt-4o-mini"),
        ("openai", "ft:gpt-4-0613:org::id", "gpt-4"),
        ("openai", "text-moderation-stable", "moderation"),
        ("azure", "gpt-35-turbo", "gpt-3.5-turbo"),
        ("azure_openai", "gpt-5-mini", "gpt-5-mini"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-5-20260601", "claude-opus-5"),
        ("anthropic", "claude-2.1", "claude-2"),
        ("google", "models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("google", "gemini-2.5-flash-001", "gemini-2.5-flash"),
        ("google", "gemma-3-27b-it", "gemma-3"),
        ("gemini", "gemini-2.0-flash-thinking-exp-01-21", "gemini-2.0-flash"),
        ("google-vertex", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gcp.vertex_ai", "projects/p/locations/global/publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("google-vertex", "claude-opus-5@20260601", "claude-opus-5"),
        ("google-vertex", "claude-opus-4-6@default", "claude-opus-4-6"),
        ("google-vertex", "claude-sonnet-5", "claude-sonnet-5"),
        ("bedrock", "amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("aws-bedrock", "us.amazon.nova-lite-v1:0:300k", "amazon.nova-lite-v1:0"),
        ("openrouter", "anthropic/claude-opus-5", "anthropic/claude-opus-5"),
        ("xai", "grok-4", "grok-4-0709"),
        ("fireworks-ai", "accounts/fireworks/models/glm-5p3", "glm-5p3"),
    ],
)
def test_a_model_is_found_under_each_of_its_names(book, provider, name, model):
    assert book.find(provider, name, JUNE).id == model


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-5-nano-turbo"),
        ("openai", "gpt-9"),
        ("openai", "my-gpt-5"),
        ("openai", ""),
        ("openai", "ft:my-model:org::id"),
        ("anthropic", "claude-opus-6"),
        ("anthropic", "claude-opus-4-9"),
        ("google", "gemini-3.9-flash"),
        ("google", "gemini-3.6-flash-lite"),
        ("google", "tunedModels/mine"),
        ("google", "projects/p/locations/l/endpoints/123"),
        ("aws-bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"),
        ("nobody", "gpt-5"),
    ],
)
def test_what_is_not_known_stays_unknown(book, provider, name):
    assert book.find(provider, name, JUNE) is None
    assert book.unit_rates(provider, name, JUNE) is None
    assert book.context_window(provider, name, JUNE) is None


def test_unit_rates_are_pico_dollars_at_the_standard_tier(book):
    rates = book.unit_rates("openai", "gpt-5.4", NOW)

    assert (rates["input"], rates["cache_read"], rates["output"]) == (2_500_000, 250_000, 15_000_000)
    assert rates["input_audio"] == rates["input"]
    assert book.unit_rates("openai", "gpt-realtime-whisper", NOW)["seconds"] == Fraction(17 * 10**9, 60)
    assert book.context_window("openai", "gpt-5.4", NOW) == 1_050_000


def test_providers_are_listed_in_every_spelling(book):
    assert {"openai", "azure", "aws", "aws-bedrock", "google-vertex", "x-ai", "xai", "groq"} <= set(book.providers())


def test_the_hash_is_that_of_the_content(book):
    assert book.hash == hashlib.sha256(FILE.read_bytes()).hexdigest()[:12]
    assert Book.default() is Book.default()
    assert Book.default().hash == book.hash


def test_a_price_of_ones_own_replaces_the_books(book):
    before = book.hash

    book.set_price(provider="openai", model="gpt-5", rates={"input": "7", "output": "8"})

    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}
    cost = price(usage, provider="openai", model="gpt-5", api="chat.completions", at=NOW, book=book)
    assert cost.amount == Decimal(15)
    assert book.hash != before


def test_a_price_of_ones_own_from_a_day_on_keeps_what_was_before(book):
    book.set_price(provider="openai", model="gpt-5.6-luna", rates={"input": "7"}, effective_from="2026-11-01")

    def at(day):
        usage = {"input_tokens": 1_000_000, "output_tokens": 0}
        return price(usage, provider="openai", model="gpt-5.6-luna", api="completions", at=day, book=book).amount

    assert (at("2026-07-01"), at("2026-10-31"), at("2026-11-01")) == (Decimal(2), Decimal("0.4"), Decimal(7))


def test_a_model_of_ones_own_can_be_priced(book):
    usage = Usage(units={"input": 10})
    first = quote(usage, book=book, provider="local", model="mine", at_ns=NOW)

    book.set_price(provider="local", model="mine", rates={"input": "0.5"})

    assert first == (None, "unpriced", ("model mine of local",))
    assert quote(usage, book=book, provider="local", model="mine", at_ns=NOW) == (5000, "priced", ())
    assert "local" in book.providers()


@pytest.mark.parametrize(
    "wrong",
    [
        {"rates": {"input": "-1"}},
        {"rates": {"input": "cheap"}},
        {"rates": {"input": "1/0"}},
        {"rates": {}},
        {"rates": {"input": "1"}, "effective_from": "soon"},
    ],
)
def test_a_price_that_is_none_is_refused_and_nothing_changes(book, wrong):
    before = book.hash

    with pytest.raises(PriceError, match="give"):
        book.set_price(**({"provider": "openai", "model": "gpt-5"} | wrong))

    assert book.hash == before


def test_what_is_remembered_stays_bounded(book, monkeypatch):
    monkeypatch.setattr(book_module, "_MEMORY", 3)

    for number in range(20):
        quote(Usage(units={"input": 1}), book=book, provider="openai", model=f"gpt-{number}", at_ns=NOW)

    assert len(book.memory) <= 3
    assert len(book._found) <= 3


@pytest.mark.parametrize("text", ["0", "0.00875", "1.25", "0.0045", "1/3", "10000000"])
@pytest.mark.parametrize("unit", ["input", "web_search", "seconds", "images", "cache_storage", "something"])
def test_a_price_survives_its_parsing(text, unit):
    assert written(parse(text, unit), unit) == Fraction(text)
