"""Instead of a tracker of chains and tasks in a SQLite file of its own: the same questions, a file that any tool reads. Runs offline."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import farebox
from farebox.compat import ChainCostTracker

RESULTS: list[tuple[str, dict[str, Any]]] = [
    ("collect", {"metadata": {"model": "gemini-2.5-flash-lite", "tokens": {"input": 900, "output": 80}}}),
    ("collect", {"metadata": {"model": "gemini-2.5-flash-lite", "tokens": {"input": 900, "output": 120}}}),  # a retry
    ("judge", {"metadata": {"model": "gemini-2.5-pro", "tokens": {"input": 4000, "output": 600}}}),
    ("label", {"metadata": {"model": "gemini-free", "tokens": {"input": 500, "output": 20}}}),
]
"""Task, and what its result says of the call."""


def main() -> None:
    """Record a chain, and ask for its tasks, platforms and the day."""
    with tempfile.TemporaryDirectory() as project:
        path = Path(project) / ".memory" / "cost_tracking.db"
        tracker = ChainCostTracker(path)
        farebox.set_price(provider="google", model="gemini-free", rates={"input": "0.00", "output": "0.00"})

        prompt = "Which of these complaints is about buses? " * 2500
        if tracker.should_warn_cost(prompt, "gemini-2.5-pro"):
            estimate = tracker.estimate_cost(prompt, "gemini-2.5-pro")
            print(f"careful: {estimate.input_tokens} tokens, probably ${estimate.expected} (counted by {estimate.how})")

        for task, result in RESULTS:
            tracker.record(task, result, chain_id="complaints", platform="google")

        for task in dict.fromkeys(task for task, _ in RESULTS):
            print(f"task {task}: ${tracker.get_task_cost(task)}")
        print(f"chain complaints: ${tracker.get_chain_cost('complaints')}")
        for platform, totals in tracker.get_platform_totals().items():
            print(f"{platform}: {totals.calls} calls, ${totals.cost}")
        for platform, totals in tracker.get_session_summary().items():
            print(f"today {platform}: {totals.input_tokens} tokens in, {totals.output_tokens} out, ${totals.cost}")

        tracker.close()
        farebox.shutdown()
        with contextlib.closing(sqlite3.connect(path)) as plain:
            rows = plain.execute("SELECT model, count(*), sum(cost_usd) FROM spend GROUP BY model ORDER BY 3 DESC")
            for model, calls, dollars in rows:
                print(f"in plain SQL: {model} {calls} {dollars:.6f}")


if __name__ == "__main__":
    main()
