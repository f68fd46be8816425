from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.core.event import CallRequest
from farebox.core.usage import Usage
from farebox.pricing.estimate import MEDIA_BYTES, Estimator, cold_input, content_size, output_cap


class Flat:
    """One model at 1 and 2 nano-dollars a token; one at a rate that is no whole number."""

    def __init__(self) -> None:
        self.asked = 0

    def unit_rates(self, provider: str, model: str, at_ns: int):
        self.asked += 1
        return {"m": {"input": 1000, "output": 2000}, "third": {"input": Fraction(1, 3)}}.get(model)


def request(model: str = "m", text: str = "x" * 90, **body: object) -> CallRequest:
    return CallRequest(
        "p", "chat", "chat.completions", model, {"messages": [{"role": "user", "content": text}], **body}
    )


def test_cold_a_call_is_taken_for_its_bytes_and_its_whole_cap():
    forecast = Estimator(Flat()).forecast(request(max_tokens=100), None, 0)
    assert forecast.size == len("messages") + len("user") + 90
    assert forecast.input_tokens == cold_input(102) == 68 + 16
    assert forecast.expected_nano == 84 + 200
    assert Estimator(Flat()).upper_nano(forecast) == 284


def test_without_a_cap_the_assumed_output_counts():
    assert Estimator(Flat(), assumed_output_tokens=50).forecast(request(), None, 0).output_tokens == 50


def test_embeddings_have_no_output():
    embedding = CallRequest("p", "embeddings", "embeddings", "m", {"input": "x" * 30})
    assert Estimator(Flat()).forecast(embedding, None, 0).output_tokens == 0


def test_an_unknown_model_has_no_expected_cost():
    estimator = Estimator(Flat())
    forecast = estimator.forecast(request("new"), None, 0)
    assert forecast.expected_nano is None
    assert estimator.upper_nano(forecast) is None


def settled(
    estimator: Estimator, call: CallRequest, usage: Usage, cost: int, *, task: str | None = None, times: int = 8
) -> None:
    """So many equal calls have settled."""
    for _ in range(times):
        estimator.learn(call, task, estimator.forecast(call, task, 0), usage, cost)


def test_equal_calls_are_foreseen_exactly_once_enough_have_settled():
    estimator = Estimator(Flat())
    settled(estimator, request(max_tokens=100), Usage(units={"input": 20, "output": 37}), 20 + 74, task="t")
    again = estimator.forecast(request(max_tokens=100), "t", 0)
    assert (again.input_tokens, again.output_tokens, again.expected_nano) == (20, 37, 94)
    assert estimator.forecast(request(max_tokens=100), "another task", 0).expected_nano == 284
    assert estimator.forecast(request(max_tokens=10), "t", 0).output_tokens == 10


def test_until_then_the_cold_estimate_counts_too_and_a_shorter_answer_weighs_little():
    estimator = Estimator(Flat())
    expected = []
    for _ in range(9):
        expected.append(estimator.forecast(request(max_tokens=100), None, 0).expected_nano)
        settled(estimator, request(max_tokens=100), Usage(units={"input": 20, "output": 1}), 22, times=1)
    assert expected[0] == 284
    assert expected[1] > 240
    assert expected == sorted(expected, reverse=True)
    assert expected[-1] == 22


def test_what_is_learned_rises_at_once_and_sinks_slowly():
    estimator = Estimator(Flat())
    call = request(max_tokens=1000)
    settled(estimator, call, Usage(units={"input": 20, "output": 100}), 220)
    outputs = [estimator.forecast(call, None, 0).output_tokens]
    for produced in (900, 100, 100):
        settled(estimator, call, Usage(units={"input": 20, "output": produced}), 20 + 2 * produced, times=1)
        outputs.append(estimator.forecast(call, None, 0).output_tokens)
    assert outputs == [100, 900, 800, 713]


def test_discounts_and_fees_are_learned_as_a_factor():
    estimator = Estimator(Flat())
    call = request(max_tokens=100)
    settled(estimator, call, Usage(units={"input": 20, "output": 40}), 50)
    assert estimator.forecast(call, None, 0).expected_nano == 50


def test_free_models_and_empty_requests_can_be_learned():
    estimator = Estimator(Flat())
    call = CallRequest("p", "chat", "x", "third", None)
    settled(estimator, call, Usage(units={"output": 1}), 0)
    assert estimator.forecast(call, None, 0).expected_nano == 0


@pytest.mark.parametrize(
    "usage",
    [
        Usage(units={}),
        Usage(units={"input": 1, "output": 1}, notes=("parts 2, total 500",)),
        Usage(units={"input": 10**15, "output": 1}),
        Usage(units={"input": 1, "output": 10**8}),
    ],
)
def test_nothing_is_learned_from_a_usage_that_cannot_be_right(usage: Usage):
    estimator = Estimator(Flat())
    settled(estimator, request(max_tokens=100), usage, 5)
    assert estimator.forecast(request(max_tokens=100), None, 0).expected_nano == 284


def test_refusals_bring_a_learned_estimate_down_to_the_cold_one_and_not_below():
    estimator = Estimator(Flat())
    call = request(max_tokens=100)
    settled(estimator, call, Usage(units={"input": 9_000_000, "output": 100}), 9_000_200)
    expected = []
    for _ in range(200):
        forecast = estimator.forecast(call, None, 0)
        expected.append(forecast.expected_nano)
        estimator.doubt(call, None, forecast)
    assert expected[0] > 9_000_000
    assert 284 <= expected[-1] < 300
    estimator.doubt(request("unseen"), None, estimator.forecast(request("unseen"), None, 0))


def test_rates_are_remembered_for_an_hour_and_then_looked_up_again():
    rates = Flat()
    estimator = Estimator(rates)
    for at in (0, 1, 3_599 * 10**9):
        estimator.forecast(request(), None, at)
    assert rates.asked == 1
    estimator.forecast(request(), None, 3_600 * 10**9)
    assert rates.asked == 2


def test_memory_is_bounded():
    estimator = Estimator(Flat())
    for number in range(5_000):
        call = request()
        settled(estimator, call, Usage(units={"input": 1}), 1, task=str(number), times=1)
        estimator.forecast(request(f"model {number}"), None, 0)
    assert len(estimator._known) <= 4_096
    assert len(estimator._cached) <= 4_096


@pytest.mark.parametrize(
    ("content", "size"),
    [
        ("abc", 3),
        ("é\ud800", 5),
        (["ab", ("c",)], 3),
        ({"a": "xyz", "b": 3, "c": None}, 3),
        ({"tools": [{"name": "look"}]}, 9),
        ({"data": "A" * 5_000}, MEDIA_BYTES),
        ({"text": "é" * 3}, 6),
        ({"inline": b"1234"}, MEDIA_BYTES),
        (b"1234", MEDIA_BYTES),
        (iter(["never read"]), 0),
        (3, 0),
    ],
)
def test_only_text_counts_and_attachments_are_flat(content: object, size: int):
    assert content_size(content) == size


def test_a_one_shot_iterator_is_left_untouched():
    messages = iter([{"role": "user", "content": "once"}])
    content_size({"messages": messages})
    assert next(messages) == {"role": "user", "content": "once"}


@pytest.mark.parametrize(
    ("body", "cap"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6, "n": 3}, 18),
        ({"max_output_tokens": 7}, 7),
        ({"generationConfig": {"maxOutputTokens": 8, "candidateCount": 2}}, 16),
        ({"generationConfig": 3}, None),
        ({"max_tokens": "many"}, None),
        ({"max_tokens": 0}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_output_cap_is_found_where_each_interface_has_it(body: object, cap: int | None):
    assert output_cap(body) == cap


@given(st.text(max_size=200))
def test_the_cold_estimate_of_text_is_never_below_its_bytes_over_one_and_a_half(text: str):
    size = content_size(text)
    assert cold_input(size) * 3 >= size * 2
