"""Random schedules of the whole stack around one strict budget: real clients, threads, four processes, time-outs, cuts and kill -9.

Whatever happens, no more is billed than the limit, and no less is booked than billed. A schedule that fails is run again by its seed:
`pytest -m "" tests/stress/test_strict_schedules.py -k seed-17`.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

import farebox
from farebox import runtime
from farebox.core.money import Money
from farebox.testing import FakeProvider

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")

MODEL = "gpt-4o-mini"

WORKER = """
import asyncio, contextlib, os, random, sys, threading
import farebox, openai

url, token, seed, threads, calls = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
farebox.instrument(usage_hosts=["127.0.0.1"])
budget = farebox.attach_budget(token)
MESSAGES = [{"role": "user", "content": "Tell me about the lighthouse and its keeper. " * 3}]

def chat(client, chance, **more):
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, max_tokens=chance.choice((60, 100, 400)), **more)

async def cancel(chance):
    async with openai.AsyncOpenAI(api_key="k", base_url=url) as client:
        await asyncio.wait_for(chat(client, chance), chance.random() * 0.05)

def one(client, chance):
    kind = chance.random()
    if kind < 0.55:
        chat(client, chance)
    elif kind < 0.7:
        for _ in chat(client, chance, stream=True):
            pass
    elif kind < 0.8:
        with contextlib.closing(chat(client, chance, stream=True)) as stream:
            for _ in range(chance.randrange(1, 5)):
                next(stream, None)
    elif kind < 0.9:
        chat(client.with_options(timeout=0.02 + chance.random() * 0.1), chance)
    else:
        asyncio.run(cancel(chance))

def work(number):
    chance, refused = random.Random(seed * 1000 + number), 0
    with openai.OpenAI(api_key="k", base_url=url) as client, budget:
        for _ in range(calls):
            try:
                one(client, chance)
            except farebox.BudgetExceeded:
                refused += 1
                if refused == 2:
                    return
            except Exception:
                pass

print("ready", flush=True)
sys.stdin.readline()
running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
for thread in running: thread.start()
for thread in running: thread.join()
farebox.shutdown()
"""


def billed(provider: FakeProvider) -> Money:
    total = Money(0)
    for one in provider.billed:
        cost = farebox.price(one.usage, provider="openai", model=MODEL, api="chat.completions")
        assert cost.amount is not None
        total += cost.amount
    return total


def disturb(provider: FakeProvider, chance: random.Random) -> None:
    """Lay down what the provider does otherwise, for requests that come at random."""
    kind = chance.random()
    if kind < 0.3:
        provider.answer_next(status=chance.choice((429, 500, 503)), headers={"retry-after-ms": "5"})
    elif kind < 0.6:
        provider.answer_next(hang=chance.random() * 0.2)
    elif kind < 0.8:
        provider.cut_next_stream(after=chance.randrange(1, 6))
    else:
        provider.answer_next(body={"id": "c", "object": "chat.completion", "model": MODEL, "choices": []}, usage=USAGE)


USAGE = {"prompt_tokens": 30, "completion_tokens": 60, "total_tokens": 90}
"""What is billed for an answer that does not state it."""

SEEDS = [pytest.param(seed, id=f"seed-{seed}", marks=() if seed < 2 else (pytest.mark.stress,)) for seed in range(200)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_strict_budget_holds_whatever_happens(seed, tmp_path, monkeypatch):
    monkeypatch.setenv("FAREBOX_LEDGER", str(tmp_path / "ledger.db"))
    runtime.reset()
    chance = random.Random(seed)
    each = farebox.price(USAGE, provider="openai", model=MODEL).amount
    worth, wait, kills = chance.choice((10, 60, 200)), chance.choice((0, 1)), chance.choice((0, 1, 3))
    with (
        FakeProvider(chance.choice(("max", 60)), chunk_delay=0.001) as provider,
        farebox.track_budget(each * worth, strength="strict", shared=True, wait=wait) as budget,
    ):
        threads, calls = chance.randrange(1, 9), 2 * worth // 4 + 5
        workers = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    WORKER,
                    provider.openai_base_url,
                    budget.token,
                    str(seed * 10 + number),
                    str(threads),
                    str(calls),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for number in range(4)
        ]
        for worker in workers:
            assert worker.stdout.readline() == b"ready\n"
        for worker in workers:
            worker.stdin.write(b"\n")
            worker.stdin.flush()
        doomed, until = chance.sample(workers, kills), time.monotonic() + 60
        for worker in doomed:
            for _ in range(chance.randrange(1, 20)):
                disturb(provider, chance)
                time.sleep(chance.random() * 0.03)
            worker.send_signal(signal.SIGKILL)
        while any(worker.poll() is None for worker in workers) and time.monotonic() < until:
            disturb(provider, chance)
            time.sleep(0.02)
        hung = [worker for worker in workers if worker.poll() is None]
        for worker in hung:
            worker.kill()
        for worker in workers:
            worker.communicate()
    provider.wait_idle()
    runtime.reset()
    paid, booked, limit = billed(provider), budget.total_spent, each * worth
    print(
        f"seed {seed}: worth {worth}, wait {wait}, {threads} threads, {kills} killed: {paid / limit:.1%} billed, {booked / limit:.1%} booked"
    )
    assert hung == []
    assert paid <= booked <= limit
    if worth == 200 and wait and not kills:
        assert booked >= limit * Money("0.95")
