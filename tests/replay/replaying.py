"""One recorded exchange through the real SDK, with and without hooks. A module of its own, so that worker processes can import it."""

from __future__ import annotations

import sys
import warnings

from farebox.core import guard
from farebox.instruments.patching import WireOptions, install


class Call:
    def __init__(self, meter):
        self.meter = meter

    def first_chunk(self):
        pass

    def settle(self, usage=None, **facts):
        self.meter.ends.append((usage, facts))


class Meter:
    def __init__(self):
        self.opened = 0
        self.ends = []

    def open(self, request):
        request.body = None  # as the real one does
        self.opened += 1
        return Call(self)


def check(exchange, mode, base_url):
    """None when all is well, "skip: ..." where no SDK method fits, else what went wrong."""
    import drive

    meter = Meter()
    try:
        without = drive.drive_observe(exchange, base_url, mode)
    except drive.Skip as skip:
        return f"skip: {skip}"
    installed = install((), meter=lambda: meter, options=WireOptions())
    try:
        seen = drive.drive_observe(exchange, base_url, mode)
    finally:
        installed.undo()
    if seen != without:
        return f"the SDK's result changed: {without} became {seen}"
    if (meter.opened, len(meter.ends)) != (1, 1):
        return f"{meter.opened} calls opened, {len(meter.ends)} settled"
    return judge(exchange, *meter.ends[0])


def judge(exchange, usage, facts):
    """What is wrong with the event's usage, or None."""
    if usage is None or usage.raw != exchange["usage"]:
        return f"usage {usage and usage.raw}, recorded {exchange['usage']}"
    if facts["partial"] or facts["status"] != "ok":
        return f"ended as {facts}"
    if usage.total is not None and not usage.notes and usage.input_tokens + usage.output_tokens != usage.total:
        return f"units {usage.units} do not add up to {usage.total}, and no note says so"
    return None


def prepare(folder):
    sys.path.insert(0, folder)
    warnings.simplefilter("ignore")
    guard.raise_faults(enabled=True)


def work(job):
    exchange, mode, base_url = job
    try:
        problem = check(exchange, mode, base_url)
    except Exception as error:
        problem = f"raised {error!r}"
    return exchange["id"], mode, exchange["endpoint"], problem
