"""Whether work that is started elsewhere keeps its scope: probed for real. May import instruments and core."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from farebox.core import context
from farebox.core.context import Attribution
from farebox.health.finding import Finding, Section
from farebox.instruments.patching import WireOptions, install

_PROBE = Attribution(task_type="farebox doctor")


def carrying(*, threads: bool) -> Section:
    """Start a thread and a pool's task under a scope, and ask them for it.

    Args:
        threads: the setting `threads`.
    """
    found = _probe(threads=threads)
    rows: tuple[dict[str, Any], ...] = tuple({"started_in": what, "keeps_scope": kept} for what, kept in found.items())
    findings = [
        Finding(
            "warning",
            what,
            f"Calls made in {what} have no budget, tenant or task.",
            "Set threads = true, or hand the function over as farebox.carry(function).",
        )
        for what, kept in found.items()
        if not kept
    ]
    findings += [
        Finding("note", name, f"{name} is loaded: its greenlets keep the scope as long as it patches contextvars.")
        for name in ("gevent", "eventlet")
        if name in sys.modules
    ]
    told = ", ".join(f"{what} {'keeps' if kept else 'loses'} budget and tenant" for what, kept in found.items())
    return Section("context", "Threads", told, rows, tuple(findings))


def _probe(*, threads: bool) -> dict[str, bool]:
    hooks = install((), meter=lambda: None, options=WireOptions(), carry=threads)
    scope = context.enter(attribution=_PROBE)
    seen: dict[str, bool] = {}
    try:
        with ThreadPoolExecutor(1) as pool:
            seen["a pool of threads"] = pool.submit(_is_here).result()
        thread = threading.Thread(target=lambda: seen.update({"a thread": _is_here()}))
        thread.start()
        thread.join()
    finally:
        context.leave(scope)
        hooks.undo()
    return seen


def _is_here() -> bool:
    return context.current().attribution.task_type == _PROBE.task_type
