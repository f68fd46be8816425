"""The body of a webhook, by format: plain JSON, Slack's, Discord's. Imports core only.

Names in an alert may be anybody's (a tenant's, say), so they are escaped, and can call nobody by `@everyone`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from farebox.core.alert import Alert

_COLOURS: Final = {"info": 0x2F6FEB, "warning": 0xD29922, "critical": 0xCF222E}
_SIGNS: Final = {
    "info": "\N{INFORMATION SOURCE}",
    "warning": "\N{WARNING SIGN}",
    "critical": "\N{POLICE CARS REVOLVING LIGHT}",
}


def plain(alert: Alert) -> dict[str, Any]:
    """Every field by its name; dollars as text, so that no reader rounds them."""
    fields = {name: getattr(alert, name) for name in alert.__struct_fields__}
    for name in ("limit", "spent"):
        fields[name] = None if fields[name] is None else str(fields[name])
    return {"source": "farebox", "at": _moment(alert), **fields}


def slack(alert: Alert) -> dict[str, Any]:
    """A message of blocks; see https://docs.slack.dev/reference/block-kit/blocks (a header has 150 characters, a section 3000)."""
    title = f"{_SIGNS[alert.severity]} {alert.subject}"
    text = _escaped(alert.text)
    rows = [f"*{name}:* {_escaped(value)}" for name, value in _facts(alert)]
    return {
        "text": _cut(_escaped(title), 3000),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": _cut(title, 150), "emoji": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, 3000)}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut("  ".join(rows), 3000)}]},
        ],
    }


def discord(alert: Alert) -> dict[str, Any]:
    """A message with one embed; see https://docs.discord.com/developers/resources/webhook (title 256, description 4096, 25 fields)."""
    return {
        "username": "farebox",
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "title": _cut(alert.subject, 256),
                "description": _cut(alert.text, 4096),
                "color": _COLOURS[alert.severity],
                "timestamp": _moment(alert),
                "fields": [
                    {"name": name, "value": _cut(value, 1024), "inline": True} for name, value in _facts(alert)[:25]
                ],
            }
        ],
    }


BODIES: Final[Mapping[str, Callable[[Alert], dict[str, Any]]]] = {"plain": plain, "slack": slack, "discord": discord}
"""Format → what makes the body."""


def _facts(alert: Alert) -> list[tuple[str, str]]:
    money = "" if "unit" in alert.data else "$"
    named = {
        "severity": alert.severity,
        "budget": alert.budget,
        "limit": None if alert.limit is None else f"{money}{alert.limit}",
        "spent": None if alert.spent is None else f"{money}{alert.spent}",
        "tenant": alert.tenant_id,
        "service": alert.data.get("service"),
    }
    return [(name, str(value)) for name, value in named.items() if value not in (None, "")]


def _moment(alert: Alert) -> str:
    return datetime.fromtimestamp(alert.at_ns // 1_000_000_000, UTC).isoformat()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
