"""Pages of a billing interface, one after the other: retried, paced, and every failure a sentence. Imports core and its neighbours here."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from farebox.reconcile.transport import Answer, Parameters, Transport

ATTEMPTS: Final = 6
_AGAIN: Final = frozenset({0, 408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which a later try may help; 0: there was no connection."""
_LONGEST: Final = 90.0
"""Seconds that are waited at most before a try; a server that asks for more is told of as unavailable."""
_MOST_PAGES: Final = 10_000
_SKEW: Final = 120.0
_SHOWN: Final = 300
_BEGINNING: Final = 6
_ENDING: Final = 4
"""Characters of a key that a message may not show, at its beginning and at its end."""


class StatementError(Exception):
    """A part of a statement cannot be had; the message says what is missing and what would help, and shows no key."""


class Clock(msgspec.Struct):
    """Time, and how far ours is from the provider's.

    Attributes:
        now: seconds since the epoch.
        sleep: waits so many seconds.
        skew: seconds by which the provider's clock is ahead; None: it has said nothing yet.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    skew: float | None = None

    def heard(self, date: float | None) -> None:
        """The provider said what time it is."""
        if date is not None:
            self.skew = date - self.now()

    @property
    def off(self) -> float:
        """Seconds that the provider's clock is ahead, where that is more than a slow answer explains; else 0."""
        return 0.0 if self.skew is None or abs(self.skew) < _SKEW else self.skew

    @property
    def providers(self) -> float:
        """The provider's time, as far as it is known: what is old enough is a question of its clock."""
        return self.now() + self.off


class Pages:
    """Asks a transport for page after page.

    Args:
        transport: the way there.
        clock: for pauses.
        key: the key, so that no message that a server echoes can show it.
        hint: what a refusal of the key means for this provider.
    """

    def __init__(self, transport: Transport, clock: Clock, *, key: str, hint: str) -> None:
        self._transport = transport
        self._clock = clock
        self._key = key
        self._hint = hint

    def each(self, path: str, parameters: Parameters) -> Iterator[dict[str, Any]]:
        """Every page. Numbers with a point are `Decimal`: an amount must not become a binary float.

        Raises:
            StatementError: it cannot be had, or is not what was agreed; pages before were whole.
        """
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            more = () if cursor is None else (("page", cursor),)
            page = self._page(path, (*parameters, *more))
            yield page
            if not page.get("has_more"):
                return
            cursor = page.get("next_page")
            if not isinstance(cursor, str) or cursor in seen:
                raise StatementError(f"{path}: has_more is true, and next_page leads nowhere new: the rest is missing")
            seen.add(cursor)
        raise StatementError(f"{path}: more than {_MOST_PAGES} pages: the rest is missing")

    def _page(self, path: str, parameters: Parameters) -> dict[str, Any]:
        answer = self._get(path, parameters)
        try:
            page = json.loads(answer.body, parse_float=Decimal)
        except ValueError:
            raise StatementError(f"{path}: the answer is no JSON ({len(answer.body)} bytes)") from None
        if not isinstance(page, dict) or not isinstance(page.get("data"), list):
            raise StatementError(f"{path}: the answer has no list `data`: the interface has changed; upgrade farebox")
        return page

    def _get(self, path: str, parameters: Parameters) -> Answer:
        pause = 1.0
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._transport.get(path, parameters)
            self._clock.heard(answer.date)
            if 200 <= answer.status < 300:
                return answer
            wait = max(pause * random.uniform(0.75, 1.25), answer.after or 0.0)  # noqa: S311 - spreads retries
            if answer.status not in _AGAIN or attempt == ATTEMPTS or wait > _LONGEST:
                raise StatementError(f"{path}: {self._why(answer, attempt)}")
            self._clock.sleep(wait)
            pause = min(2 * pause, 30.0)
        raise AssertionError("the last attempt returns or raises")

    def _why(self, answer: Answer, attempts: int) -> str:
        said = self._said(answer)
        tries = f" after {attempts} tries" if attempts > 1 else ""
        if answer.status == 0:
            return f"no connection{tries} ({said})"
        if answer.status in (401, 403):
            return f"the key was refused (HTTP {answer.status}: {said}): {self._hint}"
        if answer.status == 429:
            asked = "" if answer.after is None else f", which asks to wait {answer.after:.0f} seconds"
            return f"rate limit (HTTP 429{asked}){tries}: run it again later, it goes on where it stopped"
        if answer.status >= 500:
            return f"the provider failed (HTTP {answer.status}: {said}){tries}: run it again later"
        return f"HTTP {answer.status}: {said}"

    def _said(self, answer: Answer) -> str:
        """The server's message, short, and without the key that some servers echo."""
        text = answer.body[: 10 * _SHOWN].decode("utf-8", "replace")
        try:
            error = json.loads(answer.body).get("error")
            text = str(error["message"] if isinstance(error, dict) else error)
        except (ValueError, AttributeError, KeyError, TypeError):
            pass
        return hidden(" ".join(text.split()), self._key)[:_SHOWN]


def hidden(text: str, key: str) -> str:
    """The text without the key, nor the beginning or end of it that servers show."""
    for length in range(len(key), _BEGINNING - 1, -1):
        text = text.replace(key[:length], "***")
    for length in range(len(key), _ENDING - 1, -1):
        text = text.replace(key[-length:], "***")
    return text
