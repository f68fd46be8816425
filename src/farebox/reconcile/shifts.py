"""The same tokens lacking on one day and over on a later one: what was metered when it began, and billed when it was done. Imports core and its neighbours here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from farebox.reconcile import outcome
from farebox.reconcile.outcome import Cause, DayResult

_FURTHEST: Final = 2
"""Days that a batch may take, and one more."""
_LACKING: Final = (outcome.NOT_BILLED, outcome.LATE)


def told(results: Sequence[DayResult]) -> list[DayResult]:
    """The same days of one provider, in order, with the causes of both days named for what they are.

    Only the very same number of tokens of a model counts, so that two things that have nothing to do with each other stay apart.
    """
    causes = [list(result.causes) for result in results]
    for at, lacking in enumerate(causes):
        for later in range(at + 1, min(at + 1 + _FURTHEST, len(causes))):
            for place, cause in enumerate(lacking):
                match = _match(cause, causes[later])
                if match is not None:
                    days = results[at].day, results[later].day
                    lacking[place] = _shifted(cause, f"billed on {days[1]}")
                    causes[later][match] = _shifted(causes[later][match], f"metered on {days[0]}")
    return [msgspec.structs.replace(result, causes=tuple(found)) for result, found in zip(results, causes, strict=True)]


def _match(cause: Cause, later: Sequence[Cause]) -> int | None:
    if cause.kind not in _LACKING or not cause.quantity:
        return None
    for place, other in enumerate(later):
        if (other.kind, other.model, other.quantity) == (outcome.NOT_METERED, cause.model, cause.quantity):
            return place
    return None


def _shifted(cause: Cause, what: str) -> Cause:
    return msgspec.structs.replace(cause, kind=outcome.OTHER_DAY, what=what, detail="")
