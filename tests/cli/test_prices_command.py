"""`farebox prices`: newer prices, and what things cost."""

from __future__ import annotations

import json

import pytest

from farebox import runtime
from farebox.core.event import CallEvent
from farebox.ledger.registry import open_ledger
from farebox.pricing import installed


@pytest.fixture(autouse=True)
def own_data_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    runtime.reset()


@pytest.fixture
def newer(tmp_path):
    """A book of tomorrow, with two prices changed: one a little, one by a jump."""
    text = installed.BUNDLED.read_text(encoding="utf-8").replace('"as_of":"2026-11-22"', '"as_of":"2026-11-23"')
    book = json.loads(text)
    for row in book["providers"]["openai"]["models"]:
        if row["id"] in {"gpt-5-mini", "gpt-5-nano"}:
            row["periods"][0]["rates"]["input"] = "0.3" if row["id"] == "gpt-5-mini" else "9"
    path = tmp_path / "newer.json"
    path.write_text(json.dumps(book), encoding="utf-8")
    return path


def test_an_update_names_what_changed_and_what_is_quarantined(farebox_command, newer):
    done = farebox_command("prices", "update", str(newer))

    assert done.exit_code == 0, done.stderr
    assert "changed" in done.stdout
    assert "quarantined" in done.stdout
    assert "--accept openai/gpt-5-nano" in " ".join(done.stdout.split())
    accepted = farebox_command("prices", "update", str(newer), "--accept", "openai/gpt-5-nano", "--json")
    assert {row["model"] for row in json.loads(accepted.stdout)["rows"]} == {"gpt-5-nano"}
    again = farebox_command("prices", "update", str(newer))
    assert "nothing was changed" in again.stdout
    difference = farebox_command("prices", "diff", "bundled", "newest", "--json")
    rows = {(row["model"], row["unit"]): (row["before"], row["after"]) for row in json.loads(difference.stdout)["rows"]}
    assert rows["gpt-5-mini", "input"] == ("0.25", "0.3")


def test_the_source_of_the_settings_is_the_default(farebox_command, newer, monkeypatch):
    monkeypatch.setenv("FAREBOX_PRICES", json.dumps({"source": str(newer)}))

    assert "stored as" in farebox_command("prices", "update").stdout


def test_data_that_cannot_be_used_is_one_line_and_an_exit_code(farebox_command, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("{", encoding="utf-8")

    done = farebox_command("prices", "update", str(path))

    assert done.exit_code == 1
    assert done.stderr.startswith("farebox: this is no price book")
    assert done.stderr.count("\n") == 1


def test_a_model_is_shown_with_conditions_and_sources_at_a_day(farebox_command):
    done = farebox_command("prices", "show", "gpt-5.6-luna", "--provider", "openai", "--at", "2026-07-01", "--json")

    rows = json.loads(done.stdout)["rows"]
    assert ("input", "2") in {(row["unit"], row["price"]) for row in rows}
    assert any("batch" in row["conditions"] for row in rows)
    assert all(row["source"] for row in rows)
    assert farebox_command("prices", "show", "gpt-5-mini").exit_code == 0


def test_own_prices_are_shown_as_such(farebox_command, monkeypatch):
    monkeypatch.setenv("FAREBOX_PRICES", '{"rates": {"acme/m": {"input": 3}}}')

    (row,) = json.loads(farebox_command("prices", "show", "m", "--json").stdout)["rows"]

    assert (row["provider"], row["price"], row["source"]) == ("acme", "3", "your own prices")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "nothing"), "no known price"),
        (("show", "nothing", "--provider", "openai"), "of openai"),
        (("show", "gpt-5", "--at", "soon"), "--at 'soon' is no moment"),
        (("list", "nobody"), "is no provider with prices"),
        (("diff", "bundled", "zzz"), "names no price book"),
    ],
)
def test_what_is_not_there_is_named(farebox_command, arguments, says):
    done = farebox_command("prices", *arguments)

    assert done.exit_code in {1, 2}
    assert says in done.stderr


def test_models_are_listed_by_provider(farebox_command):
    rows = json.loads(farebox_command("prices", "list", "openai", "--json").stdout)["rows"]

    assert {row["provider"] for row in rows} == {"openai"}
    mini = next(row for row in rows if row["model"] == "gpt-5-mini")
    assert (mini["input"], mini["cache_read"], mini["output"]) == ("0.25", "0.025", "2")
    assert len(json.loads(farebox_command("prices", "list", "--json").stdout)["rows"]) > 1000


def test_two_equal_books_differ_in_nothing(farebox_command):
    assert "both have the same prices" in farebox_command("prices", "diff", "bundled", "newest").stdout


@pytest.fixture
def ledger(tmp_path, make_event):
    path = tmp_path / "written.db"
    events: list[CallEvent] = [
        make_event(raw_usage={"input_tokens": 1200, "output_tokens": 300}, api="responses", price_book="old"),
        make_event(request_model="mystery", cost_nano=None, cost_status="unpriced", cost_missing=("model mystery",)),
        make_event(cost_status="estimated", units=None),
    ]
    with open_ledger(path) as opened:
        opened.ingest(events, journal="test", segment=0, offset=1)
    return path, events


def test_a_call_is_explained_line_by_line(farebox_command, ledger):
    path, events = ledger

    rows = json.loads(farebox_command("prices", "explain", events[0].id, "--ledger", str(path), "--json").stdout)[
        "rows"
    ]

    assert [(row["unit"], row["count"], row["rate"], row["amount"]) for row in rows] == [
        ("input", "1,200", "0.25", "0.0003"),
        ("output", "300", "2", "0.0006"),
    ]


def test_what_cannot_be_explained_says_why(farebox_command, ledger, monkeypatch):
    path, events = ledger

    unpriced = farebox_command("prices", "explain", events[1].id, "--ledger", str(path))
    assert "no price at the time: model mystery" in unpriced.stdout
    assert "no price now" in unpriced.stdout
    estimated = farebox_command("prices", "explain", events[2].id, "--ledger", str(path))
    assert "it is estimated" in estimated.stdout
    missing = farebox_command("prices", "explain", "none", "--ledger", str(path))
    assert "has no call with the id 'none'" in missing.stderr
    monkeypatch.setenv("FAREBOX_PRICES", '{"discounts": {"openai": 50}}')
    runtime.reset()
    changed = farebox_command("prices", "explain", events[0].id, "--ledger", str(path))
    assert "farebox reprice corrects" in changed.stdout
