"""Google's wire format of cached contents: made, looked at, prolonged, deleted. Imports testing only."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from farebox.testing import prompt
from farebox.testing.google import prompts
from farebox.testing.store import Kept
from farebox.testing.wire import Answer, Habits, Json, Received, free, identifier, required


def create(request: Received, habits: Habits) -> Answer:
    """POST cachedContents: the tokens are billed once, and their storage by the time until `expireTime`."""
    body = request.body
    kept = prompts.contents(body.get("contents") or []) + prompts.parts(
        (body.get("systemInstruction") or {}).get("parts")
    )
    kept += Counter(TEXT=prompt.tools(body.get("tools")))
    usage = habits.laid({"totalTokenCount": kept.total()})
    now = _moment(request)
    parent = request.path.partition("/cachedContents")[0].removeprefix("/").partition("/")[2]
    about = {
        "name": f"{parent}/cachedContents/{identifier('')}".removeprefix("/"),
        "model": required(body, "model"),
        "createTime": _written(now),
        "updateTime": _written(now),
        "expireTime": _expiry(body, now),
        "displayName": body.get("displayName") or "",
        "usageMetadata": usage,
    }
    habits.store.add(Kept(about["name"], about, kept))
    return Answer(body["model"].rpartition("/")[2], "cachedContents", body=about, usage=lambda _: usage)


def _moment(request: Received) -> datetime:
    return datetime.fromtimestamp(request.at_ns / 10**9, UTC)


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _expiry(body: Json, now: datetime) -> str:
    if body.get("expireTime"):
        return str(body["expireTime"])
    seconds = float(str(body.get("ttl") or "3600s").removesuffix("s"))
    return _written(now + timedelta(seconds=seconds))


def retrieve(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET cachedContents/{id}; free."""
    return free(habits.store.get(name, Kept).about)


def all_of_them(request: Received, habits: Habits) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """GET cachedContents; free."""
    caches = [kept for kept in habits.store.all(Kept, "") if "cachedContents/" in kept.id]
    return free({"cachedContents": [kept.about for kept in caches]})


def prolong(request: Received, habits: Habits, name: str) -> Answer:
    """PATCH cachedContents/{id}: a new time to live; the answer states the usage again, and only storage is billed."""
    kept, now = habits.store.get(name, Kept), _moment(request)
    changed = {**kept.about, "updateTime": _written(now), "expireTime": _expiry(request.body, now)}
    habits.store.add(Kept(name, changed, kept.content))
    return free(changed)


def delete(request: Received, habits: Habits, name: str) -> Answer:  # noqa: ARG001 - the shape of every endpoint
    """DELETE cachedContents/{id}."""
    habits.store.get(name, Kept)
    habits.store.remove(name)
    return free({})
