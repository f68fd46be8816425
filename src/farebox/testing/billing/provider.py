"""FakeBilling: the billing interfaces of OpenAI and Anthropic on loopback. Imports testing and the standard library."""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from farebox.core.ports import Ledger
from farebox.testing.bill import Billed
from farebox.testing.billing import anthropic, google, openai
from farebox.testing.billing.account import Account, day_of
from farebox.testing.billing.causes import Change, Injected
from farebox.testing.billing.server import Answer, BillingServer, Refusal, Request
from farebox.testing.billing.traffic import Used, of_bill, of_events

_DAY = 86_400
_BUCKETS = {"openai": (7, 31), "costs": (7, 180), "anthropic": (7, 31)}


class FakeBilling:
    """Usage and costs of an organization, served on 127.0.0.1 as OpenAI and Anthropic serve theirs.

    Bills by the installed price book what it is given: a ledger's calls, a `FakeProvider`'s bill, or single uses. `inject` puts a
    cause of differences in, and says by how much the bill changed. Thread-safe for readers.

    Args:
        admin_key: the one key that may read; any other is refused.
        amounts_as_text: whether OpenAI's amounts are texts, as some live answers were.
        now: the provider's clock, seconds since the epoch.

    Example:
        >>> with FakeBilling() as billing:
        ...     billing.openai_url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        *,
        admin_key: str = "sk-admin-loopback-0123456789abcdef",
        amounts_as_text: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.admin_key = admin_key
        self.amounts_as_text = amounts_as_text
        self.now = now
        self.account = Account()
        self._lock = threading.Lock()
        self._departures: deque[Answer] = deque()
        self._requests: list[Request] = []
        self._server: BillingServer | None = None

    # --- life

    def start(self) -> Self:
        """Listen on a free port; `with` does it."""
        self._server = BillingServer(self.answer, lambda: self.now())  # noqa: PLW0108 - a test may set another clock
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening; leaving `with` does it."""
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Root address, for `reconcile.anthropic.url`."""
        if self._server is None:
            raise RuntimeError("the billing interface does not run: use it in a `with` statement, or call start()")
        return self._server.url

    @property
    def openai_url(self) -> str:
        """The address for `reconcile.openai.url`."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[Request]:
        """Every request so far."""
        with self._lock:
            return list(self._requests)

    # --- what is billed

    def bill(self, *used: Used) -> None:
        """Bill single uses."""
        self.account.add(used)

    def bill_ledger(self, ledger: Ledger) -> None:
        """Bill every call that a ledger has with a known usage."""
        self.account.add(of_events(ledger.calls()))

    def bill_provider(self, lines: Iterable[Billed]) -> None:
        """Bill what a `FakeProvider` billed: `billing.bill_provider(provider.billed)`."""
        self.account.add(of_bill(lines))

    def export_google(self, path: Path, days: Iterable[str], *, form: str = "jsonl") -> None:
        """Write Google's billing export of some days: JSON lines, or "csv". Google has no interface to ask for costs."""
        google.export(self.account, path, days, form=form)

    def inject(self, change: Change) -> list[Injected]:
        """Put a cause of differences in; see `Account.inject`."""
        return self.account.inject(change)

    def catch_up(self) -> None:
        """Let a past day grow: what was late is there."""
        self.account.catch_up()

    def answer_next(
        self, status: int = 200, *, times: int = 1, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> None:
        """Answer the next requests otherwise: an error of the provider's, or any JSON (bytes are sent as they are)."""
        with self._lock:
            self._departures.extend([Answer(status, body, dict(headers or {}))] * times)

    # --- answering

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        with self._lock:
            self._requests.append(request)
            departure = self._departures.popleft() if self._departures else None
        if departure is not None:
            if departure.body is None:
                raise Refusal(departure.status, f"HTTP {departure.status} as planned", departure.headers)
            return departure
        if request.path.startswith("/v1/organizations/"):
            self._admit(request, request.headers.get("x-api-key", ""))
            if "anthropic-version" not in request.headers:
                raise Refusal(400, "anthropic-version: header is required")
            return self._anthropic(request)
        if request.path.startswith("/v1/organization/"):
            self._admit(request, request.headers.get("authorization", "").removeprefix("Bearer "))
            return self._openai(request)
        raise Refusal(404, f"Not found: {request.path}")

    def _admit(self, request: Request, key: str) -> None:
        if not key:
            raise Refusal(401, "Missing API key")
        if key != self.admin_key:
            # As the real ones do: part of the key is shown.
            status = 403 if key.startswith("sk-") else 401
            raise Refusal(status, f"The key {key[:8]}...{key[-4:]} is not allowed to read {request.path}")

    def _openai(self, request: Request) -> Answer:
        part = request.path.removeprefix("/v1/organization/")
        costs = part == "costs"
        width = request.one("bucket_width") or "1d"
        if costs and width != "1d":
            raise Refusal(400, "bucket_width must be 1d")
        start, end = request.number("start_time"), request.number("end_time", default=int(self.now()) + _DAY)
        groups = request.many("group_by")
        endpoint = part.removeprefix("usage/")

        def bucket(day: str, first: int, last: int) -> Any:
            rows = (
                openai.costs(self.account, day, groups, self._amount)
                if costs
                else openai.usage(self.account, endpoint, day, groups)
            )
            return {"object": "bucket", "start_time": first, "end_time": last, "results": rows}

        page = self._page(request, start, end, _BUCKETS["costs" if costs else "openai"], bucket)
        return Answer(200, {"object": "page", **page})

    def _anthropic(self, request: Request) -> Answer:
        part = request.path.removeprefix("/v1/organizations/")
        if part not in ("usage_report/messages", "cost_report"):
            raise Refusal(404, f"Not found: {request.path}")
        groups = request.many("group_by")
        start, end = request.moment("starting_at"), request.moment("ending_at", default=int(self.now()) + _DAY)

        def bucket(day: str, _first: int, last: int) -> Any:
            costs = part == "cost_report"
            rows = anthropic.costs(self.account, day, groups) if costs else anthropic.usage(self.account, day, groups)
            return {
                "starting_at": f"{day}T00:00:00Z",
                "ending_at": f"{day_of(last * 10**9)}T00:00:00Z",
                "results": rows,
            }

        return Answer(200, self._page(request, start, end, _BUCKETS["anthropic"], bucket))

    @staticmethod
    def _page(
        request: Request, start: int, end: int, limits: tuple[int, int], bucket: Callable[[str, int, int], Any]
    ) -> dict[str, Any]:
        """Buckets of a day each, empty ones too; a cursor says where the next page begins, and stays good."""
        default, most = limits
        limit = request.number("limit", default=default)
        if not 1 <= limit <= most:
            raise Refusal(400, f"limit must be between 1 and {most}")
        cursor = request.one("page")
        first = _decoded(cursor) if cursor else start - start % _DAY
        starts = list(range(first, end, _DAY))
        data = [bucket(day_of(at * 10**9), at, at + _DAY) for at in starts[:limit]]
        more = len(starts) > limit
        return {"data": data, "has_more": more, "next_page": _encoded(starts[limit]) if more else None}

    def _amount(self, money: Any) -> Any:
        exact: Decimal = money
        return f"{exact:f}" if self.amounts_as_text else float(exact)


def _encoded(at: int) -> str:
    return "page_" + base64.urlsafe_b64encode(at.to_bytes(8, "big")).decode()


def _decoded(cursor: str) -> int:
    try:
        return int.from_bytes(base64.b64decode(cursor.removeprefix("page_"), altchars=b"-_", validate=True), "big")
    except ValueError:
        raise Refusal(400, "page is no cursor") from None
