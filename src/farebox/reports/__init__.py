"""Functions from a query to a table. May import budgets, pricing and what stands below them."""

from __future__ import annotations
