"""Bundles the dashboard's page when a wheel, an sdist or an editable install is made. Imports hatchling.

Where npm is missing or cannot reach its registry, everything but the page is installed, and `farebox dashboard` says how to build it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DashboardHook(BuildHookInterface[Any]):
    """Runs before files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build the page, unless it is there already."""
        build = _load(Path(self.root) / "src" / "farebox" / "dashboard" / "build.py")
        if build.is_built():
            return
        try:
            build.build()
        except build.BuildError as error:
            self.app.display_warning(f"The dashboard's page was not built: {error}. Later: farebox dashboard --build")


def _load(path: Path) -> Any:
    """The module by its path: farebox's dependencies are not there when it is built."""
    spec = importlib.util.spec_from_file_location("farebox_dashboard_build", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
