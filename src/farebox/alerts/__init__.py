"""Alerts: what is told, to whom, and how it gets there. May import core and alert_settings only."""

from __future__ import annotations
