"""What prices cost: pricing a call, loading the book, resolving a model anew. Run it with `nox -s bench`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from farebox.core.usage import Usage
from farebox.pricing import Book, calculate, quote
from farebox.pricing.installed import BUNDLED

ROUNDS = 50
NOW = 1_795_000_000_000_000_000
CALLS = {
    "plain (gpt-5-mini, input and output)": (
        "openai",
        "gpt-5-mini",
        Usage(units={"input": 1200, "output": 300}, raw={}),
    ),
    "cached, tier (gpt-5.4)": (
        "openai",
        "gpt-5.4",
        Usage(units={"input": 900, "cache_read": 2000, "output": 300}, service_tier="priority", raw={}),
    ),
    "thresholds (gemini-2.5-pro)": (
        "google",
        "gemini-2.5-pro",
        Usage(units={"input": 250_000, "cache_read": 9_000, "output": 300}, raw={}),
    ),
}


def cpu(run: Callable[[], object], times: int) -> float:
    """Microseconds of this thread's CPU per call."""
    began = time.thread_time_ns()
    for _ in range(times):
        run()
    return (time.thread_time_ns() - began) / times / 1000


def show(what: str, value: float, unit: str, goal: str) -> None:
    print(f"{what:<62} {value:8.2f} {unit:<10} goal {goal}")


def main() -> None:
    data = BUNDLED.read_bytes()
    book = Book(data)
    for what, (provider, model, usage) in CALLS.items():

        def price(usage: Usage = usage, provider: str = provider, model: str = model) -> object:
            return quote(usage, book=book, provider=provider, model=model, at_ns=NOW)

        def explain(usage: Usage = usage, provider: str = provider, model: str = model) -> object:
            return calculate(usage, book=book, provider=provider, model=model, at_ns=NOW)

        price()
        show(f"pricing a call: {what}", statistics.median(cpu(price, 1000) for _ in range(ROUNDS)), "us", "<= 1.5 us")
        show("  the same with its lines", statistics.median(cpu(explain, 20) for _ in range(ROUNDS)), "us", "")

    def load() -> Book:
        return Book(BUNDLED.read_bytes())

    show("loading the book", statistics.median(cpu(load, 1) for _ in range(ROUNDS)) / 1000, "ms", "<= 30 ms")

    def first() -> object:
        book.memory.clear()
        return quote(
            CALLS["thresholds (gemini-2.5-pro)"][2], book=book, provider="google", model="gemini-2.5-pro", at_ns=NOW
        )

    show("the first price of a model", statistics.median(cpu(first, 10) for _ in range(ROUNDS)), "us", "")


if __name__ == "__main__":
    main()
