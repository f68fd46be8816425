from __future__ import annotations

import pytest

import farebox
from farebox import runtime
from farebox.core import semconv
from farebox.core.money import Money

USAGE = {
    "prompt_tokens": 3000,
    "completion_tokens": 500,
    "total_tokens": 3500,
    "prompt_tokens_details": {"cached_tokens": 1000},
}


def record(usage: object, **more: object) -> farebox.CallEvent:
    return farebox.record_call(provider="openai", model="gpt-5-mini", usage=usage, **more)


def test_the_object_that_an_sdk_made_of_usage_is_read_like_the_plain_one():
    from openai.types import CompletionUsage

    plain, made = record(USAGE), record(CompletionUsage.model_validate(USAGE))
    assert made.cost == plain.cost > 0
    assert made.raw_usage == plain.raw_usage
    assert made.cache_read_tokens == 1000
    found = farebox.price(
        CompletionUsage.model_validate(USAGE), provider="openai", model="gpt-5-mini", api="chat.completions"
    )
    assert found.amount == plain.cost


@pytest.mark.parametrize("usage", [{"prompt_tokens": None, "completion_tokens": None}, {"foo": "bar"}, {}])
def test_a_usage_that_says_nothing_costs_nobody_knows_what(usage: dict):
    event = record(usage)
    assert (event.cost_nano, event.cost_status) == (None, "unpriced")
    assert event.input_tokens is None


@pytest.mark.parametrize(
    ("provider", "model", "usage", "units"),
    [
        (
            "aws-bedrock",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            {"inputTokens": 7, "outputTokens": 2, "cacheReadInputTokens": 3, "totalTokens": 12},
            {"input": 7, "cache_read": 3, "output": 2},
        ),
        (
            "cohere",
            "command-r-08-2024",
            {
                "billed_units": {"input_tokens": 7, "output_tokens": 2},
                "tokens": {"input_tokens": 71, "output_tokens": 2},
            },
            {"input": 7, "output": 2},
        ),
        (
            "mistral",
            "mistral-small-latest",
            {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
            {"input": 7, "output": 2},
        ),
        ("google", "gemini-2.5-flash", {"promptTokenCount": 7, "candidatesTokenCount": 2}, {"input": 7, "output": 2}),
        ("anthropic", "claude-haiku-4-5", {"input_tokens": 7, "output_tokens": 2}, {"input": 7, "output": 2}),
    ],
)
def test_usage_in_the_words_of_any_provider_is_priced(provider: str, model: str, usage: dict, units: dict):
    event = farebox.record_call(provider=provider, model=model, usage=usage)
    assert (event.units, event.cost_status, event.raw_usage) == (units, "priced", usage)


def test_counts_of_a_server_of_ones_own_are_kept_and_its_durations_are_not_counted():
    usage = {"prompt_eval_count": 26, "eval_count": 298, "eval_duration": 4_799_921_000}
    event = farebox.record_call(provider="ollama", model="llama3.2", usage=usage)
    assert (event.units, event.cost_status) == ({"input": 26, "output": 298}, "unpriced")


def test_a_unit_without_a_price_makes_the_cost_partial_and_is_named():
    usage = {"billed_units": {"input_tokens": 7, "search_units": 1}}
    event = farebox.record_call(provider="cohere", model="command-r-08-2024", usage=usage)
    assert event.cost_status == "partial"
    assert "search_units" in str(event.cost_missing)
    assert event.cost > 0


def test_a_call_of_which_only_the_money_or_only_the_time_is_known():
    paid = record({}, cost="0.04", operation="image_generation")
    assert (paid.cost, paid.cost_status, paid.operation) == (Money("0.04"), "provider", "image_generation")
    timed = record({}, duration=1.5)
    assert (timed.duration_ns, timed.cost, timed.cost_status) == (1_500_000_000, None, "unpriced")


@pytest.mark.parametrize("operation", sorted(semconv.OPERATIONS))
def test_every_operation_there_is_a_word_for_can_be_recorded(operation: str):
    assert record(USAGE, operation=operation).operation == operation


def test_a_usage_of_stated_zeros_is_free():
    assert record({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}).cost == 0


def test_parts_that_do_not_add_up_are_said_by_the_event_and_kept_in_the_ledger():
    event = record({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 500})
    assert event.usage_notes
    farebox.flush()
    with farebox.open_ledger() as ledger:
        (stored,) = ledger.calls()
    assert stored.usage_notes == event.usage_notes


def test_names_of_any_type_become_text_and_no_event_is_lost():
    with farebox.track_budget(1, name=5), farebox.tracked(7, baseline_model=9, tags={1: None}):
        record(USAGE, response_id=5)
    farebox.flush()
    with farebox.open_ledger() as ledger:
        (event,) = ledger.calls()
    assert (event.budget, event.task_type, event.response_id, event.baseline_model) == ("5", "7", "5", "9")
    assert event.tags == {"1": "None"}


def test_a_full_disk_or_a_broken_gate_does_not_reach_who_records_a_paid_call(monkeypatch: pytest.MonkeyPatch):
    from farebox.core import guard

    guard.raise_faults(enabled=False)

    def full(_event: object) -> None:
        raise OSError("no space left")

    with farebox.track_budget(1) as budget:
        monkeypatch.setattr(runtime.current().meter.journal, "append", full)
        assert record(USAGE).cost == budget.total_spent
    assert guard.faults["event: OSError"] == 1


def test_soft_budgets_around_are_told_of_recorded_calls_and_inner_charges(caplog: pytest.LogCaptureFixture):
    with farebox.track_budget("0.0001", strength="soft", name="outer"):
        record(USAGE)
    assert "soft budget outer" in caplog.text
    with farebox.track_budget("0.10", {"t": "0.05"}, strength="soft", name="second"), farebox.track_budget(5) as inner:
        inner.charge("0.07", "t")
        inner.charge("0.07", "u")
    assert "soft budget second for task 't'" in caplog.text
    assert "soft budget second of" in caplog.text


def test_a_budget_that_was_left_no_longer_binds_work_that_was_started_inside_it():
    with farebox.track_budget("0.000001") as budget:
        scope = farebox.tracked("late").__enter__()
        assert farebox.current_budget() is budget
        work = farebox.carry(lambda: (farebox.current_budget(), record(USAGE).task_type))
    assert work() == (None, "late")
    scope.__exit__(None, None, None)
    assert budget.total_spent == Money(0)


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_tracked_and_budgets_decorate_methods_of_every_kind(kind):
    def work(*args: object) -> str | None:
        return record(USAGE).task_type

    class Service:
        tracked = farebox.tracked("inner")(kind(work))
        limited = farebox.track_budget(1)(kind(work))

    assert Service.tracked() == Service().tracked() == "inner"
    assert Service.limited() is None


def test_a_class_is_no_function():
    with pytest.raises(farebox.ConfigurationError, match="is no function"):
        farebox.tracked("t")(int)
