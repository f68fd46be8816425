"""Endpoints that are seldom used, and answers in seldom shapes: raw, streamed as bytes, by low-level calls; one client each."""

from __future__ import annotations

import json

import pytest

import farebox
from farebox import runtime
from farebox.testing import FakeProvider

SESSION = {
    "id": "sesn_0123456789abcdefghij",
    "type": "session",
    "created_at": "2026-11-25T10:00:00Z",
    "agent": {"id": "agent_1", "model": {"id": "claude-opus-5"}},
}
USED = {"input_tokens": 1000, "output_tokens": 500, "active_seconds": 3600.0}
EVALUATION = {
    "id": "evalrun_1",
    "object": "eval.run",
    "created_at": 1_795_000_000,
    "status": "completed",
    "per_model_usage": [
        {
            "model_name": "gpt-5-mini",
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "cached_tokens": 0,
            "total_tokens": 120,
        },
        {
            "model_name": "gpt-4o",
            "prompt_tokens": 50,
            "completion_tokens": 10,
            "cached_tokens": 40,
            "total_tokens": 60,
        },
    ],
}


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    farebox.instrument()
    yield
    runtime.reset()


@pytest.fixture
def provider():
    with FakeProvider(job_polls=1) as running:
        yield running


@pytest.fixture
def openai(provider):
    with provider.openai_client() as client:
        yield client


@pytest.fixture
def anthropic(provider):
    with provider.anthropic_client() as client:
        yield client


@pytest.fixture
def vertex(provider):
    client = provider.genai_client(vertexai=True)
    yield client
    client.close()


@pytest.fixture
def captured():
    with farebox.capture() as capture:
        yield capture


def test_a_run_of_an_evaluation_is_billed_model_by_model(provider, openai, captured):
    provider.answer_next(body={**EVALUATION, "status": "queued", "per_model_usage": []})
    openai.post("/evals/eval_1/runs", cast_to=object, body={"data_source": {}})
    assert [(event.operation, event.cost_status) for event in captured.calls] == [("batch", "unpriced")]
    for _ in range(2):
        provider.answer_next(body=EVALUATION)
        openai.evals.runs.retrieve("evalrun_1", eval_id="eval_1")
    whole, *models = captured.calls
    assert (whole.cost_nano, len(models)) == (0, 2)
    assert {(event.request_model, event.input_tokens, event.cache_read_tokens) for event in models} == {
        ("gpt-5-mini", 100, 0),
        ("gpt-4o", 50, 40),
    }
    assert {event.cost_status for event in models} == {"priced"}


def test_a_session_is_one_event_that_grows(provider, anthropic, captured):
    provider.answer_next(body={**SESSION, "usage": {"input_tokens": 0, "output_tokens": 0}})
    anthropic.post("/v1/sessions", cast_to=object, body={"agent": "agent_1"})
    for factor in (1, 1, 2):
        usage = {name: count * factor for name, count in USED.items()}
        provider.answer_next(body={**SESSION, "usage": usage})
        anthropic.get(f"/v1/sessions/{SESSION['id']}", cast_to=object)
    (event,) = captured.calls
    assert (event.units["input"], event.units["session_seconds"]) == (2000, 7200)
    assert (event.operation, event.request_model, event.cost_status) == ("invoke_agent", "claude-opus-5", "priced")


COMPLETION = {"type": "completion", "id": "compl_1", "completion": " Light scatters.", "model": "claude-haiku-4-5"}
PROMPT = {"model": "claude-haiku-4-5", "prompt": "\n\nHuman: why?\n\nAssistant:", "max_tokens_to_sample": 50}


def test_a_legacy_completion_of_anthropic_is_an_estimate(provider, anthropic, captured):
    provider.answer_next(body=COMPLETION)
    anthropic.post("/v1/complete", cast_to=object, body=PROMPT)
    (event,) = captured.calls
    assert (event.cost_status, event.operation, event.response_id) == ("estimated", "text_completion", "compl_1")
    assert event.cost_nano > 0


def test_a_legacy_completion_that_is_streamed_is_an_estimate(provider, anthropic, captured):
    from anthropic import Stream

    provider.answer_next(events=[COMPLETION] * 5)
    body = {**PROMPT, "stream": True}
    pieces = anthropic.post("/v1/complete", cast_to=object, body=body, stream=True, stream_cls=Stream[object])
    assert len(list(pieces)) == 5
    (event,) = captured.calls
    assert (event.cost_status, event.status, event.stream) == ("estimated", "ok", True)
    assert event.cost_nano > 0


@pytest.mark.filterwarnings("ignore:The generate_images method")
def test_pictures_of_imagen_are_billed_as_they_come(provider, vertex, captured):
    vertex.models.generate_images(model="imagen-4.0-generate-001", prompt="x", config={"number_of_images": 2})
    provider.answer_next(body={"predictions": [{"raiFilteredReason": "no"}]})
    vertex._api_client.request(
        "post", "publishers/google/models/imagen-4.0-generate-001:predict", {"instances": [{"prompt": "x"}]}
    )
    made, filtered = captured.calls
    assert (made.units, made.cost, made.cost_status) == ({"images": 2}, farebox.Money("0.08"), "priced")
    assert (filtered.cost_nano, filtered.status) == (0, "error")


@pytest.mark.filterwarnings("ignore:The generate_videos method")
def test_film_of_veo_is_billed_by_the_seconds_asked_for(provider, vertex, captured):
    operation = vertex.models.generate_videos(
        model="veo-3.1-generate-preview",
        prompt="x",
        config={"duration_seconds": 6, "resolution": "1080p", "number_of_videos": 2},
    )
    for _ in range(3):
        operation = vertex.operations.get(operation)
    (event,) = captured.calls
    assert (event.units, event.cost_status) == ({"video_seconds:standard:1080p": 12}, "priced")
    assert event.cost == farebox.Money("4.8")


@pytest.mark.filterwarnings("ignore:The generate_videos method")
def test_film_of_veo_that_failed_costs_nothing(provider, vertex, captured):
    operation = vertex.models.generate_videos(model="veo-3.1-generate-preview", prompt="x")
    provider.answer_next(body={"name": operation.name, "done": True, "error": {"code": 3, "message": "no"}})
    vertex.operations.get(operation)
    (event,) = captured.calls
    assert (event.cost_nano, event.status) == (0, "error")


def test_embeddings_predicted_by_vertex_are_no_pictures(vertex, captured):
    vertex.models.embed_content(model="text-embedding-005", contents=["a b", "c"])
    (event,) = captured.calls
    assert (event.operation, event.raw_usage is not None) == ("embeddings", True)


# --- seldom shapes


def test_jobs_are_told_of_by_raw_answers_pages_and_low_level_calls_alike(provider, openai, captured):
    response = openai.responses.create(model="gpt-5-mini", input="hello", background=True)
    openai.responses.with_raw_response.retrieve(response.id)
    openai.responses.with_raw_response.retrieve(response.id).parse()
    openai.get(f"/responses/{response.id}", cast_to=object)
    with openai.responses.with_streaming_response.retrieve(response.id) as answer:
        answer.parse()
    (event,) = captured.calls
    assert (event.raw_usage, event.cost_status) == (provider.billed[0].usage, "priced")


def test_a_background_response_may_be_cancelled(provider, openai, captured):
    response = openai.responses.create(model="gpt-5-mini", input="hello", background=True)
    openai.responses.cancel(response.id)
    assert [event.status for event in captured.calls] == ["ok"]
    assert captured.calls[0].cost_status == "estimated"


def made_batch(openai):
    line = {"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": {"model": "gpt-5-mini", "input": "hi"}}
    file = openai.files.create(file=("b.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = openai.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    for _ in range(2):
        batch = openai.batches.retrieve(batch.id)
    return batch


def test_lines_are_told_of_while_their_file_is_streamed(provider, openai, captured):
    batch = made_batch(openai)
    for _ in range(2):
        with openai.files.with_streaming_response.content(batch.output_file_id) as answer:
            assert b"".join(answer.iter_bytes(7)).startswith(b"{")
    whole, line = captured.calls
    assert (whole.cost_nano, line.raw_usage) == (0, provider.billed[0].usage)


def test_a_page_of_batches_tells_of_each(provider, openai, captured):
    made_batch(openai)
    made_batch(openai)
    assert len(list(openai.batches.list())) == 2
    assert len(captured.calls) == 2
    assert {event.cost_status for event in captured.calls} == {"priced"}


def test_other_files_are_streamed_unread(provider, openai, captured):
    file = openai.files.create(file=("a.png", b"\x89PNG" + b"\n{" * 50), purpose="vision")
    with openai.files.with_streaming_response.content(file.id) as answer:
        assert len(answer.read()) == 104
    assert captured.calls == []


def test_speech_is_handed_on_while_it_is_streamed(openai, captured):
    with openai.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="hello") as answer:
        assert len(b"".join(answer.iter_bytes())) > 0
    with openai.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="hello"):
        pass  # left unread: the sound was made all the same
    heard, unheard = captured.calls
    assert (heard.units, heard.status, heard.cost_status) == ({"characters": 5}, "ok", "priced")
    assert (unheard.units, unheard.status, unheard.cost_nano) == ({"characters": 5}, "abandoned", heard.cost_nano)


def test_a_transcript_that_is_streamed_as_text_is_read(openai, captured):
    sound = ("a.wav", b"RIFF" + b"\0" * 32_000)
    create = openai.audio.transcriptions.with_streaming_response.create
    with create(model="whisper-1", file=sound, response_format="srt") as answer:
        answer.read()
    raw = openai.audio.transcriptions.with_raw_response.create(model="whisper-1", file=sound, response_format="srt")
    assert "-->" in raw.text
    assert [event.cost_status for event in captured.calls] == ["estimated"] * 2
    assert captured.calls[0].units == captured.calls[1].units != {}


def test_results_of_a_message_batch_that_are_left_halfway_are_told_as_far_as_they_were_read(
    provider, anthropic, captured
):
    request = {
        "params": {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    }
    batch = anthropic.messages.batches.create(requests=[{"custom_id": str(at), **request} for at in range(3)])
    for _ in range(2):
        anthropic.messages.batches.retrieve(batch.id)
    results = anthropic.messages.batches.results(batch.id)
    next(iter(results))
    results.close()
    assert len(captured.calls) == 2
    assert len(list(anthropic.messages.batches.results(batch.id))) == 3
    assert len(captured.calls) == 4
    assert {event.raw_usage["service_tier"] for event in captured.calls[1:]} == {"batch"}


def test_a_hard_budget_refuses_a_batch_whose_cost_nobody_can_know(anthropic, captured):
    with farebox.track_budget(1), pytest.raises(farebox.BudgetExceeded, match="names no model that could be priced"):
        anthropic.messages.batches.create(requests=[])


def test_a_hard_budget_knows_what_a_picture_costs(provider, openai, captured):
    with farebox.track_budget("0.10") as budget:
        openai.images.generate(model="dall-e-3", prompt="x", size="1024x1024")
        with pytest.raises(farebox.BudgetExceeded):
            openai.images.generate(model="dall-e-3", prompt="x", size="1024x1792", quality="hd")
        openai.images.generate(model="dall-e-3", prompt="x", size="1024x1024")
    assert budget.total_spent == farebox.Money("0.08")
    assert len(provider.billed) == 2
