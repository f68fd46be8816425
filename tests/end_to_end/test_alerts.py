"""Alerts through everything: real SDK clients, real budgets, real receivers, threads, processes, and the interpreter's exit."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import farebox
from farebox import runtime
from farebox.alerts.claims import Claim
from farebox.core import guard
from farebox.core.errors import ConfigurationError
from farebox.journal.journal import Journal
from farebox.journal.layout import segment_path
from farebox.ledger.locate import journal_directory

TEXT = [{"role": "user", "content": "How many are we?"}]


@pytest.fixture
def told():
    """Every alert, as a function of the program's is told."""
    alerts = []
    farebox.on_alert(alerts.append)
    return alerts


def delivered(told, *kinds):
    assert runtime.current().alerts.flush(10)
    return [alert for alert in told if alert.kind in kinds]


def ask(client):
    return client.chat.completions.create(model="gpt-5-mini", messages=TEXT, max_completion_tokens=50)


def run(code, environment=(), **more):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **dict(environment)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        **more,
    )


def test_a_budget_that_is_spent_by_calls_tells_each_share_once_and_the_refusal(provider, told, receiver):
    farebox.configure(alerts=[{"channel": "webhook", "url": receiver.url}], service="shop")
    with provider.openai_client(max_retries=0) as client, farebox.instrument("openai"):
        with farebox.capture() as seen:
            ask(client)
        limit = seen.cost * 10
        with farebox.tracked("chat", tenant_id="acme"), farebox.track_budget(limit, name="request") as budget:
            for _ in range(15):
                try:
                    ask(client)
                except farebox.BudgetExceeded:
                    break
    alerts = delivered(told, "threshold", "refusal")
    shares = [alert.data["threshold"] for alert in alerts if alert.kind == "threshold"]
    assert shares == [share for share in (0.5, 0.8, 1.0) if budget.utilization >= share]
    assert shares[:2] == [0.5, 0.8]
    for alert in alerts:
        assert (alert.budget, alert.tenant_id, alert.data["service"]) == ("request", "acme", "shop")
        assert alert.limit == limit
        assert "How many" not in repr(alert)
    assert alerts[0].utilization == pytest.approx(0.5, abs=0.05)
    if budget.utilization < 1:
        assert [alert.kind for alert in alerts][-1] == "refusal"
    assert [body["id"] for body in receiver.bodies] == [alert.id for alert in alerts]


def test_nothing_is_told_and_no_thread_is_started_when_nothing_is_reached(provider, told, receiver):
    farebox.configure(alerts=[{"channel": "webhook", "url": receiver.url}])
    with provider.openai_client() as client, farebox.instrument("openai"), farebox.track_budget(100, {"chat": 50}):
        for _ in range(5):
            ask(client)
    assert delivered(told, *farebox.Alert.__struct_fields__) == told == []
    assert receiver.posts == []
    assert not runtime.current().maintenance._started


def test_the_background_thread_delivers_without_being_asked(receiver):
    farebox.configure(alerts=[{"channel": "webhook", "url": receiver.url}])
    with farebox.track_budget(1, {"draft": 1}, name="hand") as budget:
        budget.charge("0.5", "draft")
    assert receiver.arrived.acquire(timeout=10)
    assert receiver.arrived.acquire(timeout=10)
    assert [body["data"].get("task_type") for body in receiver.bodies] == [None, "draft"]


def test_of_many_threads_each_share_is_told_once(told):
    with farebox.track_budget(1, name="many") as budget:
        threads = [threading.Thread(target=lambda: [budget.charge("0.001") for _ in range(125)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(farebox.BudgetExceeded):
            budget.charge("0.001")
    assert [alert.data["threshold"] for alert in delivered(told, "threshold")] == [0.5, 0.8, 1.0]
    assert [alert.budget for alert in delivered(told, "refusal")] == ["many"]


def test_of_four_processes_with_one_ledger_one_tells_each_share(receiver):
    # Each sees the whole of what is spent, as processes with a shared budget do.
    code = """
        import sys, time
        from farebox import runtime
        sys.stdin.readline()
        alerts = runtime.current().alerts
        for spent in range(0, 1001, 5):
            alerts.spent("monthly", "acme", 1_700_000_000, 1000, spent, unit="calls")
            time.sleep(0.0005)
        runtime.shutdown(20)
    """
    environment = {**os.environ, "FAREBOX_ALERTS": json.dumps([{"channel": "webhook", "url": receiver.url}])}
    processes = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=environment, stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0] * 4
    assert sorted(body["data"]["threshold"] for body in receiver.bodies) == [0.5, 0.8, 1.0]


def test_a_model_without_a_price_is_told_once_a_day_over_processes(receiver):
    code = """
        import farebox
        for _ in range(3):
            farebox.record_call(provider="openai", model="gpt-99", usage={"prompt_tokens": 1, "completion_tokens": 1})
    """
    environment = {"FAREBOX_ALERTS": json.dumps([{"channel": "webhook", "url": receiver.url, "kinds": "unpriced"}])}
    for _ in range(2):
        run(code, environment)
    assert [body["subject"] for body in receiver.bodies] == ["openai/gpt-99 has no price"]


def test_the_end_of_a_program_sends_what_waits_and_waits_no_longer_than_it_may(receiver):
    code = """
        import farebox
        with farebox.track_budget(1, name="last") as budget:
            budget.charge(1)
    """
    environment = {"FAREBOX_ALERTS": json.dumps([{"channel": "webhook", "url": receiver.url}])}
    receiver.answers.append((500, {}))
    run(code, environment)
    assert [body["budget"] for body in receiver.bodies] == ["last", "last"]

    receiver.answers += [(503, {"Retry-After": "600"})]
    began = time.monotonic()
    run(code, environment)
    assert time.monotonic() - began < 8
    assert len(receiver.posts) == 3


def test_shutdown_flushes_within_its_timeout(receiver):
    farebox.configure(alerts=[{"channel": "webhook", "url": receiver.url}])
    with farebox.track_budget(1) as budget:
        budget.charge("0.6")
    assert farebox.shutdown(10)
    assert len(receiver.posts) == 1
    receiver.answers.append((503, {"Retry-After": "60"}))
    with farebox.track_budget(1) as budget:
        budget.charge("0.6")
    began = time.monotonic()
    assert not farebox.shutdown(0.5)
    assert time.monotonic() - began < 5


def test_a_fault_of_a_callback_does_not_reach_the_program(provider, told):
    guard.raise_faults(enabled=False)

    @farebox.on_alert
    def broken(_alert):
        raise RuntimeError("a fault of the callback")

    with (
        provider.openai_client() as client,
        farebox.instrument("openai"),
        farebox.track_budget("0.0000001", strength="soft"),
    ):
        assert ask(client).usage
    assert [alert.data["threshold"] for alert in delivered(told, "threshold")] == [1.0]
    assert guard.faults["alert channel callback: RuntimeError"] == 1


def test_a_callback_may_spend_and_read_budgets(told):
    budget = farebox.track_budget(1)
    seen = []
    farebox.on_alert(lambda alert: (budget.charge("0.001"), seen.append(budget.total_spent)))
    with budget:
        budget.charge("0.5")
    assert delivered(told, "threshold")
    assert seen == [farebox.Money("0.501")]


def test_dear_calls_and_other_shares_are_told_as_the_settings_say(provider, told, caplog):
    with (
        provider.openai_client() as client,
        farebox.instrument("openai", warn_above=0, alert_at=[0.000001]),
        farebox.track_budget(1),
    ):
        ask(client)
    dear, share = delivered(told, "dear_call", "threshold")
    assert dear.data["site"].startswith(__file__)
    assert share.data["threshold"] == 0.000001
    assert "which is above warn_above" in caplog.text
    farebox.configure(alert_at=[])
    with farebox.track_budget(1) as budget:
        budget.charge(1)
    assert len(delivered(told, "threshold")) == 1


def test_lost_events_are_told(told, monkeypatch, caplog):
    guard.raise_faults(enabled=False)

    def full(_self, _item):
        raise OSError(errno.ENOSPC, "No space left on device")

    farebox.instrument("openai")
    with monkeypatch.context() as patch:
        patch.setattr(runtime.current().recorder.journal, "_put", lambda item: full(None, item))
        farebox.record_call(provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 1, "completion_tokens": 1})
    (alert,) = delivered(told, "journal")
    assert alert.data == {"problem": "dropped", "count": 1}
    assert "1 event could be kept nowhere" in caplog.text


def test_damaged_lines_are_told(told):
    farebox.configure(flush_interval=60)
    farebox.record_call(provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 1, "completion_tokens": 1})
    farebox.record_call(provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 2, "completion_tokens": 1})
    journal = runtime.current().recorder.journal
    assert isinstance(journal, Journal)
    segment = segment_path(journal.directory, journal.id, 1)
    with segment.open("r+b") as file:
        file.seek(20)
        file.write(b"#damage#")
    farebox.flush()
    (alert,) = delivered(told, "journal")
    assert (alert.severity, alert.data["problem"]) == ("critical", "damaged")


def test_damaged_lines_that_a_dead_process_left_are_told(told):
    code = """
        import farebox, os
        farebox.configure(flush_interval=60)
        for _ in range(2):
            farebox.record_call(provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 1})
        os._exit(0)
    """
    run(code)
    (segment,) = journal_directory(runtime.current().ledger_path).glob("*.000001.segment")
    with segment.open("r+b") as file:
        file.readline()  # the header
        file.seek(20, os.SEEK_CUR)
        file.write(b"#damage#")
    with farebox.open_ledger() as ledger:
        assert ledger.summary().calls == 1
    (alert,) = delivered(told, "journal")
    assert alert.data == {"problem": "damaged", "count": 1}


def test_what_cannot_be_called_is_refused_and_a_second_time_is_nothing(told):
    with pytest.raises(ConfigurationError, match=r"on_alert\(3\) cannot be used: give a function"):
        farebox.on_alert(3)
    runtime.current()
    seen = []
    for _ in range(2):
        farebox.on_alert(seen.append)
    farebox.configure(service="other")
    with farebox.track_budget(1) as budget:
        budget.charge(1)
    assert delivered(told, "threshold")
    assert len(seen) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_tells_of_its_own(receiver):
    farebox.configure(alerts=[{"channel": "webhook", "url": receiver.url}])
    with farebox.track_budget(1, name="parent") as budget:
        budget.charge("0.5")
    assert receiver.arrived.acquire(timeout=10)
    child = os.fork()
    if not child:
        with farebox.track_budget(1, name="child") as budget:
            budget.charge("0.5")
        os._exit(0 if farebox.shutdown(10) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [body["budget"] for body in receiver.bodies] == ["parent", "child"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_waits_until_a_claim_is_written(told):
    runtime.current()
    claims = runtime.current().alerts._claims
    inside, go = threading.Event(), threading.Event()

    def claim():
        with claims._unforked():
            inside.set()
            go.wait(10)

    thread = threading.Thread(target=claim)
    thread.start()
    assert inside.wait(10)
    timer = threading.Timer(0.2, go.set)
    timer.start()
    child = os.fork()
    if not child:
        os._exit(0 if go.is_set() and claims.first(Claim("child", "", 0)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    timer.join()
    assert not claims.first(Claim("child", "", 0))


def test_the_log_says_nothing_loud_before_a_limit_is_reached(caplog):
    caplog.set_level(logging.INFO, "farebox")
    with farebox.track_budget(1) as budget:
        budget.charge("0.9")
        runtime.current().alerts.flush(5)
        budget.charge("0.1")
    runtime.current().alerts.flush(5)
    assert [(record.levelname, "100 %" in record.getMessage()) for record in caplog.records] == [
        ("INFO", False),
        ("WARNING", True),
    ]
