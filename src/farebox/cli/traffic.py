"""The demo's traffic: what each SDK is made to do, against a loopback provider. Imports core and testing; SDKs when it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from farebox.testing import FakeProvider, tokens

MANUAL: Final = "".join(tokens.prose(1600))
"""A system prompt long enough for the providers' prompt caches."""


class Traffic(NamedTuple):
    """One SDK's part in the demo.

    Attributes:
        distribution: its name on the package index.
        extra: farebox's extra that installs it.
        everyday: some ordinary calls, streamed and whole; one stream is left early.
        ask: one question with an output cap, for the budget scenes.
        burst: so many questions at once, asynchronously; answers and errors in order.
    """

    distribution: str
    extra: str
    everyday: Callable[[FakeProvider], None]
    ask: Callable[[FakeProvider], Callable[[], Any]]
    burst: Callable[[FakeProvider, int], Awaitable[Sequence[Any]]]

    @property
    def version(self) -> str | None:
        """The installed version, or None."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None


@contextmanager
def _slowly(provider: FakeProvider) -> Iterator[None]:
    """Let streams take so long that a reader who leaves is noticed before the end."""
    provider.chunk_delay = 0.02
    try:
        yield
    finally:
        provider.chunk_delay = 0.0


def _openai(provider: FakeProvider) -> None:
    with provider.openai_client() as client:
        client.embeddings.create(model="text-embedding-3-small", input=["late bus", "lost ticket", "broken door"])
        client.responses.create(model="gpt-5-mini", input="Which line was late today?", instructions=MANUAL)
        client.responses.create(model="gpt-5-mini", input="And which one yesterday?", instructions=MANUAL)
        for _ in client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "Write the weekly summary."}], stream=True
        ):
            pass
        with (
            _slowly(provider),
            client.chat.completions.create(
                model="gpt-5", messages=[{"role": "user", "content": "Tell the story again."}], stream=True
            ) as stream,
        ):
            next(iter(stream))


def _ask_openai(provider: FakeProvider) -> Callable[[], Any]:
    client = provider.openai_client()
    return lambda: client.responses.create(model="gpt-5-mini", input="Analyse the complaints.", max_output_tokens=400)


async def _burst_openai(provider: FakeProvider, number: int) -> Sequence[Any]:
    async with provider.async_openai_client() as client:
        calls = [
            client.responses.create(model="gpt-5-mini", input=f"Sort complaint {index}.", max_output_tokens=400)
            for index in range(number)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)


def _anthropic(provider: FakeProvider) -> None:
    system = [{"type": "text", "text": MANUAL, "cache_control": {"type": "ephemeral"}}]
    with provider.anthropic_client() as client:
        for question in ("My ticket was eaten.", "The door is stuck.", "Where is my bag?"):
            client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=300,
                system=system,
                messages=[{"role": "user", "content": question}],
            )
        with client.messages.stream(
            model="claude-sonnet-5", max_tokens=300, messages=[{"role": "user", "content": "Draft an apology."}]
        ) as stream:
            stream.get_final_message()


def _ask_anthropic(provider: FakeProvider) -> Callable[[], Any]:
    client = provider.anthropic_client()
    question = [{"role": "user", "content": "Analyse the complaints."}]
    return lambda: client.messages.create(model="claude-haiku-4-5", max_tokens=400, messages=question)


async def _burst_anthropic(provider: FakeProvider, number: int) -> Sequence[Any]:
    async with provider.async_anthropic_client() as client:
        calls = [
            client.messages.create(
                model="claude-haiku-4-5", max_tokens=400, messages=[{"role": "user", "content": f"Sort {index}."}]
            )
            for index in range(number)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)


def _google(provider: FakeProvider) -> None:
    client = provider.genai_client()
    client.models.generate_content(model="gemini-2.5-flash", contents="Translate the notice into French.")
    for _ in client.models.generate_content_stream(model="gemini-2.5-pro", contents="Plan the holiday timetable."):
        pass
    client.models.embed_content(model="gemini-embedding-001", contents=["timetable", "holiday"])
    client.close()


def _ask_google(provider: FakeProvider) -> Callable[[], Any]:
    client = provider.genai_client()
    config = {"max_output_tokens": 400}
    return lambda: client.models.generate_content(
        model="gemini-2.5-flash", contents="Analyse the complaints.", config=config
    )


async def _burst_google(provider: FakeProvider, number: int) -> Sequence[Any]:
    client = provider.genai_client()
    async with client.aio as asynchronous:
        calls = [
            asynchronous.models.generate_content(
                model="gemini-2.5-flash", contents=f"Sort complaint {index}.", config={"max_output_tokens": 400}
            )
            for index in range(number)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)


TRAFFIC: Final = (
    Traffic("openai", "openai", _openai, _ask_openai, _burst_openai),
    Traffic("anthropic", "anthropic", _anthropic, _ask_anthropic, _burst_anthropic),
    Traffic("google-genai", "google", _google, _ask_google, _burst_google),
)
"""Every SDK that the demo can show."""
