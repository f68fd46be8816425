"""Recorded exchanges through the real SDKs: the provider's own usage in as many events as were billed, and the SDK's result as without us.

Needs FAREBOX_CORPUS, the path of a file of exchanges with `drive.py` and `replay_server.py` beside it, or of their folder.
"""

from __future__ import annotations

import collections
import concurrent.futures
import json
import multiprocessing
import os
from pathlib import Path

import pytest

CORPUS = os.environ.get("FAREBOX_CORPUS")
UNASKED = (
    "recorded as a JSON array",
    "integer enums",
    "bedrock converse",
    "bedrock legacy",
    "has no completions resource",
    "batchGenerateContent",
    "batches",
    "cachedContents",
)
"""Recordings of requests that the driver has no method for; run with `-s` to have them named."""

pytestmark = [
    pytest.mark.replay,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CORPUS, reason="FAREBOX_CORPUS is not set"),
]


def files():
    return sorted(Path(CORPUS).glob("*.jsonl")) if Path(CORPUS).is_dir() else [Path(CORPUS)]


def exchanges():
    for path in files():
        for line in path.read_text(encoding="utf-8").strip().split("\n"):  # not splitlines: U+2028 may stand in a text
            yield json.loads(line)


@pytest.fixture(params=["event", "bytes:37"])
def results(request, monkeypatch):
    for name in ("openai", "anthropic", "google.genai", "boto3"):
        pytest.importorskip(name)
    folder = str(files()[0].resolve().parent)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from replay_server import ReplayServer
    from replaying import prepare, work

    chosen = list(exchanges())
    spawn = multiprocessing.get_context("spawn")
    with (
        ReplayServer(chosen, chunk=request.param) as server,
        concurrent.futures.ProcessPoolExecutor(2, spawn, prepare, (folder,)) as pool,
    ):
        jobs = [(exchange, mode, server.base_url, False) for exchange in chosen for mode in ("sync", "async")]
        yield list(pool.map(work, jobs, chunksize=16))


def test_every_recorded_exchange_gives_the_usage_as_sent_and_no_cost_where_none_was_billed(results):
    counts, wrong = collections.Counter(), []
    undriven = collections.Counter()
    for identity, mode, endpoint, problem in results:
        if problem is None:
            counts[endpoint] += 1
        elif not (problem.startswith("skip: ") and any(reason in problem for reason in UNASKED)):
            wrong.append(f"{identity} {mode} {endpoint}: {problem}")
        else:
            undriven[endpoint, problem] += 1
    print(f"\n{counts.total()} of {len(results)} exact, {len(wrong)} wrong: {dict(counts)}")
    print(f"not driven: {dict(undriven)}")
    assert not wrong, "\n".join(wrong)
    assert counts.total() > 0
