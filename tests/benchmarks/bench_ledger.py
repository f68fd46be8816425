"""The ledger at size: ingest against a bare executemany, bytes a call, and what dashboard questions take. Run it with `nox -s bench`.

    python tests/benchmarks/bench_ledger.py [CALLS ...] [--keep DIRECTORY]

By default 100 000 and 1 000 000 calls over 90 days; 10_000_000 needs 6 GB of disk and about ten minutes. Cardinalities are those of a
busy product: 200 tenants and 12 task types of very different size, 12 models, a day's rhythm, 3 % of calls in error, raw usage as
the providers send it.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from farebox.core.answers import Cursor
from farebox.core.event import CallEvent
from farebox.core.identity import new_id
from farebox.ledger.rows import COLUMNS, row_of
from farebox.ledger.schema import DAY_NS, HOUR_NS
from farebox.ledger.sqlite import SQLiteLedger

DAYS = 90
BEGIN = 1_795_000_000_000_000_000 // DAY_NS * DAY_NS - DAYS * DAY_NS
END = BEGIN + DAYS * DAY_NS
TENANTS = [f"tenant-{number:03d}" for number in range(200)]
TASKS = [
    "chat",
    "search",
    "summary",
    "triage",
    "draft",
    "review",
    "translate",
    "extract",
    "tag",
    "plan",
    "code",
    "eval",
]
MODELS = (
    *(("openai", name) for name in ("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-4.1", "gpt-4o-mini", "o4-mini")),
    *(("anthropic", name) for name in ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1")),
    *(("google", name) for name in ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite")),
)


def zipf(values: object, chance: random.Random, count: int) -> list[object]:
    """So many values, the n-th of them 1/n as often as the first."""
    items = list(values)
    return chance.choices(items, [1 / rank for rank in range(1, len(items) + 1)], k=count)


def raw_usage(provider: str, fresh: int, cached: int, out: int, reasoning: int) -> dict[str, object]:
    if provider == "anthropic":
        return {
            "input_tokens": fresh,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": out,
            "service_tier": "standard",
        }
    if provider == "google":
        return {
            "promptTokenCount": fresh + cached,
            "candidatesTokenCount": out - reasoning,
            "totalTokenCount": fresh + cached + out,
            "thoughtsTokenCount": reasoning,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": fresh + cached}],
        }
    return {
        "prompt_tokens": fresh + cached,
        "completion_tokens": out,
        "total_tokens": fresh + cached + out,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def events(count: int, seed: int = 1) -> Iterator[list[CallEvent]]:
    """Calls in order of time, in batches of 20 000."""
    chance = random.Random(seed)
    step = (END - BEGIN) // count
    for first in range(0, count, 20_000):
        size = min(20_000, count - first)
        columns = zip(zipf(TENANTS, chance, size), zipf(TASKS, chance, size), zipf(MODELS, chance, size), strict=True)
        yield [_event(chance, BEGIN + (first + at) * step, step, *values) for at, values in enumerate(columns)]


def _event(chance: random.Random, moment: int, step: int, tenant: str, task: str, model: tuple[str, str]) -> CallEvent:
    moment += chance.randrange(max(step, 1))
    provider, name = model
    fresh, out = int(chance.lognormvariate(6.5, 1)), int(chance.lognormvariate(5.3, 0.8)) + 1
    cached = fresh * 3 if chance.random() < 0.3 else 0
    reasoning = out // 2 if chance.random() < 0.4 else 0
    failed = chance.random() < 0.03
    cost = None if failed else fresh * 250 + cached * 25 + out * 2000
    return CallEvent(
        id=new_id(moment),
        started_at=moment,
        duration_ns=int(chance.lognormvariate(0.5, 0.6) * 1e9),
        first_chunk_ns=int(chance.lognormvariate(-1, 0.5) * 1e9) if chance.random() < 0.5 else None,
        provider=provider,
        server_address=f"api.{provider}.com",
        operation="chat",
        api="chat.completions",
        request_model=name,
        response_model=f"{name}-2026-08-07",
        response_id=f"chatcmpl-{chance.getrandbits(116):029x}",
        service="backend",
        status="error" if failed else "ok",
        error_type="RateLimitError" if failed else None,
        input_tokens=None if failed else fresh + cached,
        cache_read_tokens=None if failed else cached,
        output_tokens=None if failed else out,
        reasoning_tokens=None if failed else reasoning,
        units=None if failed else {"input": fresh, **({"cache_read": cached} if cached else {}), "output": out},
        raw_usage=None if failed else raw_usage(provider, fresh, cached, out, reasoning),
        service_tier="default",
        cost_nano=0 if failed else cost,
        cost_status="priced",
        price_book="7e9d3bde2a4c",
        tenant_id=tenant,
        user_id=f"user-{chance.randrange(20_000)}",
        task_type=task,
        tags={"team": chance.choice("abcd"), "release": "2026.11"},
    )


QUESTIONS = {
    "summary of a month": lambda ledger: ledger.summary(END - 30 * DAY_NS, END),
    "series by model, 30 days": lambda ledger: ledger.series("day", "model", since=END - 30 * DAY_NS, until=END),
    "top tenants, 30 days": lambda ledger: ledger.by("tenant_id", since=END - 30 * DAY_NS, until=END),
    "one tenant's month": lambda ledger: ledger.summary(END - 30 * DAY_NS, END, tenant_id="tenant-007"),
    "latest 100 calls": lambda ledger: list(ledger.calls(limit=100)),
    "the next 100 calls": lambda ledger: list(ledger.calls(limit=100, cursor=Cursor(END - DAY_NS, "~"))),
    "percentiles by model, 30 days": lambda ledger: ledger.percentiles("model", since=END - 30 * DAY_NS, until=END),
    "series by model, 48 hours": lambda ledger: ledger.series("hour", "model", since=END - 48 * HOUR_NS, until=END),
    "tenants, 29.5 days from 05:00": lambda ledger: ledger.by(
        "tenant_id", since=END - 30 * DAY_NS + 5 * HOUR_NS, until=END - 7 * HOUR_NS
    ),
    "tasks of a tenant, same": lambda ledger: ledger.by(
        "task_type", since=END - 30 * DAY_NS + 5 * HOUR_NS, until=END - 7 * HOUR_NS, tenant_id="tenant-007"
    ),
    "tenant x task, same": lambda ledger: ledger.by(
        "tenant_id", "task_type", since=END - 30 * DAY_NS + 5 * HOUR_NS, until=END - 7 * HOUR_NS
    ),
    "tenants, 30 days to 12:17:31, the worst time": lambda ledger: ledger.by(
        "tenant_id", since=END - 31 * DAY_NS + 44_251 * 10**9, until=END - DAY_NS + 44_251 * 10**9
    ),
    "tenants, from 05:17:31": lambda ledger: ledger.by("tenant_id", since=END - 30 * DAY_NS + 19_051 * 10**9),
}


def measure_ingest(directory: Path, count: int = 200_000, batch: int = 1000) -> None:
    """CPU of this thread, for rows that stand ready, against the same rows with rollups and a mark: slice by slice in turn."""
    ready = _crowded(count)
    bare = sqlite3.connect(directory / "bare.db", isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", "wal_autocheckpoint = 4000"):
        bare.execute(f"PRAGMA {setting}")
    with SQLiteLedger(directory / "ledger.db"), sqlite3.connect(directory / "ledger.db") as made:
        bare.execute(made.execute("SELECT sql FROM sqlite_master WHERE name = 'calls'").fetchone()[0])
    made.close()

    plain = f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"

    def insert(rows: list[list[object]]) -> None:
        for at in range(0, len(rows), batch):
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(plain, rows[at : at + batch])
            bare.execute("COMMIT")

    def keep(part: list[CallEvent], first: int) -> None:
        for at in range(0, len(part), batch):
            ledger.ingest(part[at : at + batch], journal="j", segment=1, offset=first + at + 1)

    pairs = []
    with SQLiteLedger(directory / "ledger.db") as ledger:
        # Ten batches at a time: a slice has its share of checkpoints, which belong to the cost.
        for first in range(0, count, 10 * batch):
            part = ready[first : first + 10 * batch]
            rows = list(map(row_of, part))
            pairs.append((*_spent(partial(keep, part, first)), *_spent(partial(insert, rows))))
    bare.close()
    wall, cpu, alone_wall, alone_cpu = map(sum, zip(*pairs, strict=True))
    low, middle, high = _interval([ours / theirs for _, ours, _, theirs in pairs])
    print(
        f"ingest, batches of {batch}: {count / wall:,.0f} events/s, {cpu / count * 1e6:.1f} us of CPU an event   goal 30,000"
    )
    print(f"  bare executemany of the same rows: {count / alone_wall:,.0f} events/s, {alone_cpu / count * 1e6:.1f} us")
    print(f"  ratio of CPU: {cpu / alone_cpu:.2f}, median of slices {middle:.2f} ({low:.2f} to {high:.2f})   goal 2.00")


def _spent(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall and of this thread's CPU."""
    began, cpu = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - began, time.thread_time() - cpu


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, between the bounds of 95 % of the medians of samples drawn from the values (bootstrap)."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(1000))
    return medians[25], statistics.median(values), medians[974]


def measure_program(directory: Path, pairs: int = 60, rate: int = 2000, seconds: float = 0.5) -> None:
    """What a busy thread of the program gets done while it records `rate` calls a second, against what it does when it only makes them.

    Slices with and without follow each other closely, in changing order, and are compared in pairs: what else the machine does
    meets both. A slice with calls is measured when the writer has been at work for a while.
    """
    from farebox.sinks.recorder import Recorder

    ready = itertools.cycle(_crowded(20_000))
    recorder = Recorder(
        directory / "program.journal",
        lambda: SQLiteLedger(directory / "program.db"),
        durability="process",
        interval=0.25,
        batch_size=1000,
    )
    chance, wall, cpu = random.Random(1), [], []
    for _ in range(pairs):
        done = {}
        for recording in chance.sample((True, False), 2):
            if recording:
                _work(0.3, recorder, ready, rate)
            done[recording] = _work(seconds, recorder if recording else None, ready, rate)
            recorder.flush(60)
        wall.append(done[True][0] / done[False][0])
        cpu.append(done[True][1] / done[False][1])
    recorder.close(60)
    for name, ratios in (("second", wall), ("second of its own CPU", cpu)):
        low, middle, high = _interval(ratios)
        print(
            f"a program's thread at {rate:,} calls/s: {middle:.3f} of its work a {name} ({low:.3f} to {high:.3f}, {pairs} pairs)   goal 0.95"
        )


def _work(seconds: float, recorder: Any, ready: Iterator[CallEvent], rate: int) -> tuple[float, float]:
    """Pure Python, and calls at their times; units of work done a second, and a second of CPU."""
    units, calls, total = 0, 0, 0
    began, cpu = time.perf_counter(), time.thread_time()
    while (passed := time.perf_counter() - began) < seconds:
        while calls < passed * rate:
            event = msgspec.structs.replace(next(ready), id=new_id(time.time_ns()))
            calls += 1
            if recorder is not None:
                recorder.append(event)
        for number in range(500):
            total += number * number % 7
        units += 1
    return units / passed, units / (time.thread_time() - cpu)


def measure_queue(directory: Path, count: int = 60_000) -> None:
    """The way from a call to the ledger: an append in the caller's thread, and the writer's round."""
    from farebox.journal import Journal
    from farebox.sinks.writer import Writer

    ready = _crowded(count)
    short = [
        msgspec.structs.replace(event, id=new_id(0), raw_usage=None, tags=None, units=None) for event in ready[:20_000]
    ]
    journal = Journal(directory / "queue.journal", slots=16)
    for chosen in (short, ready):
        size = sum(len(journal._prepare(event)) for event in chosen[:1000]) / 1000
        cpu = time.thread_time()
        for event in chosen:
            journal.append(event)
        print(f"append of {size:.0f} bytes: {(time.thread_time() - cpu) / len(chosen) * 1e6:.1f} us of CPU")
    writer = Writer(journal, lambda: SQLiteLedger(directory / "queue.db"), batch_size=1000)
    began, cpu, total = time.perf_counter(), time.process_time(), len(ready) + len(short)
    writer.flush(600)
    wall, spent = time.perf_counter() - began, (time.process_time() - cpu) / total * 1e6
    print(f"journal -> writer -> ledger: {total / wall:,.0f} events/s, {spent:.1f} us of CPU an event   goal 30,000")
    writer.shutdown(60)
    journal.close()


def _crowded(count: int) -> list[CallEvent]:
    """Calls at the density of 10 million in 90 days: rollups get as many rows a batch as they would there."""
    found: list[CallEvent] = []
    for part in events(10_000_000):
        found += part
        if len(found) >= count:
            gc.freeze()  # they are the benchmark's: a program's writer has one batch of them at a time
            return found[:count]
    return found


def fill(path: Path, count: int) -> None:
    if path.exists():
        SQLiteLedger(path).close()  # of an earlier schema, perhaps
        return
    with SQLiteLedger(path) as ledger:
        began = time.perf_counter()
        spent = 0.0
        for number, part in enumerate(events(count)):
            start = time.perf_counter()
            ledger.ingest(part, journal="j", segment=1, offset=number + 1)
            spent += time.perf_counter() - start
        ledger.checkpoint()
    print(
        f"{count:,} calls: generated and stored in {time.perf_counter() - began:.0f} s, {count / spent:,.0f} stored a second"
    )


def sizes(path: Path, count: int) -> None:
    with sqlite3.connect(path) as connection:
        print(f"{count:,} calls: {path.stat().st_size / count:.0f} bytes a call   goal 600")
        try:
            rows = connection.execute(
                "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 6"
            ).fetchall()
        except sqlite3.OperationalError:
            return
    print("  " + ", ".join(f"{name} {size / count:.1f}" for name, size in rows))


def questions(path: Path) -> dict[str, float]:
    """Milliseconds, warm: the median of nine."""
    found = {}
    with SQLiteLedger(path, read_only=True) as ledger:
        for name, ask in QUESTIONS.items():
            ask(ledger)
            times = []
            for _ in range(9):
                began = time.perf_counter()
                ask(ledger)
                times.append((time.perf_counter() - began) * 1000)
            found[name] = statistics.median(times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("calls", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--keep", type=Path, help="where ledgers are made, and found again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure_ingest(Path(temporary))
        measure_queue(Path(temporary))
        measure_program(Path(temporary))
        directory = arguments.keep or Path(temporary)
        columns = []
        for count in arguments.calls:
            path = directory / f"bench-{count}.db"
            fill(path, count)
            sizes(path, count)
            columns.append(questions(path))
    print(
        f"{'milliseconds, warm (goal 50; last/first goal 1.5)':<50}"
        + "".join(f"{count:>14,}" for count in arguments.calls)
    )
    for name in QUESTIONS:
        times = [column[name] for column in columns]
        print(f"{name:<50}" + "".join(f"{value:>14.2f}" for value in times) + f"{times[-1] / times[0]:>8.2f}")


if __name__ == "__main__":
    main()
