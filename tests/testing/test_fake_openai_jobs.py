"""Files, batches, assistants and the smaller endpoints of the loopback provider, read by the real SDK."""

from __future__ import annotations

import json

import openai
import pytest

from farebox.testing import FakeProvider, tokens

HELLO = [{"role": "user", "content": "Count the passengers."}]


def upload(client, lines, purpose="batch"):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return client.files.create(file=("in.jsonl", text.encode()), purpose=purpose)


def requests(url, bodies):
    return [{"custom_id": f"r{at}", "method": "POST", "url": url, "body": body} for at, body in enumerate(bodies)]


def test_files_are_kept_for_free(provider, openai_client, valid):
    file = openai_client.files.create(file=("fares.txt", b"\x00\xff\r\n"), purpose="user_data")
    assert (file.filename, file.bytes, file.purpose) == ("fares.txt", 4, "user_data")
    assert valid(openai_client.files.retrieve(file.id)) == valid(file)
    assert openai_client.files.content(file.id).content == b"\x00\xff\r\n"
    assert [item.id for item in openai_client.files.list()] == [file.id]
    assert openai_client.files.delete(file.id).deleted
    with pytest.raises(openai.BadRequestError, match="no file"):
        openai_client.post("/files", body={"file": "text", "purpose": "user_data"}, cast_to=object)
    with pytest.raises(openai.NotFoundError):
        openai_client.files.content(file.id)
    assert provider.billed == []


@pytest.mark.parametrize(
    ("url", "body", "api"),
    [
        ("/v1/chat/completions", {"model": "m", "messages": HELLO}, "chat.completions"),
        ("/v1/responses", {"model": "m", "input": "x"}, "responses"),
        ("/v1/completions", {"model": "m", "prompt": "x"}, "completions"),
        ("/v1/embeddings", {"model": "m", "input": "x y"}, "embeddings"),
        ("/v1/images/generations", {"model": "m", "prompt": "x"}, "images"),
    ],
)
def test_a_batch_answers_its_lines_as_the_endpoint_does_and_bills_each_at_batch_rates(
    provider, openai_client, valid, url, body, api
):
    file = upload(openai_client, requests(url, [body, body, {"model": None}]))
    begun = openai_client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
    assert (begun.status, begun.request_counts.total, provider.billed) == ("validating", 0, [])
    done = openai_client.batches.retrieve(begun.id)
    assert valid(done) == valid(openai_client.batches.retrieve(begun.id))
    assert (done.status, done.model, done.request_counts.completed, done.request_counts.failed) == (
        "completed",
        "m",
        2,
        1,
    )
    rows = [json.loads(line) for line in openai_client.files.content(done.output_file_id).text.splitlines()]
    assert [row["custom_id"] for row in rows] == ["r0", "r1"]
    assert {row["response"]["status_code"] for row in rows} == {200}
    usages = [row["response"]["body"]["usage"] for row in rows]
    assert [(entry.usage, entry.api, entry.batch, entry.stated) for entry in provider.billed] == [
        (usage, api, True, True) for usage in usages
    ]
    assert done.usage.total_tokens == sum(usage["total_tokens"] for usage in usages)
    (bad,) = [json.loads(line) for line in openai_client.files.content(done.error_file_id).text.splitlines()]
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("r2", 400)


def test_a_batch_takes_its_looks_and_may_be_cancelled_or_fail():
    with FakeProvider(job_polls=2) as provider, provider.openai_client() as client:
        file = upload(client, requests("/v1/responses", [{"model": "m", "input": "x"}]))
        options = {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h"}
        begun = client.batches.create(**options)
        assert client.batches.retrieve(begun.id).status == "in_progress"
        assert client.batches.cancel(begun.id).status == "cancelled"
        provider.answer_next(job_fails=True)
        failing = client.batches.create(**options)
        client.batches.retrieve(failing.id)
        failed = client.batches.retrieve(failing.id)
        assert (failed.status, failed.errors.data[0].code) == ("failed", "server_error")
        assert [batch.status for batch in client.batches.list()] == ["failed", "cancelled"]
        assert provider.billed == []
        client.batches.create(**options)
        provider.finish_jobs()
        assert [entry.batch for entry in provider.billed] == [True]


def test_a_batch_needs_a_file_and_an_endpoint_that_batches_know(openai_client):
    with pytest.raises(openai.NotFoundError):
        openai_client.batches.create(input_file_id="file-none", endpoint="/v1/responses", completion_window="24h")
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        openai_client.batches.create(input_file_id="file-none", endpoint="/v1/audio/speech", completion_window="24h")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_is_billed_when_it_is_done_and_answers_in_its_thread(provider, openai_client, valid):
    threads = openai_client.beta.threads
    thread = threads.create(messages=HELLO)
    threads.messages.create(thread.id, role="user", content="And the fares.")
    begun = threads.runs.create(thread.id, assistant_id="asst_1", model="gpt-4o-mini", instructions="Be brief")
    assert (begun.status, begun.usage, provider.billed) == ("queued", None, [])
    done = threads.runs.retrieve(begun.id, thread_id=thread.id)
    threads.runs.retrieve(begun.id, thread_id=thread.id)
    said = [message.content[0].text.value for message in threads.messages.list(thread.id)]
    assert (done.status, tokens.count(said[0])) == ("completed", done.usage.completion_tokens)
    assert said[1:] == ["And the fares.", "Count the passengers."]
    (billed,) = provider.billed
    assert (billed.model, billed.api, billed.usage) == ("gpt-4o-mini", "threads.runs", valid(done)["usage"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_streamed_run_states_its_usage_in_its_last_event(provider, openai_client, valid):
    events = list(
        openai_client.beta.threads.create_and_run(assistant_id="asst_1", thread={"messages": HELLO}, stream=True)
    )
    assert events[0].event == "thread.run.created"
    (done,) = [event for event in events if event.event == "thread.run.completed"]
    assert valid(done.data)["usage"] == provider.billed[0].usage
    again = openai_client.beta.threads.runs.retrieve(done.data.id, thread_id=done.data.thread_id)
    assert again.usage == done.data.usage
    assert len(provider.billed) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_that_calls_a_function_goes_on_with_its_output():
    tool = {"type": "function", "function": {"name": "fare", "parameters": {"type": "object"}}}
    with FakeProvider(function_calls=1) as provider, provider.openai_client() as client:
        runs = client.beta.threads.runs
        begun = client.beta.threads.create_and_run(assistant_id="a", thread={"messages": HELLO}, tools=[tool])
        waiting = runs.retrieve(begun.id, thread_id=begun.thread_id)
        (call,) = waiting.required_action.submit_tool_outputs.tool_calls
        assert (waiting.status, call.function.name, provider.billed) == ("requires_action", "fare", [])
        outputs = [{"tool_call_id": call.id, "output": "three"}]
        runs.submit_tool_outputs(begun.id, thread_id=begun.thread_id, tool_outputs=outputs)
        done = runs.retrieve(begun.id, thread_id=begun.thread_id)
        assert done.usage.total_tokens == provider.billed[0].usage["total_tokens"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cancelled_or_failed_run_costs_nothing(provider, openai_client):
    threads = openai_client.beta.threads
    thread = threads.create(messages=HELLO)
    begun = threads.runs.create(thread.id, assistant_id="asst_1")
    assert threads.runs.cancel(begun.id, thread_id=thread.id).status == "cancelled"
    provider.answer_next(job_fails=True)
    failing = threads.runs.create(thread.id, assistant_id="asst_1")
    assert threads.runs.retrieve(failing.id, thread_id=thread.id).status == "failed"
    assert provider.billed == []


def test_decisions_answer_every_question(provider, openai_client, valid):
    decision = openai_client.decisions.create(
        model="gpt-6-luna",
        input="The bus is late.",
        questions=[
            {"type": "predicate", "instructions": "Late?", "name": "late"},
            {"type": "choice", "instructions": "Which?", "choices": [{"value": "bus"}, {"value": "train"}]},
            {"type": "score", "instructions": "How?", "levels": [{"label": "low"}, {"label": "high"}]},
        ],
    )
    assert [answer.type for answer in decision.answers] == ["predicate", "choice", "score"]
    (billed,) = provider.billed
    assert (billed.api, billed.model, billed.usage) == ("decisions", "gpt-6-luna", valid(decision)["usage"])


def test_moderations_are_free(provider, openai_client, valid):
    moderated = openai_client.moderations.create(input=["one", "two"])
    assert [result["flagged"] for result in valid(moderated)["results"]] == [False, False]
    assert provider.billed == []


def test_a_search_is_billed_by_the_call(provider, openai_client, valid):
    (found,) = openai_client.vector_stores.search("vs_1", query="fares")
    assert valid(found)["filename"] == "fares.txt"
    assert [(entry.api, entry.usage) for entry in provider.billed] == [("vector_stores.search", {"file_search": 1})]


def test_a_fine_tuning_job_states_its_tokens_when_it_is_done(provider, openai_client, valid):
    file = upload(openai_client, [{"messages": HELLO}] * 3, purpose="fine-tune")
    size = tokens.count(openai_client.files.content(file.id).text)
    begun = openai_client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id)
    assert (begun.status, begun.trained_tokens, provider.billed) == ("queued", None, [])
    done = openai_client.fine_tuning.jobs.retrieve(begun.id)
    openai_client.fine_tuning.jobs.retrieve(begun.id)
    assert valid(done)["trained_tokens"] == 3 * size
    provider.answer_next(job_fails=True)
    failing = openai_client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id)
    assert openai_client.fine_tuning.jobs.retrieve(failing.id).status == "failed"
    assert [entry.usage for entry in provider.billed] == [{"trained_tokens": 3 * size}]


def test_a_container_is_billed_by_its_memory(provider, openai_client, valid):
    made = openai_client.containers.create(name="box", memory_limit="4g")
    assert valid(openai_client.containers.retrieve(made.id))["status"] == "running"
    assert [(entry.api, entry.usage) for entry in provider.billed] == [
        ("containers", {"containers": 1, "memory_limit": "4g"})
    ]
