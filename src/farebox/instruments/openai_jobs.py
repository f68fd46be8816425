"""OpenAI's endpoints for work that is begun now and billed later: batches, runs of assistants, evaluations, tuning. Rows. Imports core only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from farebox.core import semconv
from farebox.core.usage import Count
from farebox.extraction.counting import count
from farebox.instruments.hook import Answer, Endpoint, Reading
from farebox.instruments.openai_text import CHAT, EMBEDDINGS, RESPONSE, TEXT, Response
from farebox.instruments.pieces import events
from farebox.instruments.reading import member, moment, read


class Job(msgspec.Struct):
    """What matters of a batch, a run, an evaluation or a tuning; a page of them has `data`."""

    usage: Any = None
    model: Any = None
    id: Any = None
    status: Any = None
    created_at: Any = None
    output_file_id: Any = None
    trained_tokens: Any = None
    per_model_usage: Any = None
    data: Any = None


class LineBody(Response):
    """The answer to one request of a batch."""

    object: Any = None
    created: Any = None


class LineResponse(msgspec.Struct):
    """One answer with its HTTP status."""

    status_code: Any = None
    body: LineBody | None = None


class Line(msgspec.Struct):
    """One line of a batch's output file, see https://platform.openai.com/docs/guides/batch ."""

    id: Any = None
    custom_id: Any = None
    response: LineResponse | None = None


LINES: Final = {
    "response": (RESPONSE, semconv.API_RESPONSES),
    "chat.completion": (CHAT, semconv.API_CHAT_COMPLETIONS),
    "text_completion": (TEXT, semconv.API_COMPLETIONS),
    "list": (EMBEDDINGS, semconv.API_EMBEDDINGS),
}
"""What an answer calls itself → how it is read, and its interface."""

_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_RUN_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled", "incomplete"})
_HEX_TIME: Final = 8


def _jobs(answer: Any) -> list[Any]:
    """The job of an answer, or those of a page."""
    page = member(answer, "data")
    return page if isinstance(page, list) else [answer]


def batched(answer: Any, reading: Reading) -> None:
    """A batch is billed when it has ended; its output file has the lines that are billed in its place, once they are read."""
    if reading.id is None:
        return
    status, output = member(answer, "status"), member(answer, "output_file_id")
    reading.key = reading.id
    reading.created = moment(member(answer, "created_at"))
    reading.group = output if isinstance(output, str) else None
    reading.pending = status not in _ENDED
    reading.void = status == "failed" and output is None


def told_batches(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """Batches: of one that goes on nothing is billed yet."""
    return (read(job, BATCH) for job in _jobs(answer))


def told_lines(line: Any, names: tuple[str, ...]) -> Iterator[Reading]:
    """One line of a batch's output file; lines of other files are none."""
    body = None if line.response is None else line.response.body
    if body is None or not isinstance(line.id, str) or line.custom_id is None:
        return
    row, api = LINES.get(str(body.object), (RESPONSE, semconv.API_RESPONSES))
    reading = read(body, row)
    if reading.usage is None:
        return
    reading.key = line.id
    reading.created = moment(body.created_at) or moment(body.created) or _time_in(line.id)
    reading.group = names[0]
    reading.api = semconv.API_BATCHED + api
    reading.pending = False
    yield reading


def _time_in(identity: str) -> int | None:
    """The seconds that newer ids begin with, in hexadecimal digits: where an answer has no time, they put its event among others of its time."""
    digits = identity.rpartition("_")[2][:_HEX_TIME]
    try:
        seconds = int(digits, 16) if len(digits) == _HEX_TIME else 0
    except ValueError:
        seconds = 0
    return seconds if 1_600_000_000 < seconds < 2_600_000_000 else None


def running(answer: Any, reading: Reading) -> None:
    """A run of an assistant has its usage when it has ended."""
    if reading.id is not None:
        reading.key = reading.id
        reading.created = moment(member(answer, "created_at"))
        reading.pending = reading.usage is None and member(answer, "status") not in _RUN_ENDED


def told_runs(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """Runs that state their usage."""
    return (reading for job in _jobs(answer) if (reading := read(job, RUN)).usage is not None)


def tuning(answer: Any, reading: Reading) -> None:
    """A tuning is billed by the tokens that it was trained on, which its answer states at the end."""
    if reading.id is None:
        return
    reading.key = reading.id
    reading.created = moment(member(answer, "created_at"))
    tokens: Count = count(member(answer, "trained_tokens"), "trained_tokens", [])
    reading.units = {semconv.TRAINED_TOKENS: tokens} if tokens else None
    reading.pending = not tokens


def told_tunings(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """Tunings that have ended."""
    for job in _jobs(answer):
        reading = Reading(model=member(job, "model"), id=member(job, "id"))
        tuning(job, reading)
        if not reading.pending:
            yield reading


def evaluating(answer: Any, reading: Reading) -> None:
    """A run of an evaluation uses several models; each is billed in its place, when it has ended."""
    if reading.id is not None:
        reading.key = reading.group = reading.id
        reading.created = moment(member(answer, "created_at"))
        reading.pending = True


def told_evaluations(answer: Any, _names: tuple[str, ...]) -> Iterator[Reading]:
    """What each model of a run used."""
    for job in _jobs(answer):
        identity, parts = member(job, "id"), member(job, "per_model_usage")
        ended = member(job, "status") in _RUN_ENDED or member(job, "status") == "canceled"
        for part in parts if ended and isinstance(parts, list) and isinstance(identity, str) else ():
            reading = read(part if isinstance(part, dict) else part.to_dict(), PART)
            model = member(part, "run_model_name") or member(part, "model_name")
            reading.model = model if isinstance(model, str) else None
            reading.usage = part if isinstance(part, dict) else part.to_dict()
            reading.key, reading.group, reading.id = f"{identity}/{model}", identity, identity
            reading.created = moment(member(job, "created_at"))
            yield reading


BATCH: Final = Answer(Job, identify=batched)
RUN: Final = Answer(Job, identify=running)
TUNING: Final = Answer(Job, identify=tuning)
EVALUATION: Final = Answer(Job, identify=evaluating)
PART: Final = Answer(Job)
LINE: Final = Answer(Line)

_RUN_STATES: Final = (
    "created",
    "queued",
    "in_progress",
    "requires_action",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
    "expired",
)
RUN_EVENTS: Final = events(
    quiet="thread.message.delta",
    homes={f"thread.run.{state}": "data" for state in _RUN_STATES},
    ends=frozenset(f"thread.run.{state}" for state in _RUN_ENDED),
    kind="event",
)

_BATCHES: Final = (semconv.BATCH, semconv.API_BATCHES, BATCH)
_RUNS: Final = (semconv.INVOKE_AGENT, semconv.API_RUNS, RUN)

ENDPOINTS: Final = (
    Endpoint("batches", *_BATCHES),
    Endpoint("batches/{}/cancel", *_BATCHES, told=told_batches),
    Endpoint("batches/{}", *_BATCHES, method="get", told=told_batches),
    Endpoint("batches", *_BATCHES, method="get", told=told_batches),
    Endpoint("files/{}/content", semconv.CHAT, semconv.API_RESPONSES, LINE, method="get", told=told_lines, lines=True),
    Endpoint("threads/runs", *_RUNS, RUN_EVENTS),
    Endpoint("threads/{}/runs", *_RUNS, RUN_EVENTS),
    Endpoint("threads/{}/runs/{}/submit_tool_outputs", *_RUNS, RUN_EVENTS, told=told_runs),
    Endpoint("threads/{}/runs/{}/cancel", *_RUNS, told=told_runs),
    Endpoint("threads/{}/runs/{}", *_RUNS, method="get", told=told_runs),
    Endpoint("threads/{}/runs", *_RUNS, method="get", told=told_runs),
    Endpoint("fine_tuning/jobs", semconv.FINE_TUNING, "fine_tuning", TUNING),
    Endpoint("fine_tuning/jobs/{}", semconv.FINE_TUNING, "fine_tuning", TUNING, method="get", told=told_tunings),
    Endpoint("fine_tuning/jobs", semconv.FINE_TUNING, "fine_tuning", TUNING, method="get", told=told_tunings),
    Endpoint("evals/{}/runs", semconv.BATCH, "evaluations", EVALUATION),
    Endpoint("evals/{}/runs/{}", semconv.EVALUATION, "evaluations", PART, method="get", told=told_evaluations),
)
