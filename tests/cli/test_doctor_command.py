from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

import farebox
from farebox import runtime
from farebox.core import guard
from farebox.health import examine, settings
from farebox.ledger.locate import SCHEMA_VERSION, journal_directory, ledger_path
from farebox.ledger.registry import open_ledger

AS_NOBODY = """
import os, sys
from farebox.health.storage import ledger
from farebox.ledger import sqlite  # loaded while that is allowed
from farebox.ledger.locate import ledger_path
where = ledger_path(sys.argv[1])
os.setuid(65534)
for finding in ledger(where).findings:
    print(finding.level, finding.text)
"""


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "ledger.db"


def doctor(*arguments, program=None, **environment):
    """The command in a process of its own, as a person runs it; `program` is what its --import finds."""
    command = [sys.executable, "-m", "farebox", "doctor", *arguments]
    variables = {**os.environ, **environment, "NO_COLOR": "1"}
    if program is not None:
        variables["PYTHONPATH"] = os.pathsep.join([str(program.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def own_runtime():
    runtime.reset()
    yield
    runtime.reset()


def subjects(health, level):
    return [finding.subject for finding in health.findings(level)]


def test_a_sound_machine_is_told_at_a_glance(ledger):
    done = doctor(FAREBOX_LEDGER=str(ledger))
    assert (done.returncode, done.stderr) == (0, "")
    assert "SDKs and hooks: anthropic" in done.stdout
    assert "nothing paid goes unseen" in done.stdout
    assert not ledger.exists()


def test_every_fact_is_shown_when_asked_for_and_as_json(ledger):
    done = doctor("--verbose", FAREBOX_LEDGER=str(ledger))
    assert "openai._base_client:SyncAPIClient.request" in done.stdout
    found = json.loads(doctor("--json", FAREBOX_LEDGER=str(ledger)).stdout)
    assert found["unseen"] is False
    hooks = next(section for section in found["sections"] if section["key"] == "hooks")
    assert {row["state"] for row in hooks["rows"]} == {"hooked"}
    assert {row["sdk"] for row in hooks["rows"]} >= {"openai", "anthropic", "google-genai"}


def test_a_hook_that_finds_nothing_is_unseen_money(tmp_path, ledger):
    program = tmp_path / "broken_sdk.py"
    program.write_text("import openai._base_client as base\ndel base.AsyncAPIClient.request\n")
    done = doctor("--import", "broken_sdk", program=program, FAREBOX_LEDGER=str(ledger))
    assert done.returncode == 1
    assert "AsyncAPIClient.request is missing in openai" in done.stdout
    assert "something paid may be unseen" in done.stdout


def test_hooks_of_the_program_itself_are_looked_at(tmp_path, ledger):
    program = tmp_path / "only_one.py"
    program.write_text("import farebox\nfarebox.instrument('openai')\n")
    done = doctor("--import", "only_one", "--json", program=program, FAREBOX_LEDGER=str(ledger))
    hooks = next(section for section in json.loads(done.stdout)["sections"] if section["key"] == "hooks")
    assert {row["sdk"] for row in hooks["rows"]} == {"openai"}


def test_a_module_that_is_not_there_is_named(farebox_command, ledger):
    done = farebox_command("doctor", "--import", "no_such_program")
    assert done.exit_code == 2
    assert "--import 'no_such_program' cannot be imported" in done.stderr


def test_another_meter_around_the_methods_is_noted(tmp_path, ledger):
    program = tmp_path / "traced.py"
    program.write_text(
        "import functools\nfrom openai.resources.chat.completions import Completions\n"
        "def traced(function):\n    @functools.wraps(function)\n    def inner(*a, **k):\n        return function(*a, **k)\n"
        "    inner.__module__ = 'opentelemetry.instrumentation.openai'\n    return inner\n"
        "Completions.create = traced(Completions.create)\n"
    )
    done = doctor("--import", "traced", program=program, FAREBOX_LEDGER=str(ledger))
    assert done.returncode == 0
    assert "OpenTelemetry wraps functions of openai as well; calls are metered once all the same." in done.stdout


def test_a_patcher_around_our_hook_is_looked_through(tmp_path, ledger):
    program = tmp_path / "above.py"
    program.write_text(
        "import farebox, openai, wrapt\nfarebox.instrument('openai')\n"
        "def sentry(wrapped, instance, args, kwargs):\n    return wrapped(*args, **kwargs)\n"
        "sentry.__module__ = 'sentry_sdk.integrations.openai'\n"
        "wrapt.wrap_function_wrapper('openai._base_client', 'SyncAPIClient.request', sentry)\n"
    )
    done = doctor("--import", "above", program=program, FAREBOX_LEDGER=str(ledger))
    assert "Sentry wraps functions of openai as well" in done.stdout
    assert "times by farebox" not in done.stdout
    assert done.returncode == 0


def test_a_second_copy_of_farebox_counts_twice_and_is_a_problem(tmp_path, ledger):
    program = tmp_path / "twice.py"
    program.write_text(
        "import sys, openai, farebox\nfarebox.instrument('openai')\n"
        "first = {name: module for name, module in sys.modules.items() if name.partition('.')[0] == 'farebox'}\n"
        "for name in first:\n    del sys.modules[name]\n"
        "import farebox as again\nassert again is not farebox or True\nagain.instrument('openai')\n"
        "sys.modules.update(first)\n"
    )
    done = doctor("--import", "twice", program=program, FAREBOX_LEDGER=str(ledger))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "SyncAPIClient.request is hooked 2 times by farebox: calls are counted more than once." in done.stdout


def test_a_program_that_switched_farebox_off_is_unmetered(farebox_command, monkeypatch):
    monkeypatch.setenv("FAREBOX_DISABLED", "1")
    done = farebox_command("doctor")
    assert done.exit_code == 1
    assert "farebox is switched off (FAREBOX_DISABLED)" in done.stdout


def test_every_setting_is_shown_with_its_source_and_no_password(tmp_path, own_runtime, monkeypatch):
    (tmp_path / "farebox.toml").write_text('service = "billing"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAREBOX_BATCH_SIZE", "7")
    farebox.configure(
        flush_interval=0.5, alerts=[{"channel": "webhook", "name": "team", "url": "https://chat.example/secret"}]
    )
    section = next(section for section in examine().sections if section.key == "settings")
    found = {row["setting"]: (row["value"], row["source"]) for row in section.rows}
    assert found["service"] == ("billing", str(tmp_path / "farebox.toml"))
    assert found["batch_size"] == ("7", "FAREBOX_BATCH_SIZE")
    assert found["flush_interval"] == ("0.5", "argument")
    assert found["threads"] == ("True", "default")
    assert found["alerts"] == ("team", "argument")
    assert settings.harmless("postgres://user:secret@host/db") == "postgres://***@host/db"


def test_another_ledger_than_that_of_the_settings_can_be_looked_at(farebox_command, tmp_path, written):
    done = farebox_command("doctor", "--ledger", str(written), "--json")
    (row,) = next(section for section in json.loads(done.stdout)["sections"] if section["key"] == "ledger")["rows"]
    assert (row["ledger"], row["calls"], row["engine"], row["schema"]) == (str(written), 3, "sqlite", SCHEMA_VERSION)
    assert done.exit_code == 0


def test_problems_stand_first_and_colours_only_where_they_are_wanted(farebox_command, written):
    lines = farebox_command("doctor", "--ledger", str(written)).stdout.splitlines()
    assert lines[0].startswith("! openai/mystery: 1 calls of mystery (openai) have no price")
    assert lines[-1].startswith("farebox ")
    assert not any("\x1b" in line for line in lines)


def test_a_ledger_that_cannot_be_used_is_unseen_money(own_runtime, tmp_path, monkeypatch):
    (tmp_path / "theirs.db").write_text("no database")
    monkeypatch.setenv("FAREBOX_LEDGER", str(tmp_path / "theirs.db"))
    assert subjects(examine(), "unseen") == ["ledger"]


@pytest.mark.skipif(not hasattr(os, "setuid") or os.geteuid() != 0, reason="needs two users: run as the superuser")
def test_a_ledger_that_this_user_cannot_write_is_unseen_money(written):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        shutil.copy(written, path)
        path.chmod(0o444)
        Path(directory).chmod(0o755)
        asked = [sys.executable, "-c", AS_NOBODY, str(path)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("unseen "), done.stderr
    assert "ledger.db cannot be written" in done.stdout


def test_a_directory_that_takes_no_file_is_unseen_money(own_runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # the superuser may write everywhere
    (finding,) = examine(ledger_path(tmp_path / "none.db")).findings("unseen")
    assert finding.text == f"{tmp_path} cannot be written."


def test_a_ledger_that_is_not_sound_is_warned_of(farebox_command, written):
    with closing(sqlite3.connect(written)) as connection, connection:
        connection.execute("UPDATE spend_by_day SET cost_nano = cost_nano + 1")
    done = farebox_command("doctor", "--ledger", str(written))
    assert "ledger: The ledger is not sound: spend_by_day is not the sum of calls" in done.stdout


def die_with_events(ledger, number=3):
    """A process writes events and dies before they are in the ledger."""
    code = (
        "import farebox, os; farebox.configure(flush_interval=600)\n"
        f"for _ in range({number}): farebox.record_call(provider='openai', model='gpt-5-mini', usage={{'prompt_tokens': 1}})\n"
        "os._exit(1)"
    )
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "FAREBOX_LEDGER": str(ledger)}, timeout=60, check=False
    )
    return min(journal_directory(ledger).glob("*.segment"))


def test_journals_of_dead_processes_wait_and_are_no_problem(farebox_command, ledger):
    segment = die_with_events(ledger)
    before = segment.read_bytes()
    done = farebox_command("doctor")
    assert done.exit_code == 0, done.stdout
    assert "1 journal of processes that died wait to be brought in" in done.stdout
    assert segment.read_bytes() == before


def test_a_damaged_line_is_unseen_money_before_and_after_it_is_set_aside(farebox_command, ledger):
    segment = die_with_events(ledger)
    lines = segment.read_bytes().split(b"\n")
    lines[2] = lines[2][:40] + b"#" + lines[2][41:]
    segment.write_bytes(b"\n".join(lines))
    done = farebox_command("doctor")
    assert done.exit_code == 1
    assert "1 line of a journal cannot be read" in done.stdout
    assert segment.name.partition(".")[0] in done.stdout
    with farebox.open_ledger(ledger) as opened:
        assert opened.summary().calls == 2
    again = farebox_command("doctor")
    assert again.exit_code == 1
    assert ".damaged" in again.stdout


def test_a_journal_of_a_running_program_is_alive_and_shows_its_calls_in_flight(own_runtime, ledger):
    from farebox.core.event import CallRequest

    call = runtime.current().meter.open(CallRequest(provider="openai", operation="chat", api="", model="gpt-5-mini"))
    (row,) = next(section for section in examine().sections if section.key == "journals").rows
    assert (row["alive"], row["in_flight"]) == (True, 1)
    call.settle(billable=False)
    (row,) = next(section for section in examine().sections if section.key == "journals").rows
    assert row["in_flight"] == 0


def test_lost_calls_are_told_with_their_share(farebox_command, tmp_path, make_event):
    path = tmp_path / "lost.db"
    now = time.time_ns()
    with open_ledger(path) as opened:
        events = [
            make_event(started_at=now - 10**9 * index, status=status)
            for index, status in enumerate(["ok", "ok", "lost", "refused"])
        ]
        opened.ingest(events, journal="test", segment=0, offset=1)
    done = farebox_command("doctor", "--ledger", str(path))
    assert "1 of 3 calls (33.3 %) were in flight when their process died" in done.stdout
    assert done.exit_code == 0


def test_models_without_a_price_and_estimates_are_named(own_runtime):
    farebox.record_call(provider="openai", model="gpt-99", usage={"prompt_tokens": 5, "completion_tokens": 5})
    farebox.flush()
    health = examine()
    assert subjects(health, "warning") == ["openai/gpt-99"]
    assert not health.unseen


def test_swallowed_faults_and_dropped_events_are_unseen_money(own_runtime, monkeypatch):
    farebox.record_call(provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 5, "completion_tokens": 5})
    guard.faults["open a call: ValueError"] += 2
    monkeypatch.setattr(runtime.current().recorder.journal, "_dropped", 3)
    health = examine()
    assert sorted(subjects(health, "unseen")) == ["faults", "journal"]
    assert any("3 events of this process" in finding.text for finding in health.findings("unseen"))


def test_a_writer_that_cannot_write_is_warned_of_and_logged_in_one_line(own_runtime, caplog):
    record = {"provider": "openai", "model": "gpt-5-mini", "usage": {"prompt_tokens": 5, "completion_tokens": 5}}
    farebox.configure(flush_interval=0.01)
    farebox.record_call(**record)
    assert farebox.flush(20)
    with closing(sqlite3.connect(os.environ["FAREBOX_LEDGER"], isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        farebox.record_call(**record)
        assert not farebox.flush(3)
        health = examine()
        assert subjects(health, "unseen") == []
        assert sorted(subjects(health, "warning")) == ["faults", "journal"]
        waiting = next(finding for finding in health.findings("warning") if finding.subject == "journal")
        assert "wait in the journal" in waiting.text
        assert "another process is writing" in waiting.text
        lock.execute("ROLLBACK")
    assert farebox.flush(20)
    assert subjects(examine(), "warning") == ["faults"]
    (line,) = [message for message in caplog.messages if "another process is writing" in message]
    assert "Your program is not affected" in line
    assert "Traceback" not in caplog.text


def test_work_that_loses_its_scope_is_warned_of(own_runtime, monkeypatch):
    monkeypatch.setenv("FAREBOX_THREADS", "false")
    health = examine()
    assert subjects(health, "warning") == ["a pool of threads", "a thread"]
    rows = [row for section in health.sections if section.key == "context" for row in section.rows]
    assert rows == [
        {"started_in": "a pool of threads", "keeps_scope": False},
        {"started_in": "a thread", "keeps_scope": False},
    ]


def test_an_old_price_book_is_warned_of(own_runtime, monkeypatch):
    from datetime import timedelta

    from farebox.health import spending

    monkeypatch.setattr(spending, "STALE_AFTER", timedelta(days=-1000))
    assert "prices" in subjects(examine(), "warning")
