"""Meter a program's calls, name the work, bound it, and ask the ledger. Runs offline, against a provider on loopback."""

from __future__ import annotations

import tempfile
from pathlib import Path

import farebox
from farebox.testing import FakeProvider


def main() -> None:
    """One program: instrument once, then work as before."""
    with tempfile.TemporaryDirectory() as directory, FakeProvider() as provider:
        farebox.instrument(ledger=Path(directory) / "ledger.db")  # once, at start-up
        client = provider.openai_client()  # in your program: openai.OpenAI()

        @farebox.tracked(task_type="analysis")
        def analyse(text: str) -> str:
            return client.responses.create(model="gpt-5-mini", input=text).output_text

        @farebox.tracked(task_type="search")
        def embed(texts: list[str]) -> int:
            return len(client.embeddings.create(model="text-embedding-3-small", input=texts).data)

        with farebox.track_budget(1.50, per_task_limits={"analysis": 0.75}, name="quickstart") as budget:
            embed(["late bus", "lost ticket"])
            for document in ("the complaints of May", "the complaints of June"):
                analyse(f"Sum up {document}.")

        print(f"spent ${budget.total_spent} of ${budget.total_limit}")
        for task, spent in budget.per_task_spent.items():
            print(f"  {task}: ${spent}")

        farebox.flush()
        ledger = farebox.open_ledger()
        for group in ledger.by("task_type", "model"):
            print(
                f"{group['task_type']:<9} {group['model']:<23} {group['calls']} calls, "
                f"{group['input_tokens']} tokens in, {group['output_tokens']} out, {group['cost_nano']} nano-dollars"
            )
        ledger.close()
        client.close()
        farebox.uninstrument()
        farebox.shutdown()


if __name__ == "__main__":
    main()
