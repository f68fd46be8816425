"""Instead of an orchestrator's own cost tracker: records, a session, reports by model and provider, a CSV, a command. Runs offline."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import farebox
from farebox.compat import UsageRecord
from farebox.testing import FakeProvider

SESSION = "session-4711"


def orchestrate(openai: Any, anthropic: Any) -> None:
    """Two steps on two providers, metered by themselves: nothing is recorded by hand."""
    with farebox.tracked("plan"):
        openai.responses.create(model="gpt-5", input="Plan a trip to the lake.")
    with farebox.tracked("write"):
        anthropic.messages.create(
            model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Write the plan down."}]
        )


def record_the_rest(tracker: farebox.CostTracker) -> None:
    """What goes past the SDKs is written as records, as before."""
    record = UsageRecord(
        timestamp=datetime.now(UTC),
        model_id="llama-3.3-70b-versatile",
        provider="groq",
        input_tokens=1200,
        output_tokens=300,
        request_id="req-1",
        task_type="review",
    )
    tracker.record_usage(record)
    # This provider returned no counts, and that model has no price. Both are said, and neither is a silent 0.
    tracker.record_usage({"provider": "groq", "model_id": "llama-3.3-70b-versatile", "prompt": "Is it warm?"})
    tracker.record_usage({"provider": "groq", "model_id": "brand-new", "input_tokens": 10, "output_tokens": 5})


def command_line(ledger: Path, *arguments: str) -> str:
    """What the user types."""
    command = [sys.executable, "-m", "farebox", "cost", "--session", SESSION, *arguments]
    environment = {**os.environ, "FAREBOX_LEDGER": str(ledger)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own command


def main() -> None:
    """Run a session, and ask what it cost in every way that the tracker had."""
    with tempfile.TemporaryDirectory() as directory, FakeProvider() as provider:
        ledger = Path(directory) / "costs.db"
        farebox.instrument(ledger=ledger)
        tracker = farebox.CostTracker(session_id=SESSION)
        with tracker, provider.openai_client() as openai, provider.anthropic_client() as anthropic:
            orchestrate(openai, anthropic)
        record_the_rest(tracker)

        print(f"session: ${tracker.get_session_cost()}")
        for model, cost in tracker.get_cost_by_model().items():
            print(f"  {model}: {'unknown' if cost is None else f'${cost}'}")
        for name, cost in tracker.get_cost_by_provider().items():
            print(f"  {name}: ${cost}")
        end = datetime.now(UTC) + timedelta(minutes=1)
        report = tracker.get_cost_report(end - timedelta(days=30), end)
        print(f"30 days: ${report.total_cost}, {report.total.calls} calls, ${report.total.average} each")
        print(f"  {report.total.input_tokens} tokens in, {report.total.output_tokens} out")
        print(*(f"  ! {note}" for note in report.notes), sep="\n")
        periods = tracker.get_daily_cost(), tracker.get_weekly_cost(), tracker.get_monthly_cost()
        print("daily ${}, weekly ${}, monthly ${}".format(*periods))
        print(f"{tracker.export_csv(Path(directory) / 'costs.csv')} calls exported")
        print(command_line(ledger, "--detailed", "--export", str(Path(directory) / "session.csv")))

        tracker.close()
        farebox.uninstrument()
        farebox.shutdown()


if __name__ == "__main__":
    main()
