"""Whether anything paid may be unseen here: what `farebox doctor` looks at. May import the runtime and everything below it."""

from __future__ import annotations

from farebox.health.examine import examine
from farebox.health.finding import Finding, Health, Section

__all__ = ["Finding", "Health", "Section", "examine"]
