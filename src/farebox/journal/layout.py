"""Which files a journal consists of, and how their names are read back. Imports core.errors only.

For a journal `<id>` in a directory: `<id>.lock` (ownership), `<id>.slots` (calls in flight), `<id>.000001.segment`, ... (events),
`<id>.damaged` (lines that could not be read, kept for a person to see).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from farebox.core.errors import LedgerError

_NAME: Final = re.compile(r"(?P<id>[0-9a-f-]{36})\.(?:lock|slots|(?P<number>\d{6,})\.segment)")


class Mark(NamedTuple):
    """A place in a journal: `offset` bytes into segment number `segment`. (0, 0) is before everything."""

    segment: int
    offset: int


def lock_path(directory: Path, journal: str) -> Path:
    """The file whose exclusive lock is the ownership of the journal."""
    return directory / f"{journal}.lock"


def slots_path(directory: Path, journal: str) -> Path:
    """The table of calls in flight."""
    return directory / f"{journal}.slots"


def segment_path(directory: Path, journal: str, number: int) -> Path:
    """The segment of that number, counted from 1."""
    return directory / f"{journal}.{number:06d}.segment"


def damaged_path(directory: Path, journal: str) -> Path:
    """Where lines that could not be read are set aside."""
    return directory / f"{journal}.damaged"


def journals(directory: Path) -> list[str]:
    """Ids of all journals that have a file in the directory, oldest first; set-aside damage alone is no journal."""
    try:
        names = [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted({match["id"] for name in names if (match := _NAME.fullmatch(name))})


def segments(directory: Path, journal: str) -> list[int]:
    """Numbers of the journal's segments, in order."""
    found = (_NAME.fullmatch(path.name) for path in directory.glob(f"{journal}.*.segment"))
    return sorted(int(match["number"]) for match in found if match and match["number"])


def make_directory(directory: Path) -> None:
    """Create the directory of journals, for its owner's eyes only.

    Raises:
        LedgerError: it cannot be there; the message names the path and the remedy.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise LedgerError(f"{directory} is a file, and a directory for journals is needed: move it away") from None
    except OSError as error:
        raise LedgerError(
            f"{directory} cannot be made for journals ({error.strerror}): name another ledger or set its rights"
        ) from error
