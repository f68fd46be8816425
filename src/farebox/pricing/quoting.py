"""The meter's view of the price book that is in force. May import pricing and core."""

from __future__ import annotations

from typing import Any

from farebox.pricing import installed
from farebox.pricing.calculate import quote


class BookPrices:
    """The meter's view of the price book, which is loaded when the first call needs it."""

    @property
    def version(self) -> str:
        """Hash of the book that prices come from."""
        return installed.current().hash

    def quote(
        self, usage: Any, *, provider: str, model: str, api: str, at_ns: int, extra: dict[str, str] | None
    ) -> Any:
        """The cost of a usage; see `pricing.calculate.quote`."""
        return quote(usage, book=installed.current(), provider=provider, model=model, api=api, at_ns=at_ns, extra=extra)

    def unit_rates(self, provider: str, model: str, at_ns: int) -> Any:
        """Pico-dollars a unit; see `Book.unit_rates`."""
        return installed.current().unit_rates(provider, model, at_ns)
