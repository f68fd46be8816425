"""Recorded exchanges through the real SDKs: one event each, the provider's own usage in it, and the SDK's result as without us.

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
ENDPOINTS = {
    "chat.completions", "completions", "responses", "embeddings", "messages", "invoke", "invoke.stream",
    "generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents", "predict",
}  # fmt: skip
UNASKED = ("recorded as a JSON array", "integer enums")
"""Recordings of requests that no method of an SDK makes."""

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
            exchange = json.loads(line)
            if exchange["endpoint"] in ENDPOINTS and exchange["usage"] is not None and exchange["method"] == "POST":
                yield exchange


@pytest.fixture
def results(monkeypatch):
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
        ReplayServer(chosen) as server,
        concurrent.futures.ProcessPoolExecutor(2, spawn, prepare, (folder,)) as pool,
    ):
        jobs = [(exchange, mode, server.base_url) for exchange in chosen for mode in ("sync", "async")]
        yield list(pool.map(work, jobs, chunksize=16))


def test_every_recorded_exchange_gives_one_event_with_the_usage_as_sent(results):
    counts, wrong = collections.Counter(), []
    for identity, mode, endpoint, problem in results:
        if problem is None:
            counts[endpoint] += 1
        elif not (problem.startswith("skip: ") and any(reason in problem for reason in UNASKED)):
            wrong.append(f"{identity} {mode} {endpoint}: {problem}")
    print(f"\n{counts.total()} of {len(results)} exact, {len(wrong)} wrong: {dict(counts)}")
    assert not wrong, "\n".join(wrong)
    assert counts.total() > 0
