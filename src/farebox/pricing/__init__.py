"""Rates, the book they stand in, and the arithmetic. May import core, config and extraction only."""

from __future__ import annotations

from farebox.pricing.book import Book
from farebox.pricing.calculate import Cost, Line, calculate, quote
from farebox.pricing.context import PriceContext
from farebox.pricing.face import price

__all__ = ["Book", "Cost", "Line", "PriceContext", "calculate", "price", "quote"]
