"""Instead of the cost module of a bot for many tenants: tenant budgets, tiers by depth, alerts to a chat, summaries, metrics. Runs offline."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import farebox
from farebox.compat import (
    current_request_tracker,
    export_cost_report,
    get_cost_summary,
    get_tenant_status,
    record_llm_cost,
    record_vector_operation_cost,
    set_tenant_budget,
    track_request_budget,
)
from farebox.testing import FakeProvider

STEPS = ("acquisition", "transcription", "analysis", "verification", "knowledge")
DEPTHS = {"quick": "0.50", "standard": "1.50", "deep": "3.00", "comprehensive": "5.00", "experimental": "10.00"}
TIERS = {
    name: {"total": total, "per_task": {step: str(Decimal(total) / 2) for step in STEPS}}
    for name, total in DEPTHS.items()
}
"""Each depth has a total, and a limit for each step."""


TOLD: list[bytes] = []
"""What the chat was told."""


class Chat(BaseHTTPRequestHandler):
    """Stands in for a chat's webhook."""

    def do_POST(self) -> None:
        """Take a message."""
        TOLD.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def crew(client: Any, step: str) -> None:
    """What a framework does with a step: the program never sees the single calls."""
    with farebox.tracked(step):
        for number in range(2):
            client.responses.create(model="gpt-5-mini", input=f"{step}, part {number}", max_output_tokens=200)


def workflow(client: Any, tenant: str, depth: str) -> None:
    """An autonomous workflow under the budget of its depth."""
    with farebox.tracked(tenant_id=tenant), farebox.track_budget(tier=depth):
        tracker = current_request_tracker()
        assert tracker is not None
        try:
            for step in STEPS:
                crew(client, step)
            tracker.charge(Decimal("0.20"), "transcription")  # a service that is billed by the minute
            tracker.charge(Decimal("0.10"), "transcription")
        except farebox.BudgetExceeded as refusal:
            print(f"{tenant}, {depth}: rejected: {refusal.reason}")
        print(f"{tenant}, {depth}: ${tracker.total_spent} of ${tracker.total_limit}")


def operations() -> None:
    """Costs that the bot records itself."""
    record_llm_cost("op-1", "openrouter", "qwen/qwen3-32b", 900, 200, Decimal("0.0004"), 1.2, "acme", "support")
    record_vector_operation_cost("op-2", "search", "qdrant", 50, Decimal("0.0001"), "acme")
    record_vector_operation_cost("op-3", "upsert", "qdrant", 500, Decimal("0.0020"), "acme")
    record_vector_operation_cost("op-4", "delete", "qdrant", 10, Decimal("0.0000"))


def request_budget() -> None:
    """A request with limits of its own, charged by hand."""
    with track_request_budget(total_limit=1.50, per_task_limits={"analysis": 0.75}) as budget:
        budget.charge(0.70, "analysis")
        try:
            budget.charge(0.10, "analysis")
        except farebox.BudgetExceeded:
            print(
                f"request: ${budget.total_spent} spent, analysis: ${budget.per_task_spent['analysis']}, the next rejected"
            )


def reports() -> None:
    """What operators look at."""
    now = datetime.now(UTC)
    summary = get_cost_summary(now - timedelta(days=1), now + timedelta(minutes=1), "acme")
    print(f"acme: ${summary.total_cost} in {summary.operation_count} operations, ${summary.average_cost} each")
    for name, cost in (*summary.by_provider.items(), *summary.by_operation_type.items()):
        print(f"  {name}: ${cost}")
    for status in (*get_tenant_status("acme"), *get_tenant_status("globex")):
        print(f"{status.bucket} {status.window}: {status.utilization:.1%} of ${status.limit}, over: {status.over}")
    print(export_cost_report(days=7))
    from farebox.sinks.prometheus import LedgerCollector, exposition

    farebox.flush()
    with farebox.open_ledger(read_only=True) as ledger:
        text, _ = exposition(LedgerCollector(ledger, budgets=farebox.budget_status))
    wanted = ("farebox_tenant_cost_usd_total", "farebox_tenant_budget_exceeded_total", "farebox_tenant_calls_total")
    print(*(line for line in text.decode().splitlines() if line.startswith(wanted)), sep="\n")


def main() -> None:
    """Tenants, tiers, a chat that is told, and the reports."""
    chat = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    Thread(target=chat.serve_forever, kwargs={"poll_interval": 0.01}).start()
    with tempfile.TemporaryDirectory() as directory, FakeProvider() as provider, provider.openai_client() as client:
        hook = {"channel": "webhook", "url": f"http://127.0.0.1:{chat.server_port}/hook", "format": "slack"}
        farebox.instrument(ledger=Path(directory) / "bot.db", tiers=TIERS, alerts=[hook])
        set_tenant_budget("acme", max_daily_cost=5, max_monthly_cost=50, max_hourly_cost=2)
        set_tenant_budget("globex", max_daily_cost="0.0001")  # used up by the first step
        set_tenant_budget("*", max_daily_cost=1)  # every other tenant
        workflow(client, "acme", "quick")
        workflow(client, "globex", "standard")
        operations()
        request_budget()
        reports()
        farebox.uninstrument()
        farebox.shutdown()
        print(f"the chat was told: {any(b'globex' in text for text in TOLD)}")
    chat.shutdown()
    chat.server_close()


if __name__ == "__main__":
    main()
