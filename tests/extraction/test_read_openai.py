"""Usage objects in OpenAI's words, and the dialects of hosts that speak like it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from farebox.extraction import read


def chat(prompt, completion, total=None, **details):
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
        **details,
    }


def test_cached_and_written_tokens_lie_inside_the_prompt():
    usage = read(
        {
            "input_tokens": 1000,
            "input_tokens_details": {
                "cached_tokens": 300,
                "cache_write_tokens": 200,
                "cache_write_tokens_details": {"ttl_30m_tokens": 150, "ttl_12h_tokens": 50},
            },
            "output_tokens": 40,
            "output_tokens_details": {"reasoning_tokens": 30},
            "total_tokens": 1040,
        },
        api="responses",
    )

    assert usage.units == {
        "input": 500,
        "cache_read": 300,
        "cache_write_30m": 150,
        "cache_write_12h": 50,
        "output": 40,
    }
    assert (usage.reasoning, usage.total, usage.notes) == (30, 1040, ())
    assert usage.input_tokens == 1000


def test_writes_without_lifetimes_are_the_short_ones():
    usage = read(chat(100, 1, prompt_tokens_details={"cache_write_tokens": 60}), api="chat.completions")

    assert usage.units == {"input": 40, "cache_write_30m": 60, "output": 1}


def test_audio_lies_inside_prompt_and_completion():
    usage = read(
        chat(
            1000,
            500,
            prompt_tokens_details={"audio_tokens": 800, "cached_tokens": 0},
            completion_tokens_details={"audio_tokens": 400},
        ),
        api="chat.completions",
    )

    assert usage.units == {"input": 200, "input_audio": 800, "output": 100, "output_audio": 400}


def test_realtime_says_which_modality_was_cached():
    usage = read(
        {
            "input_tokens": 1000,
            "input_token_details": {
                "text_tokens": 200,
                "audio_tokens": 700,
                "image_tokens": 100,
                "cached_tokens": 500,
                "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 390, "image_tokens": 10},
            },
            "output_tokens": 300,
            "output_token_details": {"text_tokens": 50, "audio_tokens": 250},
            "total_tokens": 1300,
        },
        api="realtime",
    )

    assert usage.units == {
        "input": 100,
        "cache_read": 100,
        "input_audio": 310,
        "cache_read_audio": 390,
        "input_image": 90,
        "cache_read_image": 10,
        "output": 50,
        "output_audio": 250,
    }
    assert usage.notes == ()


def test_cached_tokens_of_chat_are_text_as_far_as_the_text_goes():
    usage = read(chat(100, 0, prompt_tokens_details={"audio_tokens": 80, "cached_tokens": 50}), api="chat.completions")

    assert usage.units == {"cache_read": 20, "cache_read_audio": 30, "input_audio": 50}
    assert usage.notes == ("cached tokens have no modality: text counted first",)


def test_images_come_out_as_images_when_no_details_say_otherwise():
    bare = {
        "input_tokens": 432,
        "input_tokens_details": {"image_tokens": 388, "text_tokens": 44},
        "output_tokens": 4160,
    }
    said = bare | {"output_tokens": 1364, "output_tokens_details": {"image_tokens": 1056, "text_tokens": 308}}

    assert read(bare, api="images").units == {"input": 44, "input_image": 388, "output_image": 4160}
    assert read(said, api="images").units == {"input": 44, "input_image": 388, "output_image": 1056, "output": 308}


def test_a_drawing_beside_an_image_has_a_model_of_its_own():
    usage = read(
        {"input_tokens": 5, "output_tokens": 9, "svg_usage": {"model": "gpt-x", "input_tokens": 3, "output_tokens": 4}},
        api="images",
    )

    assert [(other.model, other.units) for other in usage.others] == [("gpt-x", {"input": 3, "output": 4})]


def test_transcription_is_measured_in_tokens_or_in_seconds():
    tokens = {
        "type": "tokens",
        "input_tokens": 37,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 37},
        "output_tokens": 144,
        "total_tokens": 181,
    }

    assert read(tokens, api="audio.transcriptions").units == {"input_audio": 37, "output": 144}
    assert read({"type": "duration", "seconds": 200}, api="audio.transcriptions").units == {"seconds": 200}
    assert read({"type": "duration", "seconds": 1.1}, api="audio.transcriptions").units == {"seconds": Decimal("1.1")}


def test_embeddings_have_a_prompt_only():
    usage = read({"prompt_tokens": 8, "total_tokens": 8}, api="embeddings")

    assert (usage.units, usage.notes) == ({"input": 8}, ())


@pytest.mark.parametrize("provider", [None, "x-ai"])
def test_reasoning_left_out_of_the_completion_is_put_back(provider):
    usage = read(
        chat(10, 5, total=115, completion_tokens_details={"reasoning_tokens": 100}),
        api="chat.completions",
        provider=provider,
    )

    assert (usage.units, usage.reasoning, usage.notes) == ({"input": 10, "output": 105}, 100, ())


def test_googles_endpoint_hides_thoughts_in_the_total():
    usage = read(chat(8, 9, total=100), api="chat.completions", provider="google")

    assert (usage.units, usage.reasoning, usage.notes) == ({"input": 8, "output": 92}, 83, ())


def test_mistral_counts_audio_beside_the_prompt():
    usage = read(
        chat(9, 248, total=632, prompt_tokens_details={"cached_tokens": 0, "audio_tokens": 375}),
        api="chat.completions",
        provider="mistral",
    )

    assert (usage.units, usage.notes) == ({"input": 9, "input_audio": 375, "output": 248}, ())


def test_a_total_that_no_dialect_explains_is_noted():
    usage = read(chat(1000, 200, total=1193), api="chat.completions", provider="openai")

    assert usage.units == {"input": 1000, "output": 200}
    assert usage.notes == ("parts 1200, total 1193",)


def test_deepseek_and_together_name_cache_hits_at_the_top():
    deepseek = read(chat(97, 17, prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=33), api="chat.completions")
    together = read(chat(46, 42, cached_tokens=6), api="chat.completions")

    assert deepseek.units == {"input": 33, "cache_read": 64, "output": 17}
    assert together.units == {"input": 40, "cache_read": 6, "output": 42}


def test_a_part_larger_than_its_whole_is_cut_and_noted():
    usage = read(chat(24, 2, prompt_tokens_details={"cached_tokens": 161}), api="chat.completions")

    assert (usage.units, usage.notes) == ({"cache_read": 24, "output": 2}, ("cached_tokens 161 of 24",))


def test_openrouter_states_the_cost_to_the_last_digit():
    usage = read(chat(57, 17, cost=7.159e-05), api="chat.completions", provider="openrouter")

    assert usage.stated_cost == Decimal("0.00007159")


def test_with_a_key_of_ones_own_the_upstream_bill_is_added():
    usage = read(
        chat(57, 17, cost=0.05, is_byok=True, cost_details={"upstream_inference_cost": 0.95}),
        api="chat.completions",
        provider="openrouter",
    )

    assert usage.stated_cost == Decimal("1.00")


def test_perplexity_states_its_cost_in_parts():
    usage = read(chat(9, 12, cost={"request_cost": 0.005, "total_cost": 0.00502}), api="chat.completions")

    assert usage.stated_cost == Decimal("0.00502")


def test_xai_states_its_cost_in_ticks():
    raw = {"input_tokens": 350, "output_tokens": 212, "total_tokens": 562, "cost_in_usd_ticks": 7659000}

    assert read(raw, api="responses", provider="x-ai").stated_cost == Decimal("0.0007659")
    assert read(raw, api="responses", provider="azure").stated_cost is None


def test_a_cost_of_zero_means_free_only_where_the_host_knows_prices():
    assert read(chat(1, 1, cost=0), api="chat.completions", provider="openrouter").stated_cost == 0
    assert read(chat(1, 1, cost=0), api="chat.completions", provider="openai").stated_cost is None
    assert read(chat(1, 1, cost="n/a"), api="chat.completions", provider="openrouter").stated_cost is None
