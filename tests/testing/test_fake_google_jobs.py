"""Interactions, caches, batches, pictures and videos of the loopback provider, read by the real SDK."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from google.genai import errors, types

from farebox.testing import FakeProvider, tokens

ASK = "Count the passengers."


def raw(model):
    """The object as the provider sent it; the SDK adds the tokens of the first turn by itself."""
    sent = json.loads(model.model_dump_json(exclude_none=True))
    sent["usage"].pop("initial_input_tokens", None)
    return sent


def test_an_interaction_states_its_usage_in_its_own_words(provider, genai_client):
    answer = genai_client.interactions.create(model="gemini-2.5-flash", input=ASK)
    assert (answer.status, tokens.count(answer.output_text)) == ("completed", answer.usage.total_output_tokens)
    after = genai_client.interactions.create(model="g", input="And?", previous_interaction_id=answer.id)
    assert after.usage.total_input_tokens == tokens.count("And?") + answer.usage.total_tokens
    first, _ = provider.billed
    assert (first.model, first.api) == ("gemini-2.5-flash", "interactions")
    assert first.usage == raw(answer)["usage"]


def test_a_streamed_interaction_states_its_usage_at_its_end():
    with FakeProvider(reasoning_tokens=7) as provider:
        client = provider.genai_client()
        picture = {"type": "image", "data": "eA==", "mime_type": "image/png"}
        events = list(
            client.interactions.create(model="g", input=[{"type": "text", "text": ASK}, picture], stream=True)
        )
        client.close()
        (billed,) = provider.billed
    assert [event.event_type for event in events][:3] == [
        "interaction.created",
        "interaction.status_update",
        "step.start",
    ]
    text = "".join(event.delta.text for event in events if event.event_type == "step.delta")
    usage = events[-1].interaction.usage
    assert (usage.total_thought_tokens, usage.total_output_tokens) == (7, 40) == (7, tokens.count(text))
    assert billed.usage == raw(events[-1].interaction)["usage"]
    by_modality = [(item["modality"], item["tokens"]) for item in billed.usage["input_tokens_by_modality"]]
    assert by_modality == [("text", tokens.count(ASK)), ("image", 258)]
    assert billed.stated


def test_an_interaction_in_the_background_is_billed_when_it_is_done_and_once():
    with FakeProvider(job_polls=2) as provider:
        client = provider.genai_client()
        begun = client.interactions.create(agent="deep-research", input=ASK, background=True)
        assert (begun.status, begun.usage) == ("in_progress", None)
        assert client.interactions.get(id=begun.id).status == "in_progress"
        assert provider.billed == []
        done = client.interactions.get(id=begun.id)
        again = list(client.interactions.get(id=begun.id, stream=True))
        client.close()
        (billed,) = provider.billed
    assert (billed.model, billed.usage) == ("deep-research", raw(done)["usage"])
    assert raw(again[-1].interaction)["usage"] == billed.usage


def test_a_cancelled_or_failed_interaction_costs_nothing(provider, genai_client):
    begun = genai_client.interactions.create(model="g", input=ASK, background=True)
    assert genai_client.interactions.cancel(id=begun.id).status == "cancelled"
    provider.answer_next(job_fails=True)
    failing = genai_client.interactions.create(model="g", input=ASK, background=True)
    assert genai_client.interactions.get(id=failing.id).status == "failed"
    genai_client.interactions.delete(id=failing.id)
    assert provider.billed == []


def test_an_interaction_calls_a_function_and_counts_its_searches():
    tool = {"type": "function", "name": "fare", "parameters": {"type": "object", "required": ["zone"]}}
    with FakeProvider(function_calls=2) as provider:
        client = provider.genai_client()
        asking = client.interactions.create(model="g", input=ASK, tools=[tool, {"type": "google_search"}])
        (step,) = asking.steps
        result = {"type": "function_result", "name": "fare", "call_id": step.id, "result": "three"}
        options = {"model": "g", "tools": [tool], "input": [result]}
        again = client.interactions.create(**options, previous_interaction_id=asking.id)
        done = client.interactions.create(**options, previous_interaction_id=again.id)
        client.close()
        assert provider.billed[0].usage["grounding_tool_count"] == [{"type": "google_search", "count": 1}]
    assert (asking.status, step.name, again.status) == ("requires_action", "fare", "requires_action")
    assert done.status == "completed"


def test_decisions_answer_every_question(provider, genai_client):
    decision = genai_client.decisions.create(
        model="g",
        input="The bus is late.",
        questions={
            "late": {"type": "noul", "instructions": "Late?"},
            "which": {"type": "choice", "instructions": "Which?", "criteria": {"bus": "a bus", "train": "a train"}},
            "how": {"type": "score", "instructions": "How?", "criteria": ["low", "high"]},
        },
    )
    assert [decision.answers[name].type for name in ("late", "which", "how")] == ["noul", "choice", "score"]
    (billed,) = provider.billed
    assert (billed.api, billed.usage) == ("decisions", raw(decision)["usage"])


def test_a_cache_is_billed_by_its_tokens_and_read_by_what_names_it(provider, genai_client):
    config = types.CreateCachedContentConfig(contents="".join(tokens.prose(2000)), ttl="300s", display_name="book")
    cache = genai_client.caches.create(model="gemini-2.5-flash", config=config)
    assert cache.usage_metadata.total_token_count == 2000
    assert (cache.expire_time - cache.create_time).total_seconds() == 300
    longer = genai_client.caches.update(name=cache.name, config=types.UpdateCachedContentConfig(ttl="600s"))
    assert (longer.expire_time - longer.update_time).total_seconds() == 600
    assert genai_client.caches.get(name=cache.name).expire_time == longer.expire_time
    assert [item.name for item in genai_client.caches.list()] == [cache.name]
    usage = genai_client.models.generate_content(
        model="gemini-2.5-flash", contents=ASK, config=types.GenerateContentConfig(cached_content=cache.name)
    ).usage_metadata
    assert (usage.cached_content_token_count, usage.prompt_token_count) == (2000, 2000 + tokens.count(ASK))
    genai_client.caches.delete(name=cache.name)
    with pytest.raises(errors.ClientError):
        genai_client.caches.get(name=cache.name)
    kept, read = provider.billed
    assert (kept.model, kept.api, kept.usage) == ("gemini-2.5-flash", "cachedContents", {"totalTokenCount": 2000})
    assert read.usage["cachedContentTokenCount"] == 2000


def test_a_cache_may_end_at_a_moment(genai_client):
    config = types.CreateCachedContentConfig(contents=ASK, expire_time="2030-01-01T00:00:00Z")
    assert genai_client.caches.create(model="g", config=config).expire_time.year == 2030


def test_a_batch_of_inlined_requests_is_billed_by_the_line_and_once():
    one = {"contents": [{"role": "user", "parts": [{"text": ASK}]}]}
    with FakeProvider(job_polls=2) as provider:
        client = provider.genai_client()
        begun = client.batches.create(model="gemini-2.5-flash", src=[one, one])
        assert begun.state.value == "JOB_STATE_PENDING"
        assert client.batches.get(name=begun.name).state.value == "JOB_STATE_RUNNING"
        assert provider.billed == []
        done = client.batches.get(name=begun.name)
        client.batches.get(name=begun.name)
        assert [item.name for item in client.batches.list()] == [begun.name]
        client.close()
        billed = provider.billed
    assert done.state.value == "JOB_STATE_SUCCEEDED"
    usages = [item.response.usage_metadata.total_token_count for item in done.dest.inlined_responses]
    assert [(entry.model, entry.api, entry.batch) for entry in billed] == [
        ("gemini-2.5-flash", "generateContent", True)
    ] * 2
    assert [entry.usage["totalTokenCount"] for entry in billed] == usages


def test_a_batch_of_a_file_has_its_answers_in_a_file(provider, genai_client):
    line = {"key": "a", "request": {"contents": [{"parts": [{"text": ASK}]}]}}
    bad = {"key": "b", "request": {}}
    text = io.BytesIO("\n".join(json.dumps(item) for item in (line, bad)).encode())
    file = genai_client.files.upload(file=text, config={"mime_type": "jsonl", "display_name": "in"})
    assert genai_client.files.get(name=file.name).display_name == "in"
    begun = genai_client.batches.create(model="g", src=file.name)
    done = genai_client.batches.get(name=begun.name)
    rows = [json.loads(row) for row in genai_client.files.download(file=done.dest.file_name).splitlines()]
    assert [row["key"] for row in rows] == ["a", "b"]
    assert "contents" in rows[1]["error"]["message"]
    (billed,) = provider.billed
    assert billed.usage == rows[0]["response"]["usageMetadata"]


@pytest.mark.filterwarnings("ignore")
def test_a_batch_of_embeddings_is_billed_at_batch_rates(provider, genai_client):
    begun = genai_client.batches.create_embeddings(
        model="gemini-embedding-001", src={"inlined_requests": {"contents": ["a b", "c"]}}
    )
    done = genai_client.batches.get(name=begun.name)
    assert len(done.dest.inlined_embed_content_responses) == 2
    assert [(entry.api, entry.batch, entry.usage["promptTokenCount"]) for entry in provider.billed] == [
        ("embedContent", True, 2),
        ("embedContent", True, 1),
    ]


def test_a_cancelled_or_failed_batch_costs_nothing(provider, genai_client):
    source = [{"contents": [{"role": "user", "parts": [{"text": ASK}]}]}]
    begun = genai_client.batches.create(model="g", src=source)
    genai_client.batches.cancel(name=begun.name)
    assert genai_client.batches.get(name=begun.name).state.value == "JOB_STATE_CANCELLED"
    provider.answer_next(job_fails=True)
    failing = genai_client.batches.create(model="g", src=source)
    assert genai_client.batches.get(name=failing.name).state.value == "JOB_STATE_FAILED"
    genai_client.batches.delete(name=failing.name)
    assert provider.billed == []


@pytest.mark.filterwarnings("ignore")
def test_pictures_are_billed_by_their_number(provider, vertex_client):
    drawn = vertex_client.models.generate_images(
        model="imagen-4.0-generate-001", prompt="a bus", config=types.GenerateImagesConfig(number_of_images=2)
    )
    assert [item.image.image_bytes[:4] for item in drawn.generated_images] == [b"\x89PNG"] * 2
    picture = types.Image(image_bytes=b"x", mime_type="image/png")
    vertex_client.models.upscale_image(model="imagen-4.0-upscale-preview", image=picture, upscale_factor="x2")
    reference = types.RawReferenceImage(reference_id=1, reference_image=picture)
    vertex_client.models.edit_image(model="imagen-3.0-capability-001", prompt="redder", reference_images=[reference])
    assert [(entry.model, entry.api, entry.usage["images"], entry.stated) for entry in provider.billed] == [
        ("imagen-4.0-generate-001", "images", 2, False),
        ("imagen-4.0-upscale-preview", "images", 1, False),
        ("imagen-3.0-capability-001", "images", 1, False),
    ]


def test_embeddings_of_vertex_state_their_statistics(provider, vertex_client):
    answer = vertex_client.models.embed_content(model="text-embedding-005", contents=["a b", "c"])
    assert [item.statistics.token_count for item in answer.embeddings] == [2, 1]
    (billed,) = provider.billed
    assert [item["token_count"] for item in billed.usage["predictions_statistics"]] == [2, 1]
    assert billed.usage["metadata"]["billableCharacterCount"] == answer.metadata.billable_character_count == 4


@pytest.mark.filterwarnings("ignore")
def test_videos_are_billed_by_their_seconds_when_the_operation_is_done(provider, vertex_client):
    provider.job_polls = 2
    operation = vertex_client.models.generate_videos(
        model="veo-3.1-generate-preview",
        source=types.GenerateVideosSource(prompt="a bus"),
        config=types.GenerateVideosConfig(number_of_videos=2, duration_seconds=6, resolution="720p"),
    )
    assert not operation.done
    operation = vertex_client.operations.get(operation)
    assert not operation.done
    assert provider.billed == []
    operation = vertex_client.operations.get(operation)
    vertex_client.operations.get(operation)
    assert operation.done
    assert [item.video.mime_type for item in operation.response.generated_videos] == ["video/mp4"] * 2
    (billed,) = provider.billed
    assert (billed.model, billed.api) == ("veo-3.1-generate-preview", "videos")
    assert billed.usage == {"video_seconds": 12, "videos": 2, "resolution": "720p"}


def test_videos_of_the_developer_api_are_an_operation_under_their_model(provider, genai_client):
    # The SDK's newest versions start videos on Vertex only; they look at operations of either.
    def begin():
        body = {"instances": [{"prompt": "a bus"}], "parameters": {"sampleCount": 1}}
        answer = genai_client._api_client.request("post", "models/veo-3:predictLongRunning", body)
        return types.GenerateVideosOperation(name=json.loads(answer.body)["name"])

    done = genai_client.operations.get(begin())
    assert b"ftyp" in genai_client.files.download(file=done.response.generated_videos[0].video)
    assert [entry.usage for entry in provider.billed] == [{"video_seconds": 8, "videos": 1}]
    provider.answer_next(job_fails=True)
    assert genai_client.operations.get(begin()).error["code"] == 13
    assert len(provider.billed) == 1


def test_the_async_client_is_served_interactions_and_batches_the_same():
    async def ask(client):
        answer = await client.aio.interactions.create(model="g", input=ASK)
        stream = await client.aio.interactions.create(model="g", input=ASK, stream=True)
        events = [event async for event in stream]
        await client.aio.aclose()
        return answer.usage.total_tokens, events[-1].interaction.usage.total_tokens

    with FakeProvider() as provider:
        client = provider.genai_client()
        totals = asyncio.run(ask(client))
        client.close()
        assert [entry.usage["total_tokens"] for entry in provider.billed] == list(totals)
