"""The dashboard at size: when the first numbers are there in headless Chromium, when a call shows, what each panel takes. Run it with `nox -s bench`.

    python tests/benchmarks/bench_dashboard.py [CALLS ...] [--ledger PATH]

By default 1 000 000 calls over 90 days; `--ledger` takes one that `bench_ledger.py --keep` has left. Needs chromium and npm.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

sys.path.append(str(Path(__file__).parents[1] / "dashboard"))

import bench_ledger
from playwright.sync_api import Page, expect, sync_playwright
from serving import TOKEN, Dashboard

import farebox
from farebox.dashboard import app, build
from farebox.ledger.sqlite import SQLiteLedger

PANELS = (
    *(
        "totals",
        "forecast",
        "timeline",
        "timeline?by=tenant_id",
        "timeline?zone=Asia/Kolkata",
        "spend?by=tenant_id",
        "spend?by=task_type",
    ),
    *(
        "latency",
        "latency?zone=Asia/Kolkata",
        "savings",
        "unpriced",
        "calls",
        "totals?tenant_id=tenant-007",
        "pace?tenant_id=tenant-007",
        "timeline?tenant_id=tenant-007",
        "timeline?user_id=user-7",
        "metrics",
    ),
)
RANGES = ("24h", "30d", "90d")
LOADS = 5


def fill(path: Path, calls: int) -> None:
    """A ledger of so many calls."""
    with SQLiteLedger(path) as ledger:
        for number, batch in enumerate(bench_ledger.events(calls)):
            ledger.ingest(batch, journal="bench", segment=0, offset=number + 1)
        ledger.checkpoint()


def panels(dashboard: Dashboard) -> None:
    """What each answer takes when nothing is kept of it."""
    for panel in PANELS:
        taken = []
        for number, range_ in enumerate(RANGES):
            address = (
                f"/metrics?n={number}"
                if panel == "metrics"
                else f"/api/{panel}{'&' if '?' in panel else '?'}range={range_}"
            )
            started = time.perf_counter()
            with urlopen(Request(dashboard.url + address, headers={"Authorization": f"Bearer {TOKEN}"})) as answer:
                size = len(answer.read())
            taken.append(f"{range_} {1000 * (time.perf_counter() - started):6.0f} ms")
        print(f"  {panel:32} {'   '.join(taken)}   {size / 1000:6.1f} kB")


def first_data(page: Page, dashboard: Dashboard) -> tuple[float, float]:
    """Milliseconds from the start of the navigation until figures stand there, and until every chart does."""
    page.goto(f"{dashboard.url}/?token={TOKEN}", wait_until="commit")
    page.wait_for_selector(".figure-value")
    figures = page.evaluate("performance.now()")
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=60_000)
    page.wait_for_selector(".calls td")
    everything = page.evaluate("performance.now()")
    return figures, everything


def live(page: Page, ledger: Path, number: int) -> float:
    """Milliseconds from when a call returned until it stands in the table."""
    with farebox.tracked("live", tenant_id=f"newcomer-{number}"):
        farebox.record_call(
            provider="openai", model="gpt-5-mini", usage={"prompt_tokens": 1000, "completion_tokens": 100}
        )
    returned = time.perf_counter()
    expect(page.locator("table.calls tbody tr").first).to_contain_text(f"newcomer-{number}", timeout=20_000)
    return 1000 * (time.perf_counter() - returned)


def measure(path: Path) -> None:
    """Everything, for one ledger."""
    # The calls end where bench_ledger's do: the clock is set so that they end a minute ago.
    SQLiteLedger(path).close()  # a kept one may be of an older schema
    shift = time.time_ns() - bench_ledger.END - 60 * 10**9
    farebox.configure(ledger=path)
    dashboard = Dashboard(app(path, token=TOKEN, clock=lambda: time.time_ns() - shift))
    try:
        panels(dashboard)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            loads = [first_data(browser.new_context().new_page(), dashboard) for _ in range(LOADS)]
            for name, times in zip(("figures", "every chart"), zip(*loads, strict=True), strict=True):
                print(f"  {name}: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms of {LOADS} loads")
            dashboard.close()
            dashboard = Dashboard(app(path, token=TOKEN))
            page = browser.new_page()
            page.goto(f"{dashboard.url}/?token={TOKEN}&range=24h")
            expect(page.get_by_text("Live", exact=True)).to_be_visible()
            times = [live(page, path, number) for number in range(10)]
            print(f"  a call shows: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms of 10")
            browser.close()
    finally:
        dashboard.close()
        farebox.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="*", type=int, default=[1_000_000])
    parser.add_argument("--ledger", type=Path)
    chosen = parser.parse_args()
    if not build.is_built():
        build.build()
    if chosen.ledger:
        print(chosen.ledger)
        measure(chosen.ledger)
        return
    for calls in chosen.calls:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "ledger.db"
            fill(path, calls)
            print(f"{calls:,} calls, {path.stat().st_size / 1e6:,.0f} MB")
            measure(path)


if __name__ == "__main__":
    main()
