from __future__ import annotations

import pytest

import farebox
from farebox import runtime
from farebox.meter.supposed import supposed

TEXT = "Where is my bag? I left it on the tram to the lighthouse. " * 4


@pytest.fixture(autouse=True)
def fresh():
    runtime.reset()
    yield
    runtime.reset()


@pytest.mark.parametrize(
    "content",
    [TEXT, [{"role": "user", "content": TEXT}], {"messages": [{"role": "user", "content": TEXT}]}, {"input": TEXT}],
)
def test_an_estimate_of_a_text_messages_or_a_body_has_a_ceiling_above_what_is_expected(content):
    found = farebox.estimate(content, model="gpt-5-mini", max_output_tokens=500)
    assert found.ceiling is not None
    assert found.low < found.expected < found.ceiling


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gemini-2.5-flash"])
def test_the_cap_of_the_call_bounds_its_ceiling_with_every_provider(model):
    small, large = (farebox.estimate(TEXT, model=model, max_output_tokens=cap).ceiling for cap in (500, 5000))
    assert small < large < small * 11


def test_a_cap_that_the_body_states_wins():
    body = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 100}
    assert farebox.estimate(body, model="gpt-4o").ceiling < farebox.estimate(TEXT, model="gpt-4o").ceiling
    assert supposed(body, "gpt-4o", "openai", 50).body["max_tokens"] == 100


def test_what_has_no_proven_bound_has_no_ceiling():
    assert farebox.estimate({"input": TEXT, "conversation": "conv_1"}, model="gpt-5-mini").ceiling is None
    assert farebox.estimate({"audio": "x"}, model="gpt-5-mini").ceiling is None


def test_an_embedding_has_a_ceiling_without_output():
    found = farebox.estimate({"input": TEXT}, model="text-embedding-3-small")
    assert found.ceiling is not None
    assert found.ceiling < farebox.estimate({"input": TEXT}, model="gpt-5-mini").ceiling


def test_a_nested_cap_keeps_what_stands_beside_it():
    body = {"contents": [], "generationConfig": {"temperature": 1}}
    assert supposed(body, "gemini-2.5-flash", "google", 9).body["generationConfig"] == {
        "temperature": 1,
        "maxOutputTokens": 9,
    }
    assert body["generationConfig"] == {"temperature": 1}
