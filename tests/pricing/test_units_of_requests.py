"""Prices of what no answer counts: pictures and film by size, sound by characters and seconds, caches by time."""

from __future__ import annotations

import asyncio
import sys
import time
import types
from decimal import Decimal

import pytest

from farebox.core.event import CallRequest
from farebox.core.usage import Usage, sized_unit
from farebox.pricing import estimate, installed, tokens
from farebox.pricing.calculate import calculate
from farebox.pricing.estimate import Estimator, Seen, seen_output

AT = 1_795_000_000_000_000_000


def cost(provider, model, units):
    return calculate(Usage(units=units), book=installed.current(), provider=provider, model=model, at_ns=AT)


@pytest.mark.parametrize(
    ("provider", "model", "units", "dollars"),
    [
        ("openai", "dall-e-3", {"images:hd:1024x1792": 2}, "0.24"),
        ("openai", "dall-e-3", {"images:standard:default": 1}, "0.04"),
        ("openai", "dall-e-2", {"images:standard:256x256": 1}, "0.016"),
        ("openai", "tts-1", {"characters": 1000}, "0.015"),
        ("openai", "sora-2", {"video_seconds:standard:720x1280": 8}, "0.8"),
        ("openai", "sora-2-pro", {"video_seconds:standard:1792x1024": 4}, "2"),
        ("google", "imagen-4.0-generate-001", {"images": 2}, "0.08"),
        ("google", "veo-3.1-generate-preview", {"video_seconds:standard:4k": 8}, "4.8"),
        ("google", "gemini-2.5-flash", {"cache_token_seconds": 3_600_000_000}, "1"),
    ],
)
def test_what_a_request_says_is_priced_by_its_quality_and_size(provider, model, units, dollars):
    found = cost(provider, model, units)
    assert (found.amount, found.status, found.missing) == (Decimal(dollars), "priced", ())


def test_a_size_without_a_price_is_named_and_not_guessed():
    found = cost("openai", "dall-e-3", {"images:hd:8x8": 1})
    assert (found.nano, found.status) == (None, "unpriced")
    assert "images:hd:8x8" in found.missing[0]


def test_storage_of_a_model_without_a_fee_is_missing():
    assert "cache_token_seconds" in cost("openai", "gpt-5-mini", {"cache_token_seconds": 5}).missing[0]


def test_units_name_their_quality_and_size_or_the_providers_default():
    assert sized_unit("images", None, None) == "images:standard:default"
    assert sized_unit("images", "hd", "1x1") == "images:hd:1x1"


def test_a_model_that_is_billed_by_other_units_than_tokens_is_not_expected_to_be_free():
    forecast = Estimator(installed.current()).forecast(
        CallRequest("openai", "transcription", "audio.transcriptions", "whisper-1", {"model": "whisper-1"}), None, AT
    )
    assert forecast.expected_nano is None


def test_speech_is_expected_to_be_as_long_as_its_text():
    request = CallRequest("openai", "speech", "audio.speech", "gpt-4o-mini-tts", {"input": "x" * 1000})
    assert Estimator(installed.current()).forecast(request, None, AT).output_tokens == 1400


# --- what arrived of a stream


def test_output_that_arrived_is_counted_by_bytes_between_bounds(monkeypatch):
    monkeypatch.setattr(estimate, "count_at_once", lambda *_: None)
    assert seen_output("x" * 120, 30, estimate.Fraction(1), "m", countable=True) == Seen(20, 30, 80)
    assert seen_output("x" * 120, 30, estimate.Fraction(2), "m", countable=False) == Seen(20, 60, 160)
    assert seen_output("", 3, estimate.Fraction(1), "m", countable=True) == Seen(0, 0, 0)


def test_pieces_whose_text_was_not_looked_at_are_taken_for_a_token_each():
    assert seen_output(None, 7, estimate.Fraction(1), "m", countable=True) == Seen(0, 7, 7)


def test_output_is_counted_by_the_models_vocabulary_where_there_is_one(monkeypatch):
    monkeypatch.setattr(estimate, "count_at_once", lambda text, _model: len(text.split()))
    assert seen_output("one two three", 9, estimate.Fraction(1), "m", countable=True) == Seen(3, 3, 3)
    assert seen_output("one two three", 9, estimate.Fraction(3, 2), "m", countable=True) == Seen(3, 5, 10)


class Words:
    """An encoding of one token a word."""

    def encode_ordinary(self, text):
        return text.split()


@pytest.fixture
def vocabulary(monkeypatch):
    """A vocabulary that lies on the machine and is read by a module named tiktoken."""
    read = []

    def get_encoding(name):
        time.sleep(0.05)
        read.append(name)
        return Words()

    monkeypatch.setitem(sys.modules, "tiktoken", types.SimpleNamespace(get_encoding=get_encoding))
    monkeypatch.setattr(tokens, "_cached", lambda _name: True)
    monkeypatch.setattr(tokens, "_loaded", {})
    monkeypatch.setattr(tokens, "_loading", set())
    return read


def test_a_vocabulary_is_read_once(vocabulary):
    assert [tokens.count_at_once("a b c", model) for model in ("gpt-5", "gpt-5-mini", "gpt-4")] == [3, 3, 3]
    assert vocabulary == ["o200k_base", "cl100k_base"]


def test_a_vocabulary_that_is_not_here_counts_nothing(monkeypatch):
    monkeypatch.setattr(tokens, "_cached", lambda _name: False)
    monkeypatch.setattr(tokens, "_loaded", {})
    assert tokens.count_at_once("a b c", "gpt-5") is None


async def waits(vocabulary):
    first = tokens.count_at_once("a b", "gpt-5")
    again = tokens.count_at_once("a b", "gpt-5")
    for _ in range(200):
        if tokens._loaded:
            break
        await asyncio.sleep(0.01)
    return first, again, tokens.count_at_once("a b", "gpt-5"), list(vocabulary)


def test_an_event_loop_never_waits_for_a_vocabulary(vocabulary):
    assert asyncio.run(waits(vocabulary)) == (None, None, 2, ["o200k_base"])
