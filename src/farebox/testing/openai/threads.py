"""OpenAI's wire format of assistants: threads, messages and runs. Imports testing only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from farebox.testing import prompt, tokens
from farebox.testing.bill import Line
from farebox.testing.store import Job, Kept
from farebox.testing.wire import (
    Answer,
    Chunk,
    Habits,
    Json,
    Received,
    Speech,
    free,
    grouped,
    identifier,
    required,
    server_sent,
)

ASSISTANT_MODEL: Final = "gpt-4o"
"""The model of every assistant, where a run names none."""


def create(request: Received, habits: Habits) -> Answer:
    """POST /threads; free."""
    return free(_thread(request, habits, request.body).about)


def _thread(request: Received, habits: Habits, body: Json) -> Kept:
    name, at = identifier("thread_"), request.at_ns // 10**9
    about = {
        "id": name,
        "object": "thread",
        "created_at": at,
        "metadata": body.get("metadata") or {},
        "tool_resources": {},
    }
    thread = Kept(name, about, [_message(name, item, at) for item in body.get("messages") or []])
    habits.store.add(thread)
    return thread


def _message(thread: str, item: Json, at: int, **more: Any) -> Json:
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": {"value": content, "annotations": []}}]
    return {
        "id": identifier("msg_"),
        "object": "thread.message",
        "created_at": at,
        "thread_id": thread,
        "status": "completed",
        "role": item.get("role") or "user",
        "content": content,
        "assistant_id": None,
        "run_id": None,
        "attachments": [],
        "metadata": {},
        **more,
    }


def say(request: Received, habits: Habits, thread: str) -> Answer:
    """POST /threads/{id}/messages; free."""
    message = _message(thread, request.body, request.at_ns // 10**9)
    habits.store.get(thread, Kept).content.append(message)
    return free(message)


def messages(request: Received, habits: Habits, thread: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /threads/{id}/messages, newest first; free."""
    data = habits.store.get(thread, Kept).content[::-1]
    return free({"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None})


def run(request: Received, habits: Habits, thread: str) -> Answer:
    """POST /threads/{id}/runs."""
    return _begin(request, habits, habits.store.get(thread, Kept))


def create_and_run(request: Received, habits: Habits) -> Answer:
    """POST /threads/runs."""
    return _begin(request, habits, _thread(request, habits, request.body.get("thread") or {}))


def submit(request: Received, habits: Habits, thread: str, name: str) -> Answer:
    """POST /threads/{id}/runs/{id}/submit_tool_outputs: the run goes on, and uses more."""
    before = habits.store.get(name, Job)
    outputs = required(request.body, "tool_outputs")
    body = {**before.pending, **request.body, "model": before.pending["model"]}
    added = sum(tokens.count(item.get("output")) for item in outputs)
    return _begin(replace(request, body=body), habits, habits.store.get(thread, Kept), name=name, added=added)


def _begin(request: Received, habits: Habits, thread: Kept, *, name: str | None = None, added: int = 0) -> Answer:
    body, at = request.body, request.at_ns // 10**9
    model = body.get("model") or ASSISTANT_MODEL
    read = prompt.PRIMING + added + prompt.tools(body.get("tools")) + tokens.count(body.get("instructions"))
    read += sum(prompt.MESSAGE_FRAMING + prompt.part(_text(item)) for item in thread.content)
    speech = habits.speech(body.get("max_completion_tokens"))

    def usage(output: int) -> Json:
        return habits.laid({"prompt_tokens": read, "completion_tokens": output, "total_tokens": read + output})

    queued = _run(body, thread.id, model, name or identifier("run_"), at)
    spoken = _message(
        thread.id,
        {"role": "assistant", "content": speech.text},
        at,
        run_id=queued["id"],
        assistant_id=queued["assistant_id"],
    )
    whole = usage(speech.length)
    done = {**queued, "status": "completed", "started_at": at, "completed_at": at, "usage": whole}
    job = Job(queued["id"], "openai", queued, done, {**queued, "status": "cancelled", "cancelled_at": at})
    job.polls = habits.job_polls
    habits.store.add(job)
    if habits.job_fails:
        fault = {"code": "server_error", "message": "The provider was told to fail."}
        job.done = {**queued, "status": "failed", "failed_at": at, "last_error": fault}
        return free(queued)
    if name is None and habits.function_calls and (called := _required(body.get("tools"))):
        job.done = {**queued, "status": "requires_action", "required_action": called}
        return free(queued)
    thread.content.append(spoken)
    if body.get("stream") in {True, "true"}:
        job.state = "done"
        chunks = _events(queued, done, spoken, speech)
        return Answer(model, "threads.runs", chunks=chunks, usage=usage, length=speech.length)
    job.lines = (Line(model, "threads.runs", whole),)
    return free(queued)


def _required(tools: Any) -> Json | None:
    """The call of the first function that the run offers."""
    for tool in tools or []:
        if tool.get("type") == "function":
            call = {"name": tool["function"]["name"], "arguments": "{}"}
            calls = [{"id": identifier("call_"), "type": "function", "function": call}]
            return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    return None


def _text(message: Json) -> list[Any]:
    """The parts of a message as the counter takes them: a text lies one member deeper here than elsewhere."""
    return [
        part["text"]["value"] if part.get("type") == "text" and isinstance(part.get("text"), dict) else part
        for part in message["content"] or []
    ]


def _run(body: Json, thread: str, model: str, name: str, at: int) -> Json:
    return {
        "id": name,
        "object": "thread.run",
        "created_at": at,
        "assistant_id": body.get("assistant_id") or "asst_loopback",
        "thread_id": thread,
        "status": "queued",
        "started_at": None,
        "expires_at": at + 600,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "required_action": None,
        "last_error": None,
        "model": model,
        "instructions": body.get("instructions") or "",
        "tools": body.get("tools") or [],
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "max_completion_tokens": body.get("max_completion_tokens"),
        "max_prompt_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "incomplete_details": None,
        "usage": None,
        "response_format": "auto",
        "tool_choice": "auto",
        "parallel_tool_calls": True,
    }


def _events(queued: Json, done: Json, message: Json, speech: Speech) -> Iterator[Chunk]:
    """Every event names itself beside its data, and only the last one states the usage."""

    def event(kind: str, data: Json | str, produced: int = 0, *, last: bool = False) -> Chunk:
        return Chunk(server_sent(data, event=kind), produced, states_usage=last)

    yield event("thread.run.created", queued)
    yield event("thread.run.queued", queued)
    yield event("thread.run.in_progress", {**queued, "status": "in_progress"})
    blank = {**message, "content": [], "status": "in_progress"}
    yield event("thread.message.created", blank, speech.hidden)
    for text, end in grouped(speech.parts, 1):
        part = {"index": 0, "type": "text", "text": {"value": text, "annotations": []}}
        delta = {"id": message["id"], "object": "thread.message.delta", "delta": {"content": [part]}}
        yield event("thread.message.delta", delta, speech.hidden + end)
    yield event("thread.message.completed", message, speech.length)
    yield event("thread.run.completed", done, speech.length, last=True)
    yield event("done", "[DONE]", speech.length)


def retrieve(request: Received, habits: Habits, thread: str, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /threads/{id}/runs/{id}."""
    body, lines = habits.store.look(name)
    return Answer("", "threads.runs", body=body, lines=lines)


def cancel(request: Received, habits: Habits, thread: str, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """POST /threads/{id}/runs/{id}/cancel; nothing is billed."""
    return free(habits.store.cancel(name))
