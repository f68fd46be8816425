"""What is set, and where: the settings in force. May import the runtime and everything below it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from farebox.alert_settings import AlertRow
from farebox.config import PARSERS, Settings
from farebox.health.finding import Finding, Section

_PASSWORD: Final = re.compile(r"://[^/@\s]*@")


def settings(current: Settings, sources: Mapping[str, str]) -> Section:
    """Every setting with its value and source; what is not the default is told.

    Args:
        current: in force.
        sources: setting → "argument", a variable, a file, or "default".
    """
    rows: tuple[dict[str, Any], ...] = tuple(
        {"setting": name, "value": harmless(getattr(current, name)), "source": sources[name]} for name in PARSERS
    )
    told = [f"{row['setting']} = {row['value']} ({row['source']})" for row in rows if row["source"] != "default"]
    return Section(
        "settings", "Settings", ", ".join(told) or "all are the defaults", rows, tuple(_findings(current, sources))
    )


def _findings(current: Settings, sources: Mapping[str, str]) -> Iterator[Finding]:
    if current.disabled:
        yield Finding(
            "unseen",
            "disabled",
            f"farebox is switched off ({sources['disabled']}): instrument() does nothing, and no call is metered.",
            "Take the setting disabled, or FAREBOX_DISABLED, away.",
        )
    if current.durability == "memory":
        yield Finding(
            "warning",
            "durability",
            f"Events are kept in memory only ({sources['durability']}): those of a process that dies are lost.",
            'Set durability = "process", the default.',
        )


def harmless(value: object) -> str:
    """A value as text, without what is secret: the password in a URL, and all of an alert's receiver but its name."""
    if isinstance(value, tuple) and any(isinstance(part, AlertRow) for part in value):
        return ", ".join(part.name for part in value)
    return _PASSWORD.sub("://***@", str(value))
