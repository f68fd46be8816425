"""Runs a framework against the loopback provider under farebox, and compares the events with the provider's bill.

Each `drive_*.py` beside it is a program of its own, which `nox -s frameworks` runs in an environment of its own; pytest collects none.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import farebox
from farebox.core import guard
from farebox.testing import FakeProvider

warnings.simplefilter("ignore")  # the frameworks' own
for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
    os.environ[key] = "key"
os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OTEL_SDK_DISABLED": "true",
}

QUESTION = "Tell me of the sea."
POINT = '{"x": 3, "y": 4}'
"""What the provider answers where structured output is parsed."""


class Drive:
    """One framework: a `with` around its cases; prints a row for each, and exits with 1 when one is not as expected.

    Args:
        names: distributions whose versions are told.
    """

    def __init__(self, *names: str) -> None:
        self._names = names
        self._failed = 0
        self._directory = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        guard.raise_faults(enabled=True)
        print("; ".join(f"{name} {_version(name)}" for name in self._names))
        self._instrument()
        return self

    def _instrument(self) -> None:
        farebox.instrument(ledger=Path(self._directory.name) / "ledger.db", usage_hosts=("127.0.0.1",))

    def __exit__(self, kind: object, *_: object) -> None:
        farebox.uninstrument()
        farebox.shutdown()
        self._directory.cleanup()
        if kind is None:
            sys.stdout.flush()
            os._exit(min(self._failed, 1))  # some frameworks leave threads that never end

    def case(self, name: str, work: Callable[[Any], Any], *, metered: bool = True, **answers: Any) -> None:
        """Run one case.

        Args:
            name: of the case.
            work: makes the calls, given the provider; may be a coroutine function.
            metered: False where the framework is known to bypass the SDKs.
            **answers: how the provider answers (`FakeProvider`).
        """
        with FakeProvider(**answers) as provider, farebox.capture() as seen:
            error = _run(work, provider)
            provider.wait_idle()
            events, billed = list(seen.calls), list(provider.billed)
            requests = provider.requests
        # An answer with an error bills nothing, and is an event all the same.
        exact = _sorted(event.raw_usage for event in events if event.cost_nano != 0) == _sorted(e.usage for e in billed)
        fine = error is None and bool(billed) and (exact and len(events) == len(requests) if metered else not events)
        self._failed += not fine
        paths = " ".join(dict.fromkeys(request.path for request in requests))
        verdict = ("ok" if metered else "bypass") if fine else "FAILED"
        print(
            f"{verdict:<7}{name:<50}{len(requests)} requests, {len(events)} events, usage {'exact' if exact else 'NOT exact'}: {paths}"
        )
        if error is not None:
            farebox.uninstrument()
            with FakeProvider(**answers) as provider:
                print(f"       {error!r:.300}; without farebox: {_run(work, provider)!r:.200}")
            self._instrument()
        elif not exact and metered:
            print(
                f"       billed {[entry.usage for entry in billed]}\n       events {[(event.api, event.status, event.raw_usage) for event in events]}"
            )


def _sorted(usages: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(usage, sort_keys=True) for usage in usages)


def _run(work: Callable[[Any], Any], provider: FakeProvider) -> Exception | None:
    try:
        result = work(provider)
        if inspect.isawaitable(result):
            asyncio.run(_await(result))
    except Exception as error:
        return error
    return None


async def _await(result: Any) -> Any:
    return await result


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


async def drain(stream: Any) -> list[Any]:
    """All of an asynchronous stream."""
    if inspect.isawaitable(stream):
        stream = await stream
    return [piece async for piece in stream]
