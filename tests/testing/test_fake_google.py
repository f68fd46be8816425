"""The Google wire format of the loopback provider, read by the real SDK."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request

import pytest
from google.genai import errors, types

from farebox.testing import FakeProvider, tokens

ASK = "Count the passengers."


def test_an_answer_bills_its_own_tokens(provider, genai_client):
    answer = genai_client.models.generate_content(
        model="gemini-2.5-flash",
        contents=ASK,
        config=types.GenerateContentConfig(max_output_tokens=12, system_instruction="Be exact."),
    )
    usage = answer.usage_metadata
    assert usage.candidates_token_count == 12 == tokens.count(answer.text)
    assert usage.prompt_token_count == tokens.count(ASK) + tokens.count("Be exact.")
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    (billed,) = provider.billed
    assert (billed.provider, billed.model, billed.api) == ("google", "gemini-2.5-flash", "generateContent")
    assert billed.usage["totalTokenCount"] == usage.total_token_count


def test_every_chunk_of_a_stream_has_cumulative_usage(provider, genai_client):
    chunks = list(genai_client.models.generate_content_stream(model="g", contents=ASK))
    counts = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert counts == [8, 16, 24, 32, 40]
    assert "".join(chunk.text for chunk in chunks) == "".join(tokens.prose(40))
    assert provider.billed[0].usage["candidatesTokenCount"] == 40
    assert provider.billed[0].stated


def test_thoughts_are_counted_beside_candidates():
    with FakeProvider(reasoning_tokens=30) as provider:
        client = provider.genai_client()
        usage = client.models.generate_content(model="g", contents=ASK).usage_metadata
        client.close()
    assert (usage.thoughts_token_count, usage.candidates_token_count) == (30, 40)
    assert usage.total_token_count == usage.prompt_token_count + 70


def test_counting_is_free_and_agrees_with_the_bill(provider, genai_client):
    counted = genai_client.models.count_tokens(model="g", contents=ASK).total_tokens
    billed = genai_client.models.generate_content(model="g", contents=ASK).usage_metadata.prompt_token_count
    assert counted == billed
    assert len(provider.billed) == 1


def test_embeddings_have_the_size_asked_for(provider, genai_client):
    answer = genai_client.models.embed_content(
        model="gemini-embedding-001", contents=["a", "b c"], config=types.EmbedContentConfig(output_dimensionality=8)
    )
    assert [len(item.values) for item in answer.embeddings] == [8, 8]
    assert provider.billed[0].usage["promptTokenCount"] == 3


def test_a_single_embedding_is_billed_too(provider):
    body = json.dumps({"content": {"parts": [{"text": "a b"}]}, "outputDimensionality": 4}).encode()
    with urllib.request.urlopen(f"{provider.url}/v1beta/models/gemini-embedding-001:embedContent", data=body) as answer:
        whole = json.load(answer)
    assert len(whole["embedding"]["values"]) == 4
    assert whole["usageMetadata"]["promptTokenCount"] == 2
    assert [entry.api for entry in provider.billed] == ["embedContent"]


def test_the_async_client_is_served_the_same(provider, genai_client):
    async def both():
        async with genai_client.aio as client:
            whole = await client.models.generate_content(model="g", contents=ASK)
            stream = await client.models.generate_content_stream(model="g", contents=ASK)
            return whole.usage_metadata, [chunk async for chunk in stream][-1].usage_metadata

    whole, streamed = asyncio.run(both())
    assert whole.total_token_count == streamed.total_token_count


def test_errors_are_of_the_providers_own_kind(provider, genai_client):
    provider.answer_next(429)
    with pytest.raises(errors.ClientError) as caught:
        genai_client.models.generate_content(model="g", contents=ASK)
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(errors.ClientError):
        genai_client.models.get(model="g")


def test_a_stream_without_server_sent_events_is_refused(provider, genai_client):
    request = urllib.request.Request(f"{provider.url}/v1beta/models/g:streamGenerateContent", data=b'{"contents": []}')
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert answer.code == 400
        assert b"alt=sse" in answer.read()


def test_media_are_counted_by_modality_in_and_out(provider, genai_client):
    picture = types.Part.from_bytes(data=b"x", mime_type="image/png")
    seen = genai_client.models.generate_content(model="g", contents=[ASK, picture]).usage_metadata
    by_modality = {item.modality.value: item.token_count for item in seen.prompt_tokens_details}
    assert by_modality == {"TEXT": tokens.count(ASK), "IMAGE": 258}
    spoken = genai_client.models.generate_content(
        model="g", contents=ASK, config=types.GenerateContentConfig(response_modalities=["AUDIO"])
    )
    drawn = list(genai_client.models.generate_content_stream(model="gemini-2.5-flash-image", contents=ASK))
    (sound,) = spoken.candidates[0].content.parts
    assert sound.inline_data.mime_type == "audio/L16;codec=pcm;rate=24000"
    assert len(sound.inline_data.data) == 40 * 2 * 24000 // 25
    assert [item.modality.value for item in spoken.usage_metadata.candidates_tokens_details] == ["AUDIO"]
    details = drawn[-1].usage_metadata.candidates_tokens_details
    assert [(item.modality.value, item.token_count) for item in details] == [("TEXT", 40), ("IMAGE", 1290)]
    assert drawn[-1].candidates[0].content.parts[0].inline_data.data.startswith(b"\x89PNG")
    assert [entry.usage["candidatesTokenCount"] for entry in provider.billed] == [40, 40, 1330]


def test_a_search_is_shown_in_the_candidate_and_on_the_bill():
    config = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    with FakeProvider(hosted_calls=2) as provider:
        client = provider.genai_client()
        answer = client.models.generate_content(model="g", contents=ASK, config=config)
        client.close()
        assert provider.billed[0].tool_calls == {"google_search_queries": 2}
    assert len(answer.candidates[0].grounding_metadata.web_search_queries) == 2


def test_functions_are_called_by_the_sdk_until_the_provider_speaks():
    asked = []

    def fare(zone: int, name: str) -> str:
        """The fare of a zone."""
        asked.append((zone, name))
        return "three"

    with FakeProvider(function_calls=2) as provider:
        client = provider.genai_client()
        chat = client.chats.create(model="g", config=types.GenerateContentConfig(tools=[fare]))
        answer = chat.send_message(ASK)
        (streamed,) = client.models.generate_content_stream(
            model="g", contents=ASK, config={"tools": [fare], "automatic_function_calling": {"disable": True}}
        )
        client.close()
        billed = provider.billed
    assert asked == [(1, "all"), (1, "all")]
    assert tokens.count(answer.text) == 40
    assert streamed.function_calls[0].args == {"zone": 1, "name": "all"}
    assert len(billed) == 4
    assert (
        billed[0].usage["promptTokenCount"] < billed[1].usage["promptTokenCount"] < billed[2].usage["promptTokenCount"]
    )


def test_an_answer_in_mid_air_can_be_cut_and_is_billed_for_what_it_said(provider, genai_client):
    provider.cut_next_stream(after=2)
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnected|connection"):
        list(genai_client.models.generate_content_stream(model="g", contents=ASK))
    assert provider.wait_idle()
    assert provider.billed[0].usage["candidatesTokenCount"] == 16
