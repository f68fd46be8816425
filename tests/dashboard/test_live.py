"""News arrives, one look a tick is enough for all tabs, and a ledger that goes, comes or is swapped breaks nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from serving import NOW, TOKEN

from farebox.dashboard import app
from farebox.dashboard.pulse import Pulse
from farebox.dashboard.server import _Room
from farebox.dashboard.sources import Sources
from farebox.ledger.registry import open_ledger
from farebox.reports.report import Table

TABS = 100


class Tab:
    """A stream of events over a socket of its own."""

    def __init__(self, dashboard):
        self._socket = socket.create_connection(("127.0.0.1", dashboard.port), timeout=10)
        head = f"GET /api/events HTTP/1.1\r\nHost: {dashboard.host}\r\nCookie: {dashboard.cookie}\r\n\r\n"
        self._socket.sendall(head.encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])

    def version(self):
        """The next version that it is told."""
        for line in self._file:
            if line.startswith(b"data: "):
                return int(line.removeprefix(b"data: "))
        raise AssertionError("the stream has ended")

    def close(self):
        self._file.close()
        self._socket.close()


@pytest.fixture
def tabs(dashboard):
    with contextlib.ExitStack() as stack:

        def open_tabs(count):
            opened = [Tab(dashboard) for _ in range(count)]
            for tab in opened:
                stack.callback(tab.close)
            return opened

        yield open_tabs


def test_a_call_is_told_to_a_tab_that_waits_and_is_in_the_next_answer(dashboard, tabs, write, make_event):
    (tab,) = tabs(1)
    before = tab.version()
    assert dashboard.panel("totals").rows[0]["calls"] == 0
    write(make_event(started_at=NOW))
    assert tab.version() > before
    assert dashboard.panel("totals").rows[0]["calls"] == 1


def test_a_change_that_an_answer_saw_first_is_told_all_the_same(monkeypatch):
    state = [0]
    monkeypatch.setattr(Pulse, "_look", lambda _: state[0])

    async def listen():
        pulse = Pulse(None, tick=0.01)
        stream = pulse.stream()
        told = [await anext(stream)]
        for _ in range(20):
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.03)
            state[0] += 1
            pulse._looked = -1.0  # a tick has passed, and an answer looks before the watch can
            pulse.version()
            told.append(await asyncio.wait_for(waiting, 5))
        await stream.aclose()
        return told

    assert len(set(asyncio.run(listen()))) == 21


def test_a_hundred_tabs_are_told_by_one_look_a_tick(dashboard, tabs, write, make_event, monkeypatch):
    looks = []
    look = Pulse._look
    monkeypatch.setattr(Pulse, "_look", lambda pulse: looks.append(time.monotonic()) or look(pulse))
    opened = tabs(TABS)
    assert {tab.status for tab in opened} == {200}
    first = {tab.version() for tab in opened}
    started, count = time.monotonic(), len(looks)
    write(make_event(started_at=NOW))
    assert {tab.version() for tab in opened} == {max(first) + 1}
    ticks = (time.monotonic() - started) / 0.5
    assert len(looks) - count <= ticks + 2


def test_a_hundred_tabs_with_the_same_view_compute_it_once(dashboard, write, make_event, monkeypatch):
    computed = []

    def panel(_sources, asked):
        computed.append(asked)
        time.sleep(0.05)
        return Table(title="slow", columns=(), rows=())

    monkeypatch.setattr("farebox.dashboard.panels.totals.totals", panel)
    threads = [threading.Thread(target=dashboard.panel, args=("totals",)) for _ in range(TABS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(computed) == 1
    write(make_event(started_at=NOW))
    time.sleep(0.6)
    dashboard.panel("totals")
    assert len(computed) == 2


def test_an_answer_that_took_long_holds_for_a_while_and_says_that_it_is_behind(path, write, make_event, monkeypatch):
    from farebox.dashboard import answers as module
    from farebox.dashboard.question import question

    monkeypatch.setattr(module, "LONG", 0.0)
    monkeypatch.setattr(module, "REST", 10**9)
    write(make_event(started_at=NOW))
    sources = Sources(path, lambda: open_ledger(path, read_only=True), budgets=None, clock=lambda: NOW, zone="UTC")
    answers, asked = _Room(sources)._answers, question([], zone="UTC")
    first, behind = answers.table("totals", asked)
    assert not behind
    write(make_event(started_at=NOW))
    time.sleep(0.6)  # more than a tick
    assert answers.table("totals", asked) == (first, True)
    monkeypatch.setattr(module, "REST", 0)
    later, behind = answers.table("totals", asked)
    assert (later.records()[0]["calls"], behind) == (2, False)
    answers.close()
    sources.close()


def test_nobody_looks_when_nobody_listens(dashboard, tabs, monkeypatch):
    (tab,) = tabs(1)
    tab.version()
    tab.close()
    time.sleep(1.5)  # the server notices, and the last look ends
    looks = []
    monkeypatch.setattr(Pulse, "_look", lambda _: looks.append(1))
    time.sleep(1.2)
    assert not looks


def test_a_ledger_swapped_underneath_is_the_one_that_answers(dashboard, tabs, path, tmp_path, write, make_event):
    write(make_event(started_at=NOW, tenant_id="old"))
    (tab,) = tabs(1)
    tab.version()
    assert [row["tenant_id"] for row in dashboard.panel("spend", by="tenant_id").rows] == ["old"]
    other = tmp_path / "other.db"
    write(make_event(started_at=NOW, tenant_id="new"), make_event(started_at=NOW, tenant_id="new"), at=other)
    other.replace(path)
    tab.version()
    assert [(row["tenant_id"], row["calls"]) for row in dashboard.panel("spend", by="tenant_id").rows] == [("new", 2)]


def test_a_ledger_that_goes_away_is_said_and_one_that_comes_back_is_shown(dashboard, path, tmp_path, write, make_event):
    write(make_event(started_at=NOW))
    assert dashboard.panel("totals").rows[0]["calls"] == 1
    aside = tmp_path / "aside.db"
    path.rename(aside)
    time.sleep(0.6)
    answer = dashboard.panel("totals")
    assert answer.status == 503
    assert "is not there" in answer.json["error"]
    assert not path.exists()
    aside.rename(path)
    time.sleep(0.6)
    assert dashboard.panel("totals").rows[0]["calls"] == 1


def test_a_ledger_that_is_damaged_is_said(dashboard, path, write, make_event):
    write(make_event(started_at=NOW))
    dashboard.panel("totals")
    path.unlink()
    path.write_text("no database at all, but long enough for a header")
    time.sleep(0.6)
    for panel in ("totals", "calls", "timeline"):
        answer = dashboard.panel(panel)
        assert (answer.status, "is no SQLite database" in answer.json["error"]) == (503, True)


def test_a_dashboard_may_start_before_there_is_a_ledger_and_makes_none(serve, tmp_path, make_event):
    path = tmp_path / "later" / "ledger.db"
    early = serve(app(path, token=None, clock=lambda: NOW))
    answer = early.panel("totals")
    assert (answer.status, "run the program that writes it first" in answer.json["error"]) == (503, True)
    assert early.panel("budgets").rows == []
    assert not path.parent.exists()
    with open_ledger(path) as ledger:
        ledger.ingest([make_event(started_at=NOW)], journal="j", segment=0, offset=1)
    time.sleep(0.6)
    assert early.panel("totals").rows[0]["calls"] == 1


def test_nothing_of_the_ledger_is_written(dashboard, path, write, make_event):
    write(make_event(started_at=NOW))
    before = path.read_bytes()
    for panel in (
        "totals",
        "timeline",
        "spend",
        "latency",
        "calls",
        "unpriced",
        "forecast",
        "budgets",
        "reports/errors",
    ):
        assert dashboard.panel(panel).status == 200
    assert path.read_bytes() == before


def test_answers_are_not_kept_for_ever(path, write, make_event):
    write(make_event(started_at=NOW))
    sources = Sources(path, lambda: open_ledger(path, read_only=True), budgets=None, clock=lambda: NOW, zone="UTC")
    answers = _Room(sources)._answers
    from farebox.dashboard.question import question

    for number in range(400):
        answers.table("totals", question([("tenant_id", str(number))], zone="UTC"))
    assert len(answers._kept) == 256
    sources.close()


def test_a_tab_that_has_no_cookie_hears_nothing(dashboard):
    dashboard.cookie = f"x={TOKEN}"
    tab = Tab(dashboard)
    assert tab.status == 401
    tab.close()
