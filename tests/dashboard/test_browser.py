"""The page in a real browser: it draws, it is quiet, it stays at home, everybody can read it, and it shows a call as it comes in."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time

import pytest
from playwright.sync_api import expect, sync_playwright
from serving import TOKEN

import farebox
from farebox.dashboard import app, build

expect.set_options(timeout=20_000)  # a machine with other work on it
CHROMIUM = shutil.which("chromium") or "chromium"
TENANTS = (
    "acme",
    "globex",
    "initech",
    None,
    "<script>document.title='owned'</script>",
    "=cmd()",
    '"><img src=x onerror=alert(1)>',
)
DAY = 86_400_000_000_000
UNKNOWN = {"cost_nano": None, "cost_status": "unpriced"}


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The accessibility checker, in the version that the lock pins."""
    directory = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(build.UI / name, directory / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return (directory / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser():
    if not build.is_built():
        build.build()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def ledger(tmp_path, write, path, make_event):
    """A ledger of the last forty days, with names that try things, unknown costs, and a budget."""
    chance, now = random.Random(3), time.time_ns()
    write(
        *(
            make_event(
                started_at=now - chance.randrange(40 * DAY) - 10**9,
                request_model=chance.choice(["gpt-5", "gpt-5-mini", "claude-haiku-4-5", "gemini-2.5-flash"]),
                tenant_id=chance.choice(TENANTS),
                task_type=chance.choice(["search", "chat", None]),
                **chance.choice(
                    [{"cost_nano": 123_456_789}, {"cost_nano": 10**7, "cost_status": "estimated"}, UNKNOWN]
                ),
                cache_read_tokens=chance.choice([0, 600]),
                duration_ns=chance.randrange(10**8, 10**10),
                first_chunk_ns=chance.choice([None, 3 * 10**8]),
                status=chance.choice(["ok", "ok", "error"]),
                api="chat.completions",
            )
            for _ in range(300)
        )
    )
    farebox.configure(ledger=path)
    farebox.set_budget("each tenant", limit="2", window="month", per="tenant_id")
    for tenant, cost in (("acme", "0.5"), ("globex", "1.9"), ("initech", "2.5")):
        with farebox.tracked("chat", tenant_id=tenant):
            record(cost)
    farebox.flush()
    return path


def record(cost, model="gpt-5-mini"):
    farebox.record_call(provider="openai", model=model, usage={"prompt_tokens": 10, "completion_tokens": 2}, cost=cost)


class Page:
    """A page that remembers what it must not do."""

    def __init__(self, browser, dashboard, **context):
        self._context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **context})
        self.page = self._context.new_page()
        self.faults = []
        self.page.on(
            "console", lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.faults.append(f"{error} {error.stack}"))
        self.page.on("request", self._look)
        self.page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        self._home = dashboard.url

    def _look(self, request):
        if not request.url.startswith((self._home, "data:", "blob:")):
            self.faults.append(f"asked {request.url}")

    def enter(self, view=""):
        self.page.goto(f"{self._home}/?token={TOKEN}{view}")
        expect(self.page.locator(".figure").first).to_be_visible()
        expect(self.page.locator("[aria-busy]")).to_have_count(0)
        expect(self.page.get_by_text("Live", exact=True)).to_be_visible()
        return self.page

    def close(self, *, but=None):
        """End it; nothing may have gone wrong but what contains `but`."""
        self._context.close()
        assert [fault for fault in self.faults if but is None or but not in fault] == []


@pytest.fixture
def look(browser, serve, ledger):
    dashboard = serve(app(ledger, token=TOKEN))
    opened = []

    def make(**context):
        opened.append(Page(browser, dashboard, **context))
        return opened[-1]

    yield make
    for page in opened:
        page.close()


SIGHTS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_everybody_can_read_it_and_it_draws(look, axe, sight):
    page = look(**SIGHTS[sight]).enter()
    charts = page.locator(".plot svg")
    expect(charts.nth(4)).to_be_visible()  # panels come one by one
    for at in range(charts.count()):
        chart = charts.nth(at)
        expect(chart.locator(".mark").first).to_be_attached()
        box = chart.bounding_box()
        assert box["height"] >= 150, at
        assert box["width"] >= 200, at
        marks = chart.locator(".mark")
        assert marks.count() >= 1, at
        sizes = [marks.nth(index).bounding_box() for index in range(min(marks.count(), 40))]
        assert max(size["height"] for size in sizes if size) > 3, at
        assert max(size["width"] for size in sizes if size) > 3, at
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    page.evaluate(axe)
    assert violations(page) == []
    page.locator("details.data summary").first.click()
    page.get_by_role("button", name="+ Add filter").click()
    page.locator("table.calls button").first.click()
    expect(page.locator(".headline")).to_be_visible()
    if sight != "narrow":
        assert violations(page) == []


def violations(page):
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


def test_a_call_is_on_the_page_as_it_comes_in(look):
    page = look().enter("&range=24h")
    before = page.locator(".figure").first.inner_text()
    with farebox.tracked("just-now", tenant_id="newcomer"):
        record("100")
    expect(page.locator("table.calls tbody tr").first).to_contain_text("newcomer")
    expect(page.locator(".figure").first).not_to_have_text(before)
    expect(page.locator(".tops").first).to_contain_text("newcomer")


def test_the_token_is_not_in_the_address_and_the_view_is(look):
    page = look().enter("&range=7d&tenant_id=acme")
    assert TOKEN not in page.url
    assert page.url.endswith("/?range=7d&tenant_id=acme")
    expect(page.get_by_role("button", name="Remove the filter tenant acme")).to_be_visible()
    page.get_by_role("group", name="Range").get_by_role("button", name="90 d").click()
    assert "range=90d" in page.url
    page.get_by_role("button", name="Tenant", exact=True).click()
    assert "by=tenant_id" in page.url
    page.go_back()
    assert "by=" not in page.url
    page.get_by_role("button", name="Remove the filter tenant acme").click()
    assert "tenant_id" not in page.url
    page.reload()
    expect(page.get_by_role("button", name="90 d")).to_have_attribute("aria-pressed", "true")


def test_names_that_are_markup_are_text_and_found_by_a_click(look):
    page = look().enter()
    page.locator(".top", has_text="<script>").first.click()
    expect(page.locator(".chip")).to_contain_text("<script>document.title='owned'</script>")
    assert page.title() == "farebox"
    assert "tenant_id=%3Cscript%3E" in page.url
    rows = page.locator("table.calls tbody tr")
    expect(rows.first).to_contain_text("<script>")


def test_a_filter_is_added_by_keyboard(look):
    page = look().enter()
    page.get_by_role("button", name="+ Add filter").press("Enter")
    page.get_by_label("Dimension", exact=True).select_option("task_type")
    value = page.get_by_label("Value; empty for calls without one")
    expect(page.locator("#filter-values option").first).to_be_attached()
    value.fill("search")
    value.press("Enter")
    expect(page.locator(".chip")).to_contain_text("search")
    assert "task_type=search" in page.url


def test_charts_are_read_with_arrow_keys(look):
    page = look().enter()
    chart = page.get_by_role("img", name=re.compile("Cost over time by model")).first
    chart.focus()
    chart.press("End")
    expect(page.locator(".tip")).to_be_visible()
    spoken = page.locator("[aria-live=polite]", has_text="total").first
    last = spoken.inner_text()
    chart.press("ArrowLeft")
    expect(spoken).not_to_have_text(last)
    chart.press("Escape")
    expect(page.locator(".tip")).to_have_count(0)


def test_what_is_unknown_is_said_and_sums_over_it_are_lower_bounds(look):
    page = look().enter("&range=all")
    spend = page.locator(".figure", has_text="Spend").first
    expect(spend).to_contain_text("\u2265")
    expect(page.locator("table.calls").get_by_text("unknown").first).to_be_visible()


def test_a_call_is_opened_and_explained(look):
    page = look().enter()
    page.locator("table.calls button").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("How this cost is made up")
    expect(dialog).to_contain_text("No prompt and no answer is ever stored")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_budgets_show_where_they_lead(look):
    page = look().enter()
    budgets = page.locator("section", has=page.get_by_role("heading", name="Budgets", exact=True))
    expect(budgets.locator(".budget").first).to_contain_text("initech")
    expect(budgets.locator(".budget").first).to_contain_text("used up")
    budgets.locator(".budget", has_text="acme").click()
    expect(budgets.locator(".burn h3")).to_contain_text("acme")
    expect(budgets.locator(".burn .line")).to_have_count(2)


def test_the_view_is_exported_as_a_file(look):
    page = look().enter("&tenant_id=acme")
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_label("Calls as CSV").click()
    assert download.value.suggested_filename == "farebox-calls.csv"
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("id,started,provider")
    assert "globex" not in text


def test_the_theme_is_kept(look):
    page = look(color_scheme="light").enter()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != ground
    page.reload()
    expect(page.locator(".figure").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_two_tabs_share_one_stream(look):
    first = look()
    first.enter()
    second = first._context.new_page()
    streams = []
    second.on("request", lambda request: streams.append(request.url) if "events" in request.url else None)
    second.goto(first.page.url)
    expect(second.get_by_text("Live", exact=True)).to_be_visible()
    assert streams == []
    first.page.close()
    with farebox.tracked("after", tenant_id="takeover"):
        record("50")
    farebox.flush()
    expect(second.locator("table.calls tbody tr").first).to_contain_text("takeover", timeout=10_000)
    assert len(streams) == 1


def test_an_empty_ledger_says_what_to_do(browser, serve, path, write):
    page = Page(browser, dashboard := serve(app(path, token=TOKEN)))
    page.page.goto(f"{dashboard.url}/?token={TOKEN}&range=7d&tenant_id=nobody")
    expect(page.page.get_by_role("heading", name="No calls here")).to_be_visible()
    expect(page.page.get_by_text("farebox.instrument()")).to_be_visible()
    page.page.get_by_role("button", name="Show everything").click()
    assert "range=all" in page.page.url
    page.close()


def test_a_ledger_that_is_not_there_says_what_to_do_and_appears_by_itself(browser, serve, tmp_path, make_event):
    from farebox.ledger.registry import open_ledger

    path = tmp_path / "later.db"
    page = Page(browser, dashboard := serve(app(path, token=TOKEN)))
    page.page.goto(f"{dashboard.url}/?token={TOKEN}")
    expect(page.page.get_by_role("alert").first).to_contain_text("run the program that writes it first")
    with open_ledger(path) as ledger:
        ledger.ingest([make_event(started_at=time.time_ns())], journal="j", segment=0, offset=1)
    expect(page.page.locator(".figure").first).to_be_visible(timeout=10_000)
    page.close(but="503")  # the browser logs each


def test_without_its_token_the_page_says_what_to_do(browser, serve, path, write):
    dashboard = serve(app(path, token=TOKEN))
    context = browser.new_context()
    page = context.new_page()
    page.goto(dashboard.url)
    expect(page.get_by_text("Open the address that farebox dashboard printed")).to_be_visible()
    context.close()
