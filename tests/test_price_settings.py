"""The table `prices`: what it may say, and what it says to what it may not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from farebox import config
from farebox.core.errors import ConfigurationError
from farebox.price_settings import Discount, OwnRates, PriceSettings, parse_prices

FILE = """
on_unpriced = { assume = { input = 5, output = "25" } }
[prices]
auto_update = "weekly"
book = "bundled"
source = "https://example.org/prices.json"
free = ["ollama", "openai/our/llama"]
[prices.rates]
"openai/gpt-5-mini" = { input = "0.20", output = 1.6, effective_from = 2026-11-01 }
[prices.discounts]
anthropic = "10%"
"openai/gpt-5" = { percent = 12.5, effective_from = "2026-11-01" }
[prices.azure_deployments]
our-chat = "gpt-5-mini"
"""


def test_the_file_says_it_all(tmp_path):
    (tmp_path / "farebox.toml").write_text(FILE, encoding="utf-8")

    settings = config.load({}, environment={}, directory=tmp_path)

    assert settings.on_unpriced == config.Assume({"input": "5", "output": "25"})
    assert settings.prices == PriceSettings(
        auto_update="weekly",
        book="bundled",
        source="https://example.org/prices.json",
        rates=(OwnRates("openai", "gpt-5-mini", {"input": "0.20", "output": "1.6"}, "2026-11-01"),),
        discounts=(Discount("anthropic", None, "10"), Discount("openai", "gpt-5", "12.5", "2026-11-01")),
        free=(("ollama", None), ("openai", "our/llama")),
        azure_deployments={"our-chat": "gpt-5-mini"},
    )


def test_the_environment_says_it_as_json(tmp_path):
    environment = {
        "FAREBOX_PRICES": '{"rates": {"groq/x": {"input": 0.1}}}',
        "FAREBOX_ON_UNPRICED": '{"assume": {"input": 5}}',
    }

    settings = config.load({}, environment=environment, directory=tmp_path)

    assert settings.prices == PriceSettings(rates=(OwnRates("groq", "x", {"input": "0.1"}),))
    assert settings.on_unpriced == config.Assume({"input": "5"})


def test_an_argument_may_be_a_table_or_ready():
    ready = parse_prices({"rates": {"a/b": {"input": Decimal("0.1"), "effective_from": dt.date(2026, 1, 1)}}})

    assert ready.rates == (OwnRates("a", "b", {"input": "0.1"}, "2026-01-01"),)
    assert parse_prices(ready) is ready


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("{", "as JSON"),
        (3, "give a table"),
        ({"discount": {}}, "prices.discount is not a setting: did you mean 'discounts'"),
        ({"zzz": 1}, "use one of auto_update"),
        ({"auto_update": "daily"}, "prices.auto_update='daily' cannot be used: give one of never, weekly"),
        ({"book": "mine"}, "one of newest, bundled"),
        ({"source": " "}, "non-empty text"),
        ({"rates": []}, "give a table"),
        ({"rates": {"openai": {"input": 1}}}, "provider/model"),
        ({"rates": {"/x": {"input": 1}}}, "provider or provider/model"),
        ({"rates": {"a/b": {}}}, "table of prices"),
        ({"rates": {"a/b": {"input": "-1"}}}, "prices.rates.a/b.input='-1' cannot be used"),
        ({"rates": {"a/b": {"input": float("nan")}}}, "at least 0"),
        ({"rates": {"a/b": {"input": True}}}, "at least 0"),
        ({"rates": {"a/b": {"input": 1, "effective_from": "soon"}}}, "ISO day"),
        ({"discounts": {"a": "101%"}}, "at most 100"),
        ({"discounts": {"a": {"off": 3}}}, "percent = 10"),
        ({"free": "ollama"}, "a list of providers"),
        ({"azure_deployments": {"a": ""}}, "prices.azure_deployments.a=''"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy(tmp_path, table, says):
    with pytest.raises(ConfigurationError) as error:
        config.load({"prices": table}, environment={}, directory=tmp_path)
    assert str(error.value).startswith("argument: prices")
    assert says in str(error.value)


@pytest.mark.parametrize("value", [{"assume": {}}, {"assume": {"input": -1}}, {"other": {}}, '{"assume"', "ask"])
def test_an_assumption_without_prices_is_refused(tmp_path, value):
    with pytest.raises(ConfigurationError, match=r"give|valid JSON"):
        config.load({"on_unpriced": value}, environment={}, directory=tmp_path)
