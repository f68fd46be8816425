"""One piece of work around a budget that pays for exactly ten calls, in ten circumstances; run it to print the table."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import farebox
from farebox import runtime
from farebox.budgets.shared import SharedBudget
from farebox.core.money import Money
from farebox.testing import FakeProvider

MODEL = "gpt-4o-mini"
PROMPT = (
    "A lighthouse keeper wrote one letter every evening, and nobody knew to whom. Tell me what may have been in them. "
    * 4
)
TERMS: dict[str, dict[str, Any] | None] = {
    "bare SDK": None,
    "hard": {"strength": "hard"},
    "hard, wait": {"strength": "hard", "wait": 30},
    "strict": {"strength": "strict"},
    "strict, wait": {"strength": "strict", "wait": 30},
}
"""How the budget is made; None: there is none."""


@dataclass
class Outcome:
    """What came of the work.

    Attributes:
        asked: calls that the program made.
        sent: requests that arrived, retries included.
        limit: dollars.
        billed: dollars, by what the provider generated.
        booked: dollars that the budget says are spent; None without a budget.
        each: dollars of one plain call.
    """

    asked: int
    sent: int
    limit: Money
    billed: Money
    booked: Money | None
    each: Money

    def __str__(self) -> str:
        booked = "" if self.booked is None else f", {self.booked / self.each:.1f} booked"
        over = "  OVER" if self.billed > self.limit else ""
        return f"{self.sent} sent, {self.billed / self.each:.1f} billed{booked}{over}"


def chat(client: Any, **changes: Any) -> Any:
    terms = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 100, **changes}
    return client.chat.completions.create(**terms)


def outcome(client: Any, **changes: Any) -> None:
    """One call; what ends it otherwise than by an answer is part of the work."""
    with contextlib.suppress(Exception):
        answer = chat(client, **changes)
        if changes.get("stream"):
            list(answer)


def in_sequence(provider: FakeProvider) -> int:
    with provider.openai_client() as client:
        for _ in range(15):
            outcome(client)
    return 15


def all_at_once(provider: FakeProvider) -> int:
    async def main() -> None:
        async with provider.async_openai_client(max_retries=0) as client:
            await asyncio.gather(*(chat(client) for _ in range(50)), return_exceptions=True)

    asyncio.run(main())
    return 50


def in_threads(provider: FakeProvider) -> int:
    with provider.openai_client() as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: outcome(client), range(80)))
    return 80


def cancelled_in_flight(provider: FakeProvider) -> int:
    async def main() -> None:
        async with provider.async_openai_client(max_retries=0) as client:
            provider.answer_next(hang=0.6, times=15)
            for _ in range(15):
                with contextlib.suppress(TimeoutError, farebox.BudgetExceeded):
                    await asyncio.wait_for(chat(client), 0.15)

    asyncio.run(main())
    provider.wait_idle()
    return 15


def timed_out_with_default_retries(provider: FakeProvider) -> int:
    provider.answer_next(hang=0.8, times=30)
    with provider.openai_client(timeout=0.25) as client, ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: outcome(client), range(6)))
    provider.wait_idle()
    return 6


def of_a_large_cap(provider: FakeProvider) -> int:
    with provider.openai_client() as client:
        for _ in range(15):
            outcome(client, max_tokens=2000)
    return 15


def streams_that_break(provider: FakeProvider) -> int:
    with provider.openai_client(max_retries=0) as client:
        for _ in range(15):
            provider.cut_next_stream(after=3)
            outcome(client, stream=True)
    return 15


def without_usage(provider: FakeProvider) -> int:
    # Streams of hosts that are not known to accept the option are not asked for their usage, and this one never says it by itself.
    with provider.openai_client() as client:
        for _ in range(15):
            outcome(client, stream=True)
    return 15


def ten_in_turn(url: str, token: str | None) -> None:
    """What one of several processes does; a spawned one is given the token, a forked one is inside the budget already."""
    from openai import OpenAI

    with contextlib.ExitStack() as stack:
        if token is not None:
            farebox.instrument()
            stack.enter_context(farebox.attach_budget(token))
        client = stack.enter_context(OpenAI(api_key="k", base_url=url))
        for _ in range(10):
            outcome(client)


def _processes(provider: FakeProvider, method: str) -> int:
    budget = farebox.current_budget()
    token = budget.token if method == "spawn" and isinstance(budget, SharedBudget) else None
    with ProcessPoolExecutor(4, mp_context=get_context(method)) as pool:
        for done in [pool.submit(ten_in_turn, provider.openai_base_url, token) for _ in range(4)]:
            done.result()
    return 40


def in_forked_processes(provider: FakeProvider) -> int:
    return _processes(provider, "fork")


def in_spawned_processes(provider: FakeProvider) -> int:
    return _processes(provider, "spawn")


WORK = {
    "15 in sequence": (in_sequence, "max"),
    "50 at once, async, cold": (all_at_once, "max"),
    "8 threads by 10": (in_threads, "max"),
    "4 forked processes by 10": (in_forked_processes, "max"),
    "4 spawned processes by 10": (in_spawned_processes, "max"),
    "15 cancelled in flight": (cancelled_in_flight, "max"),
    "6 timed out, default retries": (timed_out_with_default_retries, "max"),
    "max_tokens=2000, 100 used": (of_a_large_cap, 100),
    "streams broken after 3 chunks": (streams_that_break, "max"),
    "no usage stated": (without_usage, "max"),
}
"""What is done, and how long answers are."""


def billed(provider: FakeProvider) -> Money:
    """Dollars that the provider bills, from what it says it generated."""
    total = Money(0)
    for one in provider.billed:
        cost = farebox.price(one.usage, provider="openai", model=MODEL, api="chat.completions")
        assert cost.amount is not None
        total += cost.amount
    return total


def price_of_one() -> Money:
    """Dollars of one plain call whose answer is as long as it may be."""
    with FakeProvider("max") as scratch, scratch.openai_client() as client:
        chat(client)
        return billed(scratch)


def do(work: str, terms: str) -> Outcome:
    """Do a piece of work under a budget for ten calls, in a fresh farebox."""
    function, length = WORK[work]
    runtime.reset()
    each = price_of_one()
    made = TERMS[terms]
    with FakeProvider(length) as provider, contextlib.ExitStack() as stack:
        budget = None
        if made is not None:
            farebox.instrument()
            budget = stack.enter_context(farebox.track_budget(each * 10, shared="processes" in work, **made))
        asked = function(provider)
        booked = None if budget is None else budget.total_spent
        result = Outcome(asked, len(provider.requests), each * 10, billed(provider), booked, each)
    runtime.reset()
    return result


def main() -> None:
    """Print the table."""
    os.environ["FAREBOX_LEDGER"] = str(Path(tempfile.mkdtemp()) / "ledger.db")
    logging.disable(logging.WARNING)
    for work in WORK:
        print(work)
        for terms in TERMS:
            print(f"    {terms:<13}{do(work, terms)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
