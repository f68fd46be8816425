"""One post to a real server on loopback: signed, refused, slow, redirected, through a proxy."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import time

import pytest

from farebox.alert_settings import parse_alerts
from farebox.alerts.channels import CHANNELS
from farebox.alerts.rule import alert_of
from farebox.alerts.webhook import Webhook
from farebox.core.alert import UndeliveredError
from farebox.core.errors import ConfigurationError


def channel(receiver, **keys) -> Webhook:
    (row,) = parse_alerts([{"channel": "webhook", "url": receiver.url, **keys}])
    made = CHANNELS["webhook"](row)
    assert type(made) is Webhook
    return made


def send(made, timeout=5.0):
    alert = alert_of("unpriced", {"provider": "openai", "model": "gpt-99"})
    made.send(alert, timeout=timeout)
    return alert


def failure(made, timeout=5.0) -> UndeliveredError:
    with pytest.raises(UndeliveredError) as error:
        send(made, timeout)
    assert "very-secret" not in str(error.value)
    assert error.value.__cause__ is None
    return error.value


def test_the_body_arrives_as_json_and_unsigned_without_a_secret(receiver):
    alert = send(channel(receiver))
    ((path, headers, _),) = receiver.posts
    assert path == "/hooks/very-secret"
    assert headers["Content-Type"] == "application/json"
    assert "Webhook-Signature" not in headers
    assert receiver.bodies[0]["id"] == alert.id


@pytest.mark.parametrize(
    ("secret", "key"), [("a plain key", b"a plain key"), ("whsec_" + base64.b64encode(b"raw").decode(), b"raw")]
)
def test_a_receiver_can_verify_the_signature(receiver, monkeypatch, secret, key):
    monkeypatch.setenv("HOOK_KEY", secret)
    alert = send(channel(receiver, secret_env="HOOK_KEY"))
    ((_, headers, body),) = receiver.posts
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{expected}"
    assert headers["Webhook-Id"] == alert.id
    assert abs(int(headers["Webhook-Timestamp"]) - time.time()) < 60


def test_a_secret_that_is_no_base64_is_refused_unseen(receiver):
    with pytest.raises(ConfigurationError, match="is no base64") as error:
        channel(receiver, secret="whsec_*very-secret*")
    assert "very-secret" not in str(error.value)


def test_a_url_from_the_environment_is_checked_unseen(monkeypatch):
    monkeypatch.setenv("HOOK", "very-secret")
    (row,) = parse_alerts([{"channel": "webhook", "url_env": "HOOK"}])
    with pytest.raises(ConfigurationError, match="give an http or https URL") as error:
        Webhook(row)
    assert "very-secret" not in str(error.value)


@pytest.mark.parametrize(
    ("status", "retry"), [(500, True), (503, True), (429, True), (408, True), (400, False), (404, False), (410, False)]
)
def test_a_status_says_whether_a_later_try_may_help(receiver, status, retry):
    receiver.answers.append((status, {}))
    error = failure(channel(receiver))
    assert (error.retry, error.after) == (retry, None)
    assert f"HTTP {status}" in str(error)


def test_retry_after_is_read_as_seconds_or_as_a_date(receiver):
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    receiver.answers += [(429, {"Retry-After": value}) for value in ("7", soon, "-", "later")]
    made = channel(receiver)
    assert failure(made).after == 7.0
    assert 25 < (failure(made).after or 0) <= 30
    assert failure(made).after is None
    assert failure(made).after is None


def test_a_redirect_is_not_followed(receiver):
    receiver.answers.append((302, {"Location": receiver.url}))
    error = failure(channel(receiver))
    assert not error.retry
    assert len(receiver.posts) == 1


def test_a_slow_receiver_is_given_up_after_the_timeout(receiver):
    receiver.answers += [1.5, 1.5]
    for made, timeout in ((channel(receiver, timeout=0.2), 5.0), (channel(receiver), 0.2)):
        began = time.monotonic()
        error = failure(made, timeout)
        assert time.monotonic() - began < 1.2
        assert error.retry
    assert all(receiver.arrived.acquire(timeout=10) for _ in range(2))


def test_nobody_there_is_worth_another_try(receiver):
    receiver.server.server_close()
    error = failure(channel(receiver))
    assert error.retry
    assert error.after is None


def test_a_proxy_of_the_environment_is_used(receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", receiver.url)
    monkeypatch.setenv("no_proxy", "")
    (row,) = parse_alerts([{"channel": "webhook", "url": "http://alerts.example/hook"}])
    send(Webhook(row))
    assert receiver.posts[0][0] == "http://alerts.example/hook"


def test_its_address_shows_no_path(receiver):
    assert channel(receiver).address == f"http://127.0.0.1:{receiver.server.server_port}/..."
