"""What stored calls say about themselves: costs that are not known, prices that are old. May import ledger, pricing and core."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import date
from typing import Any, Final

from farebox.core import guard
from farebox.core.guard import attempt
from farebox.health.finding import Finding, Section
from farebox.ledger.locate import Location
from farebox.ledger.registry import open_ledger
from farebox.pricing import installed
from farebox.pricing.freshness import STALE_AFTER, today

_DAYS: Final = 30
_DAY_NS: Final = 86_400_000_000_000


def unpriced(where: Location) -> Section:
    """Models whose calls had no price in the last 30 days."""
    found = attempt(_groups, where, on_error=lambda _error: [])
    rows: tuple[dict[str, Any], ...] = tuple(
        {"provider": group["provider"], "model": group["model"], "calls": group["calls"], "unpriced": group["unpriced"]}
        for group in found
        if group["unpriced"]
    )
    findings = [
        Finding(
            "warning",
            f"{row['provider']}/{row['model']}",
            f"{row['unpriced']} calls of {row['model']} ({row['provider']}) have no price; their cost is unknown, not 0.",
            "Run farebox prices update, or set what you pay under prices.rates; then farebox reprice.",
        )
        for row in rows
    ]
    calls, estimated = (sum(group[name] for group in found) for name in ("calls", "estimated"))
    if estimated:
        share = 100 * estimated / calls
        text = f"{estimated} of {calls} calls ({share:.1f} %) are estimates: cut, cancelled or timed out before their usage came."
        findings.append(Finding("note", "estimates", text))
    return Section(f"Costs of the last {_DAYS} days", rows, tuple(findings))


def _groups(where: Location) -> list[dict[str, Any]]:
    if where.scheme == "sqlite" and not where.path.exists():
        return []
    with closing(open_ledger(where, read_only=True)) as opened:
        return opened.by("provider", "model", since=time.time_ns() - _DAYS * _DAY_NS)


def book() -> Section:
    """The price book in force."""
    current = installed.current()
    days = (today() - date.fromisoformat(current.as_of)).days
    findings: tuple[Finding, ...] = ()
    if days > STALE_AFTER.days:
        findings = (
            Finding(
                "warning",
                "prices",
                f"The price book is {days} days old.",
                "Run farebox prices update, or set prices.auto_update = 'weekly'.",
            ),
        )
    return Section("Prices", ({"book": current.hash, "published": current.as_of, "days old": days},), findings)


def faults() -> Section:
    """Faults of farebox's own that were swallowed in this process."""
    rows: tuple[dict[str, Any], ...] = tuple({"fault": kind, "times": count} for kind, count in guard.faults.items())
    findings = [
        Finding(
            "unseen",
            "faults",
            f"{row['fault']} happened {row['times']} times in this process: calls may have gone unmetered.",
            "See the log for the first of each kind, and report it.",
        )
        for row in rows
    ]
    return Section("Faults in this process", rows, tuple(findings))
