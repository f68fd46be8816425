"""The examination, part by part: one line a part. May import the runtime and its neighbours here."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Final

from farebox import runtime
from farebox.config import PARSERS, Settings
from farebox.core.guard import attempt
from farebox.health import carrying, hooks, spending, storage
from farebox.health.finding import Health, Section

_SETTLING: Final = 2.0
"""Seconds that an examination waits for what this process still has to write."""


def examine() -> Health:
    """Look at this process and its ledger. SDKs that are installed are imported; nothing is metered, sent or changed."""
    current = runtime.current()
    if current.recorder.journal is not None:
        current.recorder.flush(_SETTLING)  # a ledger that is being made at this moment would look like a broken one
    states = runtime.hook_states()
    where = current.ledger_path
    sections = (
        spending.faults(),
        hooks.sdks(states),
        hooks.past(),
        carrying.carrying(threads=current.settings.threads),
        storage.ledger(where),
        storage.journals(where),
        storage.here(current.recorder.journal),
        spending.unpriced(where),
        spending.book(),
        _settings(current.settings),
    )
    version = attempt(metadata.version, "farebox", on_error=lambda _error: "unknown")
    return Health(version, sections)


def _settings(settings: Settings) -> Section:
    """Settings that differ from the default."""
    default = Settings()
    rows: tuple[dict[str, Any], ...] = tuple(
        {"setting": name, "value": str(getattr(settings, name))}
        for name in PARSERS
        if getattr(settings, name) != getattr(default, name)
    )
    return Section("Settings that differ from the default", rows)
