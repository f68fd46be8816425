"""Names of a router's tracker: decisions and their reasons, hits of its cache, savings by day, week and month. May import the face's functions and everything below."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from farebox import recording, runtime, scopes, tracker
from farebox.core.context import Attribution
from farebox.core.errors import ConfigurationError
from farebox.core.event import CallEvent
from farebox.core.usage import Usage
from farebox.reports.totals import CostSummary

KEYS: Final = ("enabled", "storage_path", "retention_days", "dashboard_port", "export_formats")
"""What the settings of such a tracker may say."""

FORMATS: Final = {"csv": "csv", "json": "jsonl"}


class RouterCostTracker(tracker.CostTracker):
    """Costs and savings of a router, against "always the largest model".

    Args:
        settings: the tracker's own, as its YAML says: `enabled`, `storage_path` (the ledger), `retention_days`, `dashboard_port`,
            `export_formats` ("csv", "json"). They become settings of this process.
        baseline_model: the largest model, that savings are held against.

    Attributes:
        dashboard_port: where `farebox dashboard --port` should serve.
        export_formats: what `export` writes.

    Raises:
        ConfigurationError: a key or value cannot be used.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None, *, baseline_model: str | None = None) -> None:
        given = dict(settings or {})
        wrong = [key for key in given if key not in KEYS]
        if wrong:
            raise ConfigurationError(f"{wrong[0]!r} is no setting of a router's tracker: use one of {', '.join(KEYS)}")
        self.baseline_model = baseline_model
        self.dashboard_port: int = given.get("dashboard_port", 3335)
        self.export_formats: Sequence[str] = given.get("export_formats", tuple(FORMATS))
        unknown = [name for name in self.export_formats if name not in FORMATS]
        if unknown:
            raise ConfigurationError(f"export_formats has {unknown[0]!r}: use {' or '.join(FORMATS)}")
        named = {"storage_path": "ledger", "retention_days": "retention_days"}
        changes = {setting: given[key] for key, setting in named.items() if key in given}
        if "enabled" in given:
            changes["disabled"] = not given["enabled"]
        if changes:
            runtime.configure(**changes)
        super().__init__()

    def route(self, reason: str) -> None:
        """Say why the calls which follow go where they go; what they save is held against the largest model."""
        recording.record_route(baseline_model=self.baseline_model, reason=reason)

    def log_call(
        self,
        *,
        model: str,
        provider: str,
        input_tokens: int,
        output_tokens: int,
        latency: float | None = None,
        routing_reason: str | None = None,
        cache_hit: bool = False,
    ) -> CallEvent:
        """Write a call that no instrument saw, or an answer of the router's cache.

        Args:
            model: what answered, or would have.
            provider: who bills it.
            input_tokens: tokens in.
            output_tokens: tokens out.
            latency: seconds.
            routing_reason: why the router chose this model.
            cache_hit: whether its cache answered.

        Raises:
            ConfigurationError: a value cannot be used.
        """
        usage = Usage(units={"input": input_tokens, "output": output_tokens})
        if cache_hit:
            return recording.record_cache_hit(provider=provider, model=model, usage=usage)
        said = Attribution(baseline_model=self.baseline_model, route_reason=routing_reason)
        with scopes.Tracked(said, None):
            return self.record_call(provider=provider, model=model, usage=usage, duration=latency)

    def get_daily_summary(self) -> CostSummary:
        """Today, in UTC."""
        return self.get_summary("daily")

    def get_weekly_summary(self) -> CostSummary:
        """This week, from Monday."""
        return self.get_summary("weekly")

    def get_monthly_summary(self) -> CostSummary:
        """This month."""
        return self.get_summary("monthly")

    def export(self, path: str | os.PathLike[str], format: str | None = None) -> int:  # noqa: A002 - their name
        """Write every call that is kept; the format by its name ("csv", "json") or the file's ending.

        Raises:
            ConfigurationError: the format is not among `export_formats`.
        """
        name = format or Path(path).suffix.removeprefix(".")
        if name not in self.export_formats:
            raise ConfigurationError(f"format={name!r} is not exported: use {' or '.join(self.export_formats)}")
        return self._export(path, FORMATS[name], "all")
