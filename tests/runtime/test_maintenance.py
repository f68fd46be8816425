"""The second thread: only where something needs it, once a week, and nothing of it reaches the program."""

from __future__ import annotations

import json
import os
import queue
import threading
import time

import pytest

import farebox
from farebox import runtime
from farebox.core import guard
from farebox.maintenance import DAY, WEEK, Maintenance, PriceUpdates, price_jobs
from farebox.price_settings import PriceSettings
from farebox.pricing import freshness, installed, shelf


@pytest.fixture(autouse=True)
def own_data_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    runtime.reset()


@pytest.fixture
def newer(tmp_path):
    """A file with a book of the next day, in which one price is a little and another much higher."""
    book = json.loads(installed.BUNDLED.read_bytes())
    book["as_of"] = "2026-11-23"
    for row in book["providers"]["openai"]["models"]:
        if row["id"] in {"gpt-5-mini", "gpt-5-nano"}:
            row["periods"][0]["rates"]["input"] = "0.3" if row["id"] == "gpt-5-mini" else "9"
    path = tmp_path / "newer.json"
    path.write_text(json.dumps(book), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def on_the_next_day(monkeypatch):
    monkeypatch.setattr(freshness, "today", lambda: freshness.date(2026, 11, 23))


def test_without_jobs_there_is_no_thread():
    before = threading.active_count()
    idle = Maintenance(())
    idle.start()

    assert price_jobs(None, lambda: None) == price_jobs(PriceSettings(), lambda: None) == ()
    assert threading.active_count() == before
    assert idle.close()


def test_jobs_run_each_round_and_a_fault_stops_no_other():
    guard.raise_faults(enabled=False)
    rounds = threading.Semaphore(0)

    def failing():
        raise ArithmeticError("a fault")

    busy = Maintenance([failing, rounds.release], pause=0.001)
    busy.start()
    busy.start()

    assert all(rounds.acquire(timeout=10) for _ in range(3))
    assert busy.close(10)
    assert guard.faults["maintenance: ArithmeticError"] >= 3
    busy.start()
    assert rounds.acquire(timeout=10)
    assert busy.close(10)


def test_newer_prices_are_fetched_once_a_week(newer, caplog):
    changes = []
    look = PriceUpdates(PriceSettings(auto_update="weekly", source=str(newer)), lambda: changes.append(1))
    installed.current()

    look()

    assert changes == [1]
    assert installed.current().as_of == "2026-11-23"
    assert "does not believe" in caplog.text
    assert "openai/gpt-5-nano" in caplog.text
    newer.unlink()
    look()
    shelf.mark_checked(time.time() - WEEK - 5)
    look()
    assert "will try again tomorrow" in caplog.text
    assert 0 < shelf.checked_at() - (time.time() - WEEK) <= DAY
    assert changes == [1]


def test_what_another_process_fetched_is_taken_over(newer, tmp_path):
    changes = []
    look = PriceUpdates(PriceSettings(auto_update="weekly"), lambda: changes.append(1))
    shelf.mark_checked(time.time())
    before = installed.current()
    look()
    assert installed.current() is before

    shelf.store(newer.read_bytes(), "2026-11-23")
    look()

    assert installed.current().as_of == "2026-11-23"
    look()
    assert changes == [1]
    installed.use(PriceSettings(book="bundled"))
    assert installed.current().as_of == "2026-11-22"
    assert not installed.refresh()


def test_instrument_starts_it_where_the_setting_says_so(newer):
    farebox.instrument()
    assert not runtime.current().maintenance._started
    with farebox.instrument(prices={"auto_update": "weekly", "source": str(newer)}):
        upkeep = runtime.current().maintenance
        deadline = time.monotonic() + 30
        while not shelf.stored() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert shelf.stored()
    farebox.shutdown()
    assert upkeep.close(30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_gets_a_thread_of_its_own():
    ran = threading.Event()
    upkeep = Maintenance([ran.set], pause=60)
    upkeep.start()
    assert ran.wait(10)

    child = os.fork()
    if not child:
        ran.clear()
        upkeep.leave_in_child()
        os._exit(0 if ran.wait(10) else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert upkeep.close(10)
    upkeep.leave_in_child()
    assert not upkeep._started


def test_an_errand_is_done_when_it_is_called_for_and_again_when_it_says_so():
    done, answers = threading.Semaphore(0), [0.001, None, None]

    def errand():
        done.release()
        return answers.pop(0)

    before = threading.active_count()
    upkeep = Maintenance((), errand=errand)
    upkeep.start()
    assert not upkeep._started
    assert threading.active_count() == before

    upkeep.wake()

    assert all(done.acquire(timeout=10) for _ in range(2))
    assert not done.acquire(timeout=0.05)
    upkeep.wake()
    assert done.acquire(timeout=10)
    assert upkeep.close(10)
    assert answers == []


def test_an_old_book_and_a_promotion_past_its_day_warn_once(monkeypatch, caplog):
    freshness.forget()
    monkeypatch.setattr(freshness, "today", lambda: freshness.date(2026, 12, 22))
    installed.current()
    assert "days old" not in caplog.text
    monkeypatch.setattr(freshness, "today", lambda: freshness.date(2026, 12, 23))
    for _ in range(2):
        installed.reset()
        usage = {"input_tokens": 1, "output_tokens": 1}
        for day in ("2026-11-21", "2026-12-01"):
            farebox.price(usage, provider="openai", model="gpt-5.6-sol", api="responses", at=day)

    assert caplog.text.count("31 days old: run farebox prices update") == 1
    assert caplog.text.count("gpt-5.6-sol of openai at a promotional rate") == 1
    freshness.forget()


def test_a_round_ends_when_it_is_told_to():
    stop, ended = threading.Event(), threading.Event()
    seen = []

    Maintenance([lambda: seen.append(1), stop.set, lambda: seen.append(2)])._run(stop, ended, queue.SimpleQueue())

    assert seen == [1, 2]
    assert ended.is_set()
