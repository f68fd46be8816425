"""Google's wire format of files: uploaded in two steps, described, downloaded; all free. Imports testing only."""

from __future__ import annotations

from farebox.testing.google.prompts import named
from farebox.testing.store import Kept, Store
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier


def keep(store: Store, data: bytes, about: Json | None = None) -> Json:
    """Keep a file; returns what is told of it."""
    name = f"files/{identifier('')}"
    told = {
        **(about or {}),
        "name": name,
        "sizeBytes": str(len(data)),
        "state": "ACTIVE",
        "uri": f"https://localhost/{name}",
    }
    store.add(Kept(name, told, data))
    return told


def begin(request: Received, habits: Habits) -> Answer:
    """POST upload/files: where the bytes are to be sent."""
    name = identifier("upload")
    habits.store.add(Kept(name, request.body.get("file") or {}))
    url = f"http://{request.headers.get('host')}/upload/{name}"
    return Answer("", "files", body={}, headers={"X-Goog-Upload-URL": url, "X-Goog-Upload-Status": "active"})


def finish(request: Received, habits: Habits, name: str) -> Answer:
    """POST the bytes, all at once."""
    about = habits.store.get(name, Kept).about
    told = keep(
        habits.store, request.body, {"mimeType": named(about, "mimeType"), "displayName": named(about, "displayName")}
    )
    return Answer("", "files", body={"file": told}, headers={"X-Goog-Upload-Status": "final"})


def retrieve(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET files/{id}."""
    return free(habits.store.get(name, Kept).about)


def download(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET files/{id}:download."""
    return free(habits.store.get(name, Kept).content, content_type="application/octet-stream")
