"""Who holds money of a standing budget: a process, named so that a later one of the same number is not taken for it. Imports the standard library only."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Final

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> str:
    """The name of this process: machine and boot, space of process ids, id, start time. Parts that nobody can tell are empty."""
    return _name(os.getpid())


@functools.lru_cache(maxsize=4)
def _name(process: int) -> str:
    return f"{_machine()} {process} {_started(process)}"


def is_dead(owner: str) -> bool:
    """Whether a process surely exists no more. Of another machine or container nobody can tell here: its holds expire by time."""
    machine, _, rest = owner.rpartition(" ")[0].rpartition(" ")
    started = owner.rpartition(" ")[2]
    if not rest.isdigit() or not started or machine != _machine():
        return False
    return _started(int(rest)) != started


def _machine() -> str:
    """The boot of this machine, and the space in which process ids mean something."""
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux, or a sandbox
        import socket

        return socket.gethostname()


def _started(process: int) -> str:
    """When a process was started, in ticks since boot; "" when there is none, or nobody can tell."""
    try:
        line = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name of the program comes second, in brackets, and may hold anything: count from behind it (proc(5)).
    fields = line.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]
