from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import farebox
from farebox import runtime
from farebox.core import guard
from farebox.health import examine
from farebox.journal.layout import damaged_path
from farebox.ledger.locate import journal_directory


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
    hooks = next(section for section in found["sections"] if section["name"] == "SDKs and hooks")
    assert {row["state"] for row in hooks["rows"]} == {"hooked"}
    assert {row["SDK"] for row in hooks["rows"]} >= {"openai", "anthropic", "google-genai"}


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
    hooks = next(section for section in json.loads(done.stdout)["sections"] if section["name"] == "SDKs and hooks")
    assert {row["SDK"] for row in hooks["rows"]} == {"openai"}


def test_a_module_that_is_not_there_is_named(ledger):
    done = doctor("--import", "no_such_program", FAREBOX_LEDGER=str(ledger))
    assert done.returncode == 2
    assert "--import 'no_such_program' cannot be imported" in done.stderr


def test_another_meter_above_is_noted_and_ours_twice_is_a_problem(own_runtime, monkeypatch):
    from openai.resources.chat.completions import Completions

    def traced(*args, **kwargs):
        return None

    traced.__module__ = "opentelemetry.instrumentation.openai"
    monkeypatch.setattr(Completions, "create", traced)
    health = examine()
    assert any("OpenTelemetry wraps functions of openai" in finding.text for finding in health.findings("note"))
    assert not health.unseen


def test_a_ledger_that_cannot_be_used_is_unseen_money(own_runtime, tmp_path, monkeypatch):
    (tmp_path / "theirs.db").write_text("no database")
    monkeypatch.setenv("FAREBOX_LEDGER", str(tmp_path / "theirs.db"))
    assert subjects(examine(), "unseen") == ["ledger"]


@pytest.mark.skipif(os.name == "nt", reason="rights are set otherwise on Windows")
def test_a_directory_that_cannot_be_written_is_unseen_money(own_runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write everywhere
    monkeypatch.setenv("FAREBOX_LEDGER", str(tmp_path / "none.db"))
    (finding,) = examine().findings("unseen")
    assert "cannot be written by this user" in finding.text


def test_damaged_lines_and_dead_journals_are_found(own_runtime, ledger, monkeypatch):
    monkeypatch.setenv("FAREBOX_LEDGER", str(ledger))
    code = (
        "import farebox, os; farebox.configure(flush_interval=60);"
        "farebox.record_call(provider='openai', model='gpt-5-mini', usage={'prompt_tokens': 1}); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    health = examine()
    assert not health.unseen
    assert any("wait to be brought in" in finding.text for finding in health.findings("note"))
    directory = journal_directory(ledger)
    journal = next(row["journal"] for section in health.sections for row in section.rows if "journal" in row)
    damaged_path(directory, journal).write_bytes(b"x\ny\n")
    (finding,) = examine().findings("unseen")
    assert "2 lines of a journal could not be read" in finding.text


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
    assert subjects(health, "unseen") == ["faults", "journal"]
    assert "3 events of this process" in health.findings("unseen")[1].text


def test_work_that_loses_its_scope_is_warned_of(own_runtime, monkeypatch):
    monkeypatch.setenv("FAREBOX_THREADS", "false")
    health = examine()
    assert subjects(health, "warning") == ["a pool of threads", "a thread"]
    assert any(row == {"setting": "threads", "value": "False"} for section in health.sections for row in section.rows)


def test_an_old_price_book_is_warned_of(own_runtime, monkeypatch):
    from datetime import timedelta

    from farebox.health import spending

    monkeypatch.setattr(spending, "STALE_AFTER", timedelta(days=-1000))
    assert "prices" in subjects(examine(), "warning")
