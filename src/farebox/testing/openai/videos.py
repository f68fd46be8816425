"""OpenAI's wire format of videos: asked for, looked at, fetched, made anew. Imports testing only."""

from __future__ import annotations

from farebox.testing import media
from farebox.testing.bill import Line
from farebox.testing.store import Job
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier, required


def create(request: Received, habits: Habits) -> Answer:
    """POST /videos, a form or JSON. A video is billed by its seconds when it is done; one that failed is free."""
    return _begin(request, habits, {})


def remix(request: Received, habits: Habits, name: str) -> Answer:
    """POST /videos/{id}/remix."""
    before = habits.store.get(name, Job).done
    return _begin(request, habits, {**before, "remixed_from_video_id": name})


def again(request: Received, habits: Habits) -> Answer:
    """POST /videos/edits and /videos/extensions: of a video that the body names by its id, or brings along."""
    video = required(request.body, "video")
    before = habits.store.get(str(video.get("id")), Job).done if isinstance(video, dict) else {}
    return _begin(request, habits, before)


def _begin(request: Received, habits: Habits, before: Json) -> Answer:
    body = request.body
    video = {
        "id": identifier("video_"),
        "object": "video",
        "created_at": request.at_ns // 10**9,
        "completed_at": None,
        "error": None,
        "expires_at": None,
        "model": body.get("model") or before.get("model") or "sora-2",
        "progress": 0,
        "prompt": required(body, "prompt"),
        "remixed_from_video_id": before.get("remixed_from_video_id"),
        "seconds": str(body.get("seconds") or before.get("seconds") or "4"),
        "size": body.get("size") or before.get("size") or "720x1280",
        "status": "queued",
    }
    ended = {**video, "completed_at": video["created_at"], "progress": 100}
    job = Job(video["id"], "openai", video, {**ended, "status": "completed"}, polls=habits.job_polls)
    if habits.job_fails:
        reason = {"code": "server_error", "message": "The provider was told to fail."}
        job.done = {**video, "status": "failed", "error": reason}
    else:
        usage = habits.laid({"video_seconds": int(video["seconds"]), "size": video["size"]})
        job.lines = (Line(video["model"], "videos", usage, stated=False),)
    habits.store.add(job)
    return free(video)


def retrieve(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /videos/{id}."""
    body, lines = habits.store.look(name)
    return Answer("", "videos", body=body, lines=lines)


def content(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /videos/{id}/content; free."""
    habits.store.get(name, Job)
    return free(media.FILM, content_type="video/mp4")


def all_of_them(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /videos, as they are: a list is no look."""
    data = [job.now for job in habits.store.all(Job, "video_")]
    return free({"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None})


def delete(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """DELETE /videos/{id}."""
    habits.store.get(name, Job)
    habits.store.remove(name)
    return free({"id": name, "object": "video.deleted", "deleted": True})
