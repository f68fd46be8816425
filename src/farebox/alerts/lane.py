"""The way to one receiver: what it gets, how much a minute, and when a failed delivery is tried again. Imports core and alert_settings."""

from __future__ import annotations

import random
import time
from collections import deque
from typing import Final

import msgspec

from farebox.alert_settings import AlertRow
from farebox.core.alert import SEVERITIES, TEST, Alert, UndeliveredError
from farebox.core.guard import attempt, logger, report
from farebox.core.ports import Channel

WAITING_AT_MOST: Final = 1_000
"""Alerts that wait for one receiver; what comes then is counted as dropped."""
TRIES: Final = 6
"""How often one alert is sent at most: with the pauses below, over about a minute."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_LONGEST_ASKED: Final = 3600.0
"""Seconds before the second try, between tries at most, and at most where a receiver asks for more (Retry-After)."""
_MINUTE: Final = 60.0
_ENDLESS: Final = 3600.0


class Lane:
    """The alerts that wait for one channel, the oldest first. Only whoever holds the dispatcher's lock touches it.

    Args:
        row: which alerts, and how many.
        channel: where they go.

    Attributes:
        sent: alerts that were delivered.
        failed: alerts that were given up.
        dropped: alerts that were not even tried, because too many came.
    """

    def __init__(self, row: AlertRow, channel: Channel) -> None:
        self.row = row
        self.channel = channel
        self.sent = self.failed = self.dropped = 0
        self._least = SEVERITIES.index(row.severity)
        self.forget()

    def forget(self) -> None:
        """Let go of what waits: in a forked child it is the parent's."""
        self._waiting: deque[Alert] = deque()
        self._tries = self._held_back = 0
        self._due = 0.0
        self._lately: deque[float] = deque()

    def wants(self, alert: Alert) -> bool:
        """Whether this receiver is told of it."""
        if alert.kind == TEST:
            return True
        return alert.kind in self.row.kinds and SEVERITIES.index(alert.severity) >= self._least

    def put(self, alert: Alert) -> None:
        """Have it sent."""
        now = time.monotonic()
        while self._lately and self._lately[0] <= now - _MINUTE:
            self._lately.popleft()
        if (self.row.per_minute and len(self._lately) >= self.row.per_minute) or len(self._waiting) >= WAITING_AT_MOST:
            self.dropped += 1
            self._held_back += 1
            return
        self._lately.append(now)
        if self._held_back:
            more = f"{alert.text} ({self._held_back} more alerts were held back, because too many came.)"
            alert = msgspec.structs.replace(alert, text=more, data={**alert.data, "held_back": self._held_back})
            self._held_back = 0
        self._waiting.append(alert)

    @property
    def pause(self) -> float | None:
        """Seconds until the next try; None when nothing waits."""
        return max(0.0, self._due - time.monotonic()) if self._waiting else None

    def deliver(self, alert: Alert, timeout: float = _ENDLESS) -> Exception | None:
        """Send it now; what went wrong, or None."""
        return attempt(self._send, alert, timeout, on_error=lambda fault: fault)

    def try_once(self, timeout: float = _ENDLESS) -> None:
        """Try to deliver the oldest."""
        alert = self._waiting[0]
        error = self.deliver(alert, timeout)
        if error is None:
            self.sent += 1
        elif isinstance(error, UndeliveredError):
            self._tries += 1
            if error.retry and self._tries < TRIES and (error.after or 0.0) <= _LONGEST_ASKED:
                self._due = time.monotonic() + max(error.after or 0.0, _backoff(self._tries))
                return
            self.failed += 1
            logger.warning("an alert could not be delivered to %s (%s): %s", self.row.name, error, alert.subject)
        else:
            self.failed += 1
            report(f"alert channel {self.row.name}", error)
        self._waiting.popleft()
        self._tries = 0

    def _send(self, alert: Alert, timeout: float) -> Exception | None:
        self.channel.send(alert, timeout=timeout)
        return None


def _backoff(tries: int) -> float:
    """Seconds to the next try: twice as long each time, half of it by chance, so that many processes do not return together."""
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2 ** (tries - 1)))
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
