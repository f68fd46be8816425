"""Responses of the loopback provider beyond one question and one answer: background, hosted tools, compaction."""

from __future__ import annotations

import openai
import pytest

from farebox.testing import FakeProvider

TOOLS = [
    {"type": "web_search"},
    {"type": "file_search", "vector_store_ids": ["vs_1"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
]


def test_a_background_response_is_billed_when_it_is_done_and_once(valid):
    with FakeProvider(job_polls=2) as provider, provider.openai_client() as client:
        begun = client.responses.create(model="gpt-5-mini", input="x", background=True)
        assert (begun.status, begun.usage, begun.background) == ("queued", None, True)
        assert client.responses.retrieve(begun.id).status == "queued"
        assert provider.billed == []
        done = client.responses.retrieve(begun.id)
        again = client.responses.retrieve(begun.id)
    assert done.status == "completed"
    assert valid(done) == valid(again)
    (billed,) = provider.billed
    assert (billed.model, billed.api, billed.usage) == ("gpt-5-mini", "responses", valid(done)["usage"])


def test_a_background_response_can_be_read_as_a_stream_from_any_event_on(provider, openai_client, valid):
    begun = openai_client.responses.create(model="m", input="x", background=True)
    events = list(openai_client.responses.retrieve(begun.id, stream=True))
    rest = list(openai_client.responses.retrieve(begun.id, stream=True, starting_after=3))
    assert [event.sequence_number for event in rest] == [event.sequence_number for event in events[4:]]
    (billed,) = provider.billed
    assert billed.usage == valid(events[-1].response)["usage"]
    assert billed.stated


def test_a_streamed_background_response_is_made_to_its_end_when_the_reader_leaves(provider, openai_client):
    provider.cut_next_stream(after=2)
    seen = []
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnected|connection error"):
        seen.extend(openai_client.responses.create(model="m", input="x", background=True, stream=True))
    done = openai_client.responses.retrieve(seen[0].response.id)
    (billed,) = provider.billed
    assert billed.usage["output_tokens"] == done.usage.output_tokens == 40


def test_a_background_response_that_nobody_fetches_is_billed_in_the_end(provider, openai_client):
    openai_client.responses.create(model="m", input="x", background=True)
    provider.finish_jobs()
    provider.finish_jobs()
    (billed,) = provider.billed
    assert billed.usage["output_tokens"] == 40
    assert not billed.stated


def test_a_cancelled_or_failed_response_costs_nothing(provider, openai_client):
    begun = openai_client.responses.create(model="m", input="x", background=True)
    assert openai_client.responses.cancel(begun.id).status == "cancelled"
    assert openai_client.responses.retrieve(begun.id).status == "cancelled"
    provider.answer_next(job_fails=True)
    failing = openai_client.responses.create(model="m", input="x", background=True)
    failed = openai_client.responses.retrieve(failing.id)
    assert (failed.status, failed.error.code, failed.usage) == ("failed", "server_error", None)
    (event,) = openai_client.responses.retrieve(failing.id, stream=True)
    assert event.type == "response.failed"
    assert provider.billed == []


def test_every_response_can_be_fetched_again_for_free_until_it_is_deleted(provider, openai_client, valid):
    whole = openai_client.responses.create(model="m", input="x")
    assert valid(openai_client.responses.retrieve(whole.id)) == valid(whole)
    openai_client.responses.delete(whole.id)
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve(whole.id)
    assert len(provider.billed) == 1


def test_what_was_said_before_counts_again(openai_client):
    first = openai_client.responses.create(model="m", input="x")
    alone = openai_client.responses.create(model="m", input="y").usage.input_tokens
    after = openai_client.responses.create(model="m", input="y", previous_response_id=first.id).usage.input_tokens
    assert after == alone + first.usage.total_tokens


def test_hosted_tools_that_are_offered_are_called_and_counted(valid):
    with FakeProvider(hosted_calls=2) as provider, provider.openai_client() as client:
        response = client.responses.create(model="m", input="x", tools=TOOLS)
        events = list(client.responses.create(model="m", input="x", tools=TOOLS, stream=True))
        preview = client.responses.create(
            model="m", input="x", tools=[{"type": "web_search_preview"}, {"type": "local_shell"}]
        )
    kinds = [item.type for item in response.output]
    assert kinds == ["web_search_call"] * 2 + ["file_search_call"] * 2 + ["code_interpreter_call"] * 2 + ["message"]
    assert valid(response)["tool_usage"]["web_search"] == {"num_requests": 2}
    assert [item.type for item in events[-1].response.output] == kinds
    assert [event.item.type for event in events if event.type == "response.output_item.done"] == kinds
    assert preview.tool_usage.web_search.num_requests == 2
    assert [entry.tool_calls for entry in provider.billed] == [
        {"web_search_call": 2, "file_search_call": 2, "code_interpreter_call": 2},
        {"web_search_call": 2, "file_search_call": 2, "code_interpreter_call": 2},
        {"web_search_preview_call": 2},
    ]


def test_a_drawn_picture_is_billed_by_its_own_model(provider, openai_client, valid):
    response = openai_client.responses.create(
        model="m", input="x", tools=[{"type": "image_generation", "model": "gpt-image-1.5", "quality": "low"}]
    )
    text, picture = provider.billed
    assert text.usage == valid(response)["usage"]
    assert (picture.model, picture.api) == ("gpt-image-1.5", "images")
    assert picture.usage == valid(response)["tool_usage"]["image_gen"]
    assert picture.usage["output_tokens"] == 272


def test_compaction_is_billed_though_its_answer_names_no_model(provider, openai_client, valid):
    compacted = openai_client.responses.compact(model="gpt-5-mini", input="a long talk")
    (billed,) = provider.billed
    assert "model" not in valid(compacted)
    assert (billed.model, billed.usage) == ("gpt-5-mini", valid(compacted)["usage"])


def test_a_function_is_called_along_a_chain_of_responses_whole_and_streamed(valid):
    tool = {"type": "function", "name": "fare", "parameters": {"type": "object"}, "strict": False}
    with FakeProvider(function_calls=2) as provider, provider.openai_client() as client:
        turns = [client.responses.create(model="m", input="x", tools=[tool])]
        while turns[-1].output[-1].type == "function_call":
            output = {"type": "function_call_output", "call_id": turns[-1].output[-1].call_id, "output": "three"}
            before = turns[-1].id
            turns.append(client.responses.create(model="m", input=[output], tools=[tool], previous_response_id=before))
        events = list(client.responses.create(model="m", input="x", tools=[tool], stream=True))
        items = [turn.output[-1].to_dict() for turn in turns[:2]]
        outputs = [{"type": "function_call_output", "call_id": item["call_id"], "output": "3"} for item in items]
        whole = client.responses.create(model="m", input=[*items, *outputs], tools=[tool])
        assert [entry.usage for entry in provider.billed[:3]] == [valid(turn)["usage"] for turn in turns]
    assert [turn.output[-1].type for turn in turns] == ["function_call", "function_call", "message"]
    kinds = [event.type for event in events]
    assert kinds[3:5] == ["response.function_call_arguments.delta", "response.function_call_arguments.done"]
    assert valid(events[-1].response)["output"][-1]["name"] == "fare"
    assert whole.output[-1].type == "message"


def test_a_response_that_is_not_to_be_stored_is_not(openai_client):
    response = openai_client.responses.create(model="m", input="x", store=False)
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve(response.id)
