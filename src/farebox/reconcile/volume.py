"""Causes of differences in quantities: whose calls, by which interface, at which tier, late, or only estimated. Imports its neighbours here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from itertools import combinations
from typing import Final, TypeAlias

from farebox.reconcile import midnight, outcome
from farebox.reconcile.cells import ESTIMATED_UNIT, Cell
from farebox.reconcile.outcome import Cause
from farebox.reconcile.working import NANO, Quantities, Working, is_token

_KEYS: Final = 12
"""Keys among which every choice is tried."""
_NOBODY: Final = "(no key)"

Late: TypeAlias = tuple[dict[Cell, Fraction], int]
"""What the last calls cost by cell, and when the first of them began."""
Kind: TypeAlias = tuple[str, str]
"""Model and unit."""


def explain(work: Working) -> None:
    """Move what is expected to the quantities of the statement, and say why."""
    billed = _billed(work)
    _take_other_keys(work, billed)
    delta: Quantities = defaultdict(int)
    for quantities in billed.values():
        for where, number in quantities.items():
            delta[where] += number
    for where, position in work.expected.items():
        delta[where] -= position.quantity
    changes = {where: number for where, number in delta.items() if number and where.unit != ESTIMATED_UNIT}
    late = _is_late(work, changes)
    if changes and late is None:
        midnight.explain(work, changes)
    _move(work, changes)
    _settle_estimates(work, changes)
    _take_surplus(work, changes)
    _take_deficit(work, changes, late)


def _is_late(work: Working, changes: Quantities) -> Late | None:
    """What is lacking, where that is all and exactly the last calls of the day."""
    lacking = {where: -number for where, number in changes.items() if number < 0}
    return work.facts.tail(lacking) if lacking and work.facts.is_open else None


def _billed(work: Working) -> dict[str, Quantities]:
    """Quantities of the statement by key."""
    found: dict[str, Quantities] = {}
    for line in work.facts.usage:
        quantities = found.setdefault(line.key or _NOBODY, defaultdict(int))
        for where, number in work.cells_of(line).items():
            quantities[where] += number
    return found


# --- other keys


def _take_other_keys(work: Working, billed: dict[str, Quantities]) -> None:
    """What keys used that no metered program has."""
    if not work.facts.dimensions.keys:
        return
    for key in _others(work, billed):
        for where, number in billed[key].items():
            each = work.listed(where) or Fraction(0)
            work.at(where).add(number, number * each)
            work.blame(
                Cause(
                    kind=outcome.OTHER_KEY,
                    amount=_NOTHING,
                    model=where.model,
                    what=key,
                    quantity=_counted(where, number),
                ),
                number * each,
            )


def _others(work: Working, billed: dict[str, Quantities]) -> list[str]:
    """Keys that others use: by the settings, else those whose use is exactly what the ledger lacks."""
    if work.facts.our_keys:
        return [key for key in billed if key not in work.facts.our_keys]
    if len(billed) < 2:
        return []
    by_key = {key: _over_tiers(quantities) for key, quantities in billed.items()}
    surplus: Counter[Kind] = Counter()
    for used in by_key.values():
        surplus.update(used)
    surplus.subtract(_over_tiers({where: found.quantity for where, found in work.expected.items()}))
    able = sorted(key for key, used in by_key.items() if all(number <= surplus[at] for at, number in used.items()))
    if len(able) > _KEYS:
        return []
    # The most of the surplus, by the fewest keys; what is left of it is another program with a key of ours.
    best = _left(surplus, [])
    chosen: tuple[str, ...] = ()
    for size in range(1, len(able) + 1):
        for keys in combinations(able, size):
            left = _left(surplus, [by_key[key] for key in keys])
            if left is not None and (best is None or left < best):
                best, chosen = left, keys
    return list(chosen)


def _over_tiers(quantities: Mapping[Cell, int]) -> Counter[Kind]:
    """By model and unit: what is billed at another tier is nobody else's for it."""
    found: Counter[Kind] = Counter()
    for where, number in quantities.items():
        found[where.model, where.unit] += number
    return found


def _left(surplus: Counter[Kind], taken: list[Counter[Kind]]) -> int | None:
    """How much of the surplus remains; None where more is taken than there is."""
    rest = surplus.copy()
    for used in taken:
        rest.subtract(used)
        if any(rest[at] < 0 for at in used):
            return None
    return sum(max(0, number) for number in rest.values())


# --- moves between tiers


def _move(work: Working, changes: Quantities) -> None:
    """The same quantity at another tier, interface or place."""
    groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for where in changes:
        groups[where.model, where.unit].append(where)
    for group in groups.values():
        sources = sorted((where for where in group if changes[where] < 0), key=str)
        targets = sorted((where for where in group if changes[where] > 0), key=str)
        for source in sources:
            for target in targets:
                number = min(-changes[source], changes[target])
                if number > 0:
                    _move_one(work, source, target, number)
                    changes[source] += number
                    changes[target] -= number
    for where in [where for where, number in changes.items() if not number]:
        del changes[where]


def _move_one(work: Working, source: Cell, target: Cell, number: int) -> None:
    before = work.average(source) or Fraction(0)
    by_book, there = work.listed(source), work.listed(target)
    # A long prompt stays one at another tier.
    after = before if there is None else there * before / by_book if by_book else there
    work.at(source).add(-number, -number * before)
    work.at(target).add(number, number * after)
    kind, what = _how(work, source, target)
    # What is paid in advance is counted where no line of money pays for it.
    counted = 0 if target.tier in work.facts.dimensions.commitments else _counted(target, number)
    work.blame(
        Cause(kind=kind, amount=_NOTHING, model=target.model, what=what, quantity=counted),
        number * (after - before),
    )


def _how(work: Working, source: Cell, target: Cell) -> tuple[str, str]:
    commitments = work.facts.dimensions.commitments
    if target.tier in commitments or source.tier in commitments:
        return outcome.COMMITMENT, target.tier or "standard"
    if source.batch != target.batch:
        return outcome.BATCH, "billed as batch" if target.batch else "not billed as batch"
    if source.geo != target.geo and source.tier == target.tier:
        return outcome.RESIDENCY, target.geo or "global"
    return outcome.TIER, f"{source.tier or 'standard'} to {target.tier or 'standard'}"


# --- what is left


def _settle_estimates(work: Working, changes: Quantities) -> None:
    """Calls of unknown usage: their estimate goes, what was billed for them comes."""
    for model, estimates in work.facts.metered.estimates.items():
        wanted = [where for where, number in changes.items() if where.model == model and number > 0]
        worth = {where: changes[where] * (work.listed(where) or Fraction(0)) for where in wanted}
        surplus = sum(worth.values(), Fraction(0))
        share = Fraction(1)
        if surplus > estimates.most:
            share = estimates.most / surplus
        if _more_requests(work, model):
            share = min(share, estimates.cost / surplus) if surplus else share
        taken = Fraction(0)
        for where in wanted:
            number = changes[where] if share == 1 else int(changes[where] * share)
            each = work.listed(where) or Fraction(0)
            work.at(where).add(number, number * each)
            taken += number * each
            changes[where] -= number
            if not changes[where]:
                del changes[where]
        work.expected.pop(Cell(model, None, False, None, ESTIMATED_UNIT), None)
        work.blame(
            Cause(
                kind=outcome.ESTIMATED,
                amount=_NOTHING,
                model=model,
                detail=f"{estimates.calls} requests of unknown usage",
            ),
            taken - estimates.cost,
        )


def _more_requests(work: Working, model: str) -> bool:
    """Whether the statement has more requests of a model than metered and estimated calls together."""
    lines = [line for line in work.facts.usage if work.model(line.model) == model]
    if not lines or any(line.requests is None for line in lines):
        return False
    stated = sum(line.requests or 0 for line in lines)
    metered = work.facts.metered
    return stated > metered.requests.get(model, 0) + metered.estimates[model].calls


def _take_surplus(work: Working, changes: Quantities) -> None:
    for where, number in [(where, number) for where, number in changes.items() if number > 0]:
        each = work.listed(where) or Fraction(0)
        work.at(where).add(number, number * each)
        work.blame(
            Cause(kind=outcome.NOT_METERED, amount=_NOTHING, model=where.model, quantity=_counted(where, number)),
            number * each,
        )
        del changes[where]


def _take_deficit(work: Working, changes: Quantities, late: Late | None) -> None:
    costs, began = ({}, 0) if late is None else late
    for where, number in [(where, -number) for where, number in changes.items() if number < 0]:
        gone = costs.get(where, number * (work.average(where) or Fraction(0)))
        work.at(where).add(-number, -gone)
        kind = outcome.LATE if work.facts.is_open else outcome.NOT_BILLED
        since = f"the last calls, from {datetime.fromtimestamp(began // NANO, UTC):%H:%M:%S} UTC on" if began else ""
        work.blame(
            Cause(kind=kind, amount=_NOTHING, model=where.model, quantity=_counted(where, number), detail=since), -gone
        )


def _counted(where: Cell, number: int) -> int:
    """Tokens are added up over units; other things are not."""
    return number if is_token(where.unit) else 0


_NOTHING: Final = outcome.TOLERANCE * 0
