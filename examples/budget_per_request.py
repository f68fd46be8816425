"""Give each request of a service its own budget: an agent that runs away is stopped, its neighbours are not. Runs offline."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import farebox
from farebox.testing import FakeProvider

LIMIT = "0.002"
"""Dollars that one request may spend."""


def research(client: Any, steps: int) -> str:
    """An agent that asks again until it is content; with many steps it would never stop in time."""
    notes = "Nothing is known yet."
    for _ in range(steps):
        answer = client.messages.create(
            model="claude-haiku-4-5", max_tokens=120, messages=[{"role": "user", "content": f"Go on from: {notes}"}]
        )
        notes = answer.content[0].text
    return notes


def handle(client: Any, tenant: str, steps: int) -> tuple[str, farebox.Budget]:
    """What a web framework would call: the budget covers everything that happens below, on whatever depth."""
    with (
        farebox.tracked("research", tenant_id=tenant),
        farebox.track_budget(LIMIT, name=f"request of {tenant}") as budget,
    ):
        try:
            research(client, steps)
        except farebox.BudgetExceeded as refusal:
            return f"stopped: {refusal.reason}", budget
        return "answered", budget


def main() -> None:
    """Three requests, one of them from an agent in a loop."""
    with tempfile.TemporaryDirectory() as directory, FakeProvider() as provider:
        farebox.instrument(ledger=Path(directory) / "ledger.db")
        client = provider.anthropic_client()  # in your program: anthropic.Anthropic()
        for tenant, steps in (("acme", 2), ("globex", 1_000), ("initech", 3)):
            sent = len(provider.requests)
            outcome, budget = handle(client, tenant, steps)
            print(f"{tenant}: {len(provider.requests) - sent} calls, ${budget.total_spent} of ${LIMIT}, {outcome}")
        client.close()
        farebox.uninstrument()
        farebox.shutdown()


if __name__ == "__main__":
    main()
