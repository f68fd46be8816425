"""`price`: tiers, places, dates, tools and fees, as the providers' pages state them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from farebox.core.errors import PriceError
from farebox.core.usage import Usage
from farebox.pricing import Book, PriceContext, price

NOW = "2026-11-22T12:00:00Z"
MILLION = 1_000_000


def responses(prompt=0, output=0, cached=0, written=0, long=0):
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": written,
            "cache_write_tokens_details": {"ttl_30m_tokens": written - long, "ttl_12h_tokens": long},
        },
        "output_tokens": output,
        "total_tokens": prompt + output,
    }


def openai(usage, model, **rest):
    return price(usage, **({"provider": "openai", "model": model, "api": "responses", "at": NOW} | rest))


def claude(usage, model, **rest):
    return price(usage, **({"provider": "anthropic", "model": model, "api": "messages", "at": NOW} | rest))


def gemini(usage, model, **rest):
    return price(usage, **({"provider": "google", "model": model, "api": "generateContent", "at": NOW} | rest))


def meta(prompt, candidates=0, **more):
    tool = more.get("toolUsePromptTokenCount", 0)
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "totalTokenCount": prompt + candidates + tool,
        **more,
    }


@pytest.mark.skipif("FAREBOX_GOLDEN" not in os.environ, reason="FAREBOX_GOLDEN names no worked examples")
def test_every_worked_example_is_exact_to_the_nano_dollar():
    path = Path(os.environ["FAREBOX_GOLDEN"])
    lines = (path / "golden.jsonl" if path.is_dir() else path).read_text(encoding="utf-8").strip().split("\n")
    wrong = []
    print(f"\n{'nano-dollars':<50} {'expected':>16} {'got':>16}")
    for row in map(json.loads, lines):
        cost = price(
            row["usage"],
            provider=row["provider"],
            model=row["model"],
            api=row["api"],
            at=row["request_time"],
            service_tier=row["service_tier"],
            batch=row["batch"],
            context=row["context"],
        )
        expected = round(Decimal(row["expected_usd"]).scaleb(9))
        print(f"{row['id']:<50} {expected:>16,} {'unpriced' if cost.nano is None else f'{cost.nano:,}':>16}")
        if (cost.nano, cost.status, cost.missing) != (expected, "priced", ()):
            wrong.append((row["id"], cost.nano, expected, cost.status, cost.missing))
    print(f"{len(lines) - len(wrong)} of {len(lines)} worked examples exact")
    assert wrong == []


def test_a_tier_of_the_answer_decides():
    assert openai(responses(MILLION // 10), "gpt-5").amount == Decimal("0.125")
    assert openai(responses(MILLION // 10), "gpt-5", service_tier="default").amount == Decimal("0.125")
    assert openai(responses(MILLION // 10), "gpt-5", service_tier="flex").amount == Decimal("0.0625")
    for word in ("priority", "fast"):
        assert openai(responses(MILLION // 10), "gpt-5", service_tier=word).amount == Decimal("0.25")


def test_a_tier_holds_as_long_as_the_price_it_belongs_to():
    # Verified on 2026-10-12, but not new then: before the cut of 2026-07-30 flex was half of the old price.
    before = openai(responses(MILLION // 10), "gpt-5.6-luna", service_tier="flex", at="2026-07-15")
    after = openai(responses(MILLION // 10), "gpt-5.6-luna", service_tier="flex", at="2026-08-15")

    assert (before.amount, before.status) == (Decimal("0.05"), "priced")
    assert (after.amount, after.status) == (Decimal("0.01"), "priced")


def test_an_unknown_tier_is_never_silently_standard():
    for tier in ("ultrafast", "turbo", "auto"):
        cost = openai(responses(1000, 10), "gpt-5", service_tier=tier)
        assert (cost.status, cost.missing) == ("partial", (f"tier {tier}",))


def test_a_tier_in_a_batch_is_not_known():
    cost = openai(responses(1000), "gpt-5", service_tier="flex", batch=True)

    assert (cost.status, cost.missing) == ("partial", ("flex with batch",))


def test_hosts_without_tiers_may_echo_the_request():
    cost = price({"prompt_tokens": 10}, provider="groq", model="llama-3.3-70b-versatile", service_tier="auto", at=NOW)

    assert cost.status == "priced"


@pytest.mark.parametrize("how", [{"batch": True}, {"api": "batch/responses"}, {"service_tier": "batch"}])
def test_a_batch_costs_half(how):
    assert openai(responses(MILLION // 10), "gpt-5", **how).amount == Decimal("0.0625")


def test_a_batch_of_embeddings_costs_half_although_the_table_is_silent():
    usage = {"prompt_tokens": MILLION, "total_tokens": MILLION}

    assert openai(usage, "text-embedding-3-large", api="embeddings", batch=True).amount == Decimal("0.065")


@pytest.mark.parametrize(
    ("prompt", "cached", "dollars"),
    [(272_000, 0, "0.68"), (272_001, 0, "1.360005"), (272_001, 272_000, "0.136005")],
)
def test_beyond_the_threshold_the_whole_prompt_is_dearer_and_cached_tokens_count(prompt, cached, dollars):
    assert openai(responses(prompt, cached=cached), "gpt-5.4").amount == Decimal(dollars)


def test_a_tier_without_long_context_rates_says_so():
    cost = openai(responses(300_000, 10), "gpt-5.5", service_tier="priority")

    assert cost.status == "partial"
    assert cost.missing == (
        "input has no long-context rate at priority",
        "output has no long-context rate at priority",
    )


def test_ultrafast_multiplies_every_token_price():
    usage = responses(100_000, 1000, cached=50_000, written=10_000, long=6_000)

    assert openai(usage, "gpt-6.1-sol", service_tier="ultrafast").nano == 6 * openai(usage, "gpt-6.1-sol").nano


def test_writes_for_twelve_hours_cost_two_and_a_half_inputs():
    usage = responses(1000, written=1000, long=1000)

    assert openai(usage, "gpt-6.1-sol").amount == Decimal("0.005")
    assert openai(usage, "gpt-6.1-sol", service_tier="flex").amount == Decimal("0.0025")


def test_residency_costs_a_tenth_more_for_young_models_and_not_for_searches():
    tools = {"tool_calls": {"web_search_call": 1}, "data_residency": "eu"}

    assert openai(responses(10_000), "gpt-5.4", context=tools).amount == Decimal("0.0375")
    assert openai(responses(10_000), "gpt-4.1", context=tools).amount == Decimal("0.03")
    assert openai(responses(10_000), "gpt-5.4", context={"data_residency": "global"}).amount == Decimal("0.025")


def test_prepaid_tiers_add_nothing():
    assert openai(responses(1000, 10), "gpt-5", service_tier="scale").nano == 0
    cost = price(
        meta(1000, 10, trafficType="PROVISIONED_THROUGHPUT"),
        provider="google-vertex",
        model="gemini-2.5-pro",
        api="generateContent",
        at=NOW,
    )
    assert (cost.nano, cost.status) == (0, "priced")


def test_the_tool_decides_what_a_search_costs():
    def search(model, **calls):
        return openai(responses(0, 0), model, context={"tool_calls": calls}).amount

    assert search("gpt-4o", web_search_call=1) == Decimal("0.01")
    assert search("gpt-4o", web_search_preview_call=1) == Decimal("0.025")
    assert search("gpt-5", web_search_preview_call=1) == Decimal("0.01")
    assert search("gpt-5", file_search_call=2) == Decimal("0.005")
    assert search("gpt-5.3-codex", web_search_call=1) == Decimal("0.01")
    # A fixed block of 8,000 input tokens stands for the search content.
    assert search("gpt-4.1-mini", web_search_call=1) == Decimal("0.0132")


def test_a_tool_without_a_price_makes_the_cost_partial():
    cost = openai(responses(1000), "gpt-5", context={"tool_calls": {"code_interpreter_call": 1}})

    assert (cost.amount, cost.status) == (Decimal("0.00125"), "partial")
    assert cost.missing == ("code_interpreter_call of gpt-5",)


def test_searches_that_no_answer_counts_are_missing():
    cost = openai({"prompt_tokens": 10, "completion_tokens": 1}, "gpt-4o-search-preview", api="chat.completions")

    assert (cost.status, cost.missing) == ("partial", ("web_search_preview (no answer counts it)",))


def test_units_without_a_rate_of_their_own():
    written = openai(responses(1000, written=100), "gpt-5.4")
    spoken = openai(
        {"input_tokens": 1000, "input_tokens_details": {"audio_tokens": 400}}, "gpt-5.4", api="chat.completions"
    )
    cached = openai(responses(1000, cached=600), "gpt-5-pro")

    assert (written.amount, written.status) == (Decimal("0.0025"), "partial")
    assert written.missing == ("cache_write_30m has no rate of its own (assumed)",)
    assert (spoken.amount, spoken.status) == (Decimal("0.0025"), "priced")  # one rate for all modalities
    assert (cached.amount, cached.status) == (Decimal("0.015"), "priced")  # no discount is listed


def test_what_has_no_usage_is_priced_by_its_request():
    def made(model, **request):
        return openai(None, model, api="images", context={"request": request}).amount

    assert made("tts-1-hd", input_characters=1000) == Decimal("0.03")
    assert made("dall-e-3") is None
    assert made("dall-e-3", n=2) == Decimal("0.08")
    assert made("dall-e-3", n=1, size="1024x1792", quality="hd") == Decimal("0.12")
    assert made("dall-e-2", size="256x256") == Decimal("0.016")
    assert made("sora-2-pro", seconds="8", size="1792x1024") == Decimal(4)
    assert made("whisper-1", seconds=61.5) == Decimal("0.00615")
    assert made("whisper-1", seconds="soon") is None


def test_seconds_are_exact():
    cost = openai({"type": "duration", "seconds": 7.3}, "gpt-realtime-whisper", api="realtime")

    assert cost.nano == round(Decimal("7.3") * Decimal("0.017") / 60 * 10**9)


def test_moderation_is_free_and_a_missing_usage_elsewhere_is_not():
    free, unknown = openai(None, "omni-moderation-latest", api="moderations"), openai(None, "gpt-5")

    assert (free.nano, free.status) == (0, "priced")
    assert (unknown.nano, unknown.amount, unknown.status, unknown.missing) == (None, None, "unpriced", ("usage",))


def test_a_usage_of_zero_costs_nothing():
    assert openai(responses(0, 0), "gpt-5").nano == 0


def test_an_unknown_model_has_no_price_rather_than_a_near_one():
    for model in ("gpt-9", "gpt-5-tiny", "claude-opus-6", "gemini-3.9-flash"):
        cost = openai(responses(10, 10), model)
        assert (cost.amount, cost.status, cost.missing) == (None, "unpriced", (f"model {model} of openai",))


def test_money_that_the_provider_states_wins():
    raw = {"prompt_tokens": 57, "completion_tokens": 17, "cost": 7.159e-05}
    cost = price(raw, provider="openrouter", model="openai/gpt-9", api="chat.completions", at=NOW)

    assert (cost.amount, cost.status) == (Decimal("0.00007159"), "provider")


CLAUDE = {
    "input_tokens": 1000,
    "cache_creation_input_tokens": 3000,
    "cache_read_input_tokens": 5000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
    "output_tokens": 100,
}


def test_batch_and_place_multiply_on_every_token_category():
    listed = claude(CLAUDE, "claude-opus-5").nano
    both = claude(CLAUDE | {"service_tier": "batch", "inference_geo": "us"}, "claude-opus-5")

    assert listed == 1000 * 5000 + 1000 * 6250 + 2000 * 10000 + 5000 * 500 + 100 * 25000
    assert (both.nano, both.status) == (listed * 11 // 20, "priced")


def test_fast_is_not_offered_in_batches():
    cost = claude(CLAUDE | {"speed": "fast"}, "claude-opus-5-5", api="messages.batches")

    assert (cost.status, cost.missing) == ("partial", ("batch with speed:fast",))


def test_a_place_without_a_price_is_missing():
    assert claude(CLAUDE | {"inference_geo": "mars"}, "claude-opus-5").missing == ("geo mars",)
    assert claude(CLAUDE, "claude-opus-5", context={"data_residency": "us"}).nano == (
        claude(CLAUDE, "claude-opus-5").nano * 11 // 10
    )


def test_a_commitment_is_not_billed_by_the_list():
    assert claude(CLAUDE | {"service_tier": "priority"}, "claude-opus-5").missing == ("tier priority",)


def test_a_price_that_changed_midway_is_right_on_both_sides():
    usage = {"input_tokens": 0, "cache_read_input_tokens": MILLION, "output_tokens": 0}

    assert claude(usage, "claude-sonnet-5-5", at="2026-10-06T23:59:59Z").amount == Decimal("0.20")
    assert claude(usage, "claude-sonnet-5-5", at="2026-10-07T00:00:00Z").amount == Decimal("0.10")
    batch = claude(usage, "claude-sonnet-5-5", at="2026-10-06T23:59:59Z", batch=True)
    assert (batch.amount, batch.status) == (Decimal("0.10"), "priced")


def test_haiku_costs_five_times_as_much_beyond_a_hundred_thousand_tokens():
    usage = {"input_tokens": 60_000, "cache_read_input_tokens": 40_001, "output_tokens": 0}

    assert claude(usage, "claude-haiku-5-5").amount == Decimal("0.03200005")


def test_an_advisor_is_priced_at_its_own_model():
    turn = {"type": "message", "input_tokens": 1000, "output_tokens": 0}
    advice = {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 1000, "output_tokens": 0}
    stranger = advice | {"model": "claude-nobody"}
    usage = {"input_tokens": 1000, "output_tokens": 0}

    both = claude(usage | {"iterations": [advice, turn]}, "claude-sonnet-5")
    lost = claude(usage | {"iterations": [stranger, turn]}, "claude-sonnet-5")

    assert (both.amount, both.status) == (Decimal("0.007"), "priced")
    assert (lost.amount, lost.missing) == (Decimal("0.002"), ("model claude-nobody of anthropic",))


@pytest.mark.parametrize(("location", "dollars"), [("global", "5"), ("us-east5", "5.5"), ("eu", "5.5")])
def test_regional_endpoints_of_vertex_cost_a_tenth_more(location, dollars):
    cost = price(
        {"input_tokens": MILLION, "output_tokens": 0},
        provider="google-vertex",
        model="claude-opus-5@20260601",
        api="anthropicVertex",
        at=NOW,
        context={"location": location},
    )

    assert (cost.amount, cost.status) == (Decimal(dollars), "priced")


def test_a_vertex_location_that_nobody_knows_is_missing():
    cost = price(
        {"input_tokens": 10, "output_tokens": 0},
        provider="google-vertex",
        model="claude-opus-5",
        api="messages",
        at=NOW,
    )

    assert cost.missing == ("location (regional endpoints have another price)",)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("global.anthropic.claude-opus-5", "5"),
        ("us.anthropic.claude-opus-5", "5.5"),
        ("anthropic.claude-opus-5", "5.5"),
        ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-5", "5.5"),
    ],
)
def test_bedrock_names_say_where_a_call_ran(model, dollars):
    usage = {"inputTokens": MILLION, "outputTokens": 0, "totalTokens": MILLION}

    assert price(usage, provider="aws-bedrock", model=model, api="bedrock converse", at=NOW).amount == Decimal(dollars)


def test_flex_keeps_the_cached_price_of_older_geminis_and_halves_that_of_newer_ones():
    usage = meta(MILLION, cachedContentTokenCount=MILLION)

    assert gemini(usage, "gemini-2.5-flash", service_tier="flex").amount == Decimal("0.03")
    assert gemini(usage, "gemini-3.8-flash", service_tier="flex").amount == Decimal("0.0375")
    assert gemini(meta(1000), "gemini-2.5-flash", service_tier="priority").amount == Decimal("0.00054")
    assert gemini(meta(1000, trafficType="ON_DEMAND_FLEX"), "gemini-2.5-flash").amount == Decimal("0.00015")


def test_grounding_is_billed_by_query_or_by_prompt_and_after_the_quota():
    def grounded(model, quota, **calls):
        cost = gemini(meta(0), model, context={"tool_calls": calls, "free_quota_exhausted": quota})
        return cost.amount, cost.status

    assert grounded("gemini-3.8-flash", True, google_search_queries=3) == (Decimal("0.042"), "priced")
    assert grounded("gemini-2.5-flash", True, google_search_queries=3) == (Decimal("0.035"), "priced")
    assert grounded("gemini-2.5-flash", True, google_maps_queries=3) == (Decimal("0.025"), "priced")
    assert grounded("gemini-3.8-flash", False, google_search_queries=3) == (Decimal(0), "priced")
    assert grounded("gemini-3.8-flash", None, google_search_queries=3) == (None, "unpriced")
    assert grounded("gemini-1.5-flash", True, google_search_queries=3) == (None, "unpriced")


@pytest.mark.parametrize(
    ("tools", "dollars", "status"),
    [
        (["google_search"], "0.0003", "priced"),
        (["url_context"], "0.0006", "priced"),
        (["google_search", "url_context"], "0.0003", "partial"),
        ([], "0.0003", "partial"),
    ],
)
def test_the_tool_decides_whether_its_tokens_are_charged(tools, dollars, status):
    usage = meta(1000, toolUsePromptTokenCount=1000)
    cost = gemini(usage, "gemini-2.5-flash", context={"tool_calls": {"tools_used": tools}})

    assert (cost.amount, cost.status) == (Decimal(dollars), status)


def test_a_free_plan_costs_nothing():
    tools = {"billing_plan": "free", "tool_calls": {"google_search_queries": 2}}

    assert gemini(meta(1000, 10), "gemini-2.5-pro", context=tools).nano == 0
    assert gemini(meta(1000, 10), "gemini-2.5-pro", context={"billing_plan": "paid"}).nano == 1_350_000
    assert openai(responses(1000), "gpt-5", context={"billing_plan": "free"}).missing == ("plan free",)


def test_a_cache_is_billed_by_the_hour():
    stored = {"totalTokenCount": MILLION}

    assert gemini(stored, "gemini-2.5-pro", api="cachedContents", context={"ttl_seconds": 1800}).amount == Decimal(
        "2.25"
    )
    assert gemini(stored, "gemini-2.5-pro", api="cachedContents").missing == (
        "ttl_seconds (how long the cache is kept)",
    )
    assert gemini(stored, "gemini-4-argon", api="cachedContents").missing == ("cache_storage of gemini-4-argon",)


def test_a_rerouted_name_is_billed_as_the_model_it_means():
    usage = meta(MILLION)

    assert gemini(usage, "gemini-3.5-flash", at="2026-10-07").amount == Decimal("1.5")
    assert gemini(usage, "gemini-3.5-flash", at="2026-10-08").amount == Decimal("0.75")
    assert gemini(usage, "gemini-2.5-flash", at="2026-11-30T23:59:59.999999Z").amount == Decimal("0.3")
    assert gemini(meta(MILLION, MILLION), "gemini-2.5-pro", at="2026-12-01").amount == Decimal("4.5")


def test_deepseek_costs_more_at_peak_hours_of_working_days():
    def at(moment):
        usage = {"prompt_tokens": MILLION, "completion_tokens": 0}
        return price(usage, provider="deepseek", model="deepseek-v4-pro", api="chat.completions", at=moment).amount

    assert at("2026-11-20T01:00:00Z") == Decimal("1.32")  # a Friday
    assert at("2026-11-20T04:00:00Z") == Decimal("0.66")
    assert at("2026-11-20T09:59:59Z") == Decimal("1.32")
    assert at("2026-11-22T01:00:00Z") == Decimal("0.66")  # a Sunday
    assert at("2026-08-01T01:00:00Z") == Decimal("0.435")  # flat before the windows came


def test_the_moment_may_be_written_in_any_way():
    moment = datetime(2026, 7, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    same = [moment, moment.isoformat(), moment.replace(tzinfo=None), 1_785_369_599_999_999_000]

    assert {openai(responses(1000), "gpt-5.6-luna", at=at).amount for at in same} == {Decimal("0.001")}
    assert openai(responses(1000), "gpt-5.6-luna", at=1_785_369_600_000_000_000).amount == Decimal("0.0002")
    assert openai(responses(1000), "gpt-5", at=None).amount == Decimal("0.00125")


@pytest.mark.parametrize("at", ["yesterday", 1.5, True])
def test_a_moment_that_is_none_is_refused(at):
    with pytest.raises(PriceError, match="is no time: give"):
        openai(responses(1), "gpt-5", at=at)


def test_a_misspelt_context_is_refused_with_the_right_spelling():
    with pytest.raises(TypeError, match="'data_residence' is no key of a price context: did you mean 'data_residency'"):
        openai(responses(1), "gpt-5", context={"data_residence": "eu"})
    with pytest.raises(TypeError, match="use one of data_residency, location"):
        openai(responses(1), "gpt-5", context={"colour": "red"})


def test_a_usage_value_and_a_context_value_do_as_well():
    usage = Usage(units={"input": 1000})
    context = PriceContext(tool_calls={"web_search_call": 1})

    assert openai(usage, "gpt-5", context=context, book=Book.default()).amount == Decimal("0.01125")
    assert openai(usage, "gpt-5", service_tier="flex").amount == Decimal("0.000625")


def test_lines_explain_the_sum():
    cost = openai(
        responses(300_000, 1000, cached=100_000), "gpt-5.4", service_tier="flex", context={"data_residency": "eu"}
    )

    assert cost.amount == sum(line.amount for line in cost.lines)
    line = next(line for line in cost.lines if line.unit == "input")
    assert (line.count, line.rate, line.per, line.amount) == (200_000, Decimal("2.75"), MILLION, Decimal("0.55"))
    assert line.model == "gpt-5.4"
    assert line.conditions == "flex, residency regional: x 11/10, prompt over 272000 tokens"
    assert line.source.startswith("genai-prices")
    assert openai(responses(1), "gpt-6.2-sol").lines[0].source.endswith("/gpt-6.2-sol")


def test_a_fee_for_the_request_itself_is_a_line():
    cost = price(
        {"prompt_tokens": 1000, "completion_tokens": 0},
        provider="perplexity",
        model="sonar",
        api="chat.completions",
        at=NOW,
    )

    assert [(line.unit, line.amount) for line in cost.lines] == [
        ("requests", Decimal("0.012")),
        ("input", Decimal("0.001")),
    ]
