"""Single calls as a file: CSV, JSON lines or Parquet, however many there are. Imports core, ledger and reports; pyarrow for Parquet.

Events are read a page at a time and written as they come, newest first, so that memory does not grow with them.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, Protocol

import msgspec

from farebox.core.answers import Moment
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.ports import Ledger
from farebox.core.registry import Registry
from farebox.ledger.rows import COLUMNS as STORED
from farebox.ledger.rows import row_of
from farebox.reports.render import harmless
from farebox.reports.scope import iso, scope

COLUMNS: Final = ("id", "started", "cost_usd", *STORED[1:])
"""Those of `calls`, and two for people: the start in ISO 8601 (UTC), and the exact cost in dollars."""

WRITERS: Final[Registry] = Registry(
    "export format",
    rows={
        "csv": "farebox.reports.export:write_csv",
        "jsonl": "farebox.reports.export:write_lines",
        "parquet": "farebox.reports.parquet:write_parquet",
    },
)
"""Each takes events and a binary file."""


class Writer(Protocol):
    """A way to write events down."""

    def __call__(self, events: Iterable[CallEvent], target: IO[bytes], /) -> None:
        """Write them all."""
        ...


def export_calls(
    ledger: Ledger,
    target: str | os.PathLike[str] | IO[bytes],
    form: str = "csv",
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    where: Mapping[str, str | None] | None = None,
    force: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Write the calls that are kept one by one, newest first. A file appears when it is whole, or not at all.

    Args:
        ledger: where the events are.
        target: path of a file to make, or an open binary file.
        form: "csv", "jsonl" or "parquet".
        since: first moment that counts.
        until: first moment that no longer counts.
        where: dimension → value that calls must have.
        force: whether a file that is there is replaced.
        progress: called now and then with how many calls more were written.

    Returns:
        How many calls were written.

    Raises:
        ConfigurationError: the file is there, the format or a dimension is not known, or its library is not installed.
    """
    writer: Writer = WRITERS[form]
    counted = _Counted(ledger.calls(**scope(since, until, where).filters), progress)
    if isinstance(target, str | os.PathLike):
        with _made(Path(target), force=force) as opened:
            writer(counted, opened)
    else:
        writer(counted, target)
    return counted.number


def form_of(path: str) -> str:
    """The format that a file's name asks for.

    Raises:
        ConfigurationError: none has such an ending.
    """
    ending = Path(path).suffix.removeprefix(".").lower()
    form = {"ndjson": "jsonl", "json": "jsonl"}.get(ending, ending)
    if form not in WRITERS:
        raise ConfigurationError(f"{path!r} does not say in which format: end it in one of .{', .'.join(WRITERS)}")
    return form


def write_csv(events: Iterable[CallEvent], target: IO[bytes]) -> None:
    """CSV with a heading. Unknown is empty; text that a spreadsheet would run gets an apostrophe in front, numbers never do."""
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_csv_cell, values_of(event)) for event in events)
    text.flush()
    text.detach()


def write_lines(events: Iterable[CallEvent], target: IO[bytes]) -> None:
    """A JSON object a line, the same keys in each."""
    for event in events:
        target.write(line_of(event) + b"\n")


def line_of(event: CallEvent) -> bytes:
    """An event as a JSON object. Money in dollars is a string, so that no reader makes a binary float of it."""
    fields = {name: getattr(event, name) for name in STORED}
    fields["started"] = iso(event.started_at)
    fields["cost_usd"] = None if event.cost is None else f"{event.cost:f}"
    return _encode({name: fields[name] for name in COLUMNS})


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def values_of(event: CallEvent) -> Sequence[Any]:
    """An event's values in the order of `COLUMNS`; lists and objects as JSON text, as in the ledger."""
    first, *rest = row_of(event)
    return (first, iso(event.started_at), None if event.cost is None else Decimal(event.cost), *rest)


def batches(events: Iterable[CallEvent], size: int) -> Iterator[list[CallEvent]]:
    """The events, so many at a time."""
    remaining = iter(events)
    while batch := list(islice(remaining, size)):
        yield batch


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, bool):
        return int(value)
    return f"{value:f}" if isinstance(value, Decimal) else value


class _Counted:
    """Events that are counted as they go by."""

    _STEP: Final = 500

    def __init__(self, events: Iterable[CallEvent], progress: Callable[[int], object]) -> None:
        self._events = events
        self._progress = progress
        self.number = 0

    def __iter__(self) -> Iterator[CallEvent]:
        for event in self._events:
            yield event
            self.number += 1
            if self.number % self._STEP == 0:
                self._progress(self._STEP)
        self._progress(self.number % self._STEP)


@contextlib.contextmanager
def _made(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A new file, which takes its name when it is whole."""
    if path.exists() and not force:
        raise ConfigurationError(f"{path} exists already: name a new file, or replace it with --force (force=True)")
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
