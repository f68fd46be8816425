"""Builds `book.json` from the data of `genai-prices` and `overlay.toml`: `python -m farebox.pricing.compile`. Never imported at run time."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from farebox.pricing import overlay, upstream
from farebox.pricing.draft import DraftModel, DraftProvider
from farebox.pricing.rate import Source

HERE: Final = Path(__file__).parent
BOOK: Final = HERE / "book.json"
OVERLAY: Final = HERE / "overlay.toml"


def build(overlay_path: Path = OVERLAY) -> bytes:
    """The book's bytes: the same input gives the same bytes.

    Raises:
        PriceError: two sources disagree, or a row of the overlay cannot be used.
    """
    from genai_prices.data import providers

    name = f"genai-prices {version('genai-prices')}"
    sources = overlay.Sources(Source(url=name))
    rows = overlay.load(overlay_path)
    drafts = upstream.providers(providers)
    overlay.standard(rows, drafts, sources)
    for provider in drafts.values():
        for model in provider.models.values():
            upstream.place_variants(model)
    overlay.variants(rows, drafts, sources)
    book: dict[str, Any] = {
        "format": 1,
        "aliases": rows.aliases,
        "books": rows.books,
        "reroutes": [
            {
                "provider": row.provider,
                "name": row.name,
                "model": row.model,
                "since": row.since.isoformat() if row.since else None,
            }
            for row in rows.alias
        ],
        "uplifts": [
            {
                "provider": row.provider,
                "when": row.when,
                "share": row.share,
                "all_units": row.all_units,
                "source": sources.index(row),
            }
            for row in rows.uplift
        ],
        "providers": {provider.id: _provider(provider) for provider in drafts.values()},
    }
    book["sources"] = [msgspec.to_builtins(source) for source in sources.rows]
    return _lines(book)


def _provider(draft: DraftProvider) -> dict[str, Any]:
    """One provider: exact names and patterns, each with the index of its model; the first pattern that matches counts."""
    names: dict[str, int] = {}
    patterns: list[tuple[str, int]] = []
    models = []
    for index, model in enumerate(draft.models.values()):
        for name in sorted(model.names):
            names.setdefault(name, index)
        patterns += [(pattern, index) for pattern in model.patterns]
        models.append(_model(model))
    for index, model in enumerate(draft.models.values()):
        names.setdefault(model.id.lower(), index)
    return {"fallback": draft.fallback, "names": dict(sorted(names.items())), "patterns": patterns, "models": models}


def _model(draft: DraftModel) -> dict[str, Any]:
    model: dict[str, Any] = {
        "id": draft.id,
        "periods": [msgspec.to_builtins(period.frozen()) for period in draft.periods],
    }
    for field in ("context", "output", "unsupported", "uncounted", "uplifts", "weekdays"):
        if value := getattr(draft, field):
            model[field] = value
    return model


def _lines(book: dict[str, Any]) -> bytes:
    """Compact JSON with a line for each model, so that a review of the book shows which prices moved."""
    text = msgspec.json.encode(book).decode()
    return (text.replace('{"id":', '\n{"id":').replace('},"providers":', '},\n"providers":') + "\n").encode()


def main() -> None:
    """Write the book."""
    data = build()
    BOOK.write_bytes(data)
    sys.stdout.write(f"{BOOK.name}: {len(data):,} bytes\n")


if __name__ == "__main__":
    main()
