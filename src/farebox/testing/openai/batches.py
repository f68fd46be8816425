"""OpenAI's wire format of batches: a file of requests, answered by the endpoints themselves, at batch rates. Imports testing only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from farebox.testing.bill import Line
from farebox.testing.openai import chat, files, images, platform, responses
from farebox.testing.store import BadRequestError, Job, Kept
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier, required

ENDPOINTS: Final[dict[str, Callable[[Received, Habits], Answer]]] = {
    "/v1/chat/completions": chat.chat,
    "/v1/completions": chat.completions,
    "/v1/embeddings": chat.embeddings,
    "/v1/images/edits": images.edit,
    "/v1/images/generations": images.generate,
    "/v1/moderations": platform.moderate,
    "/v1/responses": responses.create,
}
"""What a batch may ask for."""

WINDOW: Final = 86_400
"""Seconds after which a batch expires."""


class Answered(NamedTuple):
    """What became of one line of the input file."""

    written: Json
    model: str
    lines: tuple[Line, ...]


def create(request: Received, habits: Habits) -> Answer:
    """POST /batches."""
    body, at = request.body, request.at_ns // 10**9
    endpoint = required(body, "endpoint")
    if endpoint not in ENDPOINTS:
        raise BadRequestError(f"Invalid 'endpoint': {endpoint}")
    file = habits.store.get(required(body, "input_file_id"), Kept)
    asked = [json.loads(line) for line in file.content.splitlines() if line.strip()]
    fresh = replace(habits, job_fails=False)
    results = [_answered(line, ENDPOINTS[endpoint], request, fresh) for line in asked]
    pending = _object(body, at, len(results))
    job = Job(pending["id"], "openai", pending, pending, polls=habits.job_polls)
    counts = {"total": len(results), "completed": 0, "failed": 0}
    job.cancelled = {**pending, "status": "cancelled", "cancelling_at": at, "cancelled_at": at}
    if habits.job_fails:
        fault = {"code": "server_error", "message": "The provider was told to fail.", "line": None, "param": None}
        job.done = {**pending, "status": "failed", "failed_at": at, "errors": {"object": "list", "data": [fault]}}
    else:
        job.done = {**pending, **_completed(results, habits, at)}
        job.lines = tuple(line for result in results for line in result.lines)
    habits.store.add(job)
    return free({**pending, "status": "validating", "in_progress_at": None, "request_counts": {**counts, "total": 0}})


def _object(body: Json, at: int, total: int) -> Json:
    return {
        "id": identifier("batch_"),
        "object": "batch",
        "endpoint": body["endpoint"],
        "model": None,
        "errors": None,
        "input_file_id": body["input_file_id"],
        "completion_window": body.get("completion_window") or "24h",
        "status": "in_progress",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": at,
        "in_progress_at": at,
        "expires_at": at + WINDOW,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": total, "completed": 0, "failed": 0},
        "usage": _usage([]),
        "metadata": body.get("metadata"),
    }


def _answered(
    line: Json, endpoint: Callable[[Received, Habits], Answer], request: Received, habits: Habits
) -> Answered:
    """One line, answered; a line that cannot be answered is written into the error file and costs nothing."""
    status, model = 200, ""
    lines: tuple[Line, ...] = ()
    try:
        answer = endpoint(
            replace(request, path=str(line.get("url")), body={**required(line, "body"), "stream": None}), habits
        )
        body, model, lines = answer.body, answer.model, _lines(answer)
    except BadRequestError as error:
        status, body = error.status, chat.error(error.status, error.message)
    response = {"status_code": status, "request_id": identifier("req_"), "body": body}
    written = {"id": identifier("batch_req_"), "custom_id": line.get("custom_id"), "response": response, "error": None}
    return Answered(written, model, lines)


def _lines(answer: Answer) -> tuple[Line, ...]:
    own = (
        ()
        if answer.usage is None
        else (
            Line(
                answer.model,
                answer.api,
                answer.usage(answer.length),
                stated=answer.states_usage,
                tool_calls=answer.tool_calls,
            ),
        )
    )
    return tuple(replace(line, batch=True) for line in (*own, *answer.lines))


def _completed(results: list[Answered], habits: Habits, at: int) -> Json:
    good = [result for result in results if result.written["response"]["status_code"] == 200]
    bad = [result for result in results if result.written["response"]["status_code"] != 200]
    return {
        "status": "completed",
        "model": next((result.model for result in good), None),
        "finalizing_at": at,
        "completed_at": at,
        "output_file_id": _file("output", good, habits, at),
        "error_file_id": _file("error", bad, habits, at),
        "request_counts": {"total": len(results), "completed": len(good), "failed": len(bad)},
        "usage": _usage([line.usage for result in good for line in result.lines]),
    }


def _file(kind: str, results: list[Answered], habits: Habits, at: int) -> str | None:
    if not results:
        return None
    text = "".join(json.dumps(result.written, ensure_ascii=False) + "\n" for result in results)
    return files.keep(habits.store, f"batch_{kind}.jsonl", "batch_output", text.encode(), at)


def _usage(usages: list[Json]) -> Json:
    """The totals of a batch, in the words of responses, whatever the endpoint."""

    def total(*names: str) -> int:
        return sum(next((usage[name] for name in names if usage.get(name)), 0) for usage in usages)

    def within(name: str, *details: str) -> int:
        found: list[Any] = [usage.get(detail) for usage in usages for detail in details]
        return sum(detail.get(name) or 0 for detail in found if isinstance(detail, dict))

    read, made = total("input_tokens", "prompt_tokens"), total("output_tokens", "completion_tokens")
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": within("cached_tokens", "input_tokens_details", "prompt_tokens_details")
        },
        "output_tokens": made,
        "output_tokens_details": {
            "reasoning_tokens": within("reasoning_tokens", "output_tokens_details", "completion_tokens_details")
        },
        "total_tokens": read + made,
    }


def retrieve(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /batches/{id}: its lines are billed with the look that finds it done."""
    body, lines = habits.store.look(name)
    return Answer("", "batches", body=body, lines=lines)


def all_of_them(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /batches, as they are: a list is no look."""
    data = [job.now for job in habits.store.all(Job, "batch_")]
    return free({"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None})


def cancel(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST /batches/{id}/cancel: nothing is billed."""
    return free(habits.store.cancel(name))
