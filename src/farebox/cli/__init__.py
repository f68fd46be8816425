"""The `farebox` command. Imports click; each command's file is imported when it is asked for."""

from __future__ import annotations

from farebox.cli.app import main

__all__ = ["main"]
