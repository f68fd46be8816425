"""Prices of the user's: negotiated rates, discounts, what is free, deployments; over every book that comes into force."""

from __future__ import annotations

from decimal import Decimal

import pytest

import farebox
from farebox import runtime
from farebox.core.errors import ConfigurationError, PriceError
from farebox.core.usage import Usage
from farebox.price_settings import parse_prices
from farebox.pricing import Book, installed, price
from farebox.pricing.installed import BUNDLED

NOW = "2026-11-22T12:00:00Z"
MILLION = 1_000_000
BOTH = Usage(units={"input": MILLION, "output": MILLION})


@pytest.fixture(autouse=True)
def own_book():
    runtime.reset()
    yield
    runtime.reset()


def book(**prices):
    return Book(BUNDLED.read_bytes(), parse_prices(prices))


def cost(book, provider, model, at=NOW, usage=BOTH, **rest):
    return price(usage, provider=provider, model=model, at=at, book=book, **rest)


def test_a_negotiated_rate_holds_for_dated_snapshots_and_other_spellings_of_the_provider():
    own = book(rates={"bedrock/mine": {"input": "1"}, "openai/gpt-5-mini": {"input": "0.2", "output": "1"}})

    assert cost(own, "openai", "gpt-5-mini-2025-08-07").amount == Decimal("1.2")
    assert cost(own, "aws-bedrock", "mine", usage=Usage(units={"input": MILLION})).amount == 1
    assert cost(own, "openai", "gpt-5").amount == cost(None, "openai", "gpt-5").amount


def test_negotiated_rates_follow_each_other_by_their_days():
    own = book(rates={"openai/gpt-5-mini": {"input": "0.2", "output": "1", "effective_from": "2026-10-01"}})
    own.set_price(
        provider="openai", model="gpt-5-mini", rates={"input": "0.1", "output": "1"}, effective_from="2026-11-01"
    )

    amounts = [cost(own, "openai", "gpt-5-mini", at=day).amount for day in ("2026-09-30", "2026-10-01", "2026-11-01")]

    assert amounts == [Decimal("2.25"), Decimal("1.2"), Decimal("1.1")]


def test_a_discount_takes_its_share_off_everything_and_the_models_own_wins():
    own = book(
        discounts={"openai": "10%", "openai/gpt-5": {"percent": 50, "effective_from": "2026-11-01"}},
    )

    assert cost(own, "openai", "gpt-5-mini").amount == Decimal("2.025")
    assert cost(own, "openai", "gpt-5", at="2026-10-31").amount == Decimal("10.125")
    assert cost(own, "openai", "gpt-5-2025-08-07", at="2026-11-01").amount == Decimal("5.625")
    assert cost(own, "openai", "gpt-5", at="2026-10-31").amount == Decimal("10.125")
    assert "discount" in cost(own, "openai", "gpt-5").lines[0].conditions
    assert cost(own, "anthropic", "claude-opus-5").amount == cost(None, "anthropic", "claude-opus-5").amount


def test_nothing_comes_off_a_negotiated_rate():
    negotiated = {"input": "0.2", "output": "1", "effective_from": "2026-11-01"}
    own = book(discounts={"openai": "50%"}, rates={"openai/gpt-5-mini": negotiated})

    assert cost(own, "openai", "gpt-5-mini", at="2026-10-31").amount == Decimal("1.125")
    assert cost(own, "openai", "gpt-5-mini", at="2026-11-01").amount == Decimal("1.2")


def test_a_discount_reaches_fees_and_prices_that_are_doubtful():
    own = book(discounts={"google": "50%", "perplexity": "50%", "aws": "50%"})
    quota = Usage(units={"input": 1000, "google_search_queries": 2})
    context = {"free_quota_exhausted": True}

    full = cost(None, "google", "gemini-3.8-flash", usage=quota, context=context)
    half = cost(own, "google", "gemini-3.8-flash", usage=quota, context=context)

    assert half.nano * 2 == full.nano
    fee = Usage(units={"input": 1000, "output": 1000})
    assert cost(own, "perplexity", "sonar", usage=fee).nano * 2 == cost(None, "perplexity", "sonar", usage=fee).nano
    doubtful = Usage(units={"cache_write_12h": MILLION})
    assert cost(own, "google", "gemini-2.5-pro", usage=doubtful).status == "partial"


def test_a_discount_that_is_still_to_come_changes_nothing_yet():
    own = book(discounts={"openai": {"percent": "10", "effective_from": "2027-01-01"}})

    assert cost(own, "openai", "gpt-5-mini").amount == Decimal("2.25")
    assert cost(own, "openai", "gpt-5-mini", at="2027-01-01").amount == Decimal("2.025")


def test_what_is_free_costs_nothing_and_is_priced():
    own = book(free=["ollama", "openai/our-llama"])
    used = Usage(units={"input": 10, "cache_read": 5, "output": 3, "web_search": 1})

    for provider, model in (("ollama", "anything"), ("openai", "our-llama")):
        found = cost(own, provider, model, usage=used)
        assert (found.nano, found.status) == (0, "priced")
    assert cost(own, "openai", "their-llama").status == "unpriced"
    assert "ollama" in own.providers()


def test_a_deployment_is_priced_as_the_model_behind_it():
    own = book(azure_deployments={"Our-Chat": "gpt-5-mini", "gpt-5": "gpt-5"})

    assert cost(own, "azure", "our-chat").amount == cost(None, "azure", "gpt-5-mini").amount
    assert cost(own, "azure", "gpt-5").amount == cost(None, "azure", "gpt-5").amount
    assert cost(own, "openai", "our-chat").status == "unpriced"


def test_prices_of_ones_own_give_the_book_another_name():
    plain, same = book(), book()
    own, again = book(discounts={"openai": "10%"}), book(discounts={"openai": "10%"})

    assert plain.hash == same.hash == installed.current().hash
    assert own.hash == again.hash != plain.hash


def test_an_unknown_unit_is_refused_with_the_likely_one():
    with pytest.raises(PriceError, match="did you mean 'input'"):
        farebox.set_price(provider="openai", model="x", rates={"inptu": 1})
    with pytest.raises(PriceError, match="give one of"):
        farebox.set_price(provider="openai", model="x", rates={"zzz": 1})
    with pytest.raises(PriceError, match="give both names"):
        farebox.set_price(provider="openai", model=" ", rates={"input": 1})
    with pytest.raises(ConfigurationError, match=r"prices\.rates.*did you mean 'input'"):
        farebox.configure(prices={"rates": {"openai/x": {"inptu": 1}}})


def test_a_price_that_is_set_reaches_price_estimate_and_budgets_at_once():
    assert farebox.estimate("hello", model="mine", provider="openai").expected is None

    farebox.set_price(provider="openai", model="mine", rates={"input": 1.5, "output": Decimal(2)})

    assert farebox.price(BOTH, provider="openai", model="mine").amount == Decimal("3.5")
    assert farebox.estimate("hello", model="mine", provider="openai").expected is not None


def test_what_was_set_stays_when_settings_change_and_goes_with_a_reset():
    farebox.set_price(provider="openai", model="mine", rates={"input": 1, "output": 1}, effective_from="2026-01-01")
    farebox.configure(prices={"discounts": {"openai": "50%"}})

    assert farebox.price(BOTH, provider="openai", model="mine", at=NOW).amount == 2
    assert farebox.price(BOTH, provider="openai", model="gpt-5-mini", at=NOW).amount == Decimal("1.125")
    runtime.reset()
    assert farebox.price(BOTH, provider="openai", model="mine", at=NOW).status == "unpriced"


def test_price_heeds_the_file_of_the_directory(tmp_path, monkeypatch):
    (tmp_path / "farebox.toml").write_text('prices.discounts.openai = "50%"', encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert farebox.price(BOTH, provider="openai", model="gpt-5-mini", at=NOW).amount == Decimal("1.125")
