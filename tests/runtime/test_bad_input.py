from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import pytest

import farebox

ENTRANCES = pytest.mark.parametrize(
    "enter",
    [
        pytest.param(lambda path: farebox.instrument(ledger=path), id="instrument"),
        pytest.param(lambda path: farebox.configure(ledger=path), id="configure"),
        pytest.param(farebox.open_ledger, id="open_ledger"),
    ],
)


@ENTRANCES
def test_a_directory_is_no_ledger(tmp_path: Path, enter):
    with pytest.raises(farebox.LedgerError, match=r"is a directory.*name a file in it") as error:
        enter(tmp_path)
    assert str(tmp_path) in str(error.value)


@ENTRANCES
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, enter):
    path = tmp_path / "notes.db"
    path.write_text("my notes" * 50)
    with pytest.raises(farebox.LedgerError, match=r"notes\.db is no SQLite database: name another file"):
        enter(path)
    assert path.read_text() == "my notes" * 50


@ENTRANCES
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, enter):
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("PRAGMA application_id = 77")
        theirs.execute("CREATE TABLE calls (id)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(farebox.LedgerError, match=r"theirs\.db.*another program.*name another file"):
        enter(path)
    assert path.read_bytes() == before


@ENTRANCES
@pytest.mark.parametrize("kind", ["tables of its own", "a newer farebox"])
def test_what_another_program_or_a_newer_farebox_wrote_is_left_alone(tmp_path: Path, enter, kind: str):
    path = tmp_path / "other.db"
    if kind == "a newer farebox":
        farebox.open_ledger(path).close()
    with sqlite3.connect(path) as other:
        if kind == "a newer farebox":
            other.execute("PRAGMA user_version = 999")
            other.execute("INSERT INTO migrations VALUES (999, 'from the future', 0)")
        else:
            other.execute("CREATE TABLE customers (id)")
    other.close()
    before = path.read_bytes()
    remedy = "upgrade farebox" if kind == "a newer farebox" else "name another file"
    with pytest.raises(farebox.LedgerError, match=rf"other\.db.*{remedy}"):
        enter(path)
    assert path.read_bytes() == before


def test_reading_only_needs_a_ledger(tmp_path: Path):
    with pytest.raises(farebox.LedgerError, match=r"none\.db"):
        farebox.open_ledger(tmp_path / "none.db", read_only=True)
    assert not (tmp_path / "none.db").exists()


@ENTRANCES
def test_an_unknown_engine_is_named(enter):
    with pytest.raises(farebox.ConfigurationError, match=r"oracle.*sqlite"):
        enter("oracle://host/db")


@ENTRANCES
@pytest.mark.parametrize("path", [":memory:", "/dev/null"])
def test_what_is_no_file_on_a_disk_is_no_ledger(enter, path: str):
    with pytest.raises(farebox.LedgerError, match=r"is no file: name one on a disk"):
        enter(path)


def test_when_disabled_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAREBOX_DISABLED", "1")
    monkeypatch.setenv("FAREBOX_LEDGER", str(tmp_path))
    assert farebox.instrument().states == []


@pytest.mark.parametrize("limit", [-1, float("nan"), "much", True])
def test_a_limit_that_is_no_amount_is_refused_at_once(limit):
    with pytest.raises(farebox.ConfigurationError, match=r"total_limit=.*US dollars"):
        farebox.track_budget(limit)
    with pytest.raises(farebox.ConfigurationError, match=r"per_task_limits\['a'\]=.*US dollars"):
        farebox.track_budget(1, {"a": limit})


def test_a_misspelt_argument_or_setting_is_a_type_error():
    for wrong in (
        lambda: farebox.instrument(ledgr="x"),
        lambda: farebox.configure(ledgr="x"),
        lambda: farebox.track_budget(1, per_task_limit={}),
        lambda: farebox.tracked("t", tennant_id="x"),
        lambda: farebox.price({}, provider="openai", model="m", modell="x"),
    ):
        with pytest.raises(TypeError):
            wrong()


def test_an_unknown_sdk_is_named_with_those_there_are():
    with pytest.raises(farebox.ConfigurationError, match=r"'opnai'.*anthropic, google_genai, litellm, openai"):
        farebox.instrument("opnai")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operation": "chatting"}, "operation='chatting' is not known: use one of batch, chat"),
        ({"status": "fine"}, "status='fine' is not known"),
        ({"cost": -1}, "cost=-1"),
        ({"started_at": dt.datetime(2026, 1, 1)}, "no moment with a time zone"),  # noqa: DTZ001 - that is the point
        ({"duration": -0.5}, "duration=-0.5"),
        ({"duration": float("inf")}, "duration=inf"),
        ({"duration": "1"}, "duration='1'"),
        ({"duration": True}, "duration=True"),
        ({"duration": float("nan")}, "duration=nan"),
        ({"usage": {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": -2}}}, "usage has -2"),
        ({"usage": farebox.Usage(units={"input": -1})}, "usage has -1"),
        ({"started_at": "2026-01-01"}, "no moment with a time zone"),
        ({"provider": None}, "provider=None"),
        ({"model": ""}, "model=''"),
        ({"usage": 3}, "usage=3"),
        ({"usage": None}, "usage=None"),
    ],
)
def test_a_recorded_call_is_checked(changes: dict, message: str):
    with pytest.raises(farebox.ConfigurationError, match=message):
        farebox.record_call(**{"provider": "openai", "model": "gpt-5-mini", "usage": {"prompt_tokens": 1}, **changes})


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: farebox.estimate(3, model="gpt-5-mini"), farebox.ConfigurationError, "content of type int"),
        (
            lambda: farebox.estimate("x", model="gpt-5-mini", max_output_tokens=-1),
            farebox.ConfigurationError,
            "max_output_tokens=-1",
        ),
        (
            lambda: farebox.estimate("x", model="no-such-model"),
            farebox.PriceError,
            "'no-such-model' has no price.*provider='groq'",
        ),
        (
            lambda: farebox.should_warn_cost("x", model="gpt-5-mini", cost="dear"),
            farebox.ConfigurationError,
            "cost='dear'",
        ),
        (lambda: farebox.price({}, provider="openai", model="gpt-5", context={"tier": 1}), TypeError, "tier"),
        (lambda: farebox.price({}, provider="openai", model="gpt-5", at="yesterday"), farebox.PriceError, "yesterday"),
    ],
)
def test_questions_about_prices_are_checked(call, kind: type[Exception], message: str):
    with pytest.raises(kind, match=message):
        call()
