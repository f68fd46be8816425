"""Recorded exchanges against their ceilings: none was billed more, and so many have one.

Needs FAREBOX_CORPUS, as `test_replay.py` does. Left out are requests whose text the recording cut short or replaced.
"""

from __future__ import annotations

import base64
import collections
import json
import os
import time
import warnings
from pathlib import Path

import pytest

import farebox
from farebox import scopes
from farebox.budgets.bound import Bound, bound
from farebox.budgets.gate import Gate
from farebox.core.event import CallRequest
from farebox.extraction.read import read
from farebox.instruments import providers
from farebox.instruments.patching import WireOptions, install
from farebox.meter import Meter
from farebox.meter.ceiling import Ceiling, Ceilings
from farebox.pricing.book import Book
from farebox.pricing.calculate import calculate
from farebox.pricing.estimate import Estimator
from farebox.pricing.installed import book_data
from farebox.pricing.quoting import BookPrices

CORPUS = os.environ.get("FAREBOX_CORPUS")

pytestmark = [
    pytest.mark.replay,
    pytest.mark.skipif(not CORPUS, reason="FAREBOX_CORPUS is not set"),
]

APIS = {
    "chat.completions": "chat.completions",
    "responses": "responses",
    "completions": "completions",
    "embeddings": "embeddings",
    "messages": "messages",
    "invoke": "messages",
    "invoke.stream": "messages",
    "generateContent": "generateContent",
    "streamGenerateContent": "generateContent",
    "embedContent": "embedContent",
    "batchEmbedContents": "embedContent",
    "predict": "embedContent",
    "interactions": "interactions",
}
OWN = {
    "anthropic": "anthropic",
    "bedrock": "aws-bedrock",
    "azure_openai": "azure",
    "google": "google",
    "google_openai_compat": "google",
    "vertex": "google-vertex",
}
COVERED = {"anthropic": 0.85, "openai": 0.70, "google": 0.70, "google-vertex": 0.70}
"""The share of the recordings of a provider that has a ceiling, rounded down. Run with `-s` to have every provider's told."""

PLACEHOLDERS = ("[blob sha256:", base64.b64encode(b"[blob ").decode())


def files():
    return sorted(Path(CORPUS).glob("*.jsonl")) if Path(CORPUS).is_dir() else [Path(CORPUS)]


def exchanges():
    for path in files():
        for line in path.read_text(encoding="utf-8").strip().split("\n"):
            row = json.loads(line)
            whole = "request_text_truncated" not in (row["modified"] or ()) and not replaced(row["request_body"])
            if whole and row["usage"] is not None and isinstance(row["request_body"], dict):
                yield row


def replaced(value):
    """Whether a placeholder stands somewhere for something longer that was sent."""
    text = json.dumps(value)
    return any(mark in text for mark in PLACEHOLDERS)


def request_of(row):
    host = providers.host(row["host"])
    provider = OWN.get(row["provider"]) or (host.provider if host else "openai")
    # The Bedrock client adds its version below the hook.
    body = {key: value for key, value in row["request_body"].items() if key != "anthropic_version"}
    api = APIS.get(row["endpoint"], row["endpoint"])
    return CallRequest(provider, "chat", api, row["model"], body, server_address=row["host"])


def billed(row, request, book, at):
    """The usage, and the dearer of what the model asked for and the one that answered cost."""
    usage = read(row["usage"], api=request.api, provider=request.provider, service_tier=row["service_tier"])
    costs = [
        calculate(usage, book=book, provider=request.provider, model=name, api=request.api, at_ns=at).nano
        for name in {row["response_model"], row["model"]} - {None}
    ]
    return usage, max((cost for cost in costs if cost is not None), default=None)


def test_no_recorded_exchange_was_billed_more_than_its_ceiling():
    book, at = Book(book_data()), time.time_ns()
    ceilings = Ceilings(lambda: book)
    total, covered, capped, wrong = (collections.Counter() for _ in range(4))
    for row in exchanges():
        request = request_of(row)
        total[request.provider] += 1
        ceiling = ceilings.of(request, at)
        if not isinstance(ceiling, Ceiling):
            continue
        covered[request.provider] += 1
        usage, cost = billed(row, request, book, at)
        known = book.find(request.provider, row["model"], at)
        tokens = bound(request, model=None if known is None else known.id)
        assert isinstance(tokens, Bound)
        most = ceiling.nano()
        capped[request.provider] += most is not None
        if most is None:  # nothing limits its output: then the output that it had is taken for its limit
            most = ceiling.input_nano + -int(-usage.output_tokens * ceiling.output_rate // 1000)
        if (
            tokens.input_tokens < usage.input_tokens
            or (tokens.output_tokens is not None and tokens.output_tokens < usage.output_tokens)
            or (cost is not None and most < cost)
        ):
            wrong[row["id"], f"{most} < {cost}", f"{tokens}", f"{usage.units}"] += 1
    for provider, count in sorted(total.items()):
        print(f"\n{provider}: {covered[provider]} of {count} covered, {capped[provider]} limited as they stand", end="")
    print(f"\nall: {covered.total()} of {total.total()}")
    assert not wrong, "\n".join(map(str, wrong))
    assert covered.total() > 0
    for provider, share in COVERED.items():
        if total[provider] >= 10:
            assert covered[provider] >= share * total[provider], provider


def test_no_recorded_exchange_was_billed_more_than_the_ceiling_of_an_estimate_of_its_body():
    book, at = Book(book_data()), time.time_ns()
    covered, wrong = 0, []
    for row in exchanges():
        request = request_of(row)
        if not row["model"]:
            continue
        ceiling = farebox.estimate(request.body, model=row["model"], provider=request.provider).ceiling
        _usage, cost = billed(row, request, book, at)
        if ceiling is None or cost is None:
            continue
        covered += 1
        if ceiling.to_nano() < cost:
            wrong.append(f"{row['id']}: {ceiling} < {cost}")
    print(f"\n{covered} covered by estimates")
    assert not wrong, "\n".join(wrong)
    assert covered > 0


class Watching(Meter):
    """A meter that finds the ceiling of each call as its request stands at the hook."""

    def __init__(self, journal):
        prices = BookPrices()
        super().__init__(prices=prices, estimator=Estimator(prices), gate=Gate(1), journal=journal)
        self.ceilings = Ceilings()
        self.found = []

    def open(self, request):
        self.found.append(self.ceilings.of(request, time.time_ns()))
        return super().open(request)


@pytest.mark.timeout(600)
def test_no_call_of_a_real_sdk_was_billed_more_than_the_ceiling_of_its_request(monkeypatch):
    for name in ("openai", "anthropic", "google.genai", "boto3"):
        pytest.importorskip(name)
    monkeypatch.syspath_prepend(str(files()[0].resolve().parent))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import drive
    from replay_server import ReplayServer
    from replaying import Kept

    chosen, wrong = list(exchanges()), []
    covered, refused = collections.Counter(), collections.Counter()
    with warnings.catch_warnings(), ReplayServer(chosen, chunk="whole") as server:
        warnings.simplefilter("ignore")
        for row in chosen:
            meter = Watching(Kept())
            installed = install((), meter=lambda meter=meter: meter, options=WireOptions())
            try:
                with scopes.Capture() as events:
                    drive.drive_observe(row, server.base_url, "sync", helper=False)
            except drive.Skip:
                continue
            finally:
                installed.undo()
            for ceiling, event in zip(meter.found, events.calls, strict=False):
                if not isinstance(ceiling, Ceiling):
                    refused[event.provider, ceiling.reason.partition(": state")[0]] += 1
                    continue
                covered[event.provider] += 1
                most = ceiling.nano()
                if most is None:
                    most = ceiling.input_nano + -int(-(event.output_tokens or 0) * ceiling.output_rate // 1000)
                if event.cost_nano is not None and event.cost_nano > most:
                    wrong.append(f"{row['id']}: {event.cost_nano} > {most}")
    print(f"\n{covered.total()} of {covered.total() + refused.total()} covered: {dict(covered)}")
    print("\n".join(f"{count} {provider}: {why}" for (provider, why), count in refused.most_common()))
    assert not wrong, "\n".join(wrong)
    assert covered["anthropic"] > 0
