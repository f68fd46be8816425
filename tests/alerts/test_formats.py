"""Bodies of webhooks, held to what Slack and Discord document."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from farebox.alerts.formats import BODIES, discord, plain, slack
from farebox.alerts.rule import alert_of
from farebox.core.alert import KINDS, SEVERITIES
from farebox.core.errors import BudgetExceeded


def alert(**changes):
    facts = {"name": "chat", "limit": 2_000_000_000, "spent": 1_700_000_000, "share": 800_000, "tenant_id": "acme"}
    return alert_of("threshold", facts | changes)


def test_plain_has_every_field_and_exact_dollars():
    told = alert()
    body = json.loads(json.dumps(plain(told)))
    assert body["source"] == "farebox"
    assert (body["kind"], body["severity"], body["budget"], body["tenant_id"]) == (
        "threshold",
        "warning",
        "chat",
        "acme",
    )
    assert (body["limit"], body["spent"], body["utilization"]) == ("2.00", "1.70", 0.85)
    assert body["data"] == {"threshold": 0.8}
    assert body["subject"] == "80 % of budget chat"
    assert body["text"] == "Budget chat: $1.70 of $2.00 is spent, which is 85 %."
    assert datetime.fromisoformat(body["at"]).timestamp() == told.at_ns // 10**9


def test_counts_are_no_dollars():
    told = alert(limit=2_000, spent=1_700, unit="tokens", bucket="gpt-5-mini", window=5)
    assert told.text == "Budget chat, gpt-5-mini: 1,700 of 2,000 tokens is spent, which is 85 %."
    assert told.data == {"threshold": 0.8, "unit": "tokens", "bucket": "gpt-5-mini", "window": 5}
    assert "$" not in json.dumps([slack(told), discord(told), plain(told)])


def test_slack_gets_blocks_within_its_limits_and_nobody_is_called():
    told = alert(name="<!channel> & " + "x" * 4000)
    body = slack(told)
    assert set(body) == {"text", "blocks"}
    header, section, context = body["blocks"]
    assert (header["type"], header["text"]["type"]) == ("header", "plain_text")
    assert len(header["text"]["text"]) <= 150
    assert (section["type"], section["text"]["type"]) == ("section", "mrkdwn")
    assert len(section["text"]["text"]) <= 3000
    assert context["type"] == "context"
    assert 1 <= len(context["elements"]) <= 10
    assert {element["type"] for element in context["elements"]} == {"mrkdwn"}
    for text in (body["text"], section["text"]["text"], context["elements"][0]["text"]):
        assert "<!channel>" not in text
        assert "&lt;!channel&gt; &amp;" in text


def test_discord_gets_one_embed_within_its_limits_and_nobody_is_called():
    body = discord(alert(name="@everyone " + "x" * 5000))
    assert body["allowed_mentions"] == {"parse": []}
    (embed,) = body["embeds"]
    assert len(embed["title"]) == 256
    assert len(embed["description"]) == 4096
    assert 0 <= embed["color"] <= 0xFFFFFF
    assert datetime.fromisoformat(embed["timestamp"]).tzinfo is not None
    assert len(embed["fields"]) <= 25
    for field in embed["fields"]:
        assert set(field) == {"name", "value", "inline"}
        assert 1 <= len(field["value"]) <= 1024


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("refusal", {"error": BudgetExceeded("the budget, $1, cannot pay.", limit=1, spent=1), "repeated": 3}),
        ("unpriced", {"provider": "openai", "model": "gpt-99"}),
        ("journal", {"problem": "dropped", "count": 1200}),
        ("journal", {"problem": "damaged", "count": 1}),
        ("dear_call", {"site": "app.py:7", "model": "gpt-5", "expected": 2_000_000_000, "above": 1_000_000_000}),
        ("test", {"service": "shop"}),
    ],
)
def test_every_kind_has_a_body_in_every_format(kind, facts):
    told = alert_of(kind, facts)
    assert told.severity in SEVERITIES
    for body in BODIES.values():
        text = json.dumps(body(told), ensure_ascii=False)
        assert told.subject in text
        assert told.text in text


def test_severity_grows_with_the_share():
    assert [alert(share=share).severity for share in (500_000, 800_000, 1_000_000, 1_200_000)] == [
        "info",
        "warning",
        "critical",
        "critical",
    ]


def test_the_page_on_alerts_has_every_kind_and_the_body_as_it_is():
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    for kind in KINDS:
        assert f"| `{kind}` |" in page
    shown = json.loads(re.search(r"^    (\{\"source\".*?\}\})$", page, re.MULTILINE | re.DOTALL)[1])
    real = plain(alert())
    assert shown.keys() == real.keys()
    for name in ("subject", "text", "severity", "limit", "spent", "utilization", "data"):
        assert shown[name] == real[name]
