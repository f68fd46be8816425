"""What holds for every cost: exact against rationals, the same in brief and in full, additive at flat rates."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from farebox.core.usage import ModelUnits, Usage
from farebox.pricing import Book, PriceContext, calculate, quote
from farebox.pricing.rate import nano

NOW = 1_795_000_000_000_000_000
COUNTS = st.integers(1, 5_000_000)
MODELS = st.sampled_from(
    [
        ("openai", "gpt-5.4"),
        ("openai", "gpt-5-mini"),
        ("openai", "gpt-6.1-sol"),
        ("openai", "gpt-realtime-2.1"),
        ("openai", "gpt-4o-search-preview"),
        ("anthropic", "claude-haiku-5-5"),
        ("anthropic", "claude-opus-5"),
        ("google", "gemini-2.5-pro"),
        ("google", "gemini-3.8-flash"),
        ("google-vertex", "claude-opus-5"),
        ("aws-bedrock", "us.anthropic.claude-opus-5"),
        ("perplexity", "sonar"),
        ("openai", "gpt-9"),
    ]
)
UNITS = st.dictionaries(
    st.sampled_from(
        [
            "input",
            "cache_read",
            "cache_write_5m",
            "cache_write_30m",
            "cache_write_1h",
            "cache_write_12h",
            "output",
            "input_audio",
            "output_audio",
            "input_image",
            "output_image",
            "cache_read_audio",
            "web_search",
            "file_search",
            "google_search_queries",
            "input_tool",
            "foo_call",
        ]
    ),
    COUNTS,
    max_size=8,
)
USAGES = st.builds(
    Usage,
    units=UNITS,
    service_tier=st.sampled_from([None, "default", "flex", "priority", "fast", "ultrafast", "scale", "batch", "?"]),
    speed=st.sampled_from([None, "standard", "fast"]),
    geo=st.sampled_from([None, "us", "eu"]),
    batch=st.booleans(),
    tools=st.sampled_from([(), ("google_search",), ("url_context",)]),
    others=st.sampled_from([(), (ModelUnits("claude-opus-5", {"input": 7}),), (ModelUnits("nobody", {"input": 7}),)]),
    stated_cost=st.none() | st.decimals(0, 10, places=7),
    raw=st.sampled_from([None, {}, {"some": "thing"}]),
)
PLACES = st.sampled_from([None, {"location": "us-east5"}, {"data_residency": "eu"}, {"billing_plan": "free"}])


@given(usage=st.none() | USAGES, model=MODELS, place=PLACES, batch=st.booleans())
def test_the_fast_way_and_the_long_way_say_the_same(usage, model, place, batch):
    provider, name = model
    brief = quote(usage, book=Book.default(), provider=provider, model=name, at_ns=NOW, batch=batch, extra=place)
    again = quote(usage, book=Book.default(), provider=provider, model=name, at_ns=NOW, batch=batch, extra=place)
    cost = calculate(
        usage,
        book=Book.default(),
        provider=provider,
        model=name,
        at_ns=NOW,
        batch=batch,
        context=PriceContext(**(place or {})),
    )

    assert brief == again == (cost.nano, cost.status, cost.missing)
    assert (cost.nano is None) == (cost.status == "unpriced")
    assert bool(cost.missing) == (cost.status in {"partial", "unpriced"})


@given(units=UNITS, model=MODELS)
def test_a_cost_is_the_exact_sum_of_its_lines_rounded_once(units, model):
    provider, name = model
    cost = calculate(Usage(units=units), book=Book.default(), provider=provider, model=name, at_ns=NOW)

    if cost.nano is not None:
        exact = sum(Fraction(line.rate) * Fraction(line.count) / line.per for line in cost.lines)
        assert cost.nano == round(exact * 10**9)
        assert all(line.source for line in cost.lines)


@given(units=st.dictionaries(st.sampled_from(["input", "cache_read", "output"]), COUNTS), more=COUNTS)
def test_flat_rates_are_linear_to_the_nano_dollar(units, more):
    oracle = {"input": Decimal("0.25"), "cache_read": Decimal("0.025"), "output": Decimal(2)}
    grown = {unit: count + more for unit, count in units.items()}

    for counts in (units, grown):
        found, status, missing = quote(
            Usage(units=counts, raw={"x": 0}), book=Book.default(), provider="openai", model="gpt-5-mini", at_ns=NOW
        )
        exact = sum(Fraction(oracle[unit]) * count for unit, count in counts.items()) / 1_000_000
        assert (found, status, missing) == (round(exact * 10**9), "priced", ())


@given(seconds=st.decimals(0, 100_000, places=4).filter(lambda value: value > 0))
def test_seconds_are_exact_whatever_their_fraction(seconds):
    usage = Usage(units={"seconds": seconds})
    found, status, _ = quote(usage, book=Book.default(), provider="openai", model="gpt-realtime-whisper", at_ns=NOW)

    assert (found, status) == (round(Fraction(seconds) * Fraction("0.017") / 60 * 10**9), "priced")


@given(pico=st.integers(0, 10**18))
def test_rounding_is_half_to_even_for_integers_and_for_rationals(pico):
    assert nano(pico) == nano(Fraction(pico)) == round(Fraction(pico, 1000))
