"""What holds for every price of the book: on exact pico-dollars, against a slow reference that reads the file in its own way."""

from __future__ import annotations

import json
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.core.usage import Usage
from farebox.pricing import Book, calculate, quote
from farebox.pricing.context import NO_CONTEXT
from farebox.pricing.installed import BUNDLED
from farebox.pricing.resolve import Conditions
from farebox.pricing.terms import terms

DAYS = ["2025-06-01", "2026-01-15", "2026-06-30", "2026-10-08", "2026-11-22", "2026-12-01", "2027-03-01"]
PROMPT = [
    "input",
    "input_audio",
    "input_image",
    "input_video",
    "cache_read",
    "cache_read_audio",
    "cache_write_5m",
    "cache_write_1h",
]
UNITS = [
    *PROMPT,
    "cache_write_30m",
    "output",
    "output_audio",
    "output_image",
    "web_search",
    "file_search",
    "seconds",
    "characters",
]
IN_PROMPT = {*PROMPT, "cache_write_30m", "cache_write_12h", "input_tool", "cache_read_image", "cache_read_video"}
WRITTEN_FOR = {"web_search": 1_000, "file_search": 1_000, "requests": 1_000, "seconds": 3_600}
SAME_AS = {
    **dict.fromkeys(("input_audio", "input_image", "input_video"), "input"),
    **dict.fromkeys(("cache_read_audio", "cache_read_image", "cache_read_video"), "cache_read"),
    **dict.fromkeys(("output_audio", "output_image", "output_video"), "output"),
    **dict.fromkeys(("cache_write_5m", "cache_write_30m"), "cache_write"),
}
"""Where a provider lists no rate for a kind of token, it bills the plain one."""


def moment(day):
    from datetime import UTC, datetime

    return int(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp()) * 10**9


MOMENTS = {day: moment(day) for day in DAYS}


@pytest.fixture(scope="module")
def book():
    return Book(BUNDLED.read_bytes())


@pytest.fixture(scope="module")
def models():
    """(provider, model as the file has it) of everything but daily windows, which other tests hold to."""
    data = json.loads(BUNDLED.read_bytes())
    rerouted = {(row["provider"], row["name"]) for row in data["reroutes"]}
    return [
        (provider, row)
        for provider, listed in data["providers"].items()
        for at, row in enumerate(listed["models"])
        if listed["names"].get(row["id"].lower()) == at and (provider, row["id"]) not in rerouted
        if not any(name.startswith("hours:") for period in row["periods"] for name in period.get("variants", {}))
    ]


def reference(row, day, tier, units):
    """Dollars of a usage, computed from the file as it is written with nothing but `Fraction`; None where it has no rate."""
    periods = [period for period in row["periods"] if period.get("since", "") <= day]
    period = periods[-1]
    rates = dict(period["rates"])
    prompt = sum(count for unit, count in units.items() if unit in IN_PROMPT)
    variant = {} if tier is None else period["variants"][tier]
    short, longer = variant.get("rates", {}), dict(period.get("over", []))
    beyond = dict(variant.get("over", []))
    rates.update(short)
    passed = [limit for limit in longer | beyond if prompt > limit]
    if passed:
        own, plain = beyond.get(max(passed), {}), longer.get(max(passed), {})
        if any(unit in plain and unit not in own for unit in short):
            return None  # a tier with a price of its own, but none for long prompts: nobody says which holds
        rates.update({unit: price for unit, price in plain.items() if unit not in short} | own)
    total = Fraction(rates["requests"]) / 1_000 if "requests" in rates and units else Fraction(0)
    for unit, count in units.items():
        name = unit if unit in rates else SAME_AS.get(unit)
        if name not in rates:
            return None
        total += Fraction(rates[name]) * count / WRITTEN_FOR.get(unit, 1_000_000)
        if unit == "web_search" and "web_search_input_tokens" in rates:
            total += int(rates["web_search_input_tokens"]) * Fraction(rates["input"]) * count / 1_000_000
    return total


def drawn(chance, models):
    """A model with prices, a day, a tier that it has, and a usage of units that it may have."""
    while True:
        provider, row = chance.choice(models)
        day = chance.choice(DAYS)
        periods = [period for period in row["periods"] if period.get("since", "") <= day]
        if not periods or not periods[-1].get("rates"):
            continue
        tiers = [name for name in periods[-1].get("variants", {}) if not name.startswith("speed:")]
        tier = chance.choice([None, None, *tiers])
        priced = [unit for unit in UNITS if unit in periods[-1]["rates"] or SAME_AS.get(unit) in periods[-1]["rates"]]
        if not priced:
            continue
        chosen = chance.sample(priced, chance.randint(1, min(5, len(priced))))
        return (
            provider,
            row,
            day,
            tier,
            {unit: chance.choice([1, 7, 1000, chance.randrange(1, 900_000)]) for unit in chosen},
        )


def compared(book, models, count, seed):
    """How many of `count` random usages could be compared; each that can must agree to the nano-dollar."""
    chance = random.Random(seed)
    agreed = 0
    for _ in range(count):
        provider, row, day, tier, units = drawn(chance, models)
        usage = Usage(units=units, service_tier=None if tier == "batch" else tier, batch=tier == "batch")
        nano, status, missing = quote(usage, book=book, provider=provider, model=row["id"], at_ns=MOMENTS[day])
        expected = reference(row, day, tier, units)
        if status != "priced" or expected is None:
            assert missing or expected is None
            continue
        assert nano == round(expected * 10**9), (provider, row["id"], day, tier, units)
        agreed += 1
    return agreed


def test_random_usages_agree_with_the_slow_reference(book, models):
    assert compared(book, models, 3_000, seed=7) > 2_000


@pytest.mark.stress
def test_a_hundred_thousand_random_usages_agree_with_the_slow_reference(book, models):
    agreed = compared(book, models, 100_000, seed=20261122)
    print(f"{agreed:,} of 100,000 random usages compared; all agree to the nano-dollar")
    assert agreed > 70_000


def pico(book, provider, model, units):
    """Exact pico-dollars at the standard tier, the fee for the call itself apart."""
    found = book.resolve(provider, model, Conditions(location="global"), MOMENTS["2026-11-22"])
    products, _ = terms(Usage(units=units), found, NO_CONTEXT)
    return sum((term.pico for term in products if term.unit != "requests"), Fraction(0))


COUNTS = st.dictionaries(
    st.sampled_from(["input", "cache_read", "cache_write_5m", "output", "input_audio"]), st.integers(1, 10**7)
)
FLAT = st.sampled_from(
    [
        ("openai", "gpt-5-mini"),
        ("anthropic", "claude-opus-5"),
        ("google", "gemini-3.8-flash"),
        ("groq", "llama-3.3-70b-versatile"),
    ]
)
ANY = st.sampled_from(
    [
        ("openai", "gpt-5.4"),
        ("google", "gemini-2.5-pro"),
        ("anthropic", "claude-haiku-5-5"),
        ("openai", "gpt-5-mini"),
        ("perplexity", "sonar"),
    ]
)


@given(one=COUNTS, other=COUNTS, model=FLAT)
def test_flat_rates_are_additive(book, one, other, model):
    both = {unit: one.get(unit, 0) + other.get(unit, 0) for unit in one | other}

    assert pico(book, *model, both) == pico(book, *model, one) + pico(book, *model, other)


@given(units=COUNTS, model=ANY, more=st.integers(1, 10**6), unit=st.sampled_from(["input", "cache_read", "output"]))
def test_more_of_a_unit_never_costs_less_and_nothing_costs_less_than_nothing(book, units, model, more, unit):
    assert 0 <= pico(book, *model, units) <= pico(book, *model, units | {unit: units.get(unit, 0) + more})


@given(units=COUNTS, model=ANY, chance=st.randoms(use_true_random=False))
def test_the_order_of_units_does_not_matter(book, units, model, chance):
    shuffled = list(units.items())
    chance.shuffle(shuffled)
    provider, name = model

    def cost(counts):
        usage = Usage(units=counts)
        at = MOMENTS["2026-11-22"]
        full = calculate(usage, book=book, provider=provider, model=name, at_ns=at)
        return quote(usage, book=book, provider=provider, model=name, at_ns=at)[0], full.nano, sorted(full.missing)

    assert cost(units) == cost(dict(shuffled))


def test_every_threshold_of_the_book_is_exact_at_its_boundary(book, models):
    tried = 0
    for provider, row in models:
        periods = [period for period in row["periods"] if period.get("since", "") <= "2026-11-22"]
        for limit, prices in periods[-1].get("over", []) if periods else []:
            if "input" not in prices or "input" not in periods[-1]["rates"]:
                continue
            for cached in (0, 1000):
                at = {"input": limit - cached} | ({"cache_read": cached} if cached and "cache_read" in prices else {})
                at = at if "cache_read" in at else {"input": limit}
                beyond = at | {"input": at["input"] + 1}
                nanos = [
                    quote(
                        Usage(units=units), book=book, provider=provider, model=row["id"], at_ns=MOMENTS["2026-11-22"]
                    )
                    for units in (at, beyond)
                ]
                for units, (nano, status, _) in zip((at, beyond), nanos, strict=True):
                    if status == "priced":
                        assert nano == round(reference(row, "2026-11-22", None, units) * 10**9), (
                            provider,
                            row["id"],
                            units,
                        )
                        tried += 1
    assert tried > 50
