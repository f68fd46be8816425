"""What every test shares: a header with versions, and skips that count as failures where nothing may be skipped."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version

import pytest

from farebox.core import context, guard
from farebox.core.event import CallEvent
from farebox.core.identity import new_id

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
