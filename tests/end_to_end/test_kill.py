from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import farebox

THREADS = 4
PROGRAM = """
import os, sys, threading
import farebox, openai

farebox.instrument()
client = openai.OpenAI(base_url=sys.argv[1], api_key="offline", max_retries=0)

def work():
    for number in range(int(sys.argv[2]) // 4):
        if number % 2:  # an event whose id is that of what was billed, and no longer the one of its slot
            answer = client.responses.create(model="gpt-4o-mini", input="hello", max_output_tokens=16)
        else:
            answer = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}], max_tokens=2
            )
        os.write(1, answer.id.encode() + b"\\n")

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def killed_after(url: str, returned: int, environment: dict[str, str]) -> list[str]:
    """Ids of the calls that returned to a program of 10 000 calls before it was killed."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, url, "10000"], stdout=subprocess.PIPE, env=environment)
    ids: list[str] = []
    try:
        for line in process.stdout:
            ids.append(line.decode().strip())
            if len(ids) == returned:
                os.kill(process.pid, signal.SIGKILL)
        # Whole lines only: what was written after the kill was sent did return.
        assert process.wait(30) == -signal.SIGKILL
    finally:
        process.kill()
        process.stdout.close()
    return ids


@pytest.mark.parametrize("returned", [400 + random.randrange(200), pytest.param(5_000, marks=pytest.mark.stress)])
@pytest.mark.timeout(180)
def test_after_kill_nine_every_call_that_returned_is_in_the_ledger_once(provider, tmp_path: Path, returned: int):
    ledger_file = tmp_path / "killed.db"
    environment = {**os.environ, "FAREBOX_LEDGER": str(ledger_file), "FAREBOX_FLUSH_INTERVAL": "0.05"}
    ids = killed_after(provider.openai_base_url, returned, environment)
    assert returned <= len(ids) < 10_000

    with farebox.open_ledger(ledger_file) as ledger:
        events = list(ledger.calls())
    settled = [event for event in events if event.status == "ok"]
    lost = [event for event in events if event.status == "lost"]
    found = [event.response_id for event in settled]
    print(f"{len(ids)} returned, {len(settled)} settled, {len(lost)} lost")
    assert set(ids) <= set(found)
    assert len(set(found)) == len(found)
    assert len(settled) - len(ids) <= THREADS
    assert len(lost) <= THREADS
    assert len(events) == len(settled) + len(lost)
    assert len(provider.requests) <= len(events)
    assert all(event.cost_status == "estimated" and event.cost_nano > 0 for event in lost)

    with farebox.open_ledger(ledger_file) as again:
        assert len(list(again.calls())) == len(events)
