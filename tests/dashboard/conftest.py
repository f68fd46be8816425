"""A ledger, and a dashboard of it that listens."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys

import pytest

sys.path.append(os.path.dirname(__file__))  # noqa: PTH120 - importlib mode adds no directory of tests

from serving import NOW, TOKEN, Dashboard

from farebox import runtime
from farebox.dashboard import app
from farebox.ledger.registry import open_ledger


@pytest.fixture
def serve():
    """Serve an application; those that are open at the end are closed."""
    with contextlib.ExitStack() as stack:

        def start(application):
            dashboard = Dashboard(application)
            stack.callback(dashboard.close)
            return dashboard

        yield start
    runtime.reset()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def write(path):
    """Write events into the ledger at `path`."""
    marks = itertools.count(1)

    def put(*events, at=path):
        with open_ledger(at) as ledger:
            ledger.ingest(events, journal=f"test-{at.name}", segment=0, offset=next(marks))

    put()
    return put


@pytest.fixture
def dashboard(serve, path, write):
    """A dashboard of the ledger at `path` whose clock stands at `NOW`, entered already."""
    started = serve(app(path, token=TOKEN, clock=lambda: NOW))
    started.enter()
    return started
