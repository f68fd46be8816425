"""One paid call, from open to event: attribute, estimate, reserve; then price, settle, write. May import pricing, budgets and below."""

from __future__ import annotations

from farebox.meter.meter import Meter

__all__ = ["Meter"]
