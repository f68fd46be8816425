"""FakeProvider's own behaviour: planned failures, holds, cuts, the record and its life."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from openai.types.beta import AssistantStreamEvent

from farebox.testing import FakeProvider
from farebox.testing.multipart import Upload

HELLO = [{"role": "user", "content": "Hello"}]


def test_an_address_needs_a_running_provider():
    with pytest.raises(RuntimeError, match="use it in a `with` statement"):
        _ = FakeProvider().url
    FakeProvider().stop()


def test_requests_are_recorded_with_body_and_headers(provider, openai_client):
    openai_client.responses.create(model="m", input="x", extra_headers={"X-Tenant": "acme"}, extra_query={"a": "1"})
    (request,) = provider.requests
    assert (request.method, request.path, request.query) == ("POST", "/v1/responses", "a=1")
    assert request.headers["x-tenant"] == "acme"
    assert request.body == {"model": "m", "input": "x"}


def test_a_planned_failure_is_answered_so_many_times_and_not_billed(provider):
    provider.answer_next(429, times=2, headers={"retry-after-ms": "1"}, message="slow down")
    with provider.openai_client(max_retries=2) as client:
        assert client.responses.create(model="m", input="x").usage.output_tokens == 40
    assert (len(provider.requests), len(provider.billed)) == (3, 1)
    provider.answer_next(503, message="closed")
    with provider.openai_client(max_retries=0) as client, pytest.raises(openai.InternalServerError, match="closed"):
        client.responses.create(model="m", input="x")


def test_a_planned_text_is_the_answer_and_is_counted(provider, openai_client):
    provider.answer_next(text='{"fare": 3}')
    answer = openai_client.responses.create(model="m", input="x")
    assert answer.output_text == '{"fare": 3}'
    provider.answer_next(text="one two three four")
    assert openai_client.responses.create(model="m", input="x", max_output_tokens=2).output_text == "one two"


def test_answers_wait_while_they_are_held(provider, openai_client):
    with ThreadPoolExecutor(4) as pool:
        with provider.hold():
            futures = [pool.submit(openai_client.responses.create, model="m", input="x") for _ in range(4)]
            assert provider.wait_for_requests(4)
            assert not any(future.done() for future in futures)
            assert provider.billed == []
        assert all(future.result().usage.output_tokens == 40 for future in futures)
    assert provider.wait_idle()
    assert len(provider.billed) == 4


def test_waiting_for_requests_that_do_not_come_says_so(provider):
    assert not provider.wait_for_requests(1, timeout=0.01)


def test_a_call_cancelled_while_it_is_held_is_billed_all_the_same(provider):
    async def cancel():
        async with provider.async_openai_client() as client:
            task = asyncio.create_task(client.responses.create(model="m", input="x"))
            await asyncio.to_thread(provider.wait_for_requests, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with provider.hold():
        asyncio.run(cancel())
    assert provider.wait_idle()
    assert len(provider.billed) == 1


def test_a_cut_stream_bills_what_it_produced(provider, openai_client):
    provider.cut_next_stream(after=3)
    stream = openai_client.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    seen = []
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnected|connection error"):
        seen.extend(stream)
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in seen) == 3
    assert provider.wait_idle()
    (billed,) = provider.billed
    assert billed.usage["completion_tokens"] == 3
    assert not billed.stated


def test_a_stream_whose_reader_leaves_is_billed_once_for_what_was_produced():
    with FakeProvider("max", chunk_delay=0.002) as provider, provider.openai_client() as client:
        with client.chat.completions.create(
            model="m", messages=HELLO, stream=True, max_completion_tokens=5000
        ) as stream:
            next(iter(stream))
        assert provider.wait_idle()
        (billed,) = provider.billed
    assert billed.usage["completion_tokens"] < 5000
    assert not billed.stated


def test_the_record_is_whole_when_many_threads_call():
    with FakeProvider(3) as provider, provider.openai_client() as client, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: client.responses.create(model="m", input="x"), range(100)))
        assert (len(provider.requests), len(provider.billed)) == (100, 100)


def test_stopping_releases_held_calls_and_leaves_no_server_thread():
    with FakeProvider() as provider, provider.openai_client(max_retries=0) as client:

        def call():
            with pytest.raises(openai.OpenAIError):
                client.models.list()

        thread = threading.Thread(target=call)
        held = provider.hold()
        held.__enter__()
        thread.start()
        provider.wait_for_requests(1)
        provider.stop()
        thread.join(5)
        assert not thread.is_alive()
        held.__exit__(None, None, None)
    assert not any(thread.name == "farebox-fake-provider" for thread in threading.enumerate())


def test_a_body_that_is_no_json_is_refused(provider):
    request = urllib.request.Request(f"{provider.openai_base_url}/responses", data=b"{torn")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as answer:
        assert answer.code == 400
    assert provider.requests[0].body == b"{torn"


def test_a_fault_of_the_provider_itself_is_printed_and_a_clients_leaving_is_not(provider, openai_client, capfd):
    provider._remember = None
    with pytest.raises(openai.APIConnectionError):
        openai_client.responses.create(model="m", input="word " * 2000)
    assert provider.wait_idle()
    assert "TypeError" in capfd.readouterr().err


def test_a_hanging_answer_is_billed_before_it_is_sent(provider):
    provider.answer_next(hang=30)
    with provider.openai_client(max_retries=0, timeout=0.2) as client, pytest.raises(openai.APITimeoutError):
        client.responses.create(model="m", input="x")
    (billed,) = provider.billed
    assert billed.usage["output_tokens"] == 40
    assert not billed.stated


def test_a_hanging_stream_is_billed_once(provider, openai_client):
    provider.answer_next(hang=0.05)
    with openai_client.responses.stream(model="m", input="x") as stream:
        usage = stream.get_final_response().usage
    (billed,) = provider.billed
    assert billed.usage == usage.model_dump(exclude_unset=True)


def test_stopping_does_not_wait_for_an_answer_that_hangs(provider):
    provider.answer_next(hang=300)
    with provider.openai_client(max_retries=0, timeout=0.2) as client, pytest.raises(openai.APITimeoutError):
        client.responses.create(model="m", input="x")
    provider.stop()
    assert provider.wait_idle(5)


def test_odd_usage_is_laid_over_the_regular_one_and_billed_as_laid(provider, openai_client):
    provider.answer_next(usage_extra={"input_tokens_details": {"cache_write_tokens": 7}, "output_tokens": None})
    usage = openai_client.responses.create(model="m", input="x").usage.model_dump(exclude_unset=True)
    assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 7}
    assert usage["output_tokens"] is None
    assert provider.billed[0].usage == usage


def test_any_body_can_be_answered_and_any_usage_be_billed_for_it(provider, openai_client):
    provider.answer_next(body=["odd"], usage={"input_tokens": 3})
    assert openai_client.post("/responses", body={"model": "m", "input": "x"}, cast_to=object) == ["odd"]
    provider.answer_next(body={"fine": True}, usage={"seconds": 1})
    assert openai_client.post("/not/yet/known", body={"model": "n"}, cast_to=object) == {"fine": True}
    provider.answer_next(body=b'{"cut', usage={"input_tokens": 4})
    with pytest.raises(Exception, match=r"(?i)json|unterminated"):
        openai_client.responses.create(model="m", input="x")
    provider.answer_next(body={"free": True})
    openai_client.post("/responses", body={"model": "m", "input": "x"}, cast_to=object)
    assert [(entry.model, entry.api, entry.usage) for entry in provider.billed] == [
        ("m", "responses", {"input_tokens": 3}),
        ("n", "/v1/not/yet/known", {"seconds": 1}),
        ("m", "responses", {"input_tokens": 4}),
    ]


def test_any_events_can_be_streamed_and_cut(provider, openai_client):
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    events = [chunk, {**chunk, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}, "[DONE]"]
    options = {"model": "m", "messages": HELLO, "stream": True}
    provider.answer_next(events=events, usage=events[1]["usage"])
    assert [part.usage and part.usage.total_tokens for part in openai_client.chat.completions.create(**options)] == [
        None,
        3,
    ]
    provider.answer_next(events=[("thread.run.created", {"id": "run_1", "object": "thread.run"})])
    (event,) = openai_client.post(
        "/threads/t/runs",
        body={"assistant_id": "a"},
        cast_to=object,
        stream=True,
        stream_cls=openai.Stream[AssistantStreamEvent],
    )
    assert (event.event, event.data.id) == ("thread.run.created", "run_1")
    assert [entry.usage["total_tokens"] for entry in provider.billed] == [3]


def test_a_form_is_read_with_its_files(provider, openai_client):
    blob = bytes(range(256)) * 3 + b"\r\n--x\r\n\r\n"
    provider.answer_next(body={"text": "x"}, usage={"seconds": 1})
    openai_client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", blob, "audio/wav"), include=["logprobs"], temperature=0.5
    )
    provider.answer_next(body={"created": 1})
    openai_client.images.edit(image=[("1.png", b"one"), ("2.png", b"two")], prompt="Grün\nund rot")
    first, second = (request.body for request in provider.requests)
    assert first["file"] == Upload("a.wav", "audio/wav", blob)
    assert first["file"].size == len(blob)
    assert (first["model"], first["include"], first["temperature"]) == ("whisper-1", ["logprobs"], "0.5")
    assert [(image.filename, image.data) for image in second["image"]] == [("1.png", b"one"), ("2.png", b"two")]
    assert second["prompt"] == "Grün\nund rot"
    assert provider.billed[0].model == "whisper-1"
