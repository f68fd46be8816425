"""Runs a situation twice, without and with farebox, and compares what the user saw, what was sent and what the ledger says."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from acts import all_of, there
from bills import Bill
from clients import KINDS
from described import Describer, sent

import farebox
from farebox import runtime
from farebox.testing import FakeProvider

TRANSPORT = ("content-length",)
"""Headers that follow from the body."""


@dataclass
class Observation:
    """What one run came to.

    Attributes:
        shown: what the user saw, described.
        sent: the requests as they arrived.
        billed: the provider's bill.
        events: the ledger's events, oldest first.
        ids: ids that the user saw.
        streams: whether all requests asked for a stream, or none (None: some did).
    """

    shown: Any
    sent: list[dict[str, Any]]
    billed: list[Any]
    events: list[Any]
    ids: list[str]
    streams: bool | None


class Unhooked:
    """What `run.instrument()` gives in the run without farebox."""

    def undo(self) -> None:
        """Nothing was done."""


class Run:
    """One run of a program, with farebox or without.

    Attributes:
        situation: the row.
        mode: "sync" or "async".
        provider: the loopback provider.
        ledger: where the ledger is; None in the run without farebox.
    """

    def __init__(self, situation: Any, mode: str, provider: Any, ledger: Path | None) -> None:
        self.situation = situation
        self.mode = mode
        self.provider = provider
        self.ledger = ledger
        self._clients: list[Any] = []

    @property
    def metered(self) -> bool:
        """Whether this is the run with farebox."""
        return self.ledger is not None

    def instrument(self, *names: str, **settings: Any) -> Any:
        """`farebox.instrument` in the run with farebox; nothing in the other."""
        if self.ledger is None:
            return Unhooked()
        hosts = ("127.0.0.1",) if self.situation.known else ()
        return farebox.instrument(*names, **{"ledger": self.ledger, "usage_hosts": hosts, **settings})

    def client(self, **options: Any) -> Any:
        """A client of the situation's kind."""
        made = KINDS[self.situation.kind].make(self.provider, self.mode, {**self.situation.options, **options})
        self._clients.append(made)
        return made

    def close(self) -> list[Any]:
        """Close every client; awaitables are handed back."""
        clients, self._clients = self._clients, []
        closers = [getattr(client, "aclose", None) or getattr(client, "close", None) for client in clients]
        return [closer() for closer in closers if closer is not None]

    def arguments(self) -> dict[str, Any]:
        """What the program names as its parameters."""
        wanted = inspect.signature(self.situation.program).parameters
        given: dict[str, Any] = {"run": self, "provider": self.provider}
        if "client" in wanted:
            self.instrument()
            given["client"] = self.client()
        return {name: given[name] for name in wanted}

    # --- the program, step by step

    def perform(self) -> Any:
        """What the program returns, or the error that it raised."""
        try:
            return asyncio.run(self._asynchronous()) if self.mode == "async" else self._synchronous()
        except (Exception, asyncio.CancelledError) as error:
            return error

    def _synchronous(self) -> Any:
        try:
            result = self.situation.program(**self.arguments())
            result = self._steps(result) if inspect.isgenerator(result) and self._yields else result
            return all_of(result) if _streams(result) else result
        finally:
            self.close()

    @property
    def _yields(self) -> bool:
        return inspect.isgeneratorfunction(self.situation.program)

    def _steps(self, program: Any) -> Any:
        value = None
        try:
            while True:
                value = program.send(value)
        except StopIteration as end:
            return end.value

    async def _asynchronous(self) -> Any:
        try:
            result = self.situation.program(**self.arguments())
            if inspect.isgenerator(result) and self._yields:
                result = await self._awaited_steps(result)
            result = await there(result)
            return await all_of(result) if _streams(result) else result
        finally:
            for closing in self.close():
                await there(closing)

    async def _awaited_steps(self, program: Any) -> Any:
        step, value = program.send, None
        while True:
            try:
                given = step(value)
            except StopIteration as end:
                return end.value
            try:
                step, value = program.send, await there(given)
            except BaseException as error:
                step, value = program.throw, error


def _streams(result: Any) -> bool:
    return not isinstance(result, type) and (hasattr(result, "__next__") or hasattr(result, "__anext__"))


def observe(situation: Any, mode: str, ledger: Path | None) -> Observation:
    """Run it once.

    What was there before is frozen: a collection that goes through all of the SDKs takes 0.1 s, and there are two in every test.
    """
    gc.freeze()
    with FakeProvider(**situation.habits) as provider:
        if situation.given is not None:
            situation.given(provider)
        run = Run(situation, mode, provider, ledger)
        describer = Describer(forgives_null_usage=situation.asks)
        result = run.perform()
        shown = describer.of(result)
        _as_expected(result, situation.raises)
        del result
        gc.collect()
        assert provider.wait_idle()
        requests = [sent(request, describer) for request in provider.requests]
        asked = {_asks_stream(request) for request in provider.requests}
        return Observation(
            shown,
            requests,
            provider.billed,
            _events(run),
            list(describer.ids),
            asked.pop() if len(asked) == 1 else None,
        )


def _as_expected(result: Any, raises: tuple[str, ...]) -> None:
    """An error that nobody expects is a fault of the row: two equal ones would pass for no difference."""
    if isinstance(result, BaseException):
        if type(result).__name__ not in raises:
            raise result
        result.__traceback__ = None  # it would keep alive what the program dropped
    else:
        assert not raises, f"{raises} was not raised"


def _events(run: Run) -> list[Any]:
    if not run.metered:
        return []
    assert farebox.flush()
    ledger = farebox.open_ledger(run.ledger)
    try:
        return sorted(ledger.calls(), key=attrgetter("started_at", "id"))
    finally:
        ledger.close()
        runtime.reset()


def _asks_stream(request: Any) -> bool:
    if isinstance(request.body, dict) and request.body.get("stream"):
        return True
    return "streamGenerateContent" in request.path or "stream" in request.path.rpartition("/")[2].lower()


def compare(situation: Any, mode: str, ledger: Path) -> None:
    """Run it twice: the user sees no difference, and the ledger says what was billed."""
    plain = observe(situation, mode, None)
    metered = observe(situation, mode, ledger)
    assert metered.shown == plain.shown
    assert metered.sent == [_asking(request) if situation.asks else request for request in plain.sent]
    bill = Bill(KINDS[situation.kind], metered.billed, metered.ids, metered.streams)
    bill.compare(metered.events, situation.expect)


def _asking(request: dict[str, Any]) -> dict[str, Any]:
    """The request with the one change that farebox may make."""
    body = json.loads(request["body"])
    body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
    size = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    headers = {
        name: str(size) if name == "content-length" and value == str(_size(request)) else value
        for name, value in request["headers"].items()
    }
    return {**request, "body": json.dumps(body, ensure_ascii=False), "headers": headers}


def _size(request: dict[str, Any]) -> int:
    return len(json.dumps(json.loads(request["body"]), ensure_ascii=False, separators=(",", ":")).encode())


def require(situation: Any, mode: str) -> None:
    """Skip a situation whose method this version of the SDK does not have."""
    if situation.needs is None:
        return
    with FakeProvider() as provider:
        run = Run(situation, mode, provider, None)
        client = run.client()
        missing = False
        try:
            attrgetter(situation.needs)(client)
        except AttributeError:
            missing = True
        for closing in run.close():
            if inspect.isawaitable(closing):
                asyncio.run(there(closing))
    if missing:
        pytest.skip(f"this version of the SDK has no {situation.needs}")
