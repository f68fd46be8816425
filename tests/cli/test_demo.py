"""`farebox demo`: it shows what it claims, says what is missing, and leaves nothing behind."""

from __future__ import annotations

import re

import openai

from farebox.cli import demo as demo_module
from farebox.cli import traffic
from farebox.ledger.registry import open_ledger


def test_the_demo_meters_refuses_and_agrees_with_the_bill(farebox_command, tmp_path):
    kept = tmp_path / "kept.db"
    method = openai.OpenAI.request
    result = farebox_command("demo", "--keep", str(kept))
    assert (result.exit_code, result.stderr) == (0, "")
    assert openai.OpenAI.request is method
    assert "BudgetExceeded: the limit of budget 'request 4711' for task 'analysis'" in result.stdout
    ((sent, refused),) = re.findall(r"(\d+) sent, (\d+) refused", result.stdout)
    assert int(sent) + int(refused) == 40
    assert int(sent) > 0 < int(refused)
    assert "They agree." in result.stdout
    with open_ledger(kept) as ledger:
        providers = {group["provider"]: group for group in ledger.by("provider")}
        statuses = {group["status"]: group["calls"] for group in ledger.by("status")}
    assert set(providers) == {"openai", "anthropic", "google"}
    assert all(group["unpriced"] == 0 < group["cost_nano"] for group in providers.values())
    assert statuses["refused"] == int(refused) + 1
    assert statuses["abandoned"] == 1


def test_the_demo_overwrites_nothing(farebox_command, tmp_path):
    kept = tmp_path / "kept.db"
    kept.write_text("precious")
    result = farebox_command("demo", "--keep", str(kept))
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert kept.read_text() == "precious"


def absent(*names):
    """The demo's traffic, as if some SDKs were not installed."""
    return tuple(
        row._replace(distribution=f"{row.distribution}-that-nobody-has") if row.distribution in names else row
        for row in traffic.TRAFFIC
    )


def test_an_sdk_that_is_missing_is_named_with_the_command_that_adds_it(farebox_command, monkeypatch):
    monkeypatch.setattr(demo_module, "TRAFFIC", absent("openai", "google-genai"))
    result = farebox_command("demo")
    assert result.exit_code == 0
    assert "pip install 'farebox[openai]' adds its part" in result.stdout
    assert "pip install 'farebox[google]' adds its part" in result.stdout
    assert "They agree." in result.stdout


def test_the_demo_runs_with_google_alone(farebox_command, monkeypatch):
    monkeypatch.setattr(demo_module, "TRAFFIC", absent("openai", "anthropic"))
    result = farebox_command("demo")
    assert result.exit_code == 0, result.output
    assert "They agree." in result.stdout


def test_without_any_sdk_the_demo_says_what_to_install(farebox_command, monkeypatch):
    monkeypatch.setattr(demo_module, "TRAFFIC", absent("openai", "anthropic", "google-genai"))
    result = farebox_command("demo")
    assert result.exit_code == 1
    assert "pip install 'farebox[all]'" in result.stderr
