"""Responses that outlive their request: in the background, and looked at again. Imports testing only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from farebox.testing.bill import Line
from farebox.testing.store import Job
from farebox.testing.wire import Answer, Chunk, Habits, Json, Received, free, server_sent

FAILED: Final = {"code": "server_error", "message": "The provider was told to fail."}


def begin(
    answer: Answer, response: Json, done: Json, events: Callable[[], Iterable[Chunk]], habits: Habits, *, stream: bool
) -> Answer:
    """POST /responses with `background`: queued, and billed when it is done.

    A stream may be left and taken up again: the response is made to its end, and the whole is billed.
    """
    job = Job(
        done["id"],
        "openai",
        {**response, "status": "queued"},
        done,
        {**response, "status": "cancelled"},
        polls=habits.job_polls,
        events=events,
    )
    assert answer.usage is not None
    whole = answer.usage(answer.length)
    if habits.job_fails:
        job.done = {**response, "status": "failed", "error": FAILED}
        job.events = partial(_failure, job.done)
    elif stream:
        habits.store.add(job)
        return replace(answer, chunks=events(), usage=lambda _: whole)
    else:
        job.lines = (Line(answer.model, answer.api, whole, tool_calls=answer.tool_calls), *answer.lines)
    habits.store.add(job)
    return free(job.pending)


def _failure(response: Json) -> Iterator[Chunk]:
    kind = "response.failed"
    yield Chunk(server_sent({"type": kind, "sequence_number": 0, "response": response}, event=kind))


def retrieve(request: Received, habits: Habits, name: str) -> Answer:
    """GET /responses/{id}, as it is or as its stream."""
    asked = parse_qs(request.query)
    job = habits.store.get(name, Job)
    if asked.get("stream") != ["true"] or job.events is None:
        body, lines = habits.store.look(name)
        return replace(free(body), lines=lines)
    after = int(asked.get("starting_after", ["-1"])[0])
    _, lines = habits.store.finish(name)
    return replace(free(None), chunks=itertools.islice(job.events(), after + 1, None), lines=lines)


def cancel(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST /responses/{id}/cancel."""
    return free(habits.store.cancel(name))


def delete(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """DELETE /responses/{id}."""
    habits.store.get(name, Job)
    habits.store.remove(name)
    return free({"id": name, "object": "response.deleted", "deleted": True})
