"""What farebox adds to a call, a chunk and an import: thread CPU, bare and metered in turns within one run.

The SDK's own request method is replaced by one that returns a ready answer before anything is instrumented, so that only what is
added is timed: a real call takes 0.6 to 1 ms of CPU in the SDK, whose noise would drown it. Run it with `nox -s bench`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 40
CALLS = 250
BODY = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "You are terse. " * 10},
        {"role": "user", "content": "Tell me about the lighthouse and its keeper. " * 5},
    ],
    "max_tokens": 100,
}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It stands."}}],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
}


def cpu(run: Callable[[], object], times: int) -> float:
    """Microseconds of this thread's CPU per call."""
    began = time.thread_time_ns()
    for _ in range(times):
        run()
    return (time.thread_time_ns() - began) / times / 1000


def added(bare: Callable[[], object], metered: Callable[[], object], times: int = CALLS) -> tuple[float, float]:
    """(median, minimum) of what `metered` takes beyond `bare`, round by round."""
    differences = []
    for _ in range(ROUNDS):
        alone = cpu(bare, times)
        differences.append(cpu(metered, times) - alone)
    return statistics.median(differences), min(differences)


def show(what: str, value: str, goal: str) -> None:
    print(f"{what:<62} {value:<28} goal {goal}")


def bench_calls() -> None:
    import openai
    from openai._base_client import FinalRequestOptions, SyncAPIClient
    from openai.types.chat import ChatCompletion

    import farebox

    ready = ChatCompletion.construct(**ANSWER)
    ready.usage = type(ChatCompletion.model_validate(ANSWER).usage).construct(**ANSWER["usage"])

    def request(self, cast_to, options, *, stream=False, stream_cls=None):
        return ready

    SyncAPIClient.request = request
    client = openai.OpenAI(api_key="offline")
    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=BODY)

    def bare():
        return request(client, ChatCompletion, options)

    def call():
        return client.request(ChatCompletion, options)

    # The writer rests: at these 20 000 calls a second it would run all the time, and handing the interpreter back and forth
    # costs the calling thread about 12 us more, which no real program's rate of calls does.
    farebox.instrument(flush_interval=3600)
    for _ in range(500):
        call()
    median, least = added(bare, call)
    show("a call: usage, price, slot, journal", f"{median:.1f} us (min {least:.1f})", "")
    with farebox.track_budget(1000, {"t": 500}), farebox.tracked("t", tenant_id="acme"):
        for _ in range(500):
            call()
        median, least = added(bare, call)
        show("a call: everything on, with budget and task", f"{median:.1f} us (min {least:.1f})", "<= 12 us")
        early = cpu(call, 500)
        for _ in range(10_000):
            call()
        show("a call after 10 000 calls, over one before", f"{cpu(call, 500) / early:.2f}", "<= 1.1")
        with farebox.track_budget(1000), farebox.track_budget(1000):
            nested, _ = added(bare, call)
        show("  the same under three nested budgets", f"{nested:.1f} us", "")
        farebox.configure(flush_interval=0.25)
        median, least = added(bare, call)
        show("  the same while the writer runs all the time", f"{median:.1f} us (min {least:.1f})", "")
    farebox.shutdown()
    farebox.uninstrument()


def bench_chunks() -> None:  # noqa: C901 - one measurement, told in one piece
    import openai
    from openai import AsyncStream, Stream
    from openai._base_client import AsyncAPIClient, FinalRequestOptions, SyncAPIClient
    from openai.types.chat import ChatCompletionChunk

    import farebox

    chunk = ChatCompletionChunk.construct(
        id="c", choices=[], created=1, model="gpt-4o-mini", object="chat.completion.chunk", usage=None
    )
    many = 20_000

    class Empty:
        """A response that was read to its end."""

        def close(self) -> None: ...

        async def aclose(self) -> None: ...

    def endless():
        for _ in range(many):
            yield chunk

    async def endless_async():
        for _ in range(many):
            yield chunk

    def made(kind, items):
        stream = object.__new__(kind)
        stream.response, stream._iterator = Empty(), items
        return stream

    async def request_async(self, cast_to, options, *, stream=False, stream_cls=None):
        return made(AsyncStream, endless_async())

    SyncAPIClient.request = lambda self, cast_to, options, *, stream=False, stream_cls=None: made(Stream, endless())
    AsyncAPIClient.request = request_async
    options = FinalRequestOptions.construct(
        method="post",
        url="/chat/completions",
        json_data={**BODY, "stream": True, "stream_options": {"include_usage": True}},
    )
    client, async_client = openai.OpenAI(api_key="offline"), openai.AsyncOpenAI(api_key="offline")

    def consume(stream) -> float:
        began = time.thread_time_ns()
        for _ in stream:
            pass
        return (time.thread_time_ns() - began) / many

    async def consume_async(stream) -> float:
        began = time.thread_time_ns()
        async for _ in stream:
            pass
        return (time.thread_time_ns() - began) / many

    farebox.instrument()
    sync = [
        consume(client.request(ChatCompletionChunk, options, stream=True, stream_cls=Stream))
        - consume(made(Stream, endless()))
        for _ in range(15)
    ]

    async def turns() -> list[float]:
        return [
            await consume_async(
                await async_client.request(ChatCompletionChunk, options, stream=True, stream_cls=AsyncStream)
            )
            - await consume_async(made(AsyncStream, endless_async()))
            for _ in range(15)
        ]

    show("a chunk, sync", f"{statistics.median(sync):.0f} ns", "<= 100 ns")
    show("a chunk, async", f"{statistics.median(asyncio.run(turns())):.0f} ns", "<= 300 ns")
    farebox.shutdown()
    farebox.uninstrument()


IMPORT = """
import time
began = time.process_time_ns()
{code}
print((time.process_time_ns() - began) / 1e6)
"""


def in_a_fresh_process(code: str, runs: int = 7) -> float:
    """Median milliseconds of CPU that `code` takes in a new interpreter."""
    taken = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT.format(code=code)], capture_output=True, text=True, check=True
        )
        taken.append(float(done.stdout))
    return statistics.median(taken)


def bench_import() -> None:
    show("import farebox", f"{in_a_fresh_process('import farebox'):.0f} ms CPU", "<= 40 ms")
    show("  of which msgspec", f"{in_a_fresh_process('import msgspec'):.0f} ms CPU", "")
    code = "import openai, anthropic, google.genai, farebox\nbegan = time.process_time_ns()\nfarebox.instrument()"
    show("instrument(), SDKs imported already", f"{in_a_fresh_process(code, 3):.1f} ms CPU", "<= 5 ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.environ["FAREBOX_LEDGER"] = str(Path(directory) / "ledger.db")
        with contextlib.redirect_stderr(io.StringIO()):
            bench_calls()
            bench_chunks()
            bench_import()


if __name__ == "__main__":
    main()
