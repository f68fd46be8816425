"""One ledger of priced calls and one bill, and a clock that stands still."""

from __future__ import annotations

import itertools

from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.core.usage import Usage
from farebox.ledger.registry import open_ledger
from farebox.pricing.book import Book
from farebox.pricing.calculate import calculate
from farebox.reconcile.pages import Clock
from farebox.reconcile.run import reconcile
from farebox.reconcile_settings import BillSource, ReconcileSettings
from farebox.testing.billing.traffic import of_events

DAY = 86_400 * 10**9
FIRST = 1_794_960_000 * 10**9  # 2026-11-18T00:00:00Z
DAYS = [f"2026-11-{number}" for number in range(18, 23)]
NOW = FIRST // 10**9 + 5 * 86_400 - 1800  # half an hour before the fifth day ends

APIS = {"openai": "responses", "anthropic": "messages", "google": "generateContent"}


def call(at, provider, model, used, *, tier=None, batch=False, geo=None, **fields):
    """A call as it is metered: priced by the book."""
    usage = Usage(units=used, service_tier=tier, batch=batch, geo=geo)
    cost = calculate(usage, book=Book.default(), provider=provider, model=model, at_ns=at, batch=batch)
    prompt, read, written, out = usage.totals()
    told = {
        "id": new_id(at),
        "operation": "chat",
        "api": APIS.get(provider, "chat.completions"),
        "request_model": model,
        "response_model": model,
        "units": used,
        "raw_usage": {"inference_geo": geo} if geo else None,
        "input_tokens": prompt,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "output_tokens": out,
        "service_tier": tier,
        "batch": batch,
        "cost_nano": cost.nano,
        "cost_status": cost.status,
        "cost_missing": cost.missing,
    }
    return CallEvent(started_at=at, provider=provider, **{**told, **fields})


def estimated(at, provider, model, nano, **fields):
    """A call of which nobody knows what it used."""
    told = {
        "units": None,
        "cost_nano": nano,
        "cost_low_nano": nano // 4,
        "cost_high_nano": 3 * nano,
        "cost_status": "estimated",
        "status": "cancelled",
    }
    return call(at, provider, model, {}, **{**told, **fields})


class World:
    """One ledger and one bill."""

    def __init__(self, path, billing, monkeypatch):
        self.path = path
        self.billing = billing
        self.slept = []
        self.now = NOW
        self._marks = itertools.count(1)
        self.ledger = open_ledger(path)
        monkeypatch.setenv("TEST_ADMIN_KEY", billing.admin_key)

    def meter(self, *events, bill=True):
        self.ledger.ingest(events, journal="test", segment=0, offset=next(self._marks))
        if bill:
            self.billing.bill(*of_events(events))

    def clock(self):
        return Clock(lambda: self.now, self.slept.append)

    def settings(self, **sources):
        known = {
            "openai": BillSource(key_env="TEST_ADMIN_KEY", url=self.billing.openai_url),
            "anthropic": BillSource(key_env="TEST_ADMIN_KEY", url=self.billing.url),
        }
        return ReconcileSettings(sources={**known, **sources})

    def reconcile(self, *providers, since=DAYS[0], until=DAYS[-1], **arguments):
        arguments.setdefault("settings", self.settings())
        return reconcile(
            self.ledger,
            self.path,
            providers=providers or ("openai", "anthropic"),
            since=since,
            until=until,
            clock=self.clock(),
            **arguments,
        )

    def day(self, provider, day=DAYS[0], **arguments):
        (result,) = self.reconcile(provider, since=day, until=day, **arguments).results
        return result
