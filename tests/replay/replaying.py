"""One recorded exchange through the real SDK, with and without hooks. A module of its own, so that worker processes can import it."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from farebox import scopes
from farebox.budgets.gate import Gate
from farebox.core import guard, semconv
from farebox.instruments.patching import WireOptions, install
from farebox.meter import Meter
from farebox.pricing.estimate import Estimator
from farebox.pricing.quoting import BookPrices


class Kept:
    """A journal that keeps nothing: what happened is captured."""

    def append(self, event):
        pass

    def occupy(self, event):
        return -1

    def rename(self, slot, before, after):
        pass

    def vacate(self, slot):
        pass


def real_meter():
    prices = BookPrices()
    return Meter(prices=prices, estimator=Estimator(prices), gate=Gate(1), journal=Kept())


def check(exchange, mode, base_url, *, helper=False):
    """None when all is well, "skip: ..." where no SDK method fits, else what went wrong."""
    import drive

    try:
        without = drive.drive_observe(exchange, base_url, mode, helper=helper)
    except drive.Skip as skip:
        return f"skip: {skip}"
    meter = real_meter()
    installed = install((), meter=lambda: meter, options=WireOptions())
    try:
        with scopes.Capture() as once:
            seen = drive.drive_observe(exchange, base_url, mode, helper=helper)
        if exchange["method"] == "GET":
            with scopes.Capture() as twice:
                drive.drive_observe(exchange, base_url, mode, helper=helper)
            if twice.calls:
                return f"fetched twice, told twice: {twice.calls}"
    finally:
        installed.undo()
    if seen != without:
        return f"the SDK's result changed: {without} became {seen}"
    if meter.open_calls:
        return "a call was left open"
    return judge(exchange, once.calls)


def billed(exchange):
    """Every usage object that stands in the exchange and was billed: one, or one a line."""
    if exchange["usage"] is not None:
        return [exchange["usage"]]
    return [line["usage"] for line in exchange["usages"]]


def judge(exchange, events):
    """What is wrong with the events, or None."""
    expected = billed(exchange)
    if not expected:
        failed = exchange["status"] >= 400
        wrong = [
            event
            for event in events
            if (
                event.cost_nano or event.status != "error"
                if failed
                else event.cost_status in SURE and not by_request(event)
            )
        ]
        return f"no usage was sent, yet {wrong}" if wrong else None
    if [event.raw_usage for event in events] != expected:
        return f"usage {[event.raw_usage for event in events]}, recorded {expected}"
    for event in events:
        if event.status != "ok":
            return f"ended as {event.status}"
        if event.cost_status == semconv.COST_ESTIMATED:
            return f"estimated although usage came: {event}"
        if event.cost_nano == 0 and not zero(event.raw_usage) and "free" not in str(event):
            return f"costs nothing: {event}"
    return None


def zero(usage):
    return not any(value for value in flat(usage))


def flat(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from flat(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


SURE = (semconv.COST_PRICED, semconv.COST_PROVIDER, semconv.COST_PARTIAL)


def by_request(event):
    """Whether the request itself said what is billed."""
    return event.raw_usage is None and bool(event.units) and (event.cost_nano or 0) > 0


def prepare(folder):
    sys.path.insert(0, folder)
    sys.path.insert(0, str(Path(__file__).parent))
    warnings.simplefilter("ignore")
    guard.raise_faults(enabled=True)


def work(job):
    exchange, mode, base_url, helper = job
    try:
        problem = check(exchange, mode, base_url, helper=helper)
    except Exception as error:
        problem = f"raised {error!r}"
    return exchange["id"], mode, exchange["endpoint"], problem
