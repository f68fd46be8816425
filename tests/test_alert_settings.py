"""The settings of alerts: what they mean, one clear error for each that cannot be used, and no secret in sight."""

from __future__ import annotations

import json

import pytest

from farebox import config
from farebox.alert_settings import AlertRow, Secret, millionths, parse_alert_at, parse_alerts
from farebox.core.errors import ConfigurationError

HOOK = "https://hooks.example/T0/B0/very-secret"


def test_rows_of_a_file_are_read_with_their_defaults(tmp_path):
    (tmp_path / "farebox.toml").write_text(
        f'alert_at = [1, 0.25]\n[[alerts]]\nchannel = "webhook"\nurl = "{HOOK}"\nformat = "slack"\n'
        '[[alerts]]\nchannel = "webhook"\nname = "pager"\nurl_env = "PAGER"\nkinds = ["journal"]\nseverity = "critical"\n'
        'secret_env = "KEY"\ntimeout = 3\nper_minute = 0\n'
    )

    settings = config.load({}, environment={}, directory=tmp_path)

    assert settings.alert_at == (0.25, 1.0)
    assert settings.alerts == (
        AlertRow(channel="webhook", name="webhook", url=Secret(HOOK), format="slack"),
        AlertRow(
            channel="webhook",
            name="pager",
            url=Secret(variable="PAGER"),
            kinds=("journal",),
            severity="critical",
            secret=Secret(variable="KEY"),
            timeout=3.0,
            per_minute=0,
        ),
    )


def test_a_variable_holds_the_rows_as_json_and_the_shares_as_a_list(tmp_path):
    rows = json.dumps([{"channel": "log", "kinds": "refusal"}])
    settings = config.load({}, environment={"FAREBOX_ALERTS": rows, "FAREBOX_ALERT_AT": "0.9, 0.5"}, directory=tmp_path)
    assert settings.alerts == (AlertRow(channel="log", name="log", kinds=("refusal",)),)
    assert millionths(settings.alert_at) == (500_000, 900_000)
    assert parse_alerts(settings.alerts) == settings.alerts


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (3, "give a list of tables"),
        ("[", "give rows as JSON"),
        ([3], r"alerts\[0\] cannot be used: give a table"),
        ([{}], r"alerts\[0\] has no channel"),
        ([{"channel": "log", "kind": "x"}], r"alerts\[0\]\.kind is not a setting: did you mean 'kinds'"),
        ([{"channel": "log", "zzz": "x"}], "use one of channel, name"),
        ([{"channel": ""}], r"alerts\[0\]\.channel cannot be used: give a non-empty text"),
        ([{"channel": "webhook"}], "has no url: give url, or url_env"),
        ([{"channel": "webhook", "url": HOOK, "url_env": "X"}], "has both url and url_env"),
        ([{"channel": "webhook", "url": "ftp://x/very-secret"}], "give an http or https URL"),
        ([{"channel": "webhook", "url": "https://[very-secret"}], "give an http or https URL"),
        ([{"channel": "webhook", "url": "https://x/very secret"}], "give an http or https URL"),
        ([{"channel": "log", "kinds": ["cost"]}], "give one of threshold, refusal, unpriced, journal, dear_call"),
        ([{"channel": "log", "kinds": 3}], "give a list of threshold"),
        ([{"channel": "log", "severity": "high"}], "give one of info, warning, critical"),
        ([{"channel": "webhook", "url": HOOK, "format": "teams"}], "give one of plain, slack, discord"),
        ([{"channel": "webhook", "url": HOOK, "secret": ""}], r"alerts\[0\]\.secret cannot be used"),
        ([{"channel": "webhook", "url": HOOK, "timeout": 0}], "give seconds between 0.1 and 60"),
        ([{"channel": "webhook", "url": HOOK, "timeout": True}], "give seconds between 0.1 and 60"),
        ([{"channel": "log", "per_minute": 1.5}], "give a whole number between 0 and 10000"),
        ([{"channel": "log", "options": 3}], r"alerts\[0\]\.options cannot be used: give a table"),
        ([{"channel": "log"}, {"channel": "log"}], "alerts has 2 rows called 'log': give each a name"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy_and_shows_no_secret(tmp_path, rows, message):
    with pytest.raises(ConfigurationError, match=message) as error:
        config.load({"alerts": rows}, environment={}, directory=tmp_path)
    assert "very" not in str(error.value)


@pytest.mark.parametrize("shares", [3, [0], [-1], ["half"], [True], [11], "0.5,x", ["NaN"]])
def test_shares_that_cannot_be_used_are_refused(tmp_path, shares):
    with pytest.raises(ConfigurationError, match=r"alert_at=.* cannot be used: give shares of the limit"):
        config.load({"alert_at": shares}, environment={}, directory=tmp_path)


def test_no_share_at_all_is_a_choice():
    assert parse_alert_at([]) == parse_alert_at("") == ()


def test_no_representation_shows_a_secret():
    (row,) = parse_alerts([{"channel": "webhook", "url": HOOK, "secret": "very-secret"}])
    assert "very-secret" not in repr(row) + str(row)
    assert repr(Secret(variable="PAGER")) == "<from PAGER>"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != "a"


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    secret = Secret(variable="PAGER")
    monkeypatch.delenv("PAGER", raising=False)
    with pytest.raises(ConfigurationError, match="the row names the variable PAGER, which is not set"):
        secret.reveal("the row")
    monkeypatch.setenv("PAGER", HOOK)
    assert secret.reveal("the row") == HOOK
