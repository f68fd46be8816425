"""`farebox alerts`: who is told, and whether a test alert arrives at a real receiver."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def rows(monkeypatch, receiver):
    """Two receivers besides the log, one of them signed."""
    rows = [
        {"channel": "webhook", "url": receiver.url, "format": "slack", "name": "chat", "kinds": ["threshold"]},
        {"channel": "webhook", "url": receiver.url, "name": "pager", "severity": "critical", "secret": "very-hidden"},
    ]
    monkeypatch.setenv("FAREBOX_ALERTS", json.dumps(rows))
    return rows


def test_receivers_are_listed_without_their_secrets(farebox_command, rows, receiver):
    result = farebox_command("alerts", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    as_json = farebox_command("alerts", "list", "--json")
    for text in (result.stdout, as_json.stdout):
        assert "very-" not in text
        assert f"127.0.0.1:{receiver.server.server_port}/..." in text
        assert "50 %, 80 %, 100 % of the limit" in text
    found = json.loads(as_json.stdout)["rows"]
    assert [(row["name"], row["format"], row["signed"]) for row in found] == [
        ("log", None, "no"),
        ("chat", "slack", "no"),
        ("pager", "plain", "yes"),
    ]
    assert receiver.posts == []


def test_without_settings_the_log_is_told_and_tried(farebox_command, caplog):
    caplog.set_level("INFO", "farebox")
    result = farebox_command("alerts", "test")
    assert (result.exit_code, result.stdout) == (0, "✓ log (logger farebox): sent\n")
    assert "This is a test alert of farebox" in caplog.text


def test_a_test_alert_is_sent_to_each_whatever_it_is_told_of_and_is_marked(farebox_command, rows, receiver):
    result = farebox_command("alerts", "test")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["✓", "log"], ["✓", "chat"], ["✓", "pager"]]
    chat, pager = receiver.bodies
    assert "test alert" in chat["text"]
    assert (pager["kind"], pager["severity"]) == ("test", "info")
    assert "Webhook-Signature" in receiver.posts[1][1]


def test_what_does_not_arrive_is_said_once_tried_and_the_exit_code_is_1(farebox_command, rows, receiver):
    receiver.answers.append((403, {"Content-Length": "13"}))
    result = farebox_command("alerts", "test", "--channel", "chat")
    assert result.exit_code == 1
    assert result.stdout.startswith("✗ chat (http://127.0.0.1:")
    assert "not delivered: HTTP 403" in result.stdout
    assert "very-" not in result.output
    assert len(receiver.posts) == 1


def test_a_fault_of_a_channel_is_said_too(farebox_command, rows, receiver, monkeypatch):
    monkeypatch.setattr(
        "farebox.alerts.webhook.Webhook.send", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("a fault"))
    )
    result = farebox_command("alerts", "test")
    assert result.exit_code == 1
    assert result.stdout.count("not delivered: a fault") == 2


def test_an_unknown_receiver_is_named_with_those_there_are(farebox_command, rows):
    result = farebox_command("alerts", "test", "--channel", "pigeon")
    assert result.exit_code == 2
    assert "--channel 'pigeon' is no receiver: use one of log, chat, pager" in result.stderr


def test_a_setting_that_cannot_be_used_is_one_line(farebox_command, monkeypatch):
    monkeypatch.setenv("FAREBOX_ALERTS", '[{"channel": "webhook"}]')
    result = farebox_command("alerts", "list")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "FAREBOX_ALERTS: alerts[0] has no url" in result.stderr
