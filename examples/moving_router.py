"""Instead of a router's own tracker: why each call went where it went, what that and the cache saved, CSV and JSON. Runs offline."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import farebox
from farebox.compat import RouterCostTracker
from farebox.testing import FakeProvider

LARGEST = "gpt-5"
QUESTIONS = ("Where is the bus?", "Compare the fares of ten cities. " * 20, "Where is the bus?", "When does it leave?")


class Router:
    """Short questions go to a small model, and what was asked before is answered from a cache."""

    def __init__(self, client: Any, tracker: RouterCostTracker) -> None:
        self.client = client
        self.tracker = tracker
        self.cache: dict[str, Any] = {}

    def answer(self, question: str) -> str:
        """Answer from the cache, or by the model that is good enough."""
        known = self.cache.get(question)
        if known is not None:
            farebox.record_cache_hit(provider="openai", model=known.model, usage=known.usage, cache="exact")
            return str(known.output_text)
        model, reason = ("gpt-5-nano", "short") if len(question) < 100 else (LARGEST, "long")
        self.tracker.route(reason)
        answer = self.cache[question] = self.client.responses.create(model=model, input=question)
        return str(answer.output_text)


def main() -> None:
    """Route some questions, and show what it was worth."""
    with tempfile.TemporaryDirectory() as directory, FakeProvider() as provider:
        settings = {
            "enabled": True,
            "storage_path": Path(directory) / "router.db",
            "retention_days": 90,
            "dashboard_port": 3335,
            "export_formats": ["csv", "json"],
        }
        tracker = RouterCostTracker(settings, baseline_model=LARGEST)
        with farebox.instrument(), provider.openai_client() as client:
            router = Router(client, tracker)
            for question in QUESTIONS:
                router.answer(question)

        for summary in (
            tracker.get_daily_summary(),
            tracker.get_weekly_summary(),
            tracker.get_monthly_summary(),
        ):
            print(f"{summary.period}: ${summary.total_cost} spent, ${summary.total_saved} saved")
            print(f"  routing ${summary.routing_savings}, caches ${summary.cache_savings}")
        for model, share in summary.model_distribution.items():
            print(f"  {model}: {share:.0%} of the calls")
        for row in tracker.get_savings().records():
            print(f"{row['method']} against {row['baseline']}: {row['calls']} calls, ${row['saved']}")
        for event in tracker.get_recent_calls():
            print(f"{event.kind}: {event.request_model}, {event.route_reason}")
        for name in ("costs.csv", "costs.json"):
            print(f"{tracker.export(Path(directory) / name)} calls in {name}")
        print(f"live: farebox dashboard --port {tracker.dashboard_port}")

        tracker.close()
        farebox.shutdown()


if __name__ == "__main__":
    main()
