"""A program that gevent made cooperative, in a process of its own: patching cannot be undone."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys

import farebox

PROGRAM = """
import gevent.monkey
gevent.monkey.patch_all()
import json, os, sys
import farebox, gevent, openai
from farebox import runtime

farebox.instrument(flush_interval=0.01)
client = openai.OpenAI(base_url=sys.argv[1], api_key="offline", max_retries=0)

def call():
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}], max_tokens=2).id

with farebox.tracked("greenlets", tenant_id="acme"), farebox.track_budget(1) as budget:
    jobs = [gevent.spawn(farebox.carry(lambda: [call() for _ in range(3)])) for _ in range(5)]
    gevent.joinall(jobs, raise_error=True)
ids = [one for job in jobs for one in job.value]
flushed = farebox.flush(20)
child = os.fork()
if child == 0:
    os._exit(0 if call() and farebox.flush(20) else 1)
os.waitpid(child, 0)
print(json.dumps([ids, flushed, str(budget.total_spent)]), flush=True)
sys.stdin.readline()  # the ledger is locked now

beats = 0
writer = runtime.current().recorder.writer
last = call()
while not writer.health().failures:
    gevent.sleep(0.01)
    beats += 1
print(json.dumps([beats, last]), flush=True)
sys.stdin.readline()  # and free again
"""


def test_greenlets_are_metered_and_none_waits_for_the_ledger(provider):
    path = os.environ["FAREBOX_LEDGER"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, provider.openai_base_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ids, flushed, spent = json.loads(process.stdout.readline())
    with farebox.open_ledger(path, read_only=True) as ledger:
        assert flushed
        assert ledger.summary().calls == 16  # with that of the forked child
        mine = ledger.summary(task_type="greenlets", tenant_id="acme")
        assert (mine.calls, str(mine.cost)) == (15, spent)
        assert {event.response_id for event in ledger.calls(tenant_id="acme")} == set(ids)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    process.stdin.write("locked\n")
    process.stdin.flush()
    beats, last = json.loads(process.stdout.readline())
    lock.execute("ROLLBACK")
    lock.close()
    _, errors = process.communicate("free\n", timeout=60)
    assert process.returncode == 0, errors
    # Waiting in the program's own thread, the writer leaves room for one beat or two.
    assert beats > 20
    assert errors.count("\n") == errors.count("database is locked: another process is writing") == 1, errors
    with farebox.open_ledger(path, read_only=True) as ledger:
        assert ledger.summary().calls == 17
        assert next(ledger.calls(limit=1)).response_id == last
