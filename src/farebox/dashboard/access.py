"""Who may ask: host, origin, method and token are checked before anything else is looked at. Imports starlette.

Threats: a page in the same browser that posts, frames or reads (Origin, Sec-Fetch-Site, SameSite, frame-ancestors), a name that is
pointed at loopback (Host), another user of the machine (token), a tenant's name that is markup (the policy allows no inline script).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine to itself."""

ANY_ADDRESS: Final = "any-address"
"""Among the hosts: every IP address written out. No foreign site can make a browser say one that is not its own."""

TOKEN: Final = "token"  # noqa: S105 - the name of the parameter
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_REMEDY: Final = "Open the address that farebox dashboard printed: it ends in ?token=..."


class Access:
    """ASGI middleware in front of everything.

    Args:
        inner: what it guards.
        token: what the address must carry once; None: whoever mounts this has decided who may see it.
        hosts: names under which it may be called; `ANY_ADDRESS` among them allows every IP address.
    """

    def __init__(self, inner: ASGIApp, *, token: str | None, hosts: Sequence[str]) -> None:
        self._inner = inner
        self._hosts = frozenset(host.lower() for host in hosts)
        self._secret = None if token is None else _digest("cookie", token)
        self._asked = None if token is None else _digest("address", token)
        # Cookies know no ports: two dashboards on one machine must not log each other out.
        self._cookie = "" if token is None else f"farebox_{_digest('name', token)[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # there is none here
            return
        refusal = self._refusal(scope)
        await (refusal or self._inner)(scope, receive, _hardened(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            return _problem(scope, 405, "This only reads: use GET.", allow="GET, HEAD")
        host = headers.get("host", "")
        if not self._known(host):
            return _problem(scope, 421, "That host is no name of this dashboard: see farebox dashboard --help.")
        if not _same_origin(headers, host):
            return _problem(scope, 403, "Another site asked: only this dashboard's own pages may.")
        return None if self._secret is None else self._let_in(scope, headers)

    def _known(self, host: str) -> bool:
        name = _name(host)
        if name in self._hosts:
            return True
        if ANY_ADDRESS not in self._hosts:
            return False
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _let_in(self, scope: Scope, headers: Headers) -> Response | None:
        """None for who has the cookie, or is a program that says the token; the cookie for who has it in the address; else a refusal."""
        parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in parameters if name == TOKEN]
        if tokens:
            if len(tokens) > 1 or not hmac.compare_digest(_digest("address", tokens[0]), str(self._asked)):
                return _problem(scope, 401, f"The token is wrong. {_REMEDY}")
            return self._welcome(scope, [pair for pair in parameters if pair[0] != TOKEN])
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if bearer and hmac.compare_digest(_digest("address", bearer), str(self._asked)):
            return None
        if not hmac.compare_digest(_cookie(headers, self._cookie), str(self._secret)):
            return _problem(scope, 401, f"This dashboard needs its token. {_REMEDY}")
        return None

    def _welcome(self, scope: Scope, rest: list[tuple[str, str]]) -> Response:
        """The same address without the token: it must not stay in the history, or be passed on with a link."""
        # Relative to where it was asked: whatever stands in front of it, it stays there.
        target = f"./{scope['path'].rpartition('/')[2]}" + (f"?{urlencode(rest)}" if rest else "")
        response = RedirectResponse(target, 303)
        response.set_cookie(
            self._cookie,
            str(self._secret),
            path=f"{scope.get('root_path', '')}/",
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
        )
        return response


def _digest(purpose: str, token: str) -> str:
    return hashlib.sha256(f"farebox dashboard {purpose} {token}".encode("utf-8", "surrogatepass")).hexdigest()


def _name(host: str) -> str:
    """The host without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


def _same_origin(headers: Headers, host: str) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    # Without the scheme: a proxy may end TLS in front of us.
    if origin is not None and origin.lower().partition("://")[2] != host.lower():
        return False
    # A link from elsewhere may open the page; it reads nothing, and without the cookie the page shows nothing.
    return site in ("same-origin", "none") or headers.get("sec-fetch-mode") == "navigate"


def _cookie(headers: Headers, name: str) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _problem(scope: Scope, status: int, message: str, **headers: str) -> Response:
    if "/api/" in scope["path"]:
        return JSONResponse({"error": message}, status, headers)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>farebox</title><h1>farebox dashboard</h1><p>{_escaped(message)}</p></html>"
    )
    return HTMLResponse(page, status, headers)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _hardened(send: Send) -> Send:
    """Every answer carries the same headers; assets say themselves how long they keep."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
