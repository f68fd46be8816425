"""One day of a bill against the same day of the ledger. Imports core and its neighbours here.

Tokens come first: what was used, by model, tier and interface. Money is compared only for the same tokens, so that a rate is not
blamed for calls, nor calls for a rate. It knows the statement and the ledger, and nothing else.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from farebox.reconcile import amounts, outcome, volume
from farebox.reconcile.cells import ESTIMATED_UNIT, STATED_UNIT, Cell
from farebox.reconcile.outcome import Cause, DayResult, MoneyRow, Status, TokenRow
from farebox.reconcile.statement import TAX
from farebox.reconcile.working import Facts, Working, dollars

_NOTHING: Final = Decimal(0)
_ROUGH: Final = 50
"""Times that amounts may be off before they are taken for cents that should be dollars, or the other way round."""


def compare(facts: Facts, *, source: str, notes: tuple[str, ...] = ()) -> DayResult:
    """What differs, and why.

    Args:
        facts: statement and ledger of the day.
        source: where the statement is from.
        notes: what is missing of it.
    """
    work = Working(facts)
    metered = facts.metered
    if metered.sums_only:
        return _coarse(facts, source, notes)
    if metered.repriced:
        work.blame(Cause(kind=outcome.STALE, amount=_NOTHING), metered.repriced)
    tokens = _tokens(work) if facts.usage or facts.coverage.usage else ()
    if facts.coverage.usage:
        volume.explain(work)
    problem = _magnitude(work) if facts.coverage.money else None
    with_money = facts.coverage.money and problem is None
    money: tuple[MoneyRow, ...] = ()
    if with_money and facts.coverage.usage:
        money = amounts.explain(work)
    elif with_money:
        money = tuple(
            MoneyRow(item=line.item, model=work.model(line.model), billed=line.amount, computed=_NOTHING)
            for line in facts.money
        )
    billed = _billed(facts) if with_money else None
    left = Fraction(0) if billed is None else billed - metered.stored - work.blamed()
    if left and billed is not None and abs(left) <= Fraction(metered.calls + 1, 2 * 10**9):
        work.blame(Cause(kind=outcome.ROUNDING, amount=_NOTHING), left)
        left = Fraction(0)
    return DayResult(
        provider=facts.provider,
        day=facts.day,
        status=_status(facts, billed),
        computed=dollars(metered.stored),
        billed=None if billed is None else dollars(billed),
        unexplained=dollars(left),
        complete=with_money and facts.coverage.usage,
        source=source,
        fetched_at=facts.coverage.fetched_at,
        causes=work.causes(),
        tokens=tokens,
        money=money,
        notes=(*notes, *([problem] if problem else []), *_taxes(facts)),
    )


def _coarse(facts: Facts, source: str, notes: tuple[str, ...]) -> DayResult:
    """A day whose single calls are gone: totals only, and no difference is blamed on anything."""
    billed = _billed(facts) if facts.coverage.money else None
    computed = facts.metered.stored
    return DayResult(
        provider=facts.provider,
        day=facts.day,
        status=_status(facts, billed),
        computed=dollars(computed),
        billed=None if billed is None else dollars(billed),
        unexplained=dollars(Fraction(0) if billed is None else billed - computed),
        complete=facts.coverage.money and facts.coverage.usage,
        source=source,
        fetched_at=facts.coverage.fetched_at,
        notes=(*notes, f"The ledger keeps only sums of {facts.day}: its total is compared, and nothing finer."),
    )


def _billed(facts: Facts) -> Fraction:
    return sum((Fraction(line.amount) for line in facts.money if line.kind != TAX), Fraction(0))


def _status(facts: Facts, billed: Fraction | None) -> Status:
    if billed is None or not facts.coverage.usage:
        return "open" if facts.is_open else "missing"
    if facts.is_open:
        return "open"
    larger = max(abs(billed), abs(facts.metered.stored))
    within = abs(billed - facts.metered.stored) <= larger * Fraction(outcome.TOLERANCE)
    return "matched" if within else "differs"


def _taxes(facts: Facts) -> tuple[str, ...]:
    taxes = sum((line.amount for line in facts.money if line.kind == TAX), _NOTHING)
    return (f"${taxes} of taxes are left out: list prices have none.",) if taxes else ()


def _magnitude(work: Working) -> str | None:
    """What is wrong where amounts are a hundred times what the tokens cost: they may be in another unit than is documented."""
    expected = sum((found.cost for found in work.expected.values()), Fraction(0))
    billed = sum((Fraction(line.amount) for line in work.facts.money if line.amount > 0), Fraction(0))
    if not work.facts.coverage.usage or min(expected, billed) < Fraction(1, 100):
        return None
    ratio = billed / expected
    if Fraction(1, _ROUGH) < ratio < _ROUGH:
        return None
    many = f"{float(ratio):.3g}"
    return (
        f"amounts of {work.facts.day} are {many} times what the tokens cost: they may be cents for dollars, or the other way round."
        f" They are not used; where the provider's own page shows that they are, set reconcile.{work.facts.provider}.amounts."
    )


def _tokens(work: Working) -> tuple[TokenRow, ...]:
    """Quantities beside each other, by model, tier and interface."""
    metered: dict[Cell, int] = {}
    for where, position in work.facts.metered.cells.items():
        if where.unit not in (ESTIMATED_UNIT, STATED_UNIT) and position.quantity:
            at = work.folded(where)
            metered[at] = metered.get(at, 0) + position.quantity
    billed: dict[Cell, int] = {}
    for line in work.facts.usage:
        for where, number in work.cells_of(line).items():
            billed[where] = billed.get(where, 0) + number
    known = work.facts.coverage.usage
    return tuple(
        TokenRow(
            model=where.model,
            tier=(where.tier or "standard") + (f", {where.geo}" if where.geo else ""),
            batch=where.batch,
            unit=where.unit,
            metered=metered.get(where, 0),
            billed=billed.get(where, 0) if known else None,
        )
        for where in sorted({*metered, *billed}, key=str)
    )
