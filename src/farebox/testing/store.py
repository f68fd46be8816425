"""What the provider keeps between requests, by id: jobs that take several looks, files, threads. Imports testing.bill only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from farebox.testing.bill import Line

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BadRequestError(Exception):
    """The request cannot be answered; becomes the provider's own error object."""

    message: str
    status: int = 400


@dataclass(slots=True)
class Job:
    """Something that is asked for, looked at again and again, and done one day.

    Attributes:
        id: of the provider's look.
        dialect: whose it is: "openai", "anthropic" or "google".
        pending: the object while it is under way.
        done: the object when it is done, or has failed.
        cancelled: the object when it was cancelled before.
        lines: of the bill, due when it is done.
        polls: looks that are left until it is done.
        events: its stream, for those who look by streaming.
        state: where it is.
    """

    id: str
    dialect: str
    pending: dict[str, Any]
    done: dict[str, Any]
    cancelled: dict[str, Any] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    polls: int = 1
    events: Callable[[], Iterable[Any]] | None = None
    state: Literal["pending", "done", "cancelled"] = "pending"

    @property
    def now(self) -> dict[str, Any]:
        """The object as it is."""
        return {"pending": self.pending, "done": self.done, "cancelled": self.cancelled}[self.state]


@dataclass(slots=True)
class Kept:
    """A thing that stays as it is: a file, a thread, a cache."""

    id: str
    about: dict[str, Any]
    content: Any = None


class Store:
    """Jobs and kept things by id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, Any] = {}

    def add(self, item: Job | Kept) -> None:
        """Keep a thing under its id."""
        with self._lock:
            self._items[item.id] = item

    def get(self, name: str, kind: type[T]) -> T:
        """The thing of an id.

        Raises:
            BadRequestError: 404, there is none of this kind.
        """
        with self._lock:
            item = self._items.get(name)
        if not isinstance(item, kind):
            raise BadRequestError(f"No such object: {name}", status=404)
        return item

    def all(self, kind: type[T], prefix: str) -> list[T]:
        """Every thing whose id begins so, newest first."""
        with self._lock:
            items = list(self._items.items())
        return [item for name, item in reversed(items) if name.startswith(prefix) and isinstance(item, kind)]

    def remove(self, name: str) -> None:
        """Forget a thing."""
        with self._lock:
            self._items.pop(name, None)

    def look(self, name: str) -> tuple[dict[str, Any], tuple[Line, ...]]:
        """The object of a job, and the lines of the bill that are due: once, with the look that finds it done."""
        job = self.get(name, Job)
        with self._lock:
            if job.state == "pending":
                job.polls -= 1
                if job.polls <= 0:
                    return self._finish(job)
            return job.now, ()

    def finish(self, name: str) -> tuple[dict[str, Any], tuple[Line, ...]]:
        """As `look`, and done whatever the number of looks."""
        job = self.get(name, Job)
        with self._lock:
            return self._finish(job) if job.state == "pending" else (job.now, ())

    def finish_all(self) -> list[tuple[str, Line]]:
        """Finish every job that is under way; the lines of the bill, each with its dialect."""
        with self._lock:
            jobs = [item for item in self._items.values() if isinstance(item, Job) and item.state == "pending"]
            return [(job.dialect, line) for job in jobs for line in self._finish(job)[1]]

    def cancel(self, name: str) -> dict[str, Any]:
        """Cancel a job unless it is done; nothing is billed."""
        job = self.get(name, Job)
        with self._lock:
            if job.state == "pending":
                job.state = "cancelled"
            return job.now

    @staticmethod
    def _finish(job: Job) -> tuple[dict[str, Any], tuple[Line, ...]]:
        job.state = "done"
        return job.done, job.lines
