"""Errors reach the user as without farebox, and the event says whether the call can have been billed."""

from __future__ import annotations

import asyncio
import socket
import threading
import traceback

import pytest

from farebox.core.errors import BudgetExceeded

openai_sdk = pytest.importorskip("openai")

MESSAGES = [{"role": "user", "content": "2+2?"}]


def chat(client, **more):
    return client.chat.completions.create(model="m", messages=MESSAGES, **more)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "BadRequestError"), (401, "AuthenticationError"), (429, "RateLimitError"), (500, "InternalServerError")],
)
@pytest.mark.parametrize("streams", [True, False])
def test_an_error_status_was_not_billed(openai, server, hooked, meter, status, kind, streams):
    server.statuses.append(status)
    with pytest.raises(getattr(openai_sdk, kind)):
        openai.ask(lambda client: chat(client, stream=streams))
    end = meter.call.end
    assert (end["status"], end["billable"], end["usage"], end["error_type"]) == ("error", False, None, f"openai.{kind}")


def test_retries_inside_the_sdk_are_one_event(openai, server, hooked, meter, wire):
    server.statuses.append(500)
    openai.ask(chat, max_retries=1)
    assert (len(server.requests), meter.call.raw) == (2, wire.CHAT_USAGE)


def test_the_attempts_of_a_call_that_failed_are_told(openai, server, hooked, meter):
    server.statuses.extend([500, 500])
    with pytest.raises(openai_sdk.InternalServerError):
        openai.ask(chat, max_retries=1)
    assert (len(server.requests), meter.call.end["attempts"]) == (2, 2)


def test_the_attempts_of_a_raw_call_are_told(openai, server, hooked, meter):
    server.statuses.append(500)
    openai.ask(
        lambda client: client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES), max_retries=1
    )
    assert meter.call.end["attempts"] == 2


def test_a_refused_connection_was_not_billed(openai, hooked, meter):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(openai_sdk.APIConnectionError):
        openai.ask(chat, base_url=f"http://127.0.0.1:{port}")
    assert (meter.call.end["status"], meter.call.end["billable"]) == ("error", False)


def test_a_timeout_may_have_been_billed(openai, server, hooked, meter):
    server.gate_after = 0
    with pytest.raises(openai_sdk.APITimeoutError):
        openai.ask(chat, timeout=0.2)
    server.gate.set()
    assert (meter.call.end["status"], meter.call.end["billable"], meter.call.end["usage"]) == ("error", True, None)


def test_a_request_that_cannot_be_built_was_not_billed(openai, server, hooked, meter):
    with pytest.raises(TypeError):
        openai.ask(lambda client: chat(client, extra_body={"x": object()}))
    assert (server.requests, meter.call.end["billable"]) == ([], False)


def test_a_cancelled_call_may_have_been_billed(server, hooked, meter):
    server.gate_after = 0

    async def main():
        async with openai_sdk.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
            task = asyncio.create_task(chat(client))
            while not server.requests:  # noqa: ASYNC110 - told by another thread
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server.gate.set()

    asyncio.run(main())
    assert (meter.call.end["status"], meter.call.end["billable"], meter.call.end["usage"]) == ("cancelled", True, None)


def test_a_coroutine_closed_in_mid_call_settles(server, hooked, meter):
    """Its `_inside` mark is not left in whatever context closes it."""
    server.gate_after = 0

    async def main():
        async with openai_sdk.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
            coroutine = chat(client)
            coroutine.send(None)
            coroutine.close()
            server.gate.set()
            server.gate_after = None
            await chat(client)

    asyncio.run(main())
    assert [call.end["status"] for call in meter.calls] == ["cancelled", "ok"]


def test_an_interrupt_passes_and_settles(server, hooked, meter, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        monkeypatch.setattr(client._client, "send", interrupt)
        with pytest.raises(KeyboardInterrupt):
            chat(client)
    assert (meter.call.end["status"], meter.call.end["error_type"]) == ("cancelled", "builtins.KeyboardInterrupt")


def test_even_a_stop_iteration_passes_as_without_us(server, hooked, meter, monkeypatch):
    """Inside a generator it would become a RuntimeError."""

    def stop(*args, **kwargs):
        raise StopIteration(7)

    raised = []
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client:
        monkeypatch.setattr(client._client, "send", stop)
        for _ in range(2):
            with pytest.raises((StopIteration, openai_sdk.APIConnectionError)) as caught:
                chat(client)
            raised.append((type(caught.value), str(caught.value)))
            hooked.undo()
    assert raised[0] == raised[1]
    assert meter.call.end["status"] == "error"


def test_the_error_keeps_its_cause_and_gains_only_our_drivers_frame(server, hooked, meter):
    server.statuses.append(400)
    with (
        openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client,
        pytest.raises(openai_sdk.BadRequestError) as caught,
    ):
        chat(client)
    frames = [
        frame for frame in traceback.extract_tb(caught.value.__traceback__) if "farebox/instruments" in frame.filename
    ]
    assert {frame.name for frame in frames} <= {"metered", "drive"}
    assert (caught.value.__cause__, caught.value.__context__ is None or caught.value.__suppress_context__) == (
        None,
        True,
    )


# --- refusals


def test_a_refused_call_sends_nothing_and_the_refusal_arrives_as_it_is(openai, server, hooked, meter):
    meter.refuses = True
    with pytest.raises(BudgetExceeded, match="no money left") as caught:
        openai.ask(chat, max_retries=5)
    assert (server.requests, caught.value.__cause__, type(caught.value)) == ([], None, BudgetExceeded)


def test_a_refused_stream_helper_raises_when_it_is_entered(server, hooked, meter):
    meter.refuses = True
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        completions = (
            client.chat.completions if hasattr(client.chat.completions, "stream") else client.beta.chat.completions
        )
        with pytest.raises(BudgetExceeded), completions.stream(model="m", messages=MESSAGES):
            pass
    assert server.requests == []


def test_after_a_refusal_the_next_call_is_metered(openai, hooked, meter):
    meter.refuses = True
    with pytest.raises(BudgetExceeded):
        openai.ask(chat)
    meter.refuses = False
    openai.ask(chat)
    assert meter.call.end["status"] == "ok"


# --- faults of ours


def test_a_fault_in_the_meter_is_swallowed_and_the_call_made(openai, hooked, meter, faults_pass):
    def fail(request):
        raise RuntimeError("a bug")

    meter.on_open = fail
    assert openai.ask(chat).usage.total_tokens == 18
    assert dict(faults_pass) == {"open a call: RuntimeError": 1}


def test_a_fault_while_reading_is_swallowed_and_the_call_settled(
    openai, server, hooked, meter, faults_pass, monkeypatch
):
    def fail(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr("farebox.instruments.observation.read", fail)
    assert openai.ask(chat).usage.total_tokens == 18
    assert (meter.call.end["usage"], meter.call.end["status"]) == (None, "ok")
    assert dict(faults_pass) == {"read an answer: RuntimeError": 1}


def test_a_fault_in_extraction_is_swallowed_and_the_call_settled(openai, hooked, meter, faults_pass, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr("farebox.instruments.observation.read_usage", fail)
    assert len(openai.ask(lambda client: chat(client, stream=True))) == 3
    assert (meter.call.end["usage"], meter.call.end["billable"]) == (None, True)


def test_a_fault_while_watching_is_swallowed_and_the_call_settled(
    openai, server, hooked, meter, faults_pass, monkeypatch
):
    def fail(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr("farebox.instruments.wrapper.attach", fail)
    pieces = openai.ask(lambda client: chat(client, stream=True, stream_options={"include_usage": True}))
    assert (len(pieces), meter.call.end["usage"]) == (4, None)


def test_a_fault_in_routing_is_swallowed(openai, hooked, meter, faults_pass, monkeypatch):
    monkeypatch.setattr("farebox.instruments.stainless.Stainless.route", lambda *args: 1 / 0)
    assert openai.ask(chat).usage.total_tokens == 18
    assert dict(faults_pass) == {"route a call: ZeroDivisionError": 1}
    assert meter.calls == []


# --- nesting


def test_a_call_made_while_another_is_sent_is_part_of_it(server, hooked, meter):
    """A gateway in process, or a middleware that asks another model: the outermost metered call wins."""
    transport = (
        openai_sdk._base_client.httpx2 if hasattr(openai_sdk._base_client, "httpx2") else openai_sdk._base_client.httpx
    )

    class Gateway(transport.BaseTransport):
        def handle_request(self, request):
            with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as inner:
                return transport.Response(200, json=chat(inner).model_dump())

    http = transport.Client(transport=Gateway())
    with openai_sdk.OpenAI(api_key="k", base_url="http://gateway", http_client=http) as client:
        chat(client)
        chat(client)
    assert (len(meter.calls), len(server.requests)) == (2, 2)
    assert {call.request.server_address for call in meter.calls} == {"gateway"}


def test_calls_in_other_threads_are_not_inside(server, hooked, meter):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        threads = [threading.Thread(target=chat, args=(client,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert [call.end["status"] for call in meter.calls] == ["ok"] * 8


def test_concurrent_tasks_are_each_metered(server, hooked, meter):
    async def main():
        async with openai_sdk.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
            await asyncio.gather(*(chat(client) for _ in range(8)))

    asyncio.run(main())
    assert [call.end["status"] for call in meter.calls] == ["ok"] * 8


def test_a_free_call_inside_the_meter_goes_through(server, hooked, meter):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        meter.on_open = lambda request: client.models.list()
        chat(client)
    assert meter.call.end["status"] == "ok"
