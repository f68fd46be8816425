"""Every billable endpoint that states what it costs in an answer of its own: driven by the real SDKs, compared with the provider's bill."""

from __future__ import annotations

import asyncio
import inspect
import io
import json

import pytest

import farebox
from farebox import runtime
from farebox.testing import FakeProvider

SOUND = ("a.wav", b"RIFF" + b"\0" * 32_000)
REQUEST = {
    "custom_id": "1",
    "params": {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]},
}


@pytest.fixture(autouse=True)
def own_runtime():
    runtime.reset()
    farebox.instrument()
    yield
    runtime.reset()


@pytest.fixture
def provider(request):
    with FakeProvider(job_polls=1, **getattr(request, "param", {})) as running:
        yield running


@pytest.fixture(params=["sync", "async"])
def do(request, provider):
    """Runs a story, a generator that yields what it wants done, on either client; each step's result is sent back into it."""

    def run(sdk, story):
        if sdk == "genai":
            client = provider.genai_client()
            client = client if request.param == "sync" else client.aio
        else:
            client = getattr(provider, f"{'' if request.param == 'sync' else 'async_'}{sdk}_client")()
        with farebox.capture() as captured:
            asyncio.run(_run(story(client), client))
        return captured.calls

    return run


async def _run(story, client):
    step = None
    try:
        while True:
            result = story.send(step)
            if inspect.isawaitable(result):
                result = await result
            if hasattr(result, "__anext__"):
                result = [piece async for piece in result]
            elif hasattr(result, "__next__"):
                result = list(result)
            step = result
    except StopIteration:
        pass
    finally:
        closed = (client.aclose if hasattr(client, "aclose") else client.close)()
        if inspect.isawaitable(closed):
            await closed


def stated(provider):
    """The usage objects of the bill, as they were sent."""
    return [one.usage for one in provider.billed]


def same(event, billed):
    assert (event.raw_usage, event.status, event.cost_status) == (billed, "ok", "priced")


# --- OpenAI


def test_a_background_response_is_one_event_however_often_it_is_fetched(do, provider):
    def story(client):
        response = yield client.responses.create(model="gpt-5-mini", input="hello", background=True)
        for _ in range(3):
            response = yield client.responses.retrieve(response.id)

    (event,) = do("openai", story)
    same(event, provider.billed[0].usage)
    assert (event.operation, event.request_model, event.response_id[:5]) == ("chat", "gpt-5-mini", "resp_")


def test_a_background_response_that_is_fetched_as_a_stream_is_one_event(do, provider):
    def story(client):
        response = yield client.responses.create(model="gpt-5-mini", input="hello", background=True)
        yield client.responses.retrieve(response.id)
        yield client.responses.retrieve(response.id, stream=True)

    (event,) = do("openai", story)
    same(event, provider.billed[0].usage)


def test_a_response_that_is_fetched_again_costs_nothing_more(do, provider):
    def story(client):
        response = yield client.responses.create(model="gpt-5-mini", input="hello")
        yield client.responses.retrieve(response.id)

    (event,) = do("openai", story)
    same(event, provider.billed[0].usage)


def test_a_background_response_nobody_fetched_is_an_estimate(do):
    def story(client):
        yield client.responses.create(model="gpt-5-mini", input="hello", background=True)

    (event,) = do("openai", story)
    assert (event.cost_status, event.raw_usage) == ("estimated", None)
    assert 0 < event.cost_low_nano <= event.cost_nano <= event.cost_high_nano


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (lambda c: c.responses.compact(model="gpt-5-mini", input="hello"), "chat"),
        (lambda c: c.images.generate(model="gpt-image-1", prompt="x"), "image_generation"),
        (lambda c: c.images.edit(model="gpt-image-1", prompt="x", image=io.BytesIO(b"picture")), "image_generation"),
        (lambda c: c.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND), "transcription"),
        (lambda c: c.audio.transcriptions.create(model="whisper-1", file=SOUND), "transcription"),
        (lambda c: c.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND, stream=True), "transcription"),
    ],
)
def test_what_the_answer_counts_is_taken_from_it(do, provider, call, operation):
    def story(client):
        yield call(client)

    (event,) = do("openai", story)
    same(event, provider.billed[0].usage)
    assert event.operation == operation


def test_pictures_of_one_stream_are_added(do, provider):
    def story(client):
        yield client.images.generate(model="gpt-image-1", prompt="x", n=2, stream=True, partial_images=1)

    (event,) = do("openai", story)
    bill = provider.billed
    assert event.raw_usage["output_tokens"] == sum(one.usage["output_tokens"] for one in bill)
    assert event.raw_usage["input_tokens"] == sum(one.usage["input_tokens"] for one in bill)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("call", "units", "dollars"),
    [
        (
            lambda c: c.images.generate(model="dall-e-3", prompt="x", size="1024x1792", quality="hd"),
            {"images:hd:1024x1792": 1},
            "0.12",
        ),
        (
            lambda c: c.images.create_variation(image=b"picture", n=2, size="256x256"),
            {"images:standard:256x256": 2},
            "0.032",
        ),
        (
            lambda c: c.audio.speech.create(model="tts-1", voice="alloy", input="hello there"),
            {"characters": 11},
            "0.000165",
        ),
        (
            lambda c: c.videos.create(model="sora-2", prompt="x", seconds="8", size="1280x720"),
            {"video_seconds:standard:1280x720": 8},
            "0.8",
        ),
        (
            lambda c: c.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="verbose_json"),
            {"seconds": 3},
            "0.0003",
        ),
    ],
)
def test_what_the_request_says_is_billed_where_the_answer_counts_nothing(do, call, units, dollars):
    def story(client):
        yield call(client)

    (event,) = do("openai", story)
    assert (event.units, event.cost_status, event.cost) == (units, "priced", farebox.Money(dollars))


@pytest.mark.parametrize("form", ["srt", "vtt", "text"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_transcript_without_usage_is_an_estimate(do, form):
    def story(client):
        yield client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format=form)
        yield client.audio.translations.create(model="whisper-1", file=SOUND, response_format=form)

    events = do("openai", story)
    assert [event.operation for event in events] == ["transcription", "translation"]
    assert {event.cost_status for event in events} == {"estimated"}
    assert all(event.cost_nano > 0 for event in events)


def test_speech_that_is_billed_by_tokens_is_an_estimate(do):
    def story(client):
        yield client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello there")

    (event,) = do("openai", story)
    assert (event.cost_status, event.raw_usage) == ("estimated", None)


def test_what_is_free_is_no_event(do, provider):
    def story(client):
        yield client.moderations.create(input="x")
        yield client.responses.input_tokens.count(model="gpt-5-mini", input="x")
        yield client.files.create(file=("a.jsonl", b"{}"), purpose="batch")

    assert (do("openai", story), provider.billed) == ([], [])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_video_that_failed_costs_nothing(do, provider):
    provider.answer_next(job_fails=True)

    def story(client):
        video = yield client.videos.create(model="sora-2", prompt="x", seconds="4")
        for _ in range(3):
            video = yield client.videos.retrieve(video.id)
        assert video.status == "failed"

    (event,) = do("openai", story)
    assert (event.cost_nano, event.status, provider.billed) == (0, "error", [])


def batch_lines(url, *bodies):
    lines = [{"custom_id": str(at), "method": "POST", "url": url, "body": body} for at, body in enumerate(bodies)]
    return "\n".join(map(json.dumps, lines)).encode()


BODIES = {
    "/v1/chat/completions": {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"model": "gpt-5-mini", "input": "hi"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "hi"},
}


@pytest.mark.parametrize("url", sorted(BODIES))
@pytest.mark.parametrize("looks", ["as a whole", "line by line"])
def test_a_batch_is_billed_once_at_batch_rates(do, provider, url, looks):
    def story(client):
        file = yield client.files.create(file=("b.jsonl", batch_lines(url, BODIES[url], BODIES[url])), purpose="batch")
        batch = yield client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
        for _ in range(3):
            batch = yield client.batches.retrieve(batch.id)
        for _ in range(2 if looks == "line by line" else 0):
            yield client.files.content(batch.output_file_id)
        yield client.batches.retrieve(batch.id)

    events = do("openai", story)
    costs = [
        farebox.price(one.usage, provider="openai", model=one.model, api=one.api, batch=True).amount
        for one in provider.billed
    ]
    assert len(costs) == 2
    assert sum(event.cost_nano for event in events) == sum(cost.to_nano() for cost in costs)
    assert {event.batch for event in events} == {True}
    assert len(events) == (3 if looks == "line by line" else 1)
    if looks == "line by line":
        assert [event.raw_usage for event in events if event.operation != "batch"] == stated(provider)


def test_a_batch_nobody_looked_at_is_unpriced(do):
    def story(client):
        file = yield client.files.create(
            file=("b.jsonl", batch_lines("/v1/responses", BODIES["/v1/responses"])), purpose="batch"
        )
        yield client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")

    (event,) = do("openai", story)
    assert (event.operation, event.cost_nano, event.cost_status) == ("batch", None, "unpriced")


def test_a_file_that_is_no_batch_says_nothing(do):
    def story(client):
        file = yield client.files.create(file=("a.jsonl", b'{"usage": 1}\n{"custom_id": "x"}\n'), purpose="fine-tune")
        yield client.files.content(file.id)

    assert do("openai", story) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_of_an_assistant_is_one_event(do, provider):
    def story(client):
        thread = yield client.beta.threads.create()
        run = yield client.beta.threads.runs.create(thread_id=thread.id, assistant_id="asst_1", model="gpt-4o")
        for _ in range(3):
            run = yield client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
        yield client.beta.threads.runs.create(thread_id=thread.id, assistant_id="asst_1", model="gpt-4o", stream=True)

    events = do("openai", story)
    assert [event.raw_usage for event in events] == stated(provider)
    assert {(event.operation, event.cost_status) for event in events} == {("invoke_agent", "priced")}


def test_tokens_that_a_tuning_was_trained_on_have_no_price_and_are_told(do):
    def story(client):
        file = yield client.files.create(file=("t.jsonl", b'{"messages": []}\n' * 9), purpose="fine-tune")
        job = yield client.fine_tuning.jobs.create(model="gpt-4.1-mini-2025-04-14", training_file=file.id)
        for _ in range(3):
            job = yield client.fine_tuning.jobs.retrieve(job.id)
        assert job.trained_tokens

    (event,) = do("openai", story)
    assert (event.operation, event.cost_status) == ("fine_tuning", "unpriced")
    assert event.units["trained_tokens"] > 0


# --- Anthropic


def test_a_message_batch_is_billed_line_by_line(do, provider):
    def story(client):
        batch = yield client.messages.batches.create(requests=[REQUEST, {**REQUEST, "custom_id": "2"}])
        for _ in range(2):
            yield client.messages.batches.retrieve(batch.id)
        for _ in range(2):
            lines = yield client.messages.batches.results(batch.id)
            assert len(lines) == 2

    whole, *lines = do("anthropic", story)
    assert (whole.operation, whole.cost_nano) == ("batch", 0)
    assert [event.raw_usage for event in lines] == stated(provider)
    assert {(event.batch, event.cost_status, event.parent_id) for event in lines} == {(True, "priced", whole.parent_id)}


# --- Google


@pytest.mark.filterwarnings("ignore:.*Interactions usage is experimental")
def test_interactions_are_one_event_each(do, provider):
    def story(client):
        yield client.interactions.create(model="gemini-2.5-flash", input="hi")
        yield client.interactions.create(model="gemini-2.5-flash", input="hi", stream=True)
        background = yield client.interactions.create(model="gemini-2.5-flash", input="hi", background=True)
        for _ in range(3):
            yield client.interactions.get(background.id)

    events = do("genai", story)
    assert [event.raw_usage for event in events] == stated(provider)
    assert {(event.operation, event.cost_status) for event in events} == {("generate_content", "priced")}


def test_a_context_cache_is_billed_by_the_time_that_it_is_kept(do, provider):
    def story(client):
        cache = yield client.caches.create(model="gemini-2.5-flash", config={"contents": ["x" * 9000], "ttl": "300s"})
        yield client.caches.get(name=cache.name)
        yield client.caches.update(name=cache.name, config={"ttl": "600s"})

    (event,) = do("genai", story)
    tokens = event.raw_usage["totalTokenCount"]
    assert event.units["cache_token_seconds"] in range(599 * tokens, 602 * tokens)
    assert (event.operation, event.cost_status) == ("context_cache", "priced")


def test_a_google_batch_is_billed_line_by_line(do, provider):
    def story(client):
        source = [{"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}] * 2
        batch = yield client.batches.create(model="gemini-2.5-flash", src=source)
        for _ in range(3):
            batch = yield client.batches.get(name=batch.name)

    whole, *lines = do("genai", story)
    assert (whole.operation, whole.cost_nano) == ("batch", 0)
    assert [event.raw_usage for event in lines] == stated(provider)
    assert {(event.batch, event.cost_status, event.request_model) for event in lines} == {
        (True, "priced", "gemini-2.5-flash")
    }


def add(number: int) -> int:
    """Add one."""
    return number + 1


@pytest.mark.parametrize("provider", [{"function_calls": 2}], indirect=True)
def test_rounds_of_automatic_function_calling_share_a_parent(do, provider):
    def story(client):
        yield client.models.generate_content(model="gemini-2.5-flash", contents="hi", config={"tools": [add]})
        yield client.models.generate_content(model="gemini-2.5-flash", contents="hi")

    *events, alone = do("genai", story)
    assert [event.raw_usage for event in (*events, alone)] == stated(provider)
    assert len(events) == 3
    assert len({event.parent_id for event in events} - {None}) == 1
    assert alone.parent_id is None
