"""Forks, at the moments when they do harm."""

from __future__ import annotations

import os
import threading

import pytest

from farebox import runtime
from farebox.ledger.locate import ledger_path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_waits_for_a_ledger_that_is_being_opened_in_another_thread(tmp_path, monkeypatch):
    opening, go_on = threading.Event(), threading.Event()
    honest = runtime.open_ledger

    def slowly(location, *, read_only=False):
        ledger = honest(location, read_only=read_only)
        opening.set()
        assert go_on.wait(20)
        return ledger

    monkeypatch.setattr(runtime, "open_ledger", slowly)
    opened = []
    place = ledger_path(tmp_path / "slow.db")
    thread = threading.Thread(target=lambda: opened.append(runtime._opened(place, read_only=False)))
    thread.start()
    assert opening.wait(20)
    timer = threading.Timer(0.2, go_on.set)
    timer.start()
    runtime._before_fork()
    try:
        thread.join()
        # The file is closed, and nobody gets in before the fork is over.
        assert opened[0]._file._connection is None
    finally:
        runtime._after_fork_in_parent()
    assert opened[0].summary().calls == 0
    timer.join()
    opened[0].close()
