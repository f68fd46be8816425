"""Processes as they really live and end: forks of a server and of multiprocessing, exits in and out of order, frozen in between."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

import farebox
from farebox.journal.layout import journals
from farebox.ledger import journal_directory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")

BEGINS = """
import asyncio, os, signal, sys, threading, time
import farebox, openai

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}

def call(**changes):
    with openai.OpenAI(base_url=os.environ["PROVIDER"], api_key="offline", max_retries=0) as client:
        return client.chat.completions.create(**QUESTION, **changes).id

def say(*ids):
    os.write(1, "".join(f"{one}\\n" for one in ids).encode())
"""


@pytest.fixture
def run(provider, tmp_path):
    """Runs a program; gives its exit code and the ids of calls that it said."""

    def running(program, *, interval=3600):
        file = tmp_path / "program.py"
        file.write_text(BEGINS + program)
        environment = {
            **os.environ,
            "PROVIDER": provider.openai_base_url,
            "FAREBOX_FLUSH_INTERVAL": str(interval),
        }
        done = subprocess.run(
            [sys.executable, str(file)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert "could not meter" not in done.stderr, done.stderr
        return done.returncode, done.stdout.split()

    return running


def stored(**how):
    """Response ids of the calls in the ledger, each as often as it is there; opened for writing it takes in what the dead left."""
    with farebox.open_ledger(os.environ["FAREBOX_LEDGER"], **how) as ledger:
        assert ledger.check() == []
        return Counter(event.response_id for event in ledger.calls())


def waiting():
    return journals(journal_directory(os.environ["FAREBOX_LEDGER"]))


ORDERLY = {
    "the last line": "",
    "sys.exit in a function": "def leave(): sys.exit(0)\nleave()",
    "SIGTERM with a handler": "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)",
    "a daemon thread at work": "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
}


@pytest.mark.parametrize("end", ORDERLY)
def test_a_program_that_ends_in_order_leaves_everything_in_the_ledger(run, end):
    code, ids = run(f"farebox.instrument()\nsay(call(), call(), call())\n{ORDERLY[end]}\n")
    assert (code, len(ids)) == (0, 3)
    assert waiting() == []
    assert stored(read_only=True) == Counter(ids)


SUDDEN = {
    "os._exit": ("os._exit(3)", 3),
    "SIGTERM without a handler": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
    "os.abort": ("import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()", -signal.SIGABRT),
}


@pytest.mark.parametrize("end", SUDDEN)
def test_what_a_process_leaves_that_ends_without_a_word_is_there_when_the_ledger_is_opened(run, end):
    statement, expected = SUDDEN[end]
    code, ids = run(f"farebox.instrument()\nsay(call(), call(), call())\n{statement}\n")
    assert (code, len(ids)) == (expected, 3)
    assert len(waiting()) == 1
    assert stored() == Counter(ids)
    assert waiting() == []


def test_an_event_loop_that_ends_in_the_middle_of_calls_loses_none(run):
    code, ids = run("""
farebox.instrument()

async def main():
    client = openai.AsyncOpenAI(base_url=os.environ["PROVIDER"], api_key="offline", max_retries=0)
    answers = await asyncio.gather(*[client.chat.completions.create(**QUESTION) for _ in range(10)])
    say(*[answer.id for answer in answers])
    stream = await client.chat.completions.create(**QUESTION, stream=True)
    await anext(stream)
    forgotten = asyncio.create_task(client.chat.completions.create(**QUESTION))
    await asyncio.sleep(0)
    sys.exit(0)

asyncio.run(main())
""")
    assert (code, len(ids)) == (0, 10)
    assert waiting() == []
    with farebox.open_ledger(read_only=True) as ledger:
        statuses = {row["status"]: row["calls"] for row in ledger.by("status")}
    assert statuses == {"ok": 10, "abandoned": 1, "cancelled": 1}


CHILDREN = """
import multiprocessing

def work(number):
    farebox.instrument()
    return call(user=str(number))

def fill(ids):
    ids.put(work(0))

if __name__ == "__main__":
    farebox.instrument()
    context = multiprocessing.get_context({method!r})
    ids = context.SimpleQueue()
    children = [context.Process(target=fill, args=(ids,)) for _ in range(2)]
    say(call())
    for child in children:
        child.start()
    for child in children:
        say(ids.get())
        child.join()
    with context.Pool(2) as pool:  # its workers are ended by SIGTERM
        say(*pool.map(work, range(6), chunksize=1))
    say(call())
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_are_metered_once_each(run, method):
    code, ids = run(CHILDREN.replace("{method!r}", repr(method)))
    assert (code, len(ids)) == (0, 10)
    assert stored() == Counter(ids)
    assert waiting() == []


def test_what_ended_workers_left_is_brought_in_by_a_program_that_goes_on(run):
    code, ids = run(
        """
from farebox.journal.layout import journals
from farebox.ledger import journal_directory

farebox.instrument()
if os.fork() == 0:
    say(call())
    os._exit(0)
os.wait()
say(call())
for _ in range(3000):
    if len(journals(journal_directory(os.environ["FAREBOX_LEDGER"]))) == 1:
        break
    time.sleep(0.01)
with farebox.open_ledger(read_only=True) as ledger:
    say(ledger.summary().calls)
""",
        interval=0.01,
    )
    assert (code, ids.pop()) == (0, "2")
    assert stored(read_only=True) == Counter(ids)


APPLICATION = """
farebox.instrument()
call()  # the master has a journal and a writer of its own before it forks
CLIENT = openai.OpenAI(base_url=os.environ["PROVIDER"], api_key="offline", max_retries=0)

def application(environ, start_response):
    body = f"{os.getpid()} {CLIENT.chat.completions.create(**QUESTION).id}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@contextlib.contextmanager
def gunicorn(directory: Path, *options, **environment):
    """A server of two workers that loads the program before it forks; ended by SIGTERM. Gives its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind"]
        process = subprocess.Popen(
            [*command, f"fd://{listening.fileno()}", *options, "application:application"],
            cwd=directory,
            env={**os.environ, **environment},
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        port = listening.getsockname()[1]
    try:
        yield port
    finally:
        process.terminate()
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert "farebox" not in log, log


def ask(port, answers, enough):
    """Asks until workers enough have answered, one after the other."""
    while not enough.is_set() and len(answers) < 2000:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        pid, response_id = connection.getresponse().read().decode().split()
        connection.close()
        answers.append((pid, response_id))
        if len({pid for pid, _ in answers}) == 2 and len(answers) >= 40:
            enough.set()


@pytest.mark.parametrize("worker", ["sync", "gevent", "gthread"])
def test_workers_of_gunicorn_that_were_forked_after_instrument_lose_nothing_at_sigterm(provider, tmp_path, worker):
    (tmp_path / "application.py").write_text(BEGINS + APPLICATION)
    answers, enough = [], threading.Event()
    with gunicorn(tmp_path, "--worker-class", worker, PROVIDER=provider.openai_base_url) as port:
        clients = [threading.Thread(target=ask, args=(port, answers, enough)) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert len({pid for pid, _ in answers}) == 2
    assert waiting() == []  # master and workers end in order
    found = stored(read_only=True)
    assert found.keys() >= {response_id for _, response_id in answers}
    assert len(found) == found.total() == len(answers) + 1 == len(provider.requests)


FROZEN = """
farebox.instrument()
say(call(), call(), call())
say(str(farebox.flush()))
say(call())
sys.stdin.readline()
say(call())
"""


def test_what_was_flushed_is_in_the_ledger_while_the_process_is_frozen_and_nobody_takes_its_journal(provider, tmp_path):
    file = tmp_path / "frozen.py"
    file.write_text(BEGINS + FROZEN)
    environment = {**os.environ, "PROVIDER": provider.openai_base_url, "FAREBOX_FLUSH_INTERVAL": "3600"}
    process = subprocess.Popen(
        [sys.executable, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )
    flushed = [process.stdout.readline().strip() for _ in range(3)]
    assert process.stdout.readline() == "True\n"
    later = [process.stdout.readline().strip()]
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        (journal,) = waiting()
        assert stored(read_only=True) == stored() == Counter(flushed)
        assert waiting() == [journal]
    finally:
        process.send_signal(signal.SIGCONT)
    rest, _ = process.communicate("thawed\n", timeout=60)
    assert process.returncode == 0
    assert waiting() == []
    assert stored(read_only=True) == Counter([*flushed, *later, *rest.split()])
