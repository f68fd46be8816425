"""What a request can be billed at most, or why that is not known. May import core only.

A pure function of the request and the reviewed table (`bound_table.toml`), which is an allow-list: what is not in it has no bound.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import msgspec

from farebox.budgets.bound_table import Endpoint, Models, Table, table
from farebox.budgets.bound_walk import Outside, Walk
from farebox.core import semconv
from farebox.core.event import CallRequest

MIN_OUTPUT_TOKENS: Final = 256
"""The least that a cap is lowered to: an answer cut shorter is money for nothing."""

USUAL_MOST: Final = 4096
"""The largest cap that is written where the most that the model takes is not in the table: no current model refuses it."""

REMEDY: Final = "state the most that it can cost with bound=, or use strength='hard'"


class Clamp(msgspec.Struct, frozen=True):
    """How a request's output cap may be lowered, and what a cap lets be billed.

    Attributes:
        path: where in the body it is written, for example ("generationConfig", "maxOutputTokens").
        stated: the cap that the request has; None: it has none.
        least: the smallest that may be written: the interface's own minimum, and above what is set aside for thinking.
        most: the largest that may be written: the one stated, else what the model is known to take.
        copies: answers that are billed.
        share: the part of a cap that may be billed beyond it.
        extra: tokens that may be billed beyond that.
    """

    path: tuple[str, ...]
    stated: int | None
    least: int
    most: int
    copies: int = 1
    share: Fraction = Fraction(0)
    extra: int = 0

    def tokens(self, cap: int) -> int:
        """Output tokens that may be billed under a cap, all copies together."""
        beyond = -(-cap * self.share.numerator // self.share.denominator)
        return (cap + beyond + self.extra) * self.copies

    def largest(self, tokens: int, *, least: int = MIN_OUTPUT_TOKENS) -> int | None:
        """The largest cap under which no more than `tokens` are billed; None when that is too small to be of use."""
        each = tokens // self.copies - self.extra
        if each < 0:
            return None
        # cap + ceil(cap * share) <= each, in whole numbers.
        cap = each * self.share.denominator // (self.share.denominator + self.share.numerator)
        cap = min(cap, self.most)
        return cap if cap >= max(least, self.least) else None


class Bound(msgspec.Struct, frozen=True):
    """What one attempt of a request can be billed at most.

    Attributes:
        input_tokens: tokens of the prompt; characters, where `unit` says so.
        output_tokens: tokens that come out as the request stands, all copies, margin included; None: nothing limits them.
        clamp: how the output cap may be lowered; None: nothing comes out that is billed.
        tier: the service tier that it asks for, in the provider's word; None: it does not say.
        writes: units of cache writes that may be billed instead of plain input.
        unit: what the prompt is billed by.
    """

    input_tokens: int
    output_tokens: int | None
    clamp: Clamp | None = None
    tier: str | None = None
    writes: frozenset[str] = frozenset()
    unit: str = semconv.INPUT


class Unbounded(msgspec.Struct, frozen=True):
    """A request without a bound.

    Attributes:
        reason: why, and what helps, in a sentence.
    """

    reason: str


def bound(request: CallRequest, *, model: str | None = None, rows: Table | None = None) -> Bound | Unbounded:
    """The most that one attempt of a request can be billed.

    Args:
        request: what is about to be sent; its body is read and not changed.
        model: the model's name in the price book, where that is not the name that is asked for (a deployment, an alias).
        rows: the table; None: the one that comes with farebox.
    """
    try:
        return _bound(request, model, rows or table())
    except Outside as outside:
        return Unbounded(f"{outside}: {REMEDY}")
    except RecursionError:
        return Unbounded(f"the body is nested too deeply to be read before it is sent: {REMEDY}")


def _bound(request: CallRequest, model: str | None, rows: Table) -> Bound:
    found = rows.endpoint(request.provider, request.api)
    if found is None:
        raise Outside(f"{request.api or request.operation} requests to {request.provider} have no proven ceiling")
    if request.extra and "header" in request.extra:
        raise Outside(f"the header {request.extra['header']!r} may choose prices that are not known")
    endpoint, keys = found
    known = rows.model(request.provider, (model or request.model or "").lower())
    if known is None:
        raise Outside(f"model {request.model!r} of {request.provider} is not in the table of ceilings")
    walk = Walk(endpoint, keys, known)
    walk.body(request.body)
    if not endpoint.output:
        return Bound(walk.tokens, 0, None, walk.tier, frozenset(walk.writes), endpoint.unit)
    asked = rows.model(request.provider, (request.model or "").lower()) or known
    clamp = _clamp(endpoint, (known, asked), walk, rows)
    stands = clamp.stated if clamp.stated is not None else endpoint.unstated_cap or known.most_output
    return Bound(
        walk.tokens,
        None if stands is None else clamp.tokens(stands),
        clamp,
        walk.tier,
        frozenset(walk.writes),
    )


def _clamp(endpoint: Endpoint, models: tuple[Models, ...], walk: Walk, rows: Table) -> Clamp:
    """How the cap may be lowered, for a model by its name in the book and by the one that is asked for."""
    path, stated = walk.cap or (endpoint.write_cap, None)
    if stated is not None and stated <= walk.thinking:
        raise Outside(f"{'.'.join(path)}={stated} is not above the {walk.thinking} tokens set aside for thinking")
    written = endpoint.unstated_cap or min(row.most_written or row.most_output or USUAL_MOST for row in models)
    most = written if stated is None else stated
    least = max(endpoint.smallest_cap, walk.thinking + 1)
    return Clamp(path, stated, least, most, walk.copies, rows.share, rows.margin.tokens)
