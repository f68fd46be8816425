"""Send many calls at once under one budget: what does not fit is refused before it is sent. Runs offline."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import farebox
from farebox.testing import FakeProvider

LIMIT = "0.005"
"""Dollars for all calls together."""

CALLS = 50


async def fan_out(provider: FakeProvider) -> None:
    """Start every call at once, as `asyncio.gather` does, and count what became of them."""
    async with provider.async_openai_client() as client:  # in your program: openai.AsyncOpenAI()

        async def summarise(number: int) -> str:
            answer = await client.responses.create(
                model="gpt-5-mini", input=f"Sum up document {number}.", max_output_tokens=400
            )
            return answer.output_text

        async with farebox.track_budget(LIMIT, name="fan-out") as budget:
            answers = await asyncio.gather(*map(summarise, range(CALLS)), return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, farebox.BudgetExceeded)]
    answered = [answer for answer in answers if isinstance(answer, str)]
    print(f"{CALLS} calls started at once under ${LIMIT}")
    print(f"{len(answered)} answered, {len(refused)} refused; the provider saw {len(provider.requests)} requests")
    print(f"spent ${budget.total_spent}; the first refusal said: {refused[0]}")


def main() -> None:
    """Run the fan-out against a provider on loopback."""
    with tempfile.TemporaryDirectory() as directory, FakeProvider() as provider:
        with farebox.instrument(ledger=Path(directory) / "ledger.db"):
            asyncio.run(fan_out(provider))
        farebox.shutdown()


if __name__ == "__main__":
    main()
