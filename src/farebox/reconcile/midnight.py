"""Calls over midnight: the ledger has them on the day that they began, a provider may have them on the next. Imports its neighbours here."""

from __future__ import annotations

from collections.abc import Mapping

from farebox.reconcile import outcome
from farebox.reconcile.cells import Cell, Position
from farebox.reconcile.outcome import Cause
from farebox.reconcile.working import Quantities, Working, is_token

Side = tuple[int, dict[Cell, Position]]
"""Calls that came over the midnight before (1), or went over the one after (-1)."""


def explain(work: Working, changes: Quantities) -> None:
    """Take out of the changes what went over a midnight, where that is exactly what changed of those models and units."""
    came: Side = (1, _folded(work, work.facts.came()))
    went: Side = (-1, _folded(work, work.facts.went()))
    for sides in ((came, went), (came,), (went,)):
        moved = _moved(sides)
        if moved and all(changes.get(where, 0) == number for where, number in moved.items()):
            for side in sides:
                _take(work, side)
            for where in moved:
                changes.pop(where, None)
            return


def _folded(work: Working, positions: Mapping[Cell, Position]) -> dict[Cell, Position]:
    found: dict[Cell, Position] = {}
    for where, position in positions.items():
        found.setdefault(work.folded(where), Position()).add(position.quantity, position.cost)
    return found


def _moved(sides: tuple[Side, ...]) -> Quantities:
    """What the sides change together; nothing where one of them is empty, since then the other one alone is asked for."""
    found: Quantities = {}
    for sign, positions in sides:
        if not positions:
            return {}
        for where, position in positions.items():
            found[where] = found.get(where, 0) + sign * position.quantity
    return found


def _take(work: Working, side: Side) -> None:
    sign, positions = side
    for where, position in positions.items():
        work.at(where).add(sign * position.quantity, sign * position.cost)
        work.blame(
            Cause(
                kind=outcome.MIDNIGHT,
                amount=outcome.TOLERANCE * 0,
                model=where.model,
                what="from the day before" if sign > 0 else "to the next day",
                quantity=position.quantity if is_token(where.unit) else 0,
            ),
            sign * position.cost,
        )
