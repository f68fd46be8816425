"""Anthropic's wire format of message batches: created, looked at, cancelled, and their results. Imports testing only."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from farebox.testing.anthropic import messages
from farebox.testing.bill import Line
from farebox.testing.store import BadRequestError, Job, Kept
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier, required


def create(request: Received, habits: Habits) -> Answer:
    """POST /v1/messages/batches. Every message is billed at batch rates when the batch has ended."""
    asked = required(request.body, "requests")
    fresh = replace(habits, usage_extra={**habits.usage_extra, "service_tier": "batch"})
    rows, lines = [], []
    for item in asked:
        result, line = _result(replace(request, body={**required(item, "params"), "stream": False}), fresh)
        rows.append({"custom_id": item.get("custom_id"), "result": result})
        lines += line
    pending = _object(request, len(rows))
    succeeded = sum(row["result"]["type"] == "succeeded" for row in rows)
    name = pending["id"]
    job = Job(name, "anthropic", pending, _ended(request, pending, succeeded=succeeded, errored=len(rows) - succeeded))
    job.cancelled = _ended(request, pending, canceled=len(rows))
    job.lines, job.polls = tuple(lines), habits.job_polls
    habits.store.add(job)
    habits.store.add(Kept(f"{name}/results", {}, rows))
    return free(pending)


def _object(request: Received, number: int) -> Json:
    created = datetime.fromtimestamp(request.at_ns / 10**9, UTC)
    return {
        "id": identifier("msgbatch_"),
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": number, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": None,
        "created_at": created.isoformat(),
        "expires_at": (created + timedelta(days=1)).isoformat(),
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }


def _ended(request: Received, pending: Json, **counts: int) -> Json:
    host = request.headers.get("host", "localhost")
    return {
        **pending,
        "processing_status": "ended",
        "request_counts": {**dict.fromkeys(pending["request_counts"], 0), **counts},
        "ended_at": pending["created_at"],
        "results_url": f"http://{host}/v1/messages/batches/{pending['id']}/results",
    }


def _result(request: Received, habits: Habits) -> tuple[Json, list[Line]]:
    try:
        answer = messages.messages(request, habits)
    except BadRequestError as error:
        return {"type": "errored", "error": messages.error(error.status, error.message)}, []
    line = Line(answer.model, answer.api, answer.body["usage"], batch=True)
    return {"type": "succeeded", "message": answer.body}, [line]


def retrieve(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /v1/messages/batches/{id}."""
    body, lines = habits.store.look(name)
    return Answer("", "messages.batches", body=body, lines=lines)


def all_of_them(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /v1/messages/batches, as they are: a list is no look."""
    data = [job.now for job in habits.store.all(Job, "msgbatch_")]
    return free({"data": data, "has_more": False, "first_id": None, "last_id": None})


def results(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /v1/messages/batches/{id}/results, as JSONL; free."""
    job = habits.store.get(name, Job)
    if job.state == "pending":
        raise BadRequestError(f"The batch {name} has no results yet.", status=404)
    rows = habits.store.get(f"{name}/results", Kept).content
    if job.state == "cancelled":
        rows = [{**row, "result": {"type": "canceled"}} for row in rows]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return free(text, content_type="application/x-jsonl")


def cancel(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST /v1/messages/batches/{id}/cancel; nothing is billed."""
    return free(habits.store.cancel(name))


def delete(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """DELETE /v1/messages/batches/{id}."""
    habits.store.get(name, Job)
    habits.store.remove(name)
    return free({"id": name, "type": "message_batch_deleted"})
