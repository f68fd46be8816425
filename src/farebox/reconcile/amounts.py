"""Causes of differences in money, once the quantities are the same: rates, surcharges, credits, commitments. Imports its neighbours here."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Final

import msgspec

from farebox.pricing import rate
from farebox.reconcile import cells, outcome
from farebox.reconcile.cells import Cell
from farebox.reconcile.outcome import Cause, MoneyRow
from farebox.reconcile.statement import CREDIT, OTHER, TAX, MoneyLine
from farebox.reconcile.working import Working, dollars, is_token, price_for_people

_NOTHING: Final = outcome.TOLERANCE * 0
_COARSEST: Final = 6
"""Places beyond which amounts are not taken for rounded."""
_SLACK: Final = Fraction(1, 10**9)
"""Of an amount: what binary floating-point in a provider's own sums may do to it."""


class Group(msgspec.Struct):
    """A line item, and the cells that it pays for.

    Attributes:
        item: in the provider's words.
        billed: dollars.
        lines: how many lines of the statement.
        cells: what it pays for.
        expected: dollars that it should be.
        left: dollars of it that have no cause yet.
    """

    item: str
    billed: Fraction
    lines: int
    cells: list[Cell]
    expected: Fraction = Fraction(0)
    left: Fraction = Fraction(0)

    @property
    def models(self) -> set[str]:
        """Whose calls it pays for."""
        return {where.model for where in self.cells}

    @property
    def about_tokens(self) -> bool:
        """Whether it pays for tokens."""
        return any(is_token(where.unit) for where in self.cells)


def explain(work: Working) -> tuple[MoneyRow, ...]:
    """Move what is expected to the amounts of the statement, and say why.

    Returns:
        Each line item beside what was expected of it.
    """
    groups, loose, unpaid = _grouped(work)
    for group in groups:
        group.expected = sum((work.at(where).cost for where in group.cells), Fraction(0))
        group.left = group.billed - group.expected
    rows = [_row(group, _computed(work, group)) for group in groups]
    _take_unpaid(work, unpaid)
    rounded = [group for group in groups if not _within(work, group, group.left)]
    _take_discount(work, groups, rounded)
    _take_residency(work, groups)
    for group in groups:
        _take_rate(work, group)
    for line in loose:
        _take_loose(work, line)
        if line.kind != TAX:
            rows.append(MoneyRow(item=line.item, model="", billed=line.amount, computed=_NOTHING))
    return tuple(rows)


# --- which line pays for what


def _grouped(work: Working) -> tuple[list[Group], list[MoneyLine], list[Cell]]:
    """Line items with their cells, lines that pay for nothing known, and cells that no line pays for."""
    lines = [line for line in work.facts.money if line.kind not in (CREDIT, TAX)]
    loose = [line for line in work.facts.money if line.kind in (CREDIT, TAX)]
    whole = bool(lines) and all(line.model is None and not line.units for line in lines)
    items: dict[tuple[object, ...], list[MoneyLine]] = defaultdict(list)
    for line in lines:
        key: tuple[object, ...] = (
            () if whole else (work.model(line.model), line.units, line.tier, line.batch, line.geo, _if_other(line))
        )
        items[key].append(line)
    paid: dict[tuple[object, ...], list[Cell]] = defaultdict(list)
    unpaid = []
    for where in sorted(work.expected, key=str):
        scores = [(_score(work, found[0], where, whole=whole), key) for key, found in items.items()]
        best = max((score for score, _ in scores), default=-1)
        if best < 0:
            unpaid.append(where)
        else:
            paid[next(key for score, key in scores if score == best)].append(where)
    groups = []
    for key, found in items.items():
        if key in paid:
            total = sum((Fraction(line.amount) for line in found), Fraction(0))
            groups.append(Group(found[0].item, total, len(found), paid[key]))
        else:
            loose += found
    return groups, loose, unpaid


def _if_other(line: MoneyLine) -> str:
    return line.item if line.kind == OTHER else ""


def _score(work: Working, line: MoneyLine, where: Cell, *, whole: bool) -> int:
    """How well a line fits a cell; -1: not at all."""
    if whole:
        return 0
    if line.model is None and not line.units:
        return -1
    score = 0
    if line.model is not None:
        if work.model(line.model) != where.model:
            return -1
        score += 16
    if line.units:
        if where.unit in line.units:
            score += 8
        elif rate.PARENTS.get(where.unit) in line.units:
            score += 4
        else:
            return -1
    return _fits(work, line, where, score) if is_token(where.unit) else score


def _fits(work: Working, line: MoneyLine, where: Cell, score: int) -> int:
    """The score with tier, interface and place; -1 where one of them is another."""
    if line.batch not in (None, where.batch) or (line.geo is not None and (line.geo or None) != where.geo):
        return -1
    tier = rate.tier_name(line.tier)
    if tier is not None:
        return score + 1 if tier == where.tier else -1
    # Lines of the standard tier, or of none, also pay for tiers that have no line of their own; never for what is paid in advance.
    if where.tier is not None and where.tier in work.facts.dimensions.commitments:
        return -1
    return score + (where.tier is None and line.tier is not None)


# --- causes


def _within(work: Working, group: Group, amount: Fraction) -> bool:
    """Whether an amount is no more than rounding of the bill's lines, and of the ledger's calls to the nano-dollar."""
    places = work.facts.places
    half = Fraction(group.lines, 2 * 10**places) if 2 <= places <= _COARSEST else Fraction(0)
    calls = Fraction(work.facts.metered.calls, 2 * 10**9)
    return abs(amount) <= half + calls + abs(group.expected) * _SLACK


def _take_unpaid(work: Working, unpaid: list[Cell]) -> None:
    """Quantities that no line of money pays for."""
    for where in unpaid:
        position = work.at(where)
        if where.tier in work.facts.dimensions.commitments and where.tier is not None:
            kind, what = outcome.COMMITMENT, where.tier
        elif work.facts.is_open:
            kind, what = outcome.LATE, "money"
        elif where.unit in (cells.ESTIMATED_UNIT, cells.STATED_UNIT):
            kind, what = outcome.NOT_BILLED, where.unit.strip("()")
        else:
            kind, what = outcome.FREE, ""
        number = position.quantity if is_token(where.unit) else 0
        work.blame(Cause(kind=kind, amount=_NOTHING, model=where.model, what=what, quantity=number), -position.cost)


def _take_discount(work: Working, groups: list[Group], rounded: list[Group]) -> None:
    """The same share off everything: a negotiated discount."""
    known = [group for group in groups if group.about_tokens and group.expected > 0]
    if len(known) < 3 or len({model for group in known for model in group.models}) < 2 or len(rounded) < len(known):
        return
    largest = max(known, key=lambda group: group.expected)
    share = 1 - largest.billed / largest.expected
    if not 0 < share < 1 or not all(_within(work, group, group.left + group.expected * share) for group in known):
        return
    for group in known:
        work.blame(
            Cause(
                kind=outcome.DISCOUNT,
                amount=_NOTHING,
                what=f"{float(share):.2%}",
                detail="where it was negotiated, set it under prices.discounts",
            ),
            group.left,
        )
        group.left = Fraction(0)


def _take_residency(work: Working, groups: list[Group]) -> None:
    """Surcharges that only the costs show: every line item of a model is dearer by the book's own factor."""
    by_model: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if group.about_tokens and len(group.models) == 1 and group.expected > 0:
            by_model[next(iter(group.models))].append(group)
    for model, theirs in by_model.items():
        share = cells.residency_share(work.facts.provider, model, work.facts.day) - 1
        dearer = [group for group in theirs if _within(work, group, group.left - group.expected * share)]
        told = [group for group in dearer if not _within(work, group, group.left)]
        listed = [group for group in theirs if group not in dearer and _within(work, group, group.left)]
        # One line item at its listed rate, and there is no surcharge on the model; what rounding hides says neither.
        if share <= 0 or not told or listed:
            continue
        for group in theirs:
            work.blame(
                Cause(kind=outcome.RESIDENCY, amount=_NOTHING, model=model, what=f"{float(share):.0%}"),
                group.expected * share,
            )
            group.left -= group.expected * share
            group.expected *= 1 + share


def _take_rate(work: Working, group: Group) -> None:
    """What is left of a line item: another rate than the book's, or rounding."""
    if not group.left:
        return
    model = next(iter(group.models)) if len(group.models) == 1 else ""
    units = sorted({where.unit for where in group.cells})
    what = ", ".join(units) if len(units) < 4 else group.item
    if _within(work, group, group.left):
        work.blame(Cause(kind=outcome.ROUNDING, amount=_NOTHING), group.left)
        return
    if not any(work.meters(where) for where in group.cells):
        work.blame(Cause(kind=outcome.NOT_METERED, amount=_NOTHING, model=model), group.left)
        return
    number = sum(work.at(where).quantity for where in group.cells)
    unit = units[0]
    kind = outcome.PRICE if group.expected else outcome.UNPRICED
    alone = number > 0 and (len(units) == 1 or all(map(is_token, units)))
    work.blame(
        Cause(
            kind=kind,
            amount=_NOTHING,
            model=model,
            what=what,
            quantity=number if alone else 0,
            detail=_variants(group),
            implied=price_for_people((group.expected + group.left) / number, unit) if alone else None,
            listed=price_for_people(group.expected / number, unit) if alone and group.expected else None,
        ),
        group.left,
    )


def _variants(group: Group) -> str:
    """Which tiers a rate is the average of."""
    named = sorted(
        {"batch" if where.batch else where.tier or "standard" for where in group.cells if is_token(where.unit)}
    )
    return f"average over {', '.join(named)}" if len(named) > 1 else "" if named in ([], ["standard"]) else named[0]


def _take_loose(work: Working, line: MoneyLine) -> None:
    """A line that pays for nothing that the ledger or the usage has."""
    amount = Fraction(line.amount)
    if line.kind == TAX:
        return
    if line.kind == CREDIT:
        work.blame(Cause(kind=outcome.CREDIT, amount=_NOTHING, what=line.item), amount)
    elif "rounding" in line.item.lower():
        work.blame(Cause(kind=outcome.ROUNDING, amount=_NOTHING), amount)
    else:
        model = work.model(line.model) if line.model else ""
        work.blame(Cause(kind=outcome.NOT_METERED, amount=_NOTHING, model=model, what=line.item), amount)


def _computed(work: Working, group: Group) -> Fraction:
    """Dollars that the ledger has for what a line item pays for."""
    wanted = set(group.cells)
    return sum(
        (found.cost for where, found in work.facts.metered.cells.items() if work.folded(where) in wanted), Fraction(0)
    )


def _row(group: Group, computed: Fraction) -> MoneyRow:
    model = next(iter(group.models)) if len(group.models) == 1 else ""
    return MoneyRow(item=group.item, model=model, billed=dollars(group.billed), computed=dollars(computed))
