"""Usage objects in Anthropic's words, from Anthropic and from the clouds."""

from __future__ import annotations

from decimal import Decimal

from farebox.extraction import anthropic, read


def test_input_leaves_out_the_cache():
    usage = read(
        {
            "input_tokens": 1200,
            "cache_creation_input_tokens": 4000,
            "cache_read_input_tokens": 50000,
            "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 3000},
            "output_tokens": 800,
            "output_tokens_details": {"thinking_tokens": 700},
            "service_tier": "standard",
            "inference_geo": "global",
        },
        api="messages",
    )

    assert usage.units == {
        "input": 1200,
        "cache_read": 50000,
        "cache_write_5m": 1000,
        "cache_write_1h": 3000,
        "output": 800,
    }
    assert (usage.reasoning, usage.service_tier, usage.geo, usage.speed, usage.batch) == (
        700,
        "standard",
        None,
        None,
        False,
    )
    assert usage.notes == ()


def test_writes_without_a_breakdown_live_five_minutes():
    usage = read({"input_tokens": 4, "cache_creation_input_tokens": 18131, "output_tokens": 50}, api="messages")

    assert usage.units == {"input": 4, "cache_write_5m": 18131, "output": 50}
    assert usage.notes == ()


def test_a_breakdown_without_a_sum_counts():
    usage = read(
        {"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 7}, "output_tokens": 2}, api="messages"
    )

    assert usage.units == {"input": 1, "cache_write_1h": 7, "output": 2}


def test_a_breakdown_that_misses_tokens_is_noted():
    usage = read(
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 10,
            "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
            "output_tokens": 2,
        },
        api="messages",
    )

    assert usage.units == {"input": 1, "cache_write_5m": 7, "cache_write_1h": 3, "output": 2}
    assert usage.notes == ("cache writes 5, total 10",)


def test_place_speed_and_batch_are_conditions_of_the_price():
    usage = read(
        {"input_tokens": 1, "output_tokens": 1, "inference_geo": "us", "speed": "fast", "service_tier": "batch"},
        api="beta.messages",
    )

    assert (usage.geo, usage.speed, usage.service_tier, usage.batch) == ("us", "fast", "batch", True)


def test_searches_cost_and_fetches_do_not():
    usage = read(
        {
            "input_tokens": 5,
            "output_tokens": 1,
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 9},
        },
        api="messages",
    )

    assert usage.units == {"input": 5, "output": 1, "web_search": 2}


def test_compaction_is_added_to_the_top_level():
    step = {"input_tokens": 99195, "output_tokens": 81, "cache_read_input_tokens": 3, "type": "compaction"}
    turn = {"input_tokens": 162, "output_tokens": 11, "type": "message"}
    usage = read({"input_tokens": 162, "output_tokens": 11, "iterations": [step, turn]}, api="beta.messages")

    assert usage.units == {"input": 99357, "cache_read": 3, "output": 92}
    assert (usage.others, usage.notes) == ((), ())


def test_compaction_without_turns_is_added_to_the_top_level():
    usage = read(
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "iterations": [{"type": "compaction", "input_tokens": 10, "output_tokens": 20}],
        },
        api="beta.messages",
    )

    assert usage.units == {"input": 11, "output": 22}


def test_an_advisor_is_billed_at_its_own_model():
    usage = read(
        {
            "input_tokens": 100,
            "output_tokens": 10,
            "iterations": [
                {"type": "message", "input_tokens": 60, "output_tokens": 4},
                {"type": "advisor_message", "model": "claude-x", "input_tokens": 900, "output_tokens": 50},
                {"type": "message", "input_tokens": 40, "output_tokens": 6},
            ],
        },
        api="beta.messages",
    )

    assert usage.units == {"input": 100, "output": 10}
    assert [(other.model, other.units) for other in usage.others] == [("claude-x", {"input": 900, "output": 50})]
    assert usage.notes == ()


def test_a_declined_hop_is_billed_at_the_model_that_declined():
    usage = read(
        {
            "input_tokens": 30,
            "output_tokens": 3,
            "iterations": [
                {"type": "message", "model": "claude-first", "input_tokens": 20, "output_tokens": 1},
                {"type": "fallback_message", "model": "claude-second", "input_tokens": 30, "output_tokens": 3},
            ],
        },
        api="beta.messages",
    )

    assert usage.units == {"input": 30, "output": 3}
    assert [(other.model, other.units) for other in usage.others] == [("claude-first", {"input": 20, "output": 1})]
    assert usage.notes == ("iterations' input_tokens 50, total 30", "iterations' output_tokens 4, total 3")


def test_a_redeemed_credit_is_noted():
    raw = {"input_tokens": 1, "output_tokens": 1}

    assert read(raw | {"fallback_credit": {"status": {"type": "redeemed"}}}, api="messages").notes
    assert not read(raw | {"fallback_credit": {"status": {"type": "not_applied"}}}, api="messages").notes


def test_a_session_is_billed_by_its_running_time():
    usage = read(
        {"input_tokens": 1, "output_tokens": 1, "active_seconds": 3600.5, "list_cost": {"amount": "8"}},
        api="managed-agents session",
    )

    assert usage.units["session_seconds"] == Decimal("3600.5")
    assert usage.stated_cost is None


def test_a_delta_is_laid_over_the_start():
    start = {
        "input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
        "cache_creation_input_tokens": 4,
        "output_tokens": 1,
        "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 1},
    }
    delta = {"output_tokens": 93, "input_tokens": None, "server_tool_use": {"web_search_requests": 2}}
    before = repr((start, delta))

    merged = anthropic.merge(start, delta)

    assert merged == start | {
        "output_tokens": 93,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    }
    assert repr((start, delta)) == before


def test_converse_counts_like_anthropic_under_other_names():
    usage = read(
        {
            "inputTokens": 10,
            "outputTokens": 4,
            "cacheReadInputTokens": 5,
            "cacheWriteInputTokens": 7351,
            "cacheDetails": [{"inputTokens": 351, "ttl": "1h"}, {"inputTokens": 7000, "ttl": "5m"}],
            "totalTokens": 7370,
        },
        api="bedrock converse",
    )

    assert usage.units == {
        "input": 10,
        "cache_read": 5,
        "cache_write_5m": 7000,
        "cache_write_1h": 351,
        "output": 4,
    }
    assert (usage.total, usage.notes) == (7370, ())


def test_invoke_passes_anthropics_own_object_through():
    assert read({"input_tokens": 38, "output_tokens": 246}, api="bedrock converse").units == {
        "input": 38,
        "output": 246,
    }


def test_a_converse_total_that_does_not_add_up_is_noted():
    usage = read({"inputTokens": 1, "outputTokens": 1, "totalTokens": 9}, api="bedrock converse")

    assert usage.notes == ("parts 2, total 9",)
