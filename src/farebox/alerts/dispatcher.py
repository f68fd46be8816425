"""From the call path to the channels: alerts are noted in passing, and sent by the maintenance thread. Imports core and alert_settings.

Noting takes no lock that a finaliser could be interrupting: `SimpleQueue.put` may be called anywhere.
"""

from __future__ import annotations

import itertools
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from farebox.alert_settings import MILLION, AlertRow
from farebox.alerts.channels import CHANNELS, DEFAULT, Callback
from farebox.alerts.claims import Claim, Claims
from farebox.alerts.lane import Lane
from farebox.alerts.rule import alert_of
from farebox.core.alert import JOURNAL, REFUSAL, TEST, THRESHOLD, UNPRICED, Alert
from farebox.core.errors import BudgetExceeded
from farebox.core.ports import Alarm

NOTED_AT_MOST: Final = 1_000
"""Alerts that wait to be looked at by the maintenance thread; what comes then is counted as dropped."""
_QUIET_NS: Final = 60 * 1_000_000_000
"""How long the same budget's refusals are only counted, after one was told."""
_REMEMBERED: Final = 10_000
_DAY_NS: Final = 86_400 * 1_000_000_000


class LateAlarm:
    """The alarm of whichever runtime is in force when there is something to tell: budgets outlive settings.

    Args:
        alarm: gives that alarm.
    """

    def __init__(self, alarm: Callable[[], Alarm]) -> None:
        self._alarm = alarm

    def tell(self, kind: str, /, **facts: Any) -> None:
        """See `ports.Alarm`."""
        self._alarm().tell(kind, **facts)

    def spent(self, *where: Any, **terms: Any) -> None:
        """See `ports.Alarm`."""
        self._alarm().spent(*where, **terms)


class Alerts:
    """The alarm of one runtime; see `ports.Alarm`.

    Args:
        rows: who is told, from the settings; the log, too, where no row names it.
        alert_at: shares of a limit that are told, in millionths, ascending.
        claims: who of several processes tells what all of them see.
        wake: called after each note: has `work` called soon, in another thread.
        service: name of this program.
    """

    def __init__(
        self,
        rows: Sequence[AlertRow],
        *,
        alert_at: tuple[int, ...],
        claims: Claims,
        wake: Callable[[], object],
        service: str | None = None,
    ) -> None:
        told = rows if any(row.channel == "log" for row in rows) else (DEFAULT, *rows)
        self.lanes = [Lane(row, CHANNELS[row.channel](row)) for row in told]
        self.alert_at = alert_at
        self.dropped = 0
        self._claims = claims
        self._wake = wake
        self._service = service
        self._levels: dict[tuple[str, str], tuple[int, int, float]] = {}
        self._refusals: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._journal: dict[str, int] = {}
        self._renew()

    def _renew(self) -> None:
        self._noted: queue.SimpleQueue[tuple[Alert, Claim | None]] = queue.SimpleQueue()
        self._working = threading.Lock()

    def listen(self, function: Callable[[Alert], object]) -> None:
        """Tell a function of the program's of everything."""
        row = AlertRow(channel="callback", name="callback", per_minute=0)
        self.lanes = [*self.lanes, Lane(row, Callback(function))]

    # --- the port

    def tell(self, kind: str, /, **facts: Any) -> None:
        """See `ports.Alarm`."""
        claim: Claim | None = facts.pop("claim", None)
        if kind == REFUSAL and (facts := self._seldom(facts)) == {}:
            return
        if kind == JOURNAL and not self._grown(**facts):
            return
        if kind == UNPRICED:
            today = time.time_ns() // _DAY_NS * _DAY_NS
            claim = Claim(UNPRICED, f"{facts['provider']}/{facts['model']}", today)
        alert = alert_of(kind, facts)
        if self._service is not None:
            alert = msgspec.structs.replace(alert, data={**alert.data, "service": self._service})
        if not any(lane.wants(alert) for lane in self.lanes):
            return
        if self._noted.qsize() >= NOTED_AT_MOST:
            self.dropped += 1
            return
        self._noted.put((alert, claim))
        self._wake()

    def spent(
        self,
        name: str,
        bucket: str,
        window: int,
        limit: int,
        spent: int,
        *,
        alert_at: tuple[int, ...] | None = None,
        unit: str = "usd",
        tenant_id: str | None = None,
    ) -> None:
        """See `ports.Alarm`."""
        key = (name, bucket)
        seen = self._levels.get(key)
        if seen is not None and spent < seen[2] and seen[0] == window and seen[1] == limit:
            return
        amounts = [(-(-limit * share // MILLION), share) for share in (self.alert_at if alert_at is None else alert_at)]
        reached = tuple(share for amount, share in amounts if spent >= amount and limit > 0)
        following = next((amount for amount, _ in amounts if spent < amount), math.inf)
        if len(self._levels) >= _REMEMBERED and key not in self._levels:
            self._levels.clear()  # what is looked at anew is told no second time: the claims know it
        self._levels[key] = (window, limit, following)
        if reached:
            self.tell(
                THRESHOLD,
                name=name,
                bucket=bucket,
                window=window,
                limit=limit,
                spent=spent,
                share=reached[-1],
                unit=unit,
                tenant_id=tenant_id,
                claim=Claim(name, bucket, window, reached),
            )

    # --- delivery

    def work(self, timeout: float = math.inf) -> float | None:
        """Deliver what is due, for about `timeout` seconds at most.

        Returns:
            Seconds until something is due again; None when nothing waits.
        """
        if not self._working.acquire(timeout=min(timeout, threading.TIMEOUT_MAX)):
            return 0.0
        try:
            deadline = time.monotonic() + timeout
            self._sort()
            # In turns: a receiver that is slow, or down, holds up no other by more than one try.
            while ready := [lane for lane in self.lanes if lane.pause == 0.0]:
                for lane in ready:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return 0.0
                    lane.try_once(min(left, 3600.0))
                self._sort()
            return min((pause for lane in self.lanes if (pause := lane.pause) is not None), default=None)
        finally:
            self._working.release()

    def flush(self, timeout: float) -> bool:
        """Deliver what waits, also what is to be tried again within `timeout` seconds; False when something is left."""
        deadline = time.monotonic() + timeout
        while True:
            pause = self.work(max(0.0, deadline - time.monotonic()))
            if pause is None:
                return True
            if time.monotonic() + pause >= deadline:
                return False
            time.sleep(pause)

    def test(self, lanes: Iterable[Lane]) -> Iterable[tuple[Lane, Exception | None]]:
        """Send a marked alert to each lane at once, and tell how that went."""
        alert = alert_of(TEST, {"service": self._service})
        for lane in lanes:
            yield lane, lane.deliver(alert)

    def leave_in_child(self) -> None:
        """After a fork: what waits is the parent's."""
        self._renew()
        for lane in self.lanes:
            lane.forget()

    # --- what is told seldom

    def _sort(self) -> None:
        for _ in itertools.repeat(None, NOTED_AT_MOST):
            try:
                alert, claim = self._noted.get_nowait()
            except queue.Empty:
                return
            if claim is None or self._claims.first(claim):
                for lane in self.lanes:
                    if lane.wants(alert):
                        lane.put(alert)

    def _seldom(self, facts: dict[str, Any]) -> dict[str, Any]:
        """A refusal's facts where it is to be told now, else none: a loop may be refused a thousand times a second."""
        error: BudgetExceeded = facts["error"]
        key, now = (error.budget, error.task_type), time.monotonic_ns()
        before, count = self._refusals.get(key, (-_QUIET_NS, 0))
        if now - before < _QUIET_NS:
            self._refusals[key] = before, count + 1
            return {}
        if len(self._refusals) >= _REMEMBERED:
            self._refusals.clear()
        self._refusals[key] = now, 0
        return {**facts, "repeated": count}

    def _grown(self, problem: str, count: int) -> bool:
        """Whether there is ten times as much of the trouble as when it was last told."""
        if count < self._journal.get(problem, 1):
            return False
        self._journal[problem] = count * 10
        return True
