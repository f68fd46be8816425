"""What carries events from the journal onwards. May import budgets, pricing and what stands below them."""

from __future__ import annotations
