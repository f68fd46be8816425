"""A stream settles exactly once, however it ends, and the caller sees the SDK's own stream."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import subprocess
import sys
import textwrap
import threading

import pytest

from farebox.instruments import observation

openai_sdk = pytest.importorskip("openai")

MESSAGES = [{"role": "user", "content": "2+2?"}]
ASK = {"include_usage": True}


def stream(client, **more):
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **more)


def text_of(pieces):
    return "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


def test_a_stream_read_to_its_end_is_one_event(openai, hooked, meter, wire):
    pieces = openai.ask(lambda client: stream(client, stream_options=ASK))
    assert text_of(pieces) == "four"
    assert (len(pieces), pieces[-1].usage.total_tokens) == (4, 18)
    assert (meter.call.raw, meter.call.first_chunks, meter.call.request.stream) == (wire.CHAT_USAGE, 1, True)
    end = meter.call.end
    assert (end["status"], end["partial"], end["pieces"], end["model"], end["response_id"]) == (
        "ok", False, 4, "gpt-answered", "chat-1",
    )  # fmt: skip
    assert end["usage"].service_tier == "default"


def test_the_stream_is_the_sdks_own(openai, hooked):
    kind = openai_sdk.AsyncStream if openai.mode == "async" else openai_sdk.Stream
    assert type(openai.use(stream)) is kind


def test_a_stream_that_says_no_usage_has_none(openai, hooked, meter):
    openai.ask(lambda client: stream(client, stream_options={"include_usage": False}))
    assert (meter.call.end["usage"], meter.call.end["status"], meter.call.end["pieces"]) == (None, "ok", 3)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({"x_groq": {"usage": {"prompt_tokens": 1, "total_tokens": 2}}}, {"prompt_tokens": 1, "total_tokens": 2}),
        ({"usage": {"prompt_tokens": 3}}, {"prompt_tokens": 3}),
        ({"usage": {"prompt_tokens": 3}, "choices": [{"index": 0, "delta": {}}]}, {"prompt_tokens": 3}),
    ],
)
def test_usage_is_found_where_other_hosts_put_it(openai, server, hooked, meter, wire, last, expected):
    server.events.append([wire.chat_chunk("four"), wire.chat_chunk(finish="stop", **last), "[DONE]"])
    openai.ask(lambda client: stream(client, stream_options={"include_usage": False}))
    assert (meter.call.raw, meter.call.end["partial"]) == (expected, False)


def test_usage_inside_the_choice_is_found(openai, server, hooked, meter, wire):
    last = wire.chat_chunk(finish="stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 4}
    server.events.append([wire.chat_chunk("four"), last, "[DONE]"])
    openai.ask(lambda client: stream(client, stream_options={"include_usage": False}))
    assert meter.call.raw == {"prompt_tokens": 4}


def test_running_totals_are_replaced_not_added(openai, server, hooked, meter, wire):
    running = [wire.chat_chunk("a", usage={"prompt_tokens": 1, "completion_tokens": n}) for n in (1, 2)]
    server.events.append(
        [*running, wire.chat_chunk(finish="stop", usage={"prompt_tokens": 1, "completion_tokens": 3}), "[DONE]"]
    )
    openai.ask(lambda client: stream(client, stream_options=ASK))
    assert meter.call.raw == {"prompt_tokens": 1, "completion_tokens": 3}


def test_running_totals_of_a_stream_that_was_left_are_partial(server, hooked, meter, wire):
    running = [wire.chat_chunk("a", usage={"prompt_tokens": 1, "completion_tokens": n}) for n in (1, 2)]
    server.events.append([*running, wire.chat_chunk(finish="stop"), "[DONE]"])
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client, stream(client) as pieces:
        next(pieces)
    end = meter.call.end
    assert (end["status"], end["partial"], meter.call.raw["completion_tokens"]) == ("abandoned", True, 1)


# --- responses and legacy completions


def test_a_stream_of_a_response_is_one_event(openai, hooked, meter, wire):
    pieces = openai.ask(lambda client: client.responses.create(model="m", input="x", stream=True))
    assert pieces[-1].type == "response.completed"
    assert (meter.call.raw, meter.call.end["response_id"]) == (wire.RESPONSE_USAGE, "resp-1")
    assert (meter.call.end["usage"].service_tier, meter.call.end["partial"]) == ("flex", False)


@pytest.mark.parametrize("last", ["response.incomplete", "response.failed"])
def test_a_response_that_ends_badly_still_says_its_usage(openai, server, hooked, meter, wire, last):
    events = wire.response_events()
    events[-1]["type"] = last
    server.events.append(events)
    openai.ask(lambda client: client.responses.create(model="m", input="x", stream=True))
    assert meter.call.raw == wire.RESPONSE_USAGE


def test_a_legacy_completion_streams(openai, hooked, meter, wire):
    openai.ask(lambda client: client.completions.create(model="m", prompt="x", stream=True, stream_options=ASK))
    assert meter.call.raw == wire.CHAT_USAGE


# --- helpers


def test_the_stream_helper_of_chat_is_metered(openai, hooked, meter, wire):
    def call(client):
        completions = (
            client.chat.completions if hasattr(client.chat.completions, "stream") else client.beta.chat.completions
        )
        return completions.stream(model="m", messages=MESSAGES, stream_options=ASK)

    def sync(manager):
        with manager as helper:
            list(helper)
            return helper.get_final_completion()

    async def asynchronous(manager):
        async with manager as helper:
            [event async for event in helper]
            return await helper.get_final_completion()

    final = openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert final.choices[0].message.content == "four"
    assert (meter.call.raw, meter.call.end["status"]) == (wire.CHAT_USAGE, "ok")


def test_a_stream_helper_that_is_left_settles_at_once(openai, hooked, meter):
    def call(client):
        if not hasattr(client.responses, "stream"):
            pytest.skip("this openai has no responses.stream")
        return client.responses.stream(model="m", input="x")

    def sync(manager):
        with manager as helper:
            next(iter(helper))

    async def asynchronous(manager):
        async with manager as helper:
            await helper.__anext__()

    openai.use(call, asynchronous if openai.mode == "async" else sync)
    end = meter.call.end
    assert (end["status"], end["usage"], end["pieces"] >= 1) == ("abandoned", None, True)


# --- raw streams


def test_a_raw_stream_is_metered_when_it_is_parsed(openai, hooked, meter, wire):
    def call(client):
        return client.chat.completions.with_raw_response.create(
            model="m", messages=MESSAGES, stream=True, stream_options=ASK
        )

    def sync(raw):
        return list(raw.parse())

    async def asynchronous(raw):
        return [piece async for piece in await wire.settled(raw.parse())]

    pieces = openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert (text_of(pieces), meter.call.raw) == ("four", wire.CHAT_USAGE)


def test_a_raw_stream_read_as_bytes_is_metered(openai, hooked, meter, wire):
    def call(client):
        return client.chat.completions.with_raw_response.create(
            model="m", messages=MESSAGES, stream=True, stream_options=ASK
        )

    def sync(raw):
        return list(raw.http_response.iter_lines())

    async def asynchronous(raw):
        return [line async for line in raw.http_response.aiter_lines()]

    lines = openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert (lines[-2], meter.call.raw, meter.call.end["pieces"]) == ("data: [DONE]", wire.CHAT_USAGE, 5)
    assert meter.call.first_chunks == 1


@pytest.mark.parametrize("parsed", [True, False])
def test_a_stream_that_the_caller_reads_is_metered(openai, hooked, meter, wire, parsed):
    def call(client):
        return client.chat.completions.with_streaming_response.create(
            model="m", messages=MESSAGES, stream=True, stream_options=ASK
        )

    def sync(manager):
        with manager as response:
            return list(response.parse() if parsed else response.iter_bytes(7))

    async def asynchronous(manager):
        async with manager as response:
            source = await response.parse() if parsed else response.iter_bytes(7)
            return [piece async for piece in source]

    pieces = openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert parsed or b"[DONE]" in b"".join(pieces)
    assert (meter.call.raw, meter.call.end["status"], meter.call.end["partial"]) == (wire.CHAT_USAGE, "ok", False)


def test_a_stream_that_the_caller_stops_reading_is_abandoned(openai, hooked, meter):
    def call(client):
        return client.chat.completions.with_streaming_response.create(model="m", messages=MESSAGES, stream=True)

    def sync(manager):
        with manager as response:
            next(response.iter_lines())

    async def asynchronous(manager):
        async with manager as response:
            await response.iter_lines().__anext__()

    openai.use(call, asynchronous if openai.mode == "async" else sync)
    assert (meter.call.end["status"], meter.call.end["usage"]) == ("abandoned", None)


# --- the ends of a stream


def test_close_with_a_reference_kept_settles_at_once(server, hooked, meter):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client)
        next(pieces)
        pieces.close()
        end = meter.call.end
        assert (end["status"], end["usage"], end["pieces"]) == ("abandoned", None, 1)
        pieces.close()
    assert meter.call.end["billable"] is True


def test_break_inside_with_settles_when_the_block_is_left(openai, hooked, meter):
    def sync(pieces):
        with pieces:
            for _piece in pieces:
                break
            assert meter.call.ends == []

    async def asynchronous(pieces):
        async with pieces:
            await pieces.__anext__()
            assert meter.call.ends == []

    openai.use(stream, asynchronous if openai.mode == "async" else sync)
    assert meter.call.end["status"] == "abandoned"


def test_break_and_resume_is_one_whole_stream(server, hooked, meter, wire):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client, stream_options=ASK)
        seen = []
        for piece in pieces:
            seen.append(piece)
            break
        assert meter.call.ends == []
        seen += list(pieces)
    assert (text_of(seen), meter.call.raw, meter.call.end["status"]) == ("four", wire.CHAT_USAGE, "ok")


def test_a_stream_closed_after_its_usage_came_is_whole(server, hooked, meter, wire):
    with (
        openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client,
        stream(client, stream_options=ASK) as pieces,
    ):
        for piece in pieces:
            if piece.usage:
                break
    assert (meter.call.raw, meter.call.end["status"], meter.call.end["partial"]) == (wire.CHAT_USAGE, "ok", False)


@pytest.mark.parametrize("begun", [True, False])
def test_a_stream_that_is_dropped_settles_when_it_is_collected(server, hooked, meter, wire, begun):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client)
        if begun:
            next(pieces)
        response = pieces.response
        del pieces
        wire.collect()
        response.close()
        del response
        wire.collect()
    assert meter.call.end["status"] == "abandoned"


def test_an_async_stream_that_is_dropped_settles(server, hooked, meter, wire):
    async def main():
        async with openai_sdk.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
            pieces = await stream(client)
            await pieces.__anext__()
            response = pieces.response
            del pieces
            wire.collect()
            await asyncio.sleep(0)
            await response.aclose()

    asyncio.run(main())
    assert meter.call.end["status"] == "abandoned"


def test_a_stream_that_the_server_cuts_raises_as_before_and_keeps_what_was_said(openai, server, hooked, meter):
    server.cut_after = 2
    with pytest.raises(Exception, match=r"peer closed|incomplete|[Cc]onnection"):
        openai.ask(stream)
    end = meter.call.end
    assert (end["status"], end["billable"], end["usage"], end["pieces"]) == ("error", True, None, 2)
    assert end["error_type"].rpartition(".")[2] in {"APIConnectionError", "RemoteProtocolError"}


def test_an_error_event_before_any_piece_was_not_billed(openai, server, hooked, meter):
    server.events.append([{"error": {"message": "overloaded", "code": "busy"}}])
    with pytest.raises(openai_sdk.APIError, match="overloaded"):
        openai.ask(stream)
    assert (meter.call.end["status"], meter.call.end["billable"]) == ("error", False)


def test_an_error_event_after_some_pieces_was_billed(openai, server, hooked, meter, wire):
    server.events.append([wire.chat_chunk("f"), {"error": {"message": "overloaded", "code": "busy"}}])
    with pytest.raises(openai_sdk.APIError, match="overloaded"):
        openai.ask(stream)
    assert (meter.call.end["status"], meter.call.end["billable"], meter.call.end["pieces"]) == ("error", True, 1)


def test_a_task_cancelled_in_mid_stream_settles_as_cancelled(server, hooked, meter):
    server.gate_after = 1

    async def main():
        async with openai_sdk.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
            pieces = await stream(client)

            async def read():
                async for _piece in pieces:
                    pass

            task = asyncio.create_task(read())
            while not meter.call.first_chunks:  # noqa: ASYNC110 - told by another thread
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            end = meter.call.end
            assert (end["status"], end["billable"], end["pieces"]) == ("cancelled", True, 1)
            server.gate.set()

    asyncio.run(main())
    assert meter.call.end["error_type"] == "asyncio.exceptions.CancelledError"


def test_a_stream_is_read_in_another_thread(server, hooked, meter, wire):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client, stream_options=ASK)
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(pieces))
        thread.start()
        thread.join(10)
    assert (text_of(seen), meter.call.raw) == ("four", wire.CHAT_USAGE)


def test_a_stream_closed_by_another_thread_settles_once(server, hooked, meter):
    server.gate_after = 1
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client)
        next(pieces)
        thread = threading.Thread(target=pieces.response.close)
        thread.start()
        thread.join(10)
        server.gate.set()
    assert meter.call.end["status"] == "abandoned"


def test_pieces_still_buffered_after_close_are_given_and_change_nothing(server, hooked, meter, wire):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client, stream_options=ASK)
        next(pieces)
        pieces.close()
        try:
            rest = list(pieces)
        except Exception:
            rest = []
    assert all(isinstance(piece, openai_sdk.types.chat.ChatCompletionChunk) for piece in rest)
    assert meter.call.end["status"] == "abandoned"


def test_a_generator_closed_by_hand_closes_what_it_reads(server, hooked, meter):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client)
        next(pieces)
        source = inspect.getgeneratorlocals(pieces._iterator)["source"]
        pieces._iterator.close()
        assert inspect.getgeneratorstate(source) == inspect.GEN_CLOSED
    assert meter.call.end["status"] == "abandoned"


def test_an_async_generator_closed_by_hand_closes_what_it_reads(server, hooked, meter):
    async def main():
        async with openai_sdk.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
            pieces = await stream(client)
            await pieces.__anext__()
            source = pieces._iterator.ag_frame.f_locals["source"]
            await pieces._iterator.aclose()
            assert source.ag_frame is None

    asyncio.run(main())
    assert meter.call.end["status"] == "abandoned"


def test_nothing_is_left_on_the_response_when_the_call_has_settled(openai, hooked, meter, wire):
    kept = []

    def keep(pieces):
        kept.append(pieces.response)
        assert inspect.ismethod(vars(pieces.response)["close"])
        return wire.all_pieces(pieces)

    async def keep_async(pieces):
        return await keep(pieces)

    openai.use(stream, keep_async if openai.mode == "async" else keep)
    assert not {"close", "aclose", "iter_bytes", "aiter_bytes"} & set(vars(kept[0]))


def test_the_pieces_can_be_pickled(openai, hooked):
    pieces = openai.ask(stream)
    assert pickle.loads(pickle.dumps(pieces[0])).choices[0].delta.content == "f"


def test_streams_still_open_at_the_interpreters_exit_are_settled(server, wire):
    program = f"""
        import openai
        from farebox.instruments.patching import WireOptions, install

        class Call:
            waiting = limits = None
            def first_chunk(self): pass
            def settle(self, usage=None, **facts): print(facts["status"], facts["pieces"], flush=True)

        class Meter:
            is_strict = False
            def open(self, request): return Call()

        install(("openai",), meter=lambda: Meter(), options=WireOptions())
        client = openai.OpenAI(api_key="k", base_url="{server.url}/v1")
        pieces = client.chat.completions.create(model="m", messages=[], stream=True)
        next(pieces)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "abandoned 1\n", done.stderr


def raw_stream(client):
    kind = openai_sdk.AsyncStream if isinstance(client, openai_sdk.AsyncOpenAI) else openai_sdk.Stream
    body = {"model": "m", "messages": MESSAGES, "stream": True}
    return client.post("/chat/completions", cast_to=object, body=body, stream=True, stream_cls=kind[object])


def test_pieces_may_be_dicts_and_the_bare_one_is_hidden_all_the_same(openai, hooked, meter, wire):
    pieces = openai.ask(raw_stream)
    assert [type(piece) for piece in pieces] == [dict] * 3
    assert (meter.call.raw, meter.call.end["partial"], meter.call.end["pieces"]) == (wire.CHAT_USAGE, False, 4)


def test_the_open_streams_can_be_settled_at_once(server, hooked, meter):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client)
        next(pieces)
        observation.settle_open()
        assert meter.call.end["status"] == "abandoned"
        assert len(list(pieces)) == 2  # what was asked for by us is hidden to the end
    assert meter.call.end["pieces"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forks_copy_of_a_stream_settles_nothing(server, hooked, meter, wire):
    with openai_sdk.OpenAI(api_key="k", base_url=f"{server.url}/v1") as client:
        pieces = stream(client)
        next(pieces)
        child = os.fork()
        if child == 0:
            observation.settle_open()
            pieces.close()
            os._exit(len(meter.call.ends))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(list(pieces)) == 2
    assert meter.call.end["status"] == "ok"
