"""What holds for every usage object, whatever is in it: units are disjoint, add up, and reading never raises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farebox.core import semconv
from farebox.extraction import anthropic, google, read
from farebox.extraction.read import READERS

COUNTS = st.integers(0, 2_000_000)
APIS = st.sampled_from([*READERS, "batches", "batch/responses", "new.thing"])
NAMES = st.sampled_from(
    [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "prompt_tokens_details",
        "input_tokens_details",
        "input_token_details",
        "output_tokens_details",
        "completion_tokens_details",
        "cached_tokens",
        "cached_tokens_details",
        "audio_tokens",
        "image_tokens",
        "text_tokens",
        "reasoning_tokens",
        "cache_write_tokens",
        "cache_write_tokens_details",
        "ttl_12h_tokens",
        "cost",
        "cost_details",
        "is_byok",
        "upstream_inference_cost",
        "seconds",
        "type",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "ephemeral_1h_input_tokens",
        "ephemeral_5m_input_tokens",
        "iterations",
        "model",
        "server_tool_use",
        "web_search_requests",
        "service_tier",
        "inference_geo",
        "speed",
        "active_seconds",
        "promptTokenCount",
        "candidatesTokenCount",
        "responseTokenCount",
        "thoughtsTokenCount",
        "toolUsePromptTokenCount",
        "cachedContentTokenCount",
        "totalTokenCount",
        "promptTokensDetails",
        "cacheTokensDetails",
        "candidatesTokensDetails",
        "modality",
        "tokenCount",
        "trafficType",
        "prompt_token_count",
        "total_token_count",
        "total_input_tokens",
        "total_thought_tokens",
        "input_tokens_by_modality",
        "inputTokens",
        "outputTokens",
        "cacheReadInputTokens",
        "cacheDetails",
        "ttl",
        "predictions",
        "statistics",
        "token_count",
        "svg_usage",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**6)
    | st.floats()
    | st.sampled_from(["AUDIO", "TEXT", "IMAGE", "batch", "us", "7", "message", "compaction", "1h", ""])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=25
)


@given(
    raw=st.dictionaries(NAMES, JSON, max_size=12),
    api=APIS,
    provider=st.sampled_from([None, "google", "x-ai", "openrouter"]),
)
def test_reading_never_raises_and_counts_are_positive(raw, api, provider):
    usage = read(raw, api=api, provider=provider, tool_calls=raw, tools=("google_search",))

    assert usage.raw is raw
    assert all(count > 0 for count in usage.units.values())
    assert all(count > 0 for other in usage.others for count in other.units.values())


@given(
    text=COUNTS,
    cached=COUNTS,
    written=COUNTS,
    long=COUNTS,
    audio=COUNTS,
    image=COUNTS,
    out=COUNTS,
    spoken=COUNTS,
    thought=COUNTS,
)
def test_openais_parts_add_up_to_its_total(text, cached, written, long, audio, image, out, spoken, thought):
    prompt = text + cached + written + long + audio + image
    completion = out + spoken + thought
    usage = read(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "cache_write_tokens": written + long,
                "cache_write_tokens_details": {"ttl_12h_tokens": long},
                "audio_tokens": audio,
                "image_tokens": image,
            },
            "completion_tokens_details": {"audio_tokens": spoken, "reasoning_tokens": thought},
        },
        api="chat.completions",
    )

    assert usage.input_tokens + usage.output_tokens == usage.total
    assert usage.cache_write_tokens == written + long
    assert usage.cache_read_tokens == cached
    assert usage.reasoning == thought


@given(fresh=COUNTS, read_=COUNTS, short=COUNTS, long=COUNTS, out=COUNTS)
def test_anthropics_parts_are_the_sum_of_its_fields(fresh, read_, short, long, out):
    usage = read(
        {
            "input_tokens": fresh,
            "cache_read_input_tokens": read_,
            "cache_creation_input_tokens": short + long,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
            "output_tokens": out,
        },
        api="messages",
    )

    expected = {"input": fresh, "cache_read": read_, "cache_write_5m": short, "cache_write_1h": long, "output": out}
    assert usage.units == {unit: count for unit, count in expected.items() if count}
    assert usage.notes == ()


@given(
    seen=st.dictionaries(st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO", "DOCUMENT"]), st.tuples(COUNTS, COUNTS)),
    uncovered=COUNTS,
    candidates=COUNTS,
    thoughts=COUNTS,
    tool=COUNTS,
    details=st.booleans(),
)
def test_googles_parts_add_up_to_its_total(seen, uncovered, candidates, thoughts, tool, details):
    prompt = uncovered + sum(fresh + again for fresh, again in seen.values())
    cached = sum(again for _fresh, again in seen.values())
    raw = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "toolUsePromptTokenCount": tool,
        "totalTokenCount": prompt + candidates + thoughts + tool,
        "promptTokensDetails": [{"modality": kind, "tokenCount": sum(both)} for kind, both in seen.items()],
    }
    if details:
        raw["cacheTokensDetails"] = [{"modality": kind, "tokenCount": again} for kind, (_, again) in seen.items()]

    usage = read(raw, api="generateContent")

    assert usage.input_tokens + usage.output_tokens == usage.total
    assert usage.cache_read_tokens == cached
    assert usage.units.get("input_tool", 0) == tool
    assert usage.reasoning == thoughts
    assert set(usage.units) <= semconv.TOKEN_UNITS
    if details:
        assert usage.notes == ()


@given(raws=st.lists(st.dictionaries(NAMES, JSON, max_size=8), min_size=1, max_size=4))
def test_merging_a_stream_changes_no_chunk_and_never_raises(raws):
    before = repr(raws)
    for merge in (anthropic.merge, google.merge):
        whole = raws[0]
        for chunk in raws[1:]:
            whole = merge(whole, chunk)
        assert isinstance(whole, dict)
    assert repr(raws) == before
