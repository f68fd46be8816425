"""Where a ledger is, and where the journals beside it lie. Imports core.errors and the ledger's own parts."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec

from farebox.core.errors import LedgerError
from farebox.ledger.network import network_file_system

APPLICATION_ID: Final = 0x46415245
"""What the header of a ledger file says of its application: "FARE" in ASCII."""

SCHEMA_VERSION: Final = 4
"""Number of the last migration that this farebox has; the header's user version says the file's."""

_SQLITE: Final = b"SQLite format 3\0"
_URL: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


class Location(msgspec.Struct, frozen=True):
    """A ledger's address.

    Attributes:
        scheme: the engine's name in the registry.
        path: the file, for engines that have one.
        url: what the user wrote.
    """

    scheme: str
    path: Path
    url: str

    def check(self, *, writing: bool = True) -> bool:
        """Look whether a ledger can be here, without opening it: SQLite's header tells most.

        Args:
            writing: whether it is to be written, which is refused on a network file system.

        Returns:
            Whether the header was enough to know. A database that names no application may be any program's, or a ledger that is
            being made at this moment.

        Raises:
            LedgerError: a directory, somebody else's file or a network file system is there; the message names the path and the
                remedy.
        """
        if self.scheme != "sqlite":
            return True
        network = network_file_system(self.path) if writing else None
        if network:
            raise LedgerError(
                f"{self.path} lies on a network file system ({network}), where locks do not hold and calls would be lost: "
                "name a ledger on a local disk, one for each machine, and bring them together with 'farebox ledger merge'"
            )
        try:
            if self.path.is_dir():
                raise LedgerError(
                    f"{self.path} is a directory, and the ledger is a file: name a file in it, for example {self.path / 'ledger.db'}"
                )
            if self.url == ":memory:" or (self.path.exists() and not self.path.is_file()):
                raise LedgerError(
                    f"{self.url} is no file: name one on a disk, for example {self.path.parent / 'ledger.db'}"
                )
            header = _beginning(self.path)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise LedgerError(
                f"{self.path} cannot be read ({error.strerror}): set its rights or name another ledger"
            ) from error
        if header and not header.startswith(_SQLITE):
            raise LedgerError(f"{self.path} is no SQLite database: name another file; nothing of it was changed")
        application, version = int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big")
        if application not in (0, APPLICATION_ID):
            raise LedgerError(
                f"{self.path} is a database of another program: name another file; nothing of it was changed"
            )
        if application == APPLICATION_ID and version > SCHEMA_VERSION:
            raise LedgerError(f"{self.path} {newer(version)}")
        return not header or application == APPLICATION_ID


_kept: Final[dict[Path, tuple[int, tuple[int, int] | None]]] = {}
"""Descriptors of ledgers whose headers were read, and which files they are, by path."""


def _beginning(path: Path) -> bytes:
    """A file's first bytes, read through a descriptor that stays open.

    A process that closes any descriptor of a file lets go of all locks that it has on it, those of its open ledger too; another
    process would then take itself for the last and remove the log (https://www.sqlite.org/howtocorrupt.html, 2.2). One descriptor a
    ledger stays open as long as the process lives, so the file system that it lies on cannot be unmounted meanwhile.
    """
    if sys.platform == "win32":  # locks belong to descriptors there, and an open file cannot be replaced
        with path.open("rb") as file:
            return file.read(100)
    there = path.stat()
    descriptor, file_id = _kept.get(path, (-1, None))
    if _file_of(descriptor) != file_id:
        descriptor = -1  # somebody closed it, as daemons do, and the number may be another's by now
    if descriptor < 0 or file_id != (there.st_dev, there.st_ino):
        fresh = os.open(path, os.O_RDONLY)
        _kept[path] = fresh, _file_of(fresh)
        if descriptor >= 0 and file_id != _file_of(fresh):
            os.close(descriptor)  # of a file that was replaced: whoever has it open leaves it for the new one
        descriptor = fresh
    return os.pread(descriptor, 100, 0)


def _file_of(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def newer(found: int) -> str:
    """What is wrong with a ledger of a later schema, and the remedy; the path goes in front."""
    return (
        f"was written by a newer farebox (schema {found}, this one knows {SCHEMA_VERSION}): upgrade farebox; "
        "nothing was changed"
    )


def ledger_path(setting: str | os.PathLike[str] | Location | None) -> Location:
    """The address that a setting means: a path, a URL, or None for `ledger.db` in the user's data directory."""
    if isinstance(setting, Location):
        return setting
    if setting is None:
        import platformdirs

        setting = Path(platformdirs.user_data_dir("farebox", appauthor=False)) / "ledger.db"
    text = os.fspath(setting)
    match = _URL.fullmatch(text)
    if match is None:
        return Location("sqlite", Path(text).expanduser().absolute(), text)
    scheme = match["scheme"].lower()
    path = Path(unquote(match["rest"]))
    return Location(scheme, path.expanduser().absolute() if scheme == "sqlite" else path, text)


def budgets_path(ledger: str | os.PathLike[str] | Location | None) -> Path:
    """The file of the standing budgets beside a ledger: `x.db.budgets` beside `x.db`."""
    path = ledger_path(ledger).path
    return path.with_name(f"{path.name}.budgets")


def journal_directory(ledger: str | os.PathLike[str] | Location | None) -> Path:
    """The directory of the journals that end in a ledger: `x.journal` beside `x.db`, and `y.journals` beside `y`.

    Two endings, because `x` may lie beside `x.db`, and the calls of one must not end up in the other.
    """
    path = ledger_path(ledger).path
    return path.with_suffix(".journal") if path.suffix.lower() == ".db" else path.with_name(f"{path.name}.journals")
