"""The examination, part by part: one line a part. May import the runtime and its neighbours here."""

from __future__ import annotations

from importlib import metadata
from typing import Final

from farebox import runtime
from farebox.core.guard import attempt
from farebox.health import carrying, hooks, journals, settings, spending, storage
from farebox.health.finding import Health
from farebox.ledger.locate import Location

_SETTLING: Final = 2.0
"""Seconds that an examination waits for what this process still has to write."""


def examine(where: Location | None = None) -> Health:
    """Look at this process and its ledger. SDKs that are installed are imported; nothing is metered, sent or changed.

    Args:
        where: the ledger to look at; None: the one that this process writes to.
    """
    current = runtime.current()
    if current.recorder.journal is not None:
        current.recorder.flush(_SETTLING)  # a ledger that is being made at this moment would look like a broken one
    where = where or current.ledger_path
    states = runtime.hook_states()
    sections = (
        hooks.sdks(states),
        hooks.past(),
        carrying.carrying(threads=current.settings.threads),
        spending.faults(),
        storage.ledger(where),
        journals.beside(where),
        journals.here(current.recorder),
        spending.costs(where),
        spending.book(),
        settings.settings(current.settings, runtime.setting_sources()),
    )
    version = attempt(metadata.version, "farebox", on_error=lambda _error: "unknown")
    return Health(version, sections)
