"""Whether what a bill lacks is exactly the last calls of a day: data that is late. Imports its neighbours here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from farebox.reconcile.cells import Cell
from farebox.reconcile.pieces import Piece


def last_calls(
    calls: Iterable[tuple[int, Sequence[Piece]]], lacking: Mapping[Cell, int]
) -> tuple[dict[Cell, Fraction], int] | None:
    """The last calls that make up quantities exactly.

    Args:
        calls: when each began and its parts, from the last to the first.
        lacking: the quantities.

    Returns:
        What they cost by cell in dollars, and when the first of them began; None where no run of last calls fits.
    """
    rest = dict(lacking)
    costs = {where: Fraction(0) for where in lacking}
    for began, pieces in calls:
        for piece in pieces:
            if not piece.quantity:
                continue
            left = rest.get(piece.where, 0) - piece.quantity
            if left < 0:
                return None
            rest[piece.where] = left
            costs[piece.where] += piece.cost
        if not any(rest.values()):
            return costs, began
    return None
