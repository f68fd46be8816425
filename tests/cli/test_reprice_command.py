"""`farebox reprice`: unknown costs are filled in, wrong ones corrected, and what is less sure stays."""

from __future__ import annotations

import json

import pytest

from farebox import runtime
from farebox.ledger.registry import open_ledger
from farebox.pricing import installed

FILLED = '{"rates": {"openai/mystery": {"input": 1, "output": 2}}}'


@pytest.fixture(autouse=True)
def own_data_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    runtime.reset()


@pytest.fixture
def path(tmp_path, make_event):
    usage = {"input_tokens": 1200, "output_tokens": 300}
    unknown = {"cost_nano": None, "cost_status": "unpriced", "request_model": "mystery"}
    events = [
        make_event(raw_usage=usage, api="responses"),
        make_event(raw_usage=usage, api="responses", cost_nano=1, tenant_id="acme"),
        make_event(**unknown, baseline_model="gpt-5-mini", baseline_cost_nano=5),
        make_event(**unknown | {"request_model": "other"}),
        make_event(cost_nano=7, cost_status="provider"),
        make_event(cost_nano=8, cost_status="estimated"),
        make_event(cost_nano=0, units=None, status="refused"),
        make_event(cost_nano=9, units={"input": 5, "input_tool": 7}),
        make_event(cost_nano=10, request_model="gone"),
        make_event(
            provider="google-vertex",
            request_model="claude-opus-5",
            server_address="us-east5-aiplatform.googleapis.com",
            cost_nano=1,
        ),
    ]
    path = tmp_path / "written.db"
    with open_ledger(path) as ledger:
        ledger.ingest(events, journal="test", segment=0, offset=1)
    return path


def costs(path):
    with open_ledger(path) as ledger:
        assert ledger.check() == []
        return [event.cost_nano for event in sorted(ledger.calls(), key=lambda event: event.id)]


BEFORE = [900_000, 1, None, None, 7, 8, 0, 9, 10, 1]
VERTEX = (1200 * 5 + 300 * 25) * 1100


def test_unknown_costs_are_filled_and_wrong_ones_corrected(farebox_command, path, monkeypatch):
    monkeypatch.setenv("FAREBOX_PRICES", FILLED)

    done = farebox_command("reprice", "--ledger", str(path), "--json")

    table = json.loads(done.stdout)
    rows = {(row["provider"], row["model"]): row for row in table["rows"]}
    assert rows["openai", "mystery"]["filled"] == 1
    assert rows["openai", "gpt-5-mini"] | {"provider": 0} == {
        "provider": 0,
        "model": "gpt-5-mini",
        "calls": 1,
        "filled": 0,
        "before": "0.000000001",
        "after": "0.0009",
        "difference": "0.000899999",
    }
    assert table["totals"]["calls"] == 3
    assert any("1 calls still have no cost" in note for note in table["notes"])
    assert any("2 calls stay as they are" in note for note in table["notes"])
    assert costs(path) == [900_000, 900_000, 1_800_000, None, 7, 8, 0, 9, 10, VERTEX]
    with open_ledger(path) as ledger:
        (event,) = ledger.calls(where={"model": "mystery"})
        assert (event.cost_status, event.cost_missing, event.baseline_cost_nano) == ("priced", (), 900_000)
        assert event.price_book == installed.current().hash
    again = json.loads(farebox_command("reprice", "--ledger", str(path), "--json").stdout)
    assert again["rows"] == []


def test_a_dry_run_says_it_and_changes_nothing(farebox_command, path, monkeypatch):
    monkeypatch.setenv("FAREBOX_PRICES", FILLED)

    done = farebox_command("reprice", "--ledger", str(path), "--dry-run")

    assert "dry run: nothing was changed" in done.stdout
    assert "mystery" in done.stdout
    assert costs(path) == BEFORE


def test_a_model_and_a_time_narrow_it_down(farebox_command, path, monkeypatch):
    monkeypatch.setenv("FAREBOX_PRICES", FILLED)

    farebox_command("reprice", "--ledger", str(path), "--model", "mystery")
    farebox_command("reprice", "--ledger", str(path), "--since", "2999-01-01")

    assert costs(path) == [*BEFORE[:2], 1_800_000, *BEFORE[3:]]


def test_a_ledger_that_is_not_there_is_named(farebox_command, tmp_path):
    done = farebox_command("reprice", "--ledger", str(tmp_path / "none.db"))

    assert done.exit_code == 1
    assert "there is no ledger" in done.stderr
