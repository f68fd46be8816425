"""Builds `book.json` from the data of `genai-prices` and `overlay.toml`: `python -m farebox.pricing.compile`. Never imported at run time."""

from __future__ import annotations

import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Final

from farebox.pricing import overlay
from farebox.pricing.assemble import assemble
from farebox.pricing.draft import Conflicts

HERE: Final = Path(__file__).parent
BOOK: Final = HERE / "book.json"
OVERLAY: Final = HERE / "overlay.toml"

AS_OF: Final = date(2026, 11, 22)
"""The day of the book's prices."""


def build(overlay_path: Path = OVERLAY) -> bytes:
    """The book's bytes: the same input gives the same bytes.

    Raises:
        PriceError: two sources disagree, or a row of the overlay cannot be used.
    """
    from genai_prices.data import providers

    name = f"genai-prices {version('genai-prices')}"
    return assemble(providers, overlay.load(overlay_path), name=name, as_of=AS_OF, conflicts=Conflicts(strict=True))


def main() -> None:
    """Write the book."""
    data = build()
    BOOK.write_bytes(data)
    sys.stdout.write(f"{BOOK.name}: {len(data):,} bytes\n")


if __name__ == "__main__":
    main()
