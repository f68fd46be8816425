"""Standing budgets that run out are told: once per window and share, with the tenant that it is about."""

from __future__ import annotations

import pytest

import farebox
from farebox import runtime

MESSAGES = [{"role": "user", "content": "Tell me about the keeper."}]


@pytest.fixture
def told():
    alerts = []
    farebox.on_alert(alerts.append)
    return alerts


def delivered(told):
    assert farebox.shutdown(10)
    return [alert for alert in told if alert.kind == "threshold"]


def ask(client):
    return client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES, max_completion_tokens=50)


def test_shares_of_a_tenants_day_are_told_once_and_name_the_tenant(provider, told):
    farebox.instrument()
    with farebox.capture() as captured, provider.openai_client() as client:
        ask(client)
    price = captured.cost
    farebox.set_budget("daily", limit=price * 10, window="day", per="tenant_id", alert_at=(0.2, 0.5))
    with provider.openai_client() as client, farebox.tracked("x", tenant_id="acme"):
        for _ in range(3):
            ask(client)
    (alert,) = delivered(told)
    assert (alert.budget, alert.tenant_id, alert.data["threshold"]) == ("daily", "acme", 0.2)
    with provider.openai_client() as client, farebox.tracked("x", tenant_id="acme"):
        for _ in range(3):
            ask(client)
    assert [one.data["threshold"] for one in delivered(told)] == [0.2, 0.5]


def test_nothing_is_told_where_nothing_is_reached_or_wanted(provider, told):
    farebox.instrument()
    farebox.set_budget("large", limit=1000, window="day")
    farebox.set_budget("silent", limit="0.5", window="day", alert_at=())
    with provider.openai_client() as client:
        ask(client)
    assert delivered(told) == []


def test_calls_that_were_made_elsewhere_count_too(told):
    farebox.set_budget("calls", limit={"calls": 2}, window="hour", alert_at=(1.0,), strength="soft")
    for _ in range(2):
        farebox.record_call(provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 1, "completion_tokens": 1})
    (alert,) = delivered(told)
    assert (alert.budget, alert.utilization) == ("calls", 1.0)
    assert runtime.current().budgets.standing.active
