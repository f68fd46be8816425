"""Books that were fetched, kept beside the user's data under their hash. May import core and its neighbours here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Final

from farebox.core.errors import PriceError
from farebox.core.guard import logger
from farebox.pricing.book import Book

KEPT: Final = 16
"""Books that are kept, the newest; older ones are removed when another is stored."""

_CHECKED: Final = "checked"
_NAME: Final = re.compile(r"(?P<as_of>\d{4}-\d\d-\d\d)-(?P<hash>[0-9a-f]{12})\.json")


def directory() -> Path:
    """Where fetched books are kept."""
    import platformdirs

    return Path(platformdirs.user_data_dir("farebox", appauthor=False)) / "prices"


def stored() -> list[Path]:
    """Every stored book, the newest first: by the day of its prices, then by when it was stored."""
    try:
        found = [path for path in directory().iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: (path.name[:10], path.stat().st_mtime_ns), reverse=True)
    except OSError:
        return []


def read(path: Path) -> bytes:
    """A stored book's bytes.

    Raises:
        PriceError: the file cannot be read, or is not what its name says.
    """
    match = _NAME.fullmatch(path.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PriceError(f"{path} cannot be read: {error.strerror}") from None
    if match is None or hash_of(data) != match["hash"]:
        raise PriceError(f"{path} is damaged: remove it, and run farebox prices update")
    return data


def hash_of(data: bytes) -> str:
    """The hash that a book's bytes are stored under, and named by on events that no price of the user's changed."""
    return hashlib.sha256(data).hexdigest()[:12]


def newest_data(*, since: str) -> bytes | None:
    """The newest stored book that is whole and that this farebox can read; others are named and passed over.

    Args:
        since: ISO day; older books are left alone.
    """
    for path in stored():
        if path.name[:10] < since:
            return None
        try:
            data = read(path)
            Book(data)
        except PriceError as error:
            logger.warning("farebox does not use a stored price book: %s", error)
        else:
            return data
    return None


def store(data: bytes, as_of: str) -> Path:
    """Keep a book: whole, or not at all.

    Raises:
        PriceError: it cannot be written.
    """
    import tempfile

    folder = directory()
    path = folder / f"{as_of}-{hash_of(data)}.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
    except OSError as error:
        raise PriceError(f"{path} cannot be written ({error.strerror}): the book in force stays") from error
    for old in stored()[KEPT:]:
        with contextlib.suppress(OSError):
            old.unlink()
    return path


def checked_at() -> float | None:
    """When newer prices were last looked for, by any process, in seconds since the epoch; None: never."""
    try:
        return (directory() / _CHECKED).stat().st_mtime
    except OSError:
        return None


def mark_checked(moment: float) -> None:
    """Note when newer prices were looked for.

    Raises:
        OSError: it cannot be written.
    """
    path = directory() / _CHECKED
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (moment, moment))


def find(name: str) -> bytes:
    """A book's bytes by the path of a file, or by the beginning of its hash or day among the stored ones.

    Raises:
        PriceError: there is none, or more than one.
    """
    path = Path(name)
    if path.is_file():
        try:
            return path.read_bytes()
        except OSError as error:
            raise PriceError(f"{path} cannot be read: {error.strerror}") from None
    matches = [path for path in stored() if name and (path.name.startswith(name) or path.name[11:].startswith(name))]
    if len(matches) != 1:
        known = ", ".join(path.stem for path in stored()) or "none"
        what = "no" if not matches else "more than one"
        raise PriceError(
            f"{name!r} names {what} price book: give a file, 'bundled', or one of the stored ones ({known})"
        )
    return read(matches[0])
