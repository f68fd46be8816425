"""How a call is sent so that strict budgets can pay whatever it comes to cost. Imports core and the ceiling only.

It is sent as the program made it while there is money enough; then without the retries that its SDK would make on its own; then with
a cap on an answer that has none, or a huge one; last with the cap that the money left allows, where that is still of use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from farebox.budgets.bound import MIN_OUTPUT_TOKENS
from farebox.core.errors import BudgetExceeded
from farebox.core.event import CallRequest, Limits
from farebox.core.money import Money
from farebox.meter.ceiling import Ceiling, NoCeiling

LONG_ANSWER: Final = 32_768
"""Tokens that an answer is first held to: one call must not hold all the money there is because its model could write a book."""


class Step(msgspec.Struct, frozen=True):
    """One way to send a call.

    Attributes:
        nano: nano-dollars that it costs at most, all attempts together.
        tokens: tokens that it uses at most, all attempts together; None: nothing bounds them.
        limits: how the request is sent; None: as the program made it.
    """

    nano: int
    tokens: int | None = None
    limits: Limits | None = None


class Plan:
    """The ways to send one call, the dearest first, and the one that is taken.

    Args:
        request: the call.
        ceiling: of one attempt; or why there is none.
        stated: nano-dollars that one attempt costs at most, as the user states it where there is no ceiling.

    Attributes:
        reason: why nothing bounds the call; None: something does.
        taken: the way that is taken.
    """

    def __init__(self, request: CallRequest, ceiling: Ceiling | NoCeiling, stated: int | None = None) -> None:
        self._request = request
        self._ceiling = ceiling if isinstance(ceiling, Ceiling) else None
        self._clamps = True
        self._steps = list(self._ways(stated))
        self.reason = self._unbounded(ceiling, stated)
        self.taken = self._steps[0] if self._steps else Step(0)

    def begin(self, *, clamps: bool) -> None:
        """Start from the request as the program made it.

        Args:
            clamps: whether its cap may be lowered to the money left: not while waiting for more might help.
        """
        self.taken = self._steps[0]
        self._clamps = clamps

    @property
    def least(self) -> int:
        """Nano-dollars of the last step before its cap is lowered to the money left."""
        return self._steps[-1].nano

    @property
    def floor(self) -> int | None:
        """Nano-dollars of the lowest way there is; None where the cap cannot be lowered."""
        ceiling = self._ceiling
        if ceiling is None or ceiling.clamp is None or not self._request.adjusts:
            return None
        lowest = max(ceiling.clamp.least, MIN_OUTPUT_TOKENS)
        return ceiling.nano(min(lowest, ceiling.clamp.most))

    def lower(self, room: int) -> int | None:
        """Take a way that costs no more than an account has room for, in nano-dollars. Returns what it costs; None: there is none."""
        for step in self._steps:
            if step.nano <= room and step.nano < self.taken.nano:
                self.taken = step
                return step.nano
        cap = None if self._ceiling is None or not self._clamps else self._ceiling.cap_within(room)
        return self.taken.nano if self._clamp(cap) else None

    def yields(self, refusal: BudgetExceeded) -> bool:
        """Whether a way could be taken that fits into what a standing budget has left, which has just refused."""
        if refusal.strength != "strict" or refusal.limit is None or self.reason is not None:
            return False
        room = refusal.limit - (refusal.spent or 0) - (refusal.reserved or 0)
        if refusal.unit == "usd":
            return self.lower(Money(room).to_nano()) is not None
        return refusal.unit == "tokens" and self._lower_tokens(int(room))

    def _lower_tokens(self, room: int) -> bool:
        for step in self._steps:
            if step.tokens is not None and step.tokens <= room and step.nano <= self.taken.nano and step != self.taken:
                self.taken = step
                return True
        ceiling = self._ceiling
        if ceiling is None or ceiling.clamp is None or not self._clamps:
            return False
        return self._clamp(ceiling.clamp.largest(room - ceiling.input_tokens, least=MIN_OUTPUT_TOKENS))

    def _clamp(self, cap: int | None) -> bool:
        """Lower the cap, where that makes the call cheaper than the way that is taken."""
        if cap is None or not self._request.adjusts:
            return False
        step = self._step(1, cap)
        if step is None or step.nano >= self.taken.nano:
            return False
        self.taken = step
        return True

    def _ways(self, stated: int | None) -> Iterator[Step]:
        """The ways that do not depend on the money left."""
        ceiling = self._ceiling
        ways: list[tuple[int | None, int | None]] = [(None, None)]
        if self._request.adjusts:
            if self._request.attempts_allowed > 1:
                ways.append((1, None))
            clamp = None if ceiling is None else ceiling.clamp
            if ceiling is not None and clamp is not None and (ceiling.cap is None or clamp.most > LONG_ANSWER):
                ways.append((1, max(clamp.least, min(clamp.most, LONG_ANSWER))))
        for attempts, cap in ways:
            step = self._step(attempts, cap, stated)
            if step is not None:
                yield step

    def _step(self, attempts: int | None, cap: int | None, stated: int | None = None) -> Step | None:
        ceiling = self._ceiling
        times = max(1, self._request.attempts_allowed) if attempts is None else attempts
        if ceiling is None:
            limits = None if attempts is None else Limits(attempts)
            return None if stated is None else Step(stated * times, None, limits)
        once, clamp = ceiling.nano(cap), ceiling.clamp
        if once is None:
            return None
        out = ceiling.cap if cap is None else 0 if clamp is None else clamp.tokens(cap)
        place = clamp.path if clamp is not None and cap is not None else ()
        limits = None if attempts is None and cap is None else Limits(attempts, cap, place)
        return Step(once * times, None if out is None else (ceiling.input_tokens + out) * times, limits)

    def _unbounded(self, ceiling: Ceiling | NoCeiling, stated: int | None) -> str | None:
        if isinstance(ceiling, NoCeiling) and stated is None:
            return ceiling.reason
        if not self._request.counts_attempts:
            return (
                "its client retries for a time, not a number of times, or has middleware that may send it again, "
                "so that no number of attempts bounds it"
            )
        if not self._steps:
            return (
                "nothing limits its output, and a client of this kind cannot be given a limit: state one in the request"
            )
        return None
