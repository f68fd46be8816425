"""The page and what it loads: a fixed set of files, read once; nothing is looked up by a path that somebody sent. Imports starlette."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from farebox.dashboard.build import BUILT

Endpoint: TypeAlias = Callable[[Request], Response]

TYPES: Final = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "licenses.txt": "text/plain; charset=utf-8",
}
"""Every file that the page consists of."""

UNBUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>farebox</title><h1>The dashboard's page was not built</h1>
<p>This farebox was installed where npm could not be reached. With Node.js 18 or later and npm, run</p>
<pre>farebox dashboard --build</pre><p>and load this page again. The numbers are there all the same: try <a href="api/spend">api/spend</a>,
or <code>farebox report</code> in a terminal.</p></html>"""


def assets(directory: Path = BUILT) -> list[Route]:
    """Routes to the page's files; "/" is the page. Where they were not built, the page says how to."""
    return [
        Route("/", _page(directory)),
        *(Route(f"/{name}", _asset(directory / name, kind)) for name, kind in TYPES.items()),
    ]


def _page(directory: Path) -> Endpoint:
    def page(_: Request) -> Response:
        try:
            return HTMLResponse((directory / "index.html").read_bytes())
        except FileNotFoundError:
            return HTMLResponse(UNBUILT, 503)

    return page


def _asset(path: Path, kind: str) -> Endpoint:
    def asset(_: Request) -> Response:
        try:
            return Response(path.read_bytes(), media_type=kind, headers={"Cache-Control": "private, no-cache"})
        except FileNotFoundError:
            return HTMLResponse(UNBUILT, 503)

    return asset
