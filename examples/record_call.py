"""Meter calls that no instrument sees: another client library, a server of one's own. Runs offline: nothing is called."""

from __future__ import annotations

import tempfile
from pathlib import Path

import farebox

ANSWERS = [
    # What boto3's `converse` returned: tokens in Bedrock's words, priced by the book.
    {
        "provider": "aws-bedrock",
        "model": "anthropic.claude-haiku-4-5-20251001-v1:0",
        "usage": {"inputTokens": 1200, "outputTokens": 300, "totalTokens": 1500},
        "duration": 1.7,
    },
    # Cohere, which says what it bills.
    {
        "provider": "cohere",
        "model": "command-r-08-2024",
        "usage": {"billed_units": {"input_tokens": 900, "output_tokens": 80}},
    },
    # A service that states only money.
    {
        "provider": "pictures.example",
        "model": "painter-2",
        "operation": "image_generation",
        "usage": {},
        "cost": "0.04",
    },
    # A server of one's own, at the price that it is given below.
    {"provider": "ollama", "model": "llama3.2", "usage": {"prompt_eval_count": 26, "eval_count": 298}},
]


def main() -> None:
    """Record each answer under a budget, and ask the ledger."""
    with tempfile.TemporaryDirectory() as directory:
        farebox.configure(ledger=Path(directory) / "ledger.db")
        farebox.set_price(provider="ollama", model="llama3.2", rates={"input": "0.05", "output": "0.05"})
        with farebox.track_budget(1, name="night job") as budget:
            for answer in ANSWERS:
                event = farebox.record_call(**answer)
                print(
                    f"{event.provider:<18}{event.cost_status:<10}{'unknown' if event.cost is None else f'${event.cost}'}"
                )
        print(f"spent ${budget.total_spent}")
        farebox.flush()
        ledger = farebox.open_ledger()
        print(f"{sum(group['calls'] for group in ledger.by('provider'))} calls in the ledger")
        ledger.close()
        farebox.shutdown()


if __name__ == "__main__":
    main()
