"""Puts a book together from a source's providers and the reviewed overlay, for builds and for updates. May import core and its neighbours here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from farebox.pricing import overlay, upstream
from farebox.pricing.book import FORMAT
from farebox.pricing.draft import Conflicts, DraftModel, DraftProvider
from farebox.pricing.overlay import Overlay
from farebox.pricing.rate import Source


def assemble(source: Iterable[Any], rows: Overlay, *, name: str, as_of: date, conflicts: Conflicts) -> bytes:
    """The book's bytes: the same input gives the same bytes.

    Args:
        source: providers as `genai-prices` has them.
        rows: the reviewed corrections.
        name: what the book calls the source.
        as_of: the day of the source's prices.
        conflicts: what to do where the two disagree.

    Raises:
        PriceError: they disagree and conflicts are strict, or a row of the overlay cannot be used.
    """
    sources = overlay.Sources(Source(url=name))
    drafts = upstream.providers(source, as_of, conflicts)
    overlay.standard(rows, drafts, sources, conflicts)
    for provider in drafts.values():
        for model in provider.models.values():
            with conflicts.about(provider.id, model.id):
                upstream.place_variants(model)
    overlay.variants(rows, drafts, sources, conflicts)
    book: dict[str, Any] = {
        "format": FORMAT,
        "as_of": as_of.isoformat(),
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
    book["sources"] = [msgspec.to_builtins(row) for row in sources.rows]
    return lines(book)


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
    for field in ("context", "output", "unsupported", "uncounted", "uplifts", "weekdays", "promotion"):
        if value := getattr(draft, field):
            model[field] = value
    return model


def lines(book: dict[str, Any]) -> bytes:
    """Compact JSON with a line for each model, so that a review of the book shows which prices moved."""
    text = msgspec.json.encode(book).decode()
    return (text.replace('{"id":', '\n{"id":').replace('},"providers":', '},\n"providers":') + "\n").encode()
