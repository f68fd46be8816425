"""A meter that records, hooks that are undone after each test, and every SDK's clients against a loopback server."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import re
import sys
import threading
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from farebox.core import guard
from farebox.core.errors import BudgetExceeded
from farebox.instruments.patching import WireOptions, install

sys.path.append(
    str(Path(__file__).parent)
)  # tests are not a package, so the files beside this one are found by their folder

import wire_payloads
from wire_server import Handler, HttpServer, Server

from farebox.testing.sockets import FakeSockets

OLDER = {"openai": "2", "anthropic": "1", "google-genai": "2"}
"""Major releases before which an SDK lacks methods that tests call."""
LACKING = re.compile("has no attribute|unexpected keyword argument")


def _is_older() -> bool:
    return any(int(metadata.version(name).partition(".")[0]) < int(major) for name, major in OLDER.items())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Any:
    """Skip a test that calls a method which an older SDK does not have; with the newest such an error stays one."""
    try:
        return (yield)
    except (AttributeError, TypeError) as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        raised_in = "" if trace is None else trace.tb_frame.f_code.co_filename
        ours = raised_in.startswith(str(Path(__file__).parent)) or raised_in.endswith(
            "_utils/_utils.py"
        )  # what checks arguments
        if LACKING.search(str(error)) and ours and _is_older():
            pytest.skip(f"not in this release of the SDK: {error}")
        raise


class RecordedCall:
    """A call as the meter sees it: what it was opened with, and each end it was given."""

    def __init__(self, request: Any) -> None:
        self.request = copy.copy(request)
        request.body = None  # as the meter does: a call in flight keeps no prompt alive
        self.waiting = None
        self.limits: Any = None
        self.retries, self.retries_refused = 0, False
        self.first_chunks = 0
        self.ends: list[dict[str, Any]] = []

    def first_chunk(self) -> None:
        self.first_chunks += 1

    def retrying(self) -> None:
        self.retries += 1
        if self.retries_refused:
            raise BudgetExceeded("no money left for another attempt", budget="test")

    def unsent(self) -> None:
        self.settle(None, status="refused", billable=False)

    def settle(self, usage: Any = None, **facts: Any) -> None:
        self.ends.append({"usage": usage, **facts})

    @property
    def end(self) -> dict[str, Any]:
        assert len(self.ends) == 1, f"settled {len(self.ends)} times"
        return self.ends[0]

    @property
    def raw(self) -> Any:
        usage = self.end["usage"]
        return None if usage is None else usage.raw


class RecordingMeter:
    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self.refuses = False
        self.suppresses = False
        self.is_strict = False
        self.limits: Any = None
        self.unknowns: list[tuple[str, str]] = []
        self.faults: list[Exception] = []
        self.on_open: Any = None

    def open(self, request: Any) -> RecordedCall | None:
        if self.on_open is not None:
            self.on_open(request)
        if not request.begun:
            self.permit(request)
        if self.suppresses:
            return None
        call = RecordedCall(request)
        call.limits = self.limits
        self.calls.append(call)
        return call

    def permit(self, request: Any) -> None:
        if self.refuses:
            raise BudgetExceeded("no money left", budget="test")

    def unknown(self, provider: str, what: str) -> None:
        self.unknowns.append((provider, what))
        raise BudgetExceeded("unknown", budget="test")

    def unopened(self, error: Exception) -> None:
        self.faults.append(error)
        if self.is_strict:
            raise BudgetExceeded("fault", budget="test") from error

    @property
    def call(self) -> RecordedCall:
        assert len(self.calls) == 1, f"{len(self.calls)} calls"
        return self.calls[0]


@pytest.fixture(scope="session")
def _http() -> Any:
    server = HttpServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(_http: Any) -> Any:
    _http.state = Server(url=f"http://127.0.0.1:{_http.server_address[1]}")
    yield _http.state
    _http.state.gate.set()


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.fixture
def hooked(meter: RecordingMeter) -> Any:
    """Hooks in force that report to `meter`; loopback hosts may be asked for usage."""
    installed = install((), meter=lambda: meter, options=WireOptions(usage_hosts=("127.0.0.1",)))
    yield installed
    installed.undo()


@pytest.fixture(autouse=True)
def _faults_fail() -> Any:
    guard.raise_faults(enabled=True)
    yield
    guard.raise_faults(enabled=False)


@pytest.fixture
def faults_pass() -> Any:
    """Faults of ours are swallowed, as in a user's program."""
    guard.raise_faults(enabled=False)
    guard.faults.clear()
    yield guard.faults
    guard.faults.clear()


def collect() -> None:
    """Let the garbage collector find what nobody holds."""
    for _ in range(3):
        gc.collect()


class Both:
    """Runs one call on the synchronous or the asynchronous client of an SDK, so that a test is written once."""

    def __init__(self, mode: str, makers: dict[str, Any]) -> None:
        self.mode = mode
        self.makers = makers

    def ask(self, call: Any, **options: Any) -> Any:
        """The result of `call(client)`; streams are read to the end into a list."""
        return self.use(call, all_pieces, **options)

    def use(self, call: Any, consume: Any = None, **options: Any) -> Any:
        """Hand the result of `call(client)` to `consume` (a function or coroutine function), while the client is open."""
        return (
            asyncio.run(self._asynchronous(call, consume, options))
            if self.mode == "async"
            else self._synchronous(call, consume, options)
        )

    def _synchronous(self, call: Any, consume: Any, options: Any) -> Any:
        client = self.makers["sync"](**options)
        try:
            result = call(client)
            return consume(result) if consume else result
        finally:
            close = getattr(client, "close", None)
            if close:
                close()

    async def _asynchronous(self, call: Any, consume: Any, options: Any) -> Any:
        client = self.makers["async"](**options)
        try:
            result = await settled(call(client))
            return await settled(consume(result)) if consume else result
        finally:
            await settled((client.aclose if hasattr(client, "aclose") else client.close)())


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def all_pieces(result: Any) -> Any:
    """A stream as the list of its pieces; anything else as it is."""
    if hasattr(result, "__anext__"):
        return _all_async(result)
    return list(result) if hasattr(result, "__next__") else result


async def _all_async(stream: Any) -> Any:
    return [piece async for piece in stream]


@pytest.fixture(params=["sync", "async"])
def mode(request: Any) -> str:
    return request.param


@pytest.fixture
def openai(mode: str, server: Server) -> Both:
    sdk = pytest.importorskip("openai")
    base = {"api_key": "k", "base_url": f"{server.url}/v1", "max_retries": 0, "timeout": 20}
    return Both(
        mode,
        {"sync": lambda **more: sdk.OpenAI(**base | more), "async": lambda **more: sdk.AsyncOpenAI(**base | more)},
    )


@pytest.fixture
def anthropic(mode: str, server: Server) -> Both:
    sdk = pytest.importorskip("anthropic")
    base = {"api_key": "k", "base_url": server.url, "max_retries": 0, "timeout": 20}
    return Both(
        mode,
        {
            "sync": lambda **more: sdk.Anthropic(**base | more),
            "async": lambda **more: sdk.AsyncAnthropic(**base | more),
        },
    )


@pytest.fixture
def gemini(mode: str, server: Server) -> Both:
    genai = pytest.importorskip("google.genai")

    def make(**more: Any) -> Any:
        return genai.Client(**{"api_key": "k", "http_options": {"base_url": server.url, "timeout": 20_000}} | more)

    return Both(mode, {"sync": make, "async": lambda **more: make(**more).aio})


@pytest.fixture
def sockets() -> Any:
    """A provider's websockets on loopback."""
    pytest.importorskip("websockets")
    with FakeSockets(12) as open_sockets:
        yield open_sockets


class Ride:
    """Runs one scenario, a coroutine function, on a connection of the synchronous or the asynchronous client.

    What the client returns is awaited by `wire.settled`, so that a scenario is written once.
    """

    def __init__(self, mode: str, sockets: Any) -> None:
        self.mode = mode
        self.sockets = sockets

    def __call__(self, connect: Any, scenario: Any) -> Any:
        return asyncio.run(self._ride(connect, scenario))

    async def _ride(self, connect: Any, scenario: Any) -> Any:
        make = self.sockets.async_openai_client if self.mode == "async" else self.sockets.openai_client
        client = make()
        try:
            connection = await settled(connect(client).enter())
            try:
                return await scenario(connection)
            finally:
                await settled(connection.close())
        finally:
            await settled(client.close())


@pytest.fixture
def ride(mode: str, sockets: Any) -> Ride:
    return Ride(mode, sockets)


@pytest.fixture
def wire() -> Any:
    """Payloads and helpers: what a test would import, were tests a package."""
    helpers = {
        "Both": Both,
        "RecordingMeter": RecordingMeter,
        "all_pieces": all_pieces,
        "collect": collect,
        "run": lambda scenario: asyncio.run(scenario()),
        "settled": settled,
    }
    return types.SimpleNamespace(**vars(wire_payloads), **helpers)
