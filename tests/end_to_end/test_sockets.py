"""Websockets against the whole of farebox: budgets, attribution, ledger and exit, on the real SDKs."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import os
import subprocess
import sys
import textwrap

import pytest

import farebox
from farebox.core.money import Money
from farebox.testing.sockets import FakeSockets

sdk = pytest.importorskip("openai")
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")

MODEL = "gpt-realtime-2.1"
GEMINI = "gemini-3.1-flash-live-preview"
ASK = {"type": "response.create"}
SILENT = {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}}
SOUND = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(480_000)).decode()}


@pytest.fixture
def sockets():
    with FakeSockets(40) as running:
        yield running


@pytest.fixture
def connection(sockets):
    farebox.instrument()
    with sockets.openai_client() as client:
        one = client.realtime.connect(model=MODEL).enter()
        one.send(SILENT)
        yield one
        one.close()


def until(connection, kind="response.done"):
    while connection.recv().type != kind:
        pass


def bill(sockets) -> Money:
    total = Money(0)
    for one in sockets.billed:
        cost = farebox.price(one.usage, provider=one.provider, model=one.model, api=one.api)
        assert cost.amount is not None, one
        total += cost.amount
    return total


def stored():
    assert farebox.flush()
    return list(farebox.open_ledger(read_only=True).calls())


def test_the_ledger_agrees_with_the_bill_to_the_nano_dollar(sockets, connection):
    written = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": {}}}}
    connection.send({"type": "session.update", "session": written})
    for _ in range(2):
        connection.send(SOUND)
        until(connection)
    events = stored()
    assert sorted(event.api for event in events) == ["audio.transcriptions"] * 2 + ["realtime"] * 2
    assert {event.cost_status for event in events} == {"priced"}
    assert sum(event.cost_nano for event in events) == bill(sockets).to_nano()
    assert all(event.status == "ok" and event.stream for event in events)


def test_a_budget_refuses_a_turn_before_it_is_sent_and_charges_what_voice_begins(sockets, connection):
    with farebox.track_budget(0.000001, name="tiny") as budget:
        with pytest.raises(farebox.BudgetExceeded):
            connection.response.create()
        connection.send({"type": "session.update", "session": {"audio": {"input": {"turn_detection": {}}}}})
        connection.send(SOUND)
        until(connection)
        assert budget.total_spent == bill(sockets) > Money("0.000001")
    assert not any('"response.create"' in frame for frame in sockets.received)
    statuses = {event.status: event.budget for event in stored()}
    assert statuses == {"refused": "tiny", "ok": "tiny"}


def test_a_turn_belongs_to_the_code_that_sends_it(sockets, connection):
    for task in ("greet", "answer"):

        @farebox.tracked(task_type=task)
        def turn():
            connection.send(ASK)

        turn()
        until(connection)
    assert [event.task_type for event in reversed(stored())] == ["greet", "answer"]


def test_what_has_no_scope_of_its_own_belongs_to_the_code_that_connected(sockets):
    farebox.instrument()

    async def scenario():
        async with sockets.async_openai_client() as client:
            with farebox.track_budget(1, name="call") as budget:
                connection = await client.realtime.connect(model=MODEL).enter()
                await contextvars.Context().run(asyncio.create_task, voice(connection))
                await connection.close()
            return budget.total_spent

    async def voice(connection):
        await connection.send(SOUND)
        while (await connection.recv()).type != "response.done":
            pass

    assert asyncio.run(scenario()) == bill(sockets) > 0
    assert [event.budget for event in stored()] == ["call"]


def test_a_turn_that_is_left_keeps_its_reservation_as_an_estimate(sockets, connection):
    with farebox.track_budget(1) as budget:
        with sockets.hold():
            connection.send(ASK)
            until(connection, "response.created")
            connection.close()
        assert budget.total_spent > 0
    (event,) = stored()
    assert (event.status, event.cost_status) == ("abandoned", "estimated")


def test_a_live_session_is_priced_by_its_seconds(sockets):
    farebox.instrument()
    with sockets.openai_client() as client, farebox.track_budget(1) as budget:
        if not hasattr(client, "live"):
            pytest.skip("this openai has no live connection")
        connection = client.live.connect().enter()
        connection.send({"type": "session.start", "session": {"model": "gpt-live-1"}})
        connection.send({"type": "session.input_audio.append", "audio": SOUND["audio"]})
        connection.send({"type": "session.close"})
        until(connection, "session.closed")
        connection.close()
    (event,) = stored()
    assert (event.units, event.cost_status) == ({"seconds": 10}, "priced")
    assert event.cost_nano == budget.total_spent.to_nano() == bill(sockets).to_nano()


def test_gemini_live_is_priced_and_refused_before_it_connects(sockets):
    pytest.importorskip("google.genai")
    farebox.instrument()

    async def talk():
        client = sockets.genai_client()
        try:
            async with client.aio.live.connect(model=GEMINI) as session:
                await session.send_client_content(turns={"role": "user", "parts": [{"text": "2+2?"}]})
                async for _ in session.receive():
                    pass
        finally:
            await client.aio.aclose()

    with farebox.track_budget(1) as budget:
        asyncio.run(talk())
    assert budget.total_spent == bill(sockets) > 0
    frames = len(sockets.received)
    with farebox.track_budget(0.0000001), pytest.raises(farebox.BudgetExceeded):
        asyncio.run(talk())
    assert len(sockets.received) == frames
    assert sorted(event.status for event in stored()) == ["ok", "refused"]


LEFT_OPEN = """
    import base64, farebox
    from farebox.testing.sockets import FakeSockets
    sockets = FakeSockets().start()
    farebox.instrument()
    connection = sockets.openai_client().live.connect().enter()
    connection.send({"type": "session.start", "session": {"model": "gpt-live-1"}})
    connection.send({"type": "session.input_audio.append", "audio": base64.b64encode(bytes(144_000)).decode()})
    while connection.recv().type != "session.usage.updated":
        pass
    print("leaving", flush=True)
"""


def test_what_a_program_leaves_open_at_its_exit_is_written_with_what_was_seen(tmp_path):
    if not hasattr(sdk.OpenAI, "live"):
        pytest.skip("this openai has no live connection")
    ledger = tmp_path / "left.db"
    environment = {**os.environ, "FAREBOX_LEDGER": str(ledger)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LEFT_OPEN)],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "leaving\n"), done.stderr
    (event,) = farebox.open_ledger(ledger).calls()
    assert (event.status, event.units) == ("abandoned", {"seconds": 3})


def test_nothing_is_said_under_a_strict_budget_where_the_provider_may_answer_by_itself(sockets, connection):
    with farebox.track_budget(5, strength="strict") as budget:
        for message in (SOUND, ASK):
            with pytest.raises(farebox.BudgetExceeded, match="answer by itself") as refused:
                connection.send(message)
            assert (refused.value.holder, refused.value.strength) == (budget, "strict")
    connection.send(SOUND)
    connection.send(ASK)
    until(connection)
    assert len(stored()) == 1


def test_a_live_session_is_not_opened_under_a_strict_budget_and_says_nothing_under_a_later_one(sockets):
    farebox.instrument()

    async def connected():
        client = sockets.genai_client()
        try:
            with farebox.track_budget(5, strength="strict"), pytest.raises(farebox.BudgetExceeded):
                async with client.aio.live.connect(model=GEMINI, config={"response_modalities": ["TEXT"]}):
                    pass
            async with client.aio.live.connect(model=GEMINI, config={"response_modalities": ["TEXT"]}) as session:
                with (
                    farebox.track_budget(5, strength="strict"),
                    pytest.raises(farebox.BudgetExceeded, match="answer by itself"),
                ):
                    await session.send_client_content(turns={"role": "user", "parts": [{"text": "2+2?"}]})
        finally:
            await client.aio.aclose()

    asyncio.run(connected())
    assert sockets.billed == []
