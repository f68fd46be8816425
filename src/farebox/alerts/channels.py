"""Channels by name, and the two that need no network: the log, and a function of the program's. Imports core and alert_settings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from farebox.alert_settings import AlertRow
from farebox.core.alert import JOURNAL, THRESHOLD, Alert
from farebox.core.guard import logger
from farebox.core.registry import Registry

CHANNELS: Final = Registry(
    "channel",
    group="farebox.channels",
    rows={"log": "farebox.alerts.channels:Log", "webhook": "farebox.alerts.webhook:Webhook"},
)
"""Name → what makes a `ports.Channel` of an `AlertRow`. Other distributions add theirs through the entry-point group
`farebox.channels`. A function of the program's comes through `farebox.on_alert`, since no file of settings can hold one."""

DEFAULT: Final = AlertRow(channel="log", name="log", kinds=(THRESHOLD, JOURNAL), per_minute=0)
"""Who is told where the settings name no log: the other kinds are logged, or raised, where they happen."""


class Log:
    """Writes alerts to the logger `farebox`: a warning once something is used up or broken, else an information."""

    def __init__(self, row: AlertRow) -> None:
        self._row = row

    @property
    def address(self) -> str:
        """Where alerts go, for people."""
        return "logger farebox"

    def send(self, alert: Alert, *, timeout: float) -> None:  # noqa: ARG002 - the port's signature
        """See `ports.Channel`."""
        logger.log(logging.WARNING if alert.severity == "critical" else logging.INFO, "%s", alert.text)


class Callback:
    """Calls a function of the program's with each alert."""

    def __init__(self, function: Callable[[Alert], object]) -> None:
        self.function = function

    @property
    def address(self) -> str:
        """Where alerts go, for people."""
        return getattr(self.function, "__qualname__", repr(self.function))

    def send(self, alert: Alert, *, timeout: float) -> None:  # noqa: ARG002 - the port's signature
        """See `ports.Channel`."""
        self.function(alert)
