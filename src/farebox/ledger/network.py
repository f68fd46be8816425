"""Whether a path lies on a network file system, where locks and shared memory do not hold. Imports the standard library only.

SQLite's write-ahead log needs memory that all its processes share (https://www.sqlite.org/wal.html), and a journal's ownership is a
lock of the kernel: over a network both fail without a word, and events are lost or counted twice. Linux and Windows can tell;
elsewhere nothing is refused.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "ceph",
        "lustre",
        "glusterfs",
        "beegfs",
        "gpfs",
        "ocfs2",
        "orangefs",
    }
    | {
        f"fuse.{name}"
        for name in ("sshfs", "glusterfs", "s3fs", "gcsfuse", "rclone", "blobfuse", "blobfuse2", "davfs", "juicefs")
    }
)
"""Types of file systems, as Linux names them. Not 9p and virtiofs: sandboxes show local disks so."""

_MOUNTS: Final = Path("/proc/self/mountinfo")


def network_file_system(path: Path) -> str | None:
    """The type of the network file system that a path lies on, which need not exist yet; None for a local one, or when nobody can tell."""
    if sys.platform == "win32":
        return _remote_drive(path)
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    found = mounted_as(Path(os.path.realpath(path)), mounts)
    return found if found in NETWORK else None


def mounted_as(path: Path, mounts: str) -> str | None:
    """The type of the file system of a path, by the text of `/proc/self/mountinfo` (see proc(5)).

    The longest mount point that holds the path counts, and of several mounts there the last one.
    """
    best, found = -1, None
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ", 1)[0]
        if len(fields) < 5 or not kind:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), kind
    return found


def _remote_drive(path: Path) -> str | None:
    """Windows: a share named by its server, or a drive that stands for one."""
    drive = path.absolute().drive
    if drive.startswith("\\\\"):
        return "a network share"
    import ctypes

    windows = getattr(ctypes, "windll")  # noqa: B009 - the attribute is there on Windows only
    remote = 4  # DRIVE_REMOTE, https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getdrivetypew
    return "a network drive" if windows.kernel32.GetDriveTypeW(f"{drive}\\") == remote else None
