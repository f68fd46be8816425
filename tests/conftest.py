"""What every test shares: a header with versions, and skips that count as failures where nothing may be skipped."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version

import pytest

from farebox.core import context, guard
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.ledger.registry import open_ledger

RECORDINGS = ("FAREBOX_CORPUS", "FAREBOX_GOLDEN")
"""Recorded exchanges and worked prices are not part of the project; a test that needs them skips when the variable is unset."""


def pytest_report_header():
    def installed(name):
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            return f"{name} -"

    return ", ".join(
        [
            f"SQLite {sqlite3.sqlite_version}",
            *map(installed, ("openai", "anthropic", "google-genai", "wrapt", "msgspec")),
        ]
    )


def _forbidden_skips(config):
    """Reports of skips that FAREBOX_NO_SKIPS=1 does not allow."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FAREBOX_NO_SKIPS") != "1" or reporter is None:
        return []
    absent = [name for name in RECORDINGS if not os.environ.get(name)]
    return [
        report
        for report in reporter.stats.get("skipped", [])
        if not any(name in str(report.longrepr) for name in absent)
    ]


def pytest_sessionfinish(session):
    if _forbidden_skips(session.config) and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    for report in _forbidden_skips(config):
        terminalreporter.write_line(f"skipped, which FAREBOX_NO_SKIPS=1 forbids: {report.nodeid}", red=True)


@pytest.fixture(autouse=True)
def own_world(monkeypatch, tmp_path):
    """No settings of the machine, a ledger of the test's own, faults of ours raised, and no scope left behind."""
    for name in [name for name in os.environ if name.startswith("FAREBOX_")]:
        if name not in (*RECORDINGS, "FAREBOX_NO_SKIPS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FAREBOX_LEDGER", str(tmp_path / "ledger.db"))
    guard.raise_faults(enabled=True)
    guard.faults.clear()
    before = context.swap(context.ROOT)
    yield
    context.swap(before)
    guard.raise_faults(enabled=False)


class Receiver:
    """A server on loopback that takes webhooks, and answers as it is told: (status, headers), or seconds to sleep first."""

    def __init__(self):
        self.posts = []
        self.answers = []
        self.arrived = threading.Semaphore(0)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((self.path, dict(self.headers), body))
                answer = receiver.answers.pop(0) if receiver.answers else (200, {})
                if isinstance(answer, float):
                    time.sleep(answer)
                    answer = (200, {})
                status, headers = answer
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    for name, value in {"Content-Length": "0", **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                receiver.arrived.release()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/very-secret"

    @property
    def bodies(self):
        return [json.loads(body) for _, _, body in self.posts]


@pytest.fixture
def receiver():
    """Somebody who is told of alerts by webhook."""
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def make_event():
    """A factory of priced events, each with an id of its own; fields as keywords."""
    started = itertools.count(1_795_000_000_000_000_000, 1_000_000_000)

    def make(**fields):
        moment = fields.pop("started_at", None) or next(started)
        plain = {
            "id": new_id(moment),
            "provider": "openai",
            "operation": "chat",
            "request_model": "gpt-5-mini",
            "input_tokens": 1200,
            "output_tokens": 300,
            "units": {"input": 1200, "output": 300},
            "cost_nano": 900_000,
            "cost_status": "priced",
        }
        return CallEvent(started_at=moment, **(plain | fields))

    return make


HOUR = 3_600_000_000_000
DAY = 24 * HOUR
END = 1_795_622_400_000_000_000  # 2026-11-25T16:00:00Z

EXPRESSIONS = {
    "model": "coalesce(nullif(request_model, ''), response_model)",
    "tag:team": "json_extract(tags, '$.team')",
    "day": "strftime('%Y-%m-%d', started_at / 1000000000, 'unixepoch')",
    "week": "date(started_at / 1000000000, 'unixepoch', '-6 days', 'weekday 1')",
    "month": "strftime('%Y-%m', started_at / 1000000000, 'unixepoch')",
}
"""Dimensions that are no column, in words of plain SQL that are none of the ledger's own."""


def random_call(choose, end=END, span=40 * DAY):
    """A call with everything that reports tell apart, also nothing of it."""
    cost_status = choose.choice(["priced"] * 5 + ["provider", "estimated", "partial", "unpriced"])
    status = choose.choice(["ok"] * 8 + ["error", "cancelled", "abandoned", "lost", "refused"])
    kind = choose.choice(["llm"] * 8 + ["operation", "cache_hit"])
    if status == "refused":
        cost_status = "priced"
    units = {"input": choose.randrange(2000), "cache_read": choose.randrange(500), "output": choose.randrange(900)}
    if choose.random() < 0.2:
        units["web_search"] = choose.randrange(1, 4)
    said = status != "refused" and choose.random() < 0.8
    started = end - choose.randrange(span)
    return CallEvent(
        id=new_id(started),
        started_at=started,
        provider=choose.choice(["openai", "anthropic"]),
        operation=choose.choice(["chat", "embeddings"]),
        kind=kind,
        request_model=choose.choice(["gpt-5", "gpt-5-mini", "claude", None]),
        response_model=choose.choice(["gpt-5-2026", None]),
        status=status,
        error_type=choose.choice(["TimeoutError", "RateLimitError", None]) if status != "ok" else None,
        duration_ns=choose.choice([None, choose.randrange(1, 10**11)]),
        first_chunk_ns=choose.choice([None, choose.randrange(1, 10**10)]),
        input_tokens=units["input"] + units["cache_read"] if said else None,
        cache_read_tokens=units["cache_read"] if said else None,
        output_tokens=units["output"] if said else None,
        units=units if said else None,
        cost_nano=None
        if cost_status == "unpriced"
        else choose.choice([0, choose.randrange(10**12)]) * (status != "refused"),
        cost_status=cost_status,
        cost_missing=("model x of y",) if cost_status in ("unpriced", "partial") else (),
        tenant_id=choose.choice(["acme", "globex", "<b>=1", None]),
        task_type=choose.choice(["analysis", "search", None]),
        session_id=choose.choice(["s1", "s2", None]),
        chain_id=choose.choice(["c1", None]),
        tags={"team": choose.choice(["west", "east"])} if choose.random() < 0.5 else None,
    )


class Told:
    """A ledger of random calls, and the file for plain SQL."""

    DAY, END, EXPRESSIONS = DAY, END, EXPRESSIONS

    def __init__(self, path, seed, count=300):
        choose = random.Random(seed)
        self.path = path
        self.ledger = open_ledger(path)
        self.ledger.ingest([random_call(choose) for _ in range(count)], journal="test", segment=0, offset=1)
        self.where = choose.choice(
            [{}, {"tenant_id": "acme"}, {"task_type": None}, {"tag:team": "west"}, {"model": "gpt-5"}]
        )
        start, end = sorted(END - choose.randrange(45 * DAY) for _ in range(2))
        self.since, self.until = choose.choice([(None, None), (start, None), (None, end), (start, end)])

    @property
    def asked(self):
        return {"since": self.since, "until": self.until, "where": self.where}

    def sql(self, select, rest="", *, kinds=False, **asked):
        """Rows of a SELECT over the calls that are asked about; those of a local cache only with `kinds`."""
        since, until, where = ({**self.asked, **asked}[name] for name in ("since", "until", "where"))
        tests, values = ["1" if kinds else "kind <> 'cache_hit'"], []
        for test, moment in (("started_at >= ?", since), ("started_at < ?", until)):
            if moment is not None:
                tests.append(test)
                values.append(moment)
        for name, value in where.items():
            tests.append(f"coalesce({EXPRESSIONS.get(name, name)}, '') = ?")
            values.append(value or "")
        with sqlite3.connect(self.path) as connection:
            rows = connection.execute(
                f"SELECT {select} FROM calls WHERE {' AND '.join(tests)} {rest}", values
            ).fetchall()
        connection.close()
        return rows


@pytest.fixture
def told(tmp_path):
    made = []

    def make(seed, **more):
        made.append(Told(tmp_path / f"{seed}.db", seed, **more))
        return made[-1]

    yield make
    for one in made:
        one.ledger.close()
