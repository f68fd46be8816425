"""OpenAI's wire format of files: uploaded, described, read, deleted; all free. Imports testing only."""

from __future__ import annotations

from farebox.testing.multipart import Upload
from farebox.testing.store import BadRequestError, Kept, Store
from farebox.testing.wire import Answer, Habits, Received, free, identifier, required


def keep(store: Store, filename: str, purpose: str, data: bytes, at: int) -> str:
    """Keep a file; returns its id."""
    name = identifier("file-")
    about = {
        "id": name,
        "object": "file",
        "bytes": len(data),
        "created_at": at,
        "expires_at": None,
        "filename": filename,
        "purpose": purpose,
        "status": "processed",
    }
    store.add(Kept(name, about, data))
    return name


def upload(request: Received, habits: Habits) -> Answer:
    """POST /files."""
    file = required(request.body, "file")
    if not isinstance(file, Upload):
        raise BadRequestError("'file' is no file.")
    purpose = required(request.body, "purpose")
    name = keep(habits.store, file.filename, purpose, file.data, request.at_ns // 10**9)
    return free(habits.store.get(name, Kept).about)


def retrieve(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /files/{id}."""
    return free(habits.store.get(name, Kept).about)


def content(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /files/{id}/content."""
    return free(habits.store.get(name, Kept).content, content_type="application/octet-stream")


def all_of_them(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET /files."""
    data = [file.about for file in habits.store.all(Kept, "file-")]
    return free({"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None})


def delete(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """DELETE /files/{id}."""
    habits.store.get(name, Kept)
    habits.store.remove(name)
    return free({"id": name, "object": "file", "deleted": True})
