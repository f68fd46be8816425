"""What differs between operating systems: exclusive locks, room on the disk, syncing, deleting. Imports nothing of farebox.

Windows takes the second branch of each function.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
"""Flags that create a file, and fail where one is. Descriptors are never inherited by other programs (PEP 446)."""

OPEN_OR_CREATE: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)

PRIVATE: Final = 0o600

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Take the exclusive lock of an open file, without waiting; False when another holds it."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def close_and_remove(descriptor: int, path: Path) -> None:
        """Remove a locked file and let its lock go. An open file cannot be removed here, so the lock goes first."""
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink()

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Take the exclusive lock of an open file, without waiting; False when another holds it.

        `flock`, not `lockf`: a process loses a `lockf` as soon as it closes any descriptor of the file. The lock belongs to the
        open file, which forked children share: it is let go when the last of them closes it, and never unlocked by name.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close_and_remove(descriptor: int, path: Path) -> None:
        """Remove a locked file and let its lock go; nobody can lock it in between and find it gone afterwards."""
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def same_file(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that stands at `path` now."""
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def allocate(descriptor: int, size: int) -> None:
    """Make the file `size` bytes long, with room on the disk for every one of them.

    A sparse file would do the harm later: writing to its memory map kills the process (SIGBUS) when the disk is full.

    Raises:
        OSError: there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    os.lseek(descriptor, 0, os.SEEK_END)
    missing = size - os.fstat(descriptor).st_size
    while missing > 0:
        missing -= os.write(descriptor, bytes(min(missing, 1 << 16)))


def sync(descriptor: int) -> None:
    """Return when the file's data is on the disk."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_directory(path: Path) -> None:
    """Return when the names in a directory are on the disk; Windows cannot open directories and keeps them itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
