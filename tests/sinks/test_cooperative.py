"""Waiting beside greenlets: the real pool of gevent, in a thread with a hub of its own. `tests/runtime/test_gevent.py` has the whole."""

from __future__ import annotations

import sys
import threading

import gevent
import gevent.monkey
import pytest

from farebox.core.errors import LedgerError
from farebox.sinks.cooperative import offload


def locked():
    raise LedgerError("locked")


def test_without_gevent_the_caller_waits_itself(monkeypatch):
    monkeypatch.delitem(sys.modules, "gevent.monkey")
    assert offload(threading.get_ident) == threading.get_ident()


def test_with_gevent_where_nothing_is_patched_too():
    assert offload(threading.get_ident) == threading.get_ident()


def test_where_gevent_replaced_threads_a_real_one_waits_and_its_error_comes_back_once(monkeypatch, capfd):
    monkeypatch.setattr(gevent.monkey, "is_module_patched", lambda name: name == "threading")
    seen = []

    def greenlets():
        seen.append((threading.get_ident(), offload(threading.get_ident), offload(divmod, 7, 2)))
        with pytest.raises(LedgerError, match="locked"):
            offload(locked)
        hub = gevent.get_hub()
        hub.threadpool.kill()
        hub.destroy(destroy_loop=True)
        seen.append("done")

    thread = threading.Thread(target=greenlets)
    thread.start()
    thread.join(30)
    (own, other, divided), done = seen
    assert own != other
    assert (divided, done) == ((3, 1), "done")
    assert capfd.readouterr().err == ""
