"""What stored calls say about themselves: costs that are not known, prices that are old. May import ledger, pricing and core."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import date
from typing import Any, Final

from farebox.core import guard, semconv
from farebox.core.guard import attempt
from farebox.health.finding import Finding, Section
from farebox.ledger.locate import Location
from farebox.ledger.registry import open_ledger
from farebox.pricing import installed
from farebox.pricing.freshness import STALE_AFTER, today

_DAYS: Final = 30
_DAY_NS: Final = 86_400_000_000_000
_BEHIND_THE_JOURNAL: Final = ("writer: ", "adoption: ")
"""Faults by which no call is lost: they are tried again."""


def costs(where: Location) -> Section:
    """How well the costs of the last 30 days are known: models without a price, and how much is estimated or lost."""
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
    calls, unknown, estimated, lost = (sum(group[name] for group in found) for name in _SUMS)
    if estimated:
        text = f"{_share(estimated, calls)} are estimates: cut, cancelled or timed out before their usage came."
        findings.append(Finding("note", "estimates", text))
    if lost:
        text = f"{_share(lost, calls)} were in flight when their process died; their cost is estimated."
        findings.append(Finding("note", "lost", text))
    told = (
        f"{calls:,} calls, {unknown:,} without a price, {estimated:,} estimated, {lost:,} lost" if calls else "no calls"
    )
    return Section("costs", f"Costs of the last {_DAYS} days", told, rows, tuple(findings))


_SUMS: Final = ("calls", "unpriced", "estimated", "lost")


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} calls ({100 * part / whole:.1f} %)"


def _groups(where: Location) -> list[dict[str, Any]]:
    """Sums by provider and model, with those of the status `lost` beside them; refused calls were never sent."""
    if where.scheme == "sqlite" and not where.path.exists():
        return []
    with closing(open_ledger(where, read_only=True)) as opened:
        rows = opened.by("provider", "model", "status", since=time.time_ns() - _DAYS * _DAY_NS)
    groups: dict[tuple[Any, Any], dict[str, Any]] = {}
    for row in rows:
        if row["status"] == semconv.STATUS_REFUSED:
            continue
        name = row["provider"], row["model"]
        group = groups.setdefault(name, {"provider": name[0], "model": name[1], **dict.fromkeys(_SUMS, 0)})
        for measure in _SUMS[:3]:
            group[measure] += row[measure] or 0
        group["lost"] += row["calls"] if row["status"] == semconv.STATUS_LOST else 0
    return list(groups.values())


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
    row = {"book": current.hash, "published": current.as_of, "days_old": days}
    told = f"book {current.hash} of {current.as_of}, {days} days old"
    return Section("prices", "Prices", told, (row,), findings)


def faults() -> Section:
    """Faults of farebox's own that were swallowed in this process."""
    rows: tuple[dict[str, Any], ...] = tuple({"fault": kind, "times": count} for kind, count in guard.faults.items())
    findings = [_fault(row["fault"], row["times"]) for row in rows]
    told = ", ".join(f"{row['fault']} ({row['times']})" for row in rows) or "none"
    return Section("faults", "Faults of farebox in this process", told, rows, tuple(findings))


def _fault(kind: str, times: int) -> Finding:
    happened = f"{kind} happened {times} times in this process"
    if kind.startswith(_BEHIND_THE_JOURNAL):
        return Finding("warning", "faults", f"{happened}: calls waited in the journal.", "See the log for the first.")
    return Finding(
        "unseen",
        "faults",
        f"{happened}: calls may have gone unmetered.",
        "See the log for the first of each kind, and report it.",
    )
