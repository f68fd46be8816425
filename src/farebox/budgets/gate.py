"""The gate: reserve → settle | release, atomic over every budget that applies to a call. Imports core and its neighbours here.

There is no check-then-act: `reserve` is the only question, and it asks all budgets or books none. One lock a process; it is never
held over anything that can block, and a child of `fork` gets a new one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

from farebox.budgets.account import Account
from farebox.budgets.refusal import cannot_pay, in_another_process
from farebox.budgets.reservation import Holder, Reservation
from farebox.budgets.waiting import Waiting, owner
from farebox.core.alert import REFUSAL, THRESHOLD
from farebox.core.errors import BudgetExceeded
from farebox.core.guard import contained
from farebox.core.ports import Alarm

T = TypeVar("T")

Lower: TypeAlias = Callable[[int], int | None]
"""Lowers the ceiling of a call to what an account has room for (nano-dollars), as far as it may be; None: no further."""


class Gate:
    """Books calls against budgets. Safe for threads, and for finalisers that interrupt it in its own thread.

    The lock is taken by `with`, never by a method of ours: a signal handler may raise between a call and what follows it,
    and a lock taken there would never be released.

    Attributes:
        alarm: told, outside the lock, of shares of limits that are reached; None: nobody is.
        alert_at: these shares, in millionths, ascending.
    """

    def __init__(self, process_id: int) -> None:
        self.alarm: Alarm | None = None
        self.alert_at: tuple[int, ...] = ()
        self._reached: Final[deque[tuple[Account, int, int]]] = deque()
        self._finished: Final[deque[tuple[Reservation, int | None, bool]]] = deque()
        self.renew(process_id)

    def renew(self, process_id: int) -> None:
        """Start afresh after a fork: a lock that another thread held at that moment is never released in the child."""
        self._lock = threading.Lock()
        self._inside = 0
        self.process_id = process_id
        self._finished.clear()
        self._reached.clear()

    def reserve(
        self,
        budgets: Sequence[Holder],
        amount: int,
        task_type: str | None,
        *,
        ceiling: int | None = None,
        lower: Lower | None = None,
    ) -> Reservation:
        """Hold a call's money of every budget, or of none.

        Args:
            budgets: that bind it, innermost first.
            amount: nano-dollars that it is expected to cost.
            task_type: the task that it is made for.
            ceiling: nano-dollars that it can never pass, which strict budgets hold; None: `amount` is exact.
            lower: asked, inside the lock, where a strict budget has less room than the ceiling.

        Raises:
            BudgetExceeded: a budget that refuses, or its limit for this task, cannot pay it.
        """
        if self._inside == threading.get_ident():
            raise RuntimeError("a finaliser made a paid call while its own thread was inside the budget gate")
        most = amount if ceiling is None else ceiling
        with self._lock:
            self._inside = threading.get_ident()
            try:
                self._book_finished()
                refused = _refused(budgets, amount, most, task_type)
                while refused is not None and lower is not None and refused[1].strict:
                    lowered = lower(refused[1].room)
                    if lowered is None or lowered >= most:
                        break
                    most, refused = lowered, _refused(budgets, amount, lowered, task_type)
                if refused is not None:
                    raise cannot_pay(*refused, amount, most, task_type)
                for budget in budgets:
                    if budget.account.strict and budget.owner != self.process_id:
                        raise in_another_process(budget)
                reservation = _hold(budgets, amount, most, task_type)
            finally:
                self._inside = 0
        for budget in budgets:
            if budget.owner != self.process_id:
                budget.foreign()
        return reservation

    def extend(self, reservation: Reservation, budgets: Sequence[Holder], amount: int, task_type: str | None) -> None:
        """Hold more for a call that goes on; strict accounts hold its ceiling already.

        Raises:
            BudgetExceeded: a hard budget cannot pay it; what was held stays held.
        """
        with self._lock:
            self._inside = threading.get_ident()
            try:
                self._book_finished()
                if not reservation.open:
                    return
                refused = _refused(budgets, amount, 0, task_type)
                if refused is not None:
                    raise cannot_pay(*refused, amount, amount, task_type)
                reservation.amount += amount
                for account in reservation.accounts:
                    if not account.strict:
                        account.held += amount
                        if account.waits:
                            holder = reservation.owner
                            account.held_by[holder] = account.held_by.get(holder, 0) + amount
            finally:
                self._inside = 0

    def line_up(
        self,
        budgets: Sequence[Holder],
        amount: int,
        task_type: str | None,
        *,
        patience: float,
        ceiling: int | None = None,
    ) -> Waiting | None:
        """A place in the line of the budget that cannot pay, where waiting can help: only calls in flight of others are in the way.

        Args:
            budgets: as for `reserve`.
            amount: as for `reserve`.
            task_type: as for `reserve`.
            patience: seconds that the call waits at most.
            ceiling: as for `reserve`.
        """
        most = amount if ceiling is None else ceiling
        with self._lock:
            self._inside = threading.get_ident()
            try:
                self._book_finished()
                refused = _refused(budgets, amount, most, task_type)
                if refused is None:
                    return None
                account = refused[1]
                asked = most if account.strict else amount
                if not account.waits or not account.may_fit(asked, owner()):
                    return None
                waiting = Waiting(account, asked, time.monotonic() + patience)
                account.line.append(waiting)
                return waiting
            finally:
                self._inside = 0

    def stand_in(self, account: Account, amount: int, deadline: float, before: Waiting | None) -> Waiting:
        """A place in the line of an account that is counted in a store, where a call did not fit.

        Args:
            account: what this process holds of it.
            amount: nano-dollars that the call asks for.
            deadline: `time.monotonic()` after which it waits no longer.
            before: the place that it has now; None: none.
        """
        if before is not None and before.account is account:
            self.pass_on(before)
            return before
        waiting = Waiting(account, amount, deadline, polls=True)
        with self._lock:
            account.line.append(waiting)
        if before is not None:
            self.leave_line(before, admitted=True)
        return waiting

    def leave_line(self, waiting: Waiting, *, admitted: bool) -> None:
        """The call has gone in, or given up; whoever stands behind it may have room now."""
        with self._lock:
            line = waiting.account.line
            if waiting in line:
                line.remove(waiting)
            following = line[0] if line and (admitted or line[0].amount < waiting.amount) else None
        if following is not None:
            following.wake()

    def pass_on(self, waiting: Waiting) -> bool:
        """The call was woken and does not fit; one behind it that asks for less may.

        Returns:
            Whether it may still fit: False when all the money that is left is not enough, whatever calls in flight give back.
        """
        with self._lock:
            line = waiting.account.line
            following = next((other for other in line if other.amount < waiting.amount), None)
            possible: bool = waiting.account.may_fit(waiting.amount, owner())
        if following is not None:
            following.wake()
        return possible

    def settle(self, reservation: Reservation, actual: int | None, *, certain: bool = True, sent: bool = True) -> None:
        """Replace a hold by what the call cost. Only the first time counts.

        Args:
            reservation: what it holds.
            actual: nano-dollars; None: nobody knows, and it is charged what it holds.
            certain: False where `actual` is an estimate, or only a part of it is known: a strict budget is charged at least what it held.
            sent: False: the call was not sent. Nobody is woken then who waits for a store: it held nothing there.
        """
        if self._inside == threading.get_ident():
            # A finaliser has interrupted this very thread inside the gate (an abandoned stream was collected):
            # waiting for the lock would wait for ourselves. Whoever comes next books it first.
            self._finished.append((reservation, actual, certain))
            return
        with self._lock:
            self._inside = threading.get_ident()
            try:
                self._book_finished()
                self._book(reservation, actual, certain=certain)
                woken = [one.line[0] for one in reservation.accounts if one.line and (sent or one.limit is not None)]
            finally:
                self._inside = 0
        for waiting in woken:
            waiting.wake()
        if self._reached:
            self._tell_reached()

    def release(self, reservation: Reservation) -> None:
        """Give a hold back: nothing was sent."""
        self.settle(reservation, 0, sent=False)

    def charge(
        self,
        budgets: Sequence[Holder],
        amount: int,
        task_type: str | None,
        *,
        besides: Callable[[], object] | None = None,
    ) -> None:
        """Book `amount` nano-dollars at once: a reservation that settles immediately, once `besides` has booked it elsewhere too.

        Raises:
            BudgetExceeded: it does not fit; nothing is booked.
        """
        reservation = None
        try:
            reservation = self.reserve(budgets, amount, task_type)
            if besides is not None:
                besides()
        except BaseException as error:
            if reservation is not None:
                self.release(reservation)
            if not isinstance(error, BudgetExceeded):
                raise
            error.holder.refused(error)
            if self.alarm is not None:
                contained("alert", self.alarm.tell, REFUSAL, error=error)
            raise
        self.settle(reservation, amount)

    def read(self, look: Callable[[], T]) -> T:
        """A consistent look at accounts."""
        with self._lock:
            self._inside = threading.get_ident()
            try:
                self._book_finished()
                found = look()
            finally:
                self._inside = 0
        if self._reached:
            self._tell_reached()
        return found

    def _book_finished(self) -> None:
        while self._finished:
            reservation, actual, certain = self._finished.popleft()
            self._book(reservation, actual, certain=certain)

    def _book(self, reservation: Reservation, actual: int | None, *, certain: bool) -> None:
        if not reservation.open:
            return
        reservation.open = False
        for account in reservation.accounts:
            held = reservation.holds(account)
            _release(account, held, reservation.owner)
            if actual is None:
                account.unpriced += 1
                account.spent += held
            else:
                account.spent += actual if certain or not account.strict else max(actual, held)
            if account.alert_from is not None and account.spent >= account.alert_from and self.alarm is not None:
                share = account.passed(self.alert_at)
                if share is not None:
                    self._reached.append((account, share, account.spent))

    def _tell_reached(self) -> None:
        """Tell of shares that were reached. Threads may meet here: each entry is told by one of them."""
        while self._reached and self.alarm is not None:
            try:
                account, share, spent = self._reached.popleft()
            except IndexError:
                return
            contained(
                "alert",
                self.alarm.tell,
                THRESHOLD,
                name=account.name,
                task_type=account.task_type,
                limit=account.limit,
                spent=spent,
                share=share,
            )


def _refused(
    budgets: Sequence[Holder], amount: int, ceiling: int, task_type: str | None
) -> tuple[Holder, Account] | None:
    """The first budget that cannot pay, and which account of it; None when all can."""
    for budget in budgets:
        if budget.strength == "soft":
            continue
        account = budget.account
        asked = ceiling if account.strict else amount
        if not account.fits(asked):
            return budget, account
        task = None if task_type is None else account.tasks.get(task_type)
        if task is not None and not task.fits(asked):
            return budget, task
    return None


def _hold(budgets: Sequence[Holder], amount: int, ceiling: int, task_type: str | None) -> Reservation:
    """Hold a call's money of every budget; and who holds it, where calls may wait for each other."""
    accounts: list[Account] = []
    for budget in budgets:
        accounts.append(budget.account)
        if task_type is not None:
            accounts.append(budget.account.task(task_type))
    reservation = Reservation(accounts, amount, ceiling)
    for account in accounts:
        held = ceiling if account.strict else amount
        account.held += held
        if account.waits:
            holder = reservation.owner = reservation.owner or owner()
            account.held_by[holder] = account.held_by.get(holder, 0) + held
    return reservation


def _release(account: Account, amount: int, holder: int) -> None:
    """Take back what a reservation holds of the account."""
    account.held -= amount
    if account.waits:
        left = account.held_by.get(holder, 0) - amount
        if left > 0:
            account.held_by[holder] = left
        else:
            account.held_by.pop(holder, None)
