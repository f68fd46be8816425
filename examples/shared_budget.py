"""One budget for several processes: two workers attach to it by its token. Runs offline."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import farebox
from farebox.testing import FakeProvider

LIMIT = "0.0012"
"""Dollars for all processes together."""

CALLS = 12
"""Calls that each worker wants to make."""


def work(number: int, token: str, ledger: Path, base_url: str, answers: Any) -> None:
    """Make calls under a budget of another process. A queue, an environment variable or an argument may bring the token here."""
    from openai import OpenAI

    sent = 0
    with farebox.instrument(ledger=ledger), OpenAI(base_url=base_url, api_key="offline") as client:
        with farebox.attach_budget(token), farebox.tracked(f"worker {number}"):
            for document in range(CALLS):
                try:
                    client.responses.create(
                        model="gpt-5-mini", input=f"Sum up document {document}.", max_output_tokens=100
                    )
                except farebox.BudgetExceeded:
                    break
                sent += 1
        farebox.shutdown()
    answers.put((number, sent))


def main() -> None:
    """Make the budget, start the workers, and tell what they did."""
    processes = multiprocessing.get_context("spawn")
    answers = processes.Queue()
    with tempfile.TemporaryDirectory() as directory, FakeProvider(delay=0.05) as provider:
        ledger = Path(directory) / "ledger.db"
        with farebox.instrument(ledger=ledger), farebox.track_budget(LIMIT, name="job", shared=True, wait=10) as budget:
            workers = [
                processes.Process(target=work, args=(number, budget.token, ledger, provider.openai_base_url, answers))
                for number in (1, 2)
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            for number, sent in sorted(answers.get() for _ in workers):
                print(f"worker {number} sent {sent} of {CALLS} calls")
            print(f"the provider saw {len(provider.requests)}; spent ${budget.total_spent} of ${budget.total_limit}")
            for task, spent in sorted(budget.per_task_spent.items()):
                print(f"  {task}: ${spent}")
        farebox.shutdown()


if __name__ == "__main__":
    main()
