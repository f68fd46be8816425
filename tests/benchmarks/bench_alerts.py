"""What it costs that budgets are watched, where nothing is reached. Run it with `nox -s bench`."""

from __future__ import annotations

import tempfile
import timeit
from pathlib import Path

from farebox.alerts.claims import Claims
from farebox.alerts.dispatcher import Alerts
from farebox.budgets.account import Account
from farebox.budgets.gate import Gate
from farebox.budgets.reservation import Reservation

AT = (500_000, 800_000, 1_000_000)
TIMES = 20_000


def show(what: str, seconds: float, goal: str) -> None:
    print(f"{what:<62} {seconds * 1e9:8.0f} ns         goal {goal}")


def bench_shared(directory: Path) -> None:
    """A look at a shared budget after a booking."""
    alerts = Alerts((), alert_at=AT, claims=Claims(directory / "ledger.db.alerts"), wake=lambda: None)
    alerts.spent("monthly", "acme", 7, 10**9, 10)
    best = min(timeit.repeat(lambda: alerts.spent("monthly", "acme", 7, 10**9, 11), number=TIMES, repeat=9)) / TIMES
    show("spent(), nothing reached", best, "1000")


def bench_booking(directory: Path) -> None:
    """A booking with a limit that is watched, against one without a limit, side by side."""
    gate = Gate(1)
    gate.alert_at = AT
    gate.alarm = Alerts((), alert_at=AT, claims=Claims(directory / "ledger.db.alerts"), wake=lambda: None)
    watched, plain = Account(10**15), Account(None)
    costs = {}
    for account in (watched, plain):
        reservation = Reservation([account], 0)
        costs[account] = (
            min(timeit.repeat(lambda held=reservation: gate._book(held, 1), number=TIMES, repeat=9)) / TIMES
        )
    show("booking, nothing reached: more than without a limit", costs[watched] - costs[plain], "1000")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        bench_shared(Path(directory))
        bench_booking(Path(directory))
