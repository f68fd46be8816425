"""Nobody gets in who should not, nothing is written, nothing leaks."""

from __future__ import annotations

import http.client

import pytest
from serving import NOW, TOKEN
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from farebox.dashboard import app
from farebox.dashboard.access import ANY_ADDRESS

PATHS = (
    "/",
    "/app.js",
    "/app.css",
    "/icon.svg",
    "/api/about",
    "/api/totals",
    "/api/events",
    "/api/reports/spend",
    "/metrics",
    "/none",
)


@pytest.fixture
def closed(serve, path, write, make_event):
    """A dashboard that was not entered."""
    write(make_event(started_at=NOW, tenant_id="a-secret-tenant"))
    return serve(app(path, token=TOKEN, clock=lambda: NOW))


@pytest.mark.parametrize("path_", PATHS)
def test_without_the_token_every_address_says_how_to_get_in_and_nothing_else(closed, path_):
    answer = closed.ask(path_)
    assert answer.status == 401
    assert "it ends in ?token=" in answer.text
    assert TOKEN not in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "%00", "%F0%9F%92%B8", f"{TOKEN}&token={TOKEN}"]
)
def test_a_wrong_token_is_refused_without_a_cookie(closed, token):
    answer = closed.ask(f"/?token={token}")
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_the_token_becomes_a_cookie_and_leaves_the_address(closed):
    answer = closed.ask(f"/?range=7d&token={TOKEN}&tenant_id=a%26b")
    assert answer.status == 303
    assert answer.headers["location"] == "./?range=7d&tenant_id=a%26b"
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "Secure" not in cookie
    closed.enter()
    assert closed.ask("/api/totals").status == 200


def test_a_program_says_the_token_in_a_header_and_gets_no_cookie(closed):
    answer = closed.ask("/api/totals", Authorization=f"Bearer {TOKEN}")
    assert (answer.status, "set-cookie" in answer.headers) == (200, False)
    for wrong in ("Bearer ", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
        assert closed.ask("/api/totals", Authorization=wrong).status == 401


def test_behind_tls_the_cookie_never_goes_without_it(closed):
    assert "Secure" in closed.ask(f"/?token={TOKEN}", X_Forwarded_Proto="https").headers["set-cookie"]


@pytest.mark.parametrize("cookie", ["", "farebox=1", "=", "a=b; \x7f", "farebox_{name}=" + "0" * 64, "farebox_{name}="])
def test_another_cookie_does_not_let_in(closed, cookie):
    name = closed.ask(f"/?token={TOKEN}").headers["set-cookie"].partition("=")[0].removeprefix("farebox_")
    assert closed.ask("/api/totals", Cookie=cookie.format(name=name)).status == 401


def test_the_cookie_of_another_dashboard_on_this_machine_does_not_let_in_nor_is_it_replaced(closed, serve, path):
    other = serve(app(path, token="another-token-altogether"))
    other.enter("another-token-altogether")
    closed.cookie = other.cookie
    assert closed.ask("/api/totals").status == 401
    assert closed.ask(f"/?token={TOKEN}").headers["set-cookie"].split("=")[0] != other.cookie.split("=")[0]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3335",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[::1",
        "10.0.0.7",
        "<script>",
    ],
)
def test_a_foreign_host_is_refused_before_the_token_is_looked_at(closed, host):
    for path_ in ("/", f"/?token={TOKEN}", "/api/totals"):
        answer = closed.ask(path_, Host=host)
        assert answer.status in (400, 421)
        assert "set-cookie" not in answer.headers
        assert "<script>" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:3335"])
def test_this_machine_is_known_by_its_names(dashboard, host):
    assert dashboard.ask("/api/about", Host=host).status == 200


def test_an_exposed_dashboard_is_known_by_addresses_and_its_names_only(serve, path, write):
    exposed = serve(app(path, token=None, hosts=("farebox.example", ANY_ADDRESS)))
    for host, status in (("10.1.2.3:3335", 200), ("[fe80::1]", 200), ("farebox.example", 200), ("evil.example", 421)):
        assert exposed.ask("/api/about", Host=host).status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
def test_pages_of_other_sites_read_nothing(dashboard, headers):
    for path_ in ("/api/totals", "/api/events", "/app.js"):
        assert dashboard.ask(path_, **headers).status == 403


def test_its_own_pages_read_and_links_from_elsewhere_open_the_page(dashboard):
    assert dashboard.ask("/api/about", Origin=dashboard.url, Sec_Fetch_Site="same-origin").status == 200
    assert dashboard.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status in (200, 503)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_there_is_nothing_to_write(dashboard, method):
    for path_ in ("/", "/api/totals", "/api/reports/budgets"):
        answer = dashboard.ask(path_, method)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_websocket_is_turned_away(dashboard):
    with pytest.raises(InvalidStatus), connect(f"ws://{dashboard.host}/api/events"):
        pass


@pytest.mark.parametrize(
    "path_",
    [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/pyproject.toml",
        "/static/../server.py",
        "/app.js/../../server.py",
        "//etc/passwd",
        "/etc/passwd%00.js",
        "/..\\..\\server.py",
        "/api/../server.py",
        "/api/%2e%2e%2f%2e%2e%2fserver.py",
        "/api/reports/..%2f..%2fserver.py",
        "/ui/package.json",
        "/source.sha256",
    ],
)
def test_no_path_leads_out_of_the_page(dashboard, path_):
    answer = dashboard.ask(path_)
    assert answer.status == 404
    assert "root:" not in answer.text
    assert "import" not in answer.text


@pytest.mark.parametrize(
    "path_", [*PATHS[:6], "/metrics", "/none", "/api/none", "/api/totals?range=no", "/api/spend?format=csv"]
)
def test_every_answer_forbids_inline_scripts_frames_and_guessing(dashboard, path_):
    headers = dashboard.ask(path_).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "no-store" in headers["cache-control"] or "no-cache" in headers["cache-control"]
    assert "access-control-allow-origin" not in headers


def test_refusals_carry_the_same_headers(closed):
    for answer in (closed.ask("/"), closed.ask("/", Host="evil.example"), closed.ask("/", "POST")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_it_can_be_mounted_in_an_application_that_decides_itself_who_may_see_it(serve, path, write, make_event):
    write(make_event(started_at=NOW))
    inner = app(path, token=None, clock=lambda: NOW)
    mounted = serve(Starlette(routes=[Mount("/money", inner)]))
    assert mounted.ask("/money/api/totals").rows[0]["calls"] == 1
    assert mounted.ask("/api/totals").status == 404
    assert mounted.ask("/money/api/totals", Host="evil.example").status == 421


def test_mounted_with_a_token_the_cookie_goes_to_its_part_of_the_site_only(serve, path, write):
    mounted = serve(Starlette(routes=[Mount("/money", app(path, token=TOKEN))]))
    answer = mounted.ask(f"/money/?token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "./")
    assert "Path=/money/" in answer.headers["set-cookie"]
    mounted.cookie = answer.headers["set-cookie"].partition(";")[0]
    assert mounted.ask("/money/api/about").status == 200


def test_a_head_request_is_answered_without_a_body(dashboard):
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port)
    connection.request("HEAD", "/api/about", headers={"Cookie": dashboard.cookie})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.close()
