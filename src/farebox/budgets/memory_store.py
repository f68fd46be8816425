"""A budget store in the memory of one process: for tests, and programs of one process that may write no file. Imports the port only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import msgspec

from farebox.budgets.store import LARGEST, READABLE, REMEMBERED, RETRIED, Denied, Draw, Kept, Reading, Shared

_Key = tuple[str, str, str]


class _Piece(msgspec.Struct):
    until: int
    spent: int = 0
    held: int = 0
    calls: int = 0


class _Hold(msgspec.Struct):
    owner: str
    expires_at: int
    state: str
    draws: tuple[Draw, ...]


class MemoryBudgetStore:
    """Counters under one lock. A child of `fork` has a copy, and limits then hold in each process apart."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._buckets: dict[_Key, dict[int, _Piece]] = {}
        self._holds: dict[str, _Hold] = {}
        self._kept: dict[str, Kept] = {}
        self._shared: dict[str, Shared] = {}

    def reserve(self, hold: str, draws: Sequence[Draw], *, owner: str, now: int, expires_at: int) -> Denied | None:
        """See the port."""
        del now
        with self._lock:
            if hold in self._holds:
                return None
            for place, draw in enumerate(draws):
                if draw.shared and draw.budget not in self._shared:
                    return Denied(place, 0, 0, draw.piece, closed=True)
                pieces = {
                    piece: found
                    for piece, found in self._buckets.get(_key(draw), {}).items()
                    if piece >= draw.since and (found.spent or found.held)
                }
                spent, held = sum(one.spent for one in pieces.values()), sum(one.held for one in pieces.values())
                if draw.limit is not None and draw.amount and spent + held + draw.amount > draw.limit:
                    return Denied(place, spent, held, min(pieces, default=draw.piece))
            for draw in draws:
                piece = self._piece(draw)
                piece.held = min(LARGEST, piece.held + draw.amount)
            self._holds[hold] = _Hold(owner, expires_at, "held", tuple(draws))
            return None

    def settle(self, hold: str, actual: Mapping[str, int | None], *, now: int, calls: int = 1) -> bool:
        """See the port."""
        with self._lock:
            found = self._holds.get(hold)
            if found is None or found.state == "settled":
                return False
            for draw in found.draws:
                piece = self._buckets.get(_key(draw), {}).get(draw.piece)
                if piece is None:
                    continue
                amount = actual.get(draw.unit)
                if found.state == "held":
                    piece.held -= draw.amount
                    piece.calls += calls
                else:
                    piece.spent -= draw.amount
                piece.spent = min(LARGEST, piece.spent + (draw.amount if amount is None else amount))
            found.state, found.draws, found.expires_at = "settled", (), now + RETRIED
            return True

    def book(self, booking: str, draws: Sequence[Draw], *, calls: int, now: int) -> None:
        """See the port."""
        with self._lock:
            if booking in self._holds:
                return
            for draw in draws:
                piece = self._piece(draw)
                piece.spent = min(LARGEST, piece.spent + draw.amount)
                piece.calls += calls
            self._holds[booking] = _Hold("", now + RETRIED, "settled", ())

    def expire(self, now: int, dead: Callable[[str], bool]) -> int:
        """See the port."""
        with self._lock:
            held = [one for one in self._holds.values() if one.state == "held"]
            gone = {owner for owner in {one.owner for one in held} if dead(owner)}
            charged = [one for one in held if one.expires_at <= now or one.owner in gone]
            for hold in charged:
                self._charge(hold, now)
            for one in list(self._shared.values()):
                if dead(one.owner) or (one.expires_at <= now and not self._counts(one.budget, now)):
                    charged += self._end(one.budget, now)
            self._holds = {
                name: one for name, one in self._holds.items() if one.state == "held" or one.expires_at > now
            }
            for pieces in self._buckets.values():
                for number in [number for number, piece in pieces.items() if piece.until + REMEMBERED < now]:
                    del pieces[number]
            return len(charged)

    def read(self, budget: str, terms: str, since: int) -> list[Reading]:
        """See the port."""
        with self._lock:
            found = []
            for (name, of, bucket), pieces in self._buckets.items():
                counted = [piece for number, piece in pieces.items() if number >= since]
                if (name, of) == (budget, terms) and counted:
                    sums = (
                        sum(column)
                        for column in zip(*((one.spent, one.held, one.calls) for one in counted), strict=True)
                    )
                    found.append(Reading(bucket, *sums))
            return sorted(found, key=lambda one: one.bucket)

    def reset(self, budget: str) -> int:
        """See the port."""
        with self._lock:
            buckets = [pieces for key, pieces in self._buckets.items() if key[0] == budget]
            touched = sum(any(piece.spent or piece.calls for piece in pieces.values()) for pieces in buckets)
            for pieces in buckets:
                for piece in pieces.values():
                    piece.spent = piece.calls = 0
            for hold in self._holds.values():
                if hold.state == "charged":
                    hold.draws = tuple(draw for draw in hold.draws if draw.budget != budget)
            return touched

    def share(self, shared: Shared) -> None:
        """See the port."""
        with self._lock:
            self._shared.setdefault(shared.budget, shared)

    def shared(self, budget: str) -> Shared | None:
        """See the port."""
        with self._lock:
            return self._shared.get(budget)

    def end(self, budget: str, now: int) -> bool:
        """See the port."""
        with self._lock:
            there = budget in self._shared
            self._end(budget, now)
            return there

    def keep(self, kept: Kept) -> None:
        """See the port."""
        with self._lock:
            before = self._kept.get(kept.name)
            if kept.binding or before is None or not before.binding:
                self._kept[kept.name] = kept

    def drop(self, name: str) -> bool:
        """See the port."""
        with self._lock:
            return self._kept.pop(name, None) is not None

    def kept(self) -> list[Kept]:
        """See the port."""
        with self._lock:
            return [self._kept[name] for name in sorted(self._kept)]

    def close(self) -> None:
        """See the port."""

    def before_fork(self) -> None:
        """See the port."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """See the port."""
        self._lock.release()

    def _piece(self, draw: Draw) -> _Piece:
        pieces = self._buckets.setdefault(_key(draw), {})
        found = pieces.get(draw.piece)
        if found is None:
            found = pieces[draw.piece] = _Piece(draw.until)
        found.until = max(found.until, draw.until)
        return found

    def _charge(self, hold: _Hold, now: int) -> None:
        for draw in hold.draws:
            piece = self._buckets.get(_key(draw), {}).get(draw.piece)
            if piece is not None:
                piece.held -= draw.amount
                piece.spent = min(LARGEST, piece.spent + draw.amount)
                piece.calls += 1
        hold.state, hold.expires_at = "charged", now + REMEMBERED

    def _counts(self, budget: str, now: int) -> bool:
        pieces = [piece for key, found in self._buckets.items() if key[0] == budget for piece in found.values()]
        return any(piece.until > now for piece in pieces)

    def _end(self, budget: str, now: int) -> list[_Hold]:
        """Close a shared budget; returns what was charged."""
        if self._shared.pop(budget, None) is None:
            return []
        draws_on_it = [
            one
            for one in self._holds.values()
            if one.state == "held" and any(draw.budget == budget for draw in one.draws)
        ]
        for hold in draws_on_it:
            self._charge(hold, now)
        for key, pieces in self._buckets.items():
            if key[0] == budget:
                for piece in pieces.values():
                    piece.until = now + READABLE - REMEMBERED
        return draws_on_it


def _key(draw: Draw) -> _Key:
    return draw.budget, draw.terms, draw.bucket
