"""Usage objects in Google's words."""

from __future__ import annotations

import pytest

from farebox.extraction import google, read


def meta(prompt, candidates, total, **more):
    return {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "totalTokenCount": total, **more}


def by(**tokens):
    return [{"modality": name.upper(), "tokenCount": count} for name, count in tokens.items()]


def test_thoughts_stand_beside_the_candidates():
    usage = read(meta(1000, 200, 1500, thoughtsTokenCount=300), api="generateContent")

    assert (usage.units, usage.reasoning, usage.total, usage.notes) == ({"input": 1000, "output": 500}, 300, 1500, ())


def test_cached_tokens_lie_inside_the_prompt():
    usage = read(
        meta(10000, 500, 10500, cachedContentTokenCount=8000, promptTokensDetails=by(text=10000)),
        api="generateContent",
    )

    assert usage.units == {"input": 2000, "cache_read": 8000, "output": 500}


def test_what_tools_bring_stands_beside_the_prompt():
    usage = read(meta(26, 103, 12633, toolUsePromptTokenCount=12504), api="generateContent", tools=("url_context",))

    assert usage.units == {"input": 26, "input_tool": 12504, "output": 103}
    assert (usage.tools, usage.notes) == (("url_context",), ())


def test_modalities_split_prompt_cache_and_candidates():
    usage = read(
        meta(
            1000,
            90,
            1100,
            thoughtsTokenCount=10,
            cachedContentTokenCount=500,
            promptTokensDetails=by(text=300, audio=400, image=200, video=50),
            cacheTokensDetails=by(text=100, audio=300, image=100),
            candidatesTokensDetails=by(text=10, audio=60, image=20),
        ),
        api="generateContent",
    )

    assert usage.units == {
        "input": 250,  # 300 of text and 50 that no detail covers, less 100 cached
        "cache_read": 100,
        "input_audio": 100,
        "cache_read_audio": 300,
        "input_image": 100,
        "cache_read_image": 100,
        "input_video": 50,
        "output": 20,
        "output_audio": 60,
        "output_image": 20,
    }
    assert usage.notes == ()


def test_a_document_is_read_as_images():
    usage = read(
        meta(
            1344,
            99,
            1443,
            cachedContentTokenCount=1274,
            promptTokensDetails=by(text=54, document=1290),
            cacheTokensDetails=by(text=51, image=1223),
        ),
        api="generateContent",
    )

    assert usage.units == {"input": 3, "cache_read": 51, "input_image": 67, "cache_read_image": 1223, "output": 99}
    assert usage.notes == ()


def test_cached_tokens_without_modalities_are_prorated_and_noted():
    usage = read(
        meta(100, 0, 100, cachedContentTokenCount=50, promptTokensDetails=by(text=20, audio=80)),
        api="generateContent",
    )

    assert usage.units == {"input": 10, "cache_read": 10, "input_audio": 40, "cache_read_audio": 40}
    assert usage.notes == ("cached tokens have no modality: prorated",)


def test_cached_text_beyond_the_text_moves_to_what_was_heard():
    usage = read(
        meta(
            100,
            0,
            100,
            cachedContentTokenCount=50,
            promptTokensDetails=by(text=20, audio=80),
            cacheTokensDetails=by(text=50),
        ),
        api="generateContent",
    )

    assert usage.units == {"cache_read": 20, "cache_read_audio": 30, "input_audio": 50}
    assert usage.notes == ("cached text is 30 tokens more than the text",)


def test_more_cached_than_seen_of_a_modality_is_noted():
    usage = read(
        meta(
            100,
            0,
            100,
            cachedContentTokenCount=50,
            promptTokensDetails=by(text=90, audio=10),
            cacheTokensDetails=by(audio=30),
        ),
        api="generateContent",
    )

    assert usage.units == {"cache_read": 40, "cache_read_audio": 10, "input": 50}
    assert usage.notes == ("cached audio tokens 30 of 10",)


def test_more_cached_than_the_prompt_is_cut_and_noted():
    usage = read(meta(10, 1, 11, cachedContentTokenCount=12), api="generateContent")

    assert (usage.units, usage.notes) == (
        {"cache_read": 10, "output": 1},
        ("cachedContentTokenCount 12 of 10",),
    )


def test_details_that_exceed_their_whole_are_cut_and_noted():
    usage = read(meta(10, 1, 11, promptTokensDetails=by(audio=12)), api="generateContent")

    assert (usage.units, usage.notes) == ({"input_audio": 10, "output": 1}, ("audio tokens 12 of 10",))


def test_live_leaves_thoughts_out_of_its_total():
    usage = read(
        {
            "promptTokenCount": 100,
            "responseTokenCount": 40,
            "thoughtsTokenCount": 7,
            "totalTokenCount": 140,
            "responseTokensDetails": by(audio=40),
        },
        api="live",
    )

    assert (usage.units, usage.notes) == ({"input": 100, "output": 7, "output_audio": 40}, ())


def test_dropped_candidates_are_found_through_the_total():
    usage = read({"promptTokenCount": 10, "thoughtsTokenCount": 5, "totalTokenCount": 35}, api="generateContent")

    assert (usage.units, usage.notes) == ({"input": 10, "output": 25}, ())


def test_a_total_that_does_not_add_up_is_noted():
    usage = read(meta(10, 5, 99), api="generateContent")

    assert (usage.units, usage.notes) == ({"input": 10, "output": 5}, ("parts 15, total 99",))


def test_a_missing_prompt_is_noted():
    usage = read({"candidatesTokenCount": 18, "thoughtsTokenCount": 58}, api="generateContent")

    assert (usage.units, usage.notes) == ({"output": 76}, ("promptTokenCount is missing",))


def test_the_sdks_own_spelling_reads_the_same():
    types = pytest.importorskip("google.genai.types")
    raw = meta(
        1344,
        99,
        1517,
        thoughtsTokenCount=74,
        cachedContentTokenCount=1274,
        trafficType="ON_DEMAND_FLEX",
        promptTokensDetails=by(text=54, document=1290),
        cacheTokensDetails=by(text=51, image=1223),
    )
    dumped = types.GenerateContentResponseUsageMetadata.model_validate(raw).model_dump()

    camel, snake = read(raw, api="generateContent"), read(dumped, api="generateContent")

    assert snake.raw is dumped
    assert (snake.units, snake.reasoning, snake.total, snake.notes) == (
        camel.units,
        camel.reasoning,
        camel.total,
        camel.notes,
    )
    assert (camel.service_tier, snake.service_tier) == ("ON_DEMAND_FLEX", "ON_DEMAND_FLEX")


def test_the_tier_inside_the_usage_wins():
    usage = read(meta(1, 1, 2, serviceTier="flex"), api="generateContent", service_tier="standard")

    assert usage.service_tier == "flex"


def test_interactions_use_words_of_their_own():
    usage = read(
        {
            "total_tokens": 240,
            "total_input_tokens": 20,
            "input_tokens_by_modality": [{"modality": "text", "tokens": 9}, {"modality": "audio", "tokens": 11}],
            "total_cached_tokens": 0,
            "total_output_tokens": 13,
            "total_tool_use_tokens": 0,
            "total_thought_tokens": 207,
            "grounding_tool_count": [{"type": "google_search", "count": 2}],
        },
        api="interactions",
    )

    assert usage.units == {"input": 9, "input_audio": 11, "output": 220, "google_search_queries": 2}
    assert (usage.reasoning, usage.total, usage.notes) == (207, 240, ())


def test_embeddings_count_their_prompt():
    batch = {"promptTokenCount": 261, "promptTokenDetails": by(image=258, text=3)}
    predict = {"predictions_statistics": [{"token_count": 10}, {"token_count": 4}], "metadata": {}}
    whole = {"predictions": [{"embeddings": {"statistics": {"token_count": 6}}}]}

    assert read(batch, api="embedContent").units == {"input": 3, "input_image": 258}
    assert read(predict, api="embedContent").units == {"input": 14}
    assert read(whole, api="embedContent").units == {"input": 6}


def test_a_cache_is_kept_and_on_vertex_also_read():
    raw = {"totalTokenCount": 1090}

    assert read(raw, api="cachedContents", provider="google").units == {"cache_storage": 1090}
    assert read(raw, api="cachedContents", provider="google-vertex").units == {"cache_storage": 1090, "input": 1090}
    assert read({}, api="cachedContents").units == {}


def test_of_a_stream_the_latest_usage_stands():
    first, last = meta(10, 5, 15), meta(10, 50, 60, thoughtsTokenCount=0)

    assert google.merge(first, last) is last


def test_candidates_that_the_last_chunk_dropped_are_kept_when_nothing_else_gives_them():
    first = meta(10, 5, 15)
    derivable = {"promptTokenCount": 10, "totalTokenCount": 15}

    assert google.merge(first, {"promptTokenCount": 10}) == {"promptTokenCount": 10, "candidatesTokenCount": 5}
    assert google.merge(first, derivable) is derivable
    assert read(derivable, api="generateContent").units == {"input": 10, "output": 5}
