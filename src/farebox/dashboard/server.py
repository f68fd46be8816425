"""The ASGI application: a page, its assets, panels as JSON or files, and a stream of news. Imports starlette, the runtime and the dashboard's parts."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from farebox import runtime
from farebox.core.errors import ConfigurationError, FareboxError
from farebox.dashboard.access import LOOPBACK, Access
from farebox.dashboard.answers import Answers
from farebox.dashboard.assets import assets
from farebox.dashboard.metrics import Metrics
from farebox.dashboard.panels import PANELS
from farebox.dashboard.payload import payload
from farebox.dashboard.pulse import Pulse
from farebox.dashboard.question import GROUPS, question
from farebox.dashboard.sources import Clock, Sources
from farebox.dashboard.standing import ShownBudgets
from farebox.ledger.locate import ledger_path
from farebox.reports.registry import REPORTS
from farebox.reports.render import FORMATS
from farebox.reports.report import Table

ROWS_OF_A_FILE: Final = 10_000
"""An export of a view ends there; `farebox export` streams without end."""


def app(
    ledger: str | os.PathLike[str] | None = None,
    *,
    token: str | None,
    hosts: Sequence[str] = LOOPBACK,
    clock: Clock = time.time_ns,
) -> Starlette:
    """The dashboard as an ASGI application, to be served or mounted: `Mount("/farebox", farebox.dashboard.app(token=None))`.

    It only reads. What it shows of budgets are those of this process's settings and of the file beside the ledger.

    Args:
        ledger: path of the ledger; None: the one of the settings.
        token: what the first address must carry as `?token=`, and a cookie from then on; None: everyone who reaches it may see
            everything, because the application that mounts it decides who does.
        hosts: names under which it may be called, without ports; a mounted one needs those of the application.
        clock: nanoseconds UTC.

    Returns:
        The application. Its `state.end_streams()` ends the streams of news, which a server that stops would wait for.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    here = runtime.current()
    sources = Sources(
        (here.ledger_path if ledger is None else ledger_path(ledger)).path,
        lambda: runtime.current().open_ledger(ledger, read_only=True),
        budgets=ShownBudgets(ledger),
        clock=clock,
        zone=here.settings.time_zone,
    )
    room, metrics = _Room(sources), Metrics(sources)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        room.close()
        sources.close()

    made = Starlette(
        routes=[
            *assets(),
            Route("/metrics", metrics.endpoint),
            Route("/api/about", room.about),
            Route("/api/events", room.events),
            Route("/api/reports/{report}", room.report),
            Route("/api/{panel}", room.panel),
        ],
        middleware=[
            Middleware(Access, token=token, hosts=hosts),
            Middleware(GZipMiddleware, minimum_size=1000),
        ],
        exception_handlers={FareboxError: _told, 404: _lost},
        lifespan=lifespan,
    )
    made.state.end_streams = room.end_streams
    return made


class _Room:
    """What answers share."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._pulse = Pulse(sources)
        self._answers = Answers(sources, self._pulse)

    def end_streams(self) -> None:
        """End the streams of news; pages connect again."""
        self._pulse.end()

    def close(self) -> None:
        """Close every ledger."""
        self._answers.close()

    def about(self, _: Request) -> Response:
        """What the page must know before it asks."""
        return JSONResponse(
            {
                "zone": self._sources.zone,
                "dimensions": GROUPS,
                "reports": {name: report.title for name, report in REPORTS.items()},
            }
        )

    async def events(self, _: Request) -> Response:
        """The ledger's version whenever it changes, as server-sent events."""
        return StreamingResponse(
            self._pulse.stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    def panel(self, request: Request) -> Response:
        """A panel's table; with `format`, as a file."""
        name, form = request.path_params["panel"], request.query_params.get("format", "")
        if name not in PANELS:
            raise _NoPanelError(f"there is no panel {name[:50]!r}: use one of {', '.join(PANELS)}")
        return self._answer(name, form, request)

    def report(self, request: Request) -> Response:
        """Any report, for the period and filters of the address; with `format`, as a file."""
        name, form = request.path_params["report"], request.query_params.get("format", "")
        if name not in REPORTS:
            raise _NoPanelError(f"there is no report {name[:50]!r}: use one of {', '.join(REPORTS)}")
        return self._answer(f"reports/{name}", form, request)

    def _answer(self, name: str, form: str, request: Request) -> Response:
        asked = question(request.query_params.multi_items(), zone=self._sources.zone)
        if form and form not in FORMATS:
            raise ConfigurationError(f"format={form!r} is not known: use one of {', '.join(FORMATS)}")
        if form:
            asked = msgspec.structs.replace(asked, limit=ROWS_OF_A_FILE)
        table, behind = self._answers.table(name, asked)
        return (
            _file(table, name.rpartition("/")[2], form)
            if form
            else Response(payload(table), media_type="application/json", headers={"Age": "1"} if behind else None)
        )


class _NoPanelError(FareboxError):
    """A name that is no panel's."""


def _file(table: Table, name: str, form: str) -> Response:
    writer = FORMATS[form]
    disposition = f'attachment; filename="farebox-{name}{writer.suffix}"'
    return Response(writer.render(table), media_type=writer.media_type, headers={"Content-Disposition": disposition})


def _told(_: Request, error: Exception) -> Response:
    """An error of ours: the question's fault, or the ledger's. Its message names the remedy."""
    status = 404 if isinstance(error, _NoPanelError) else 400 if isinstance(error, ConfigurationError) else 503
    return JSONResponse({"error": str(error)}, status)


def _lost(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "there is nothing at this address"}, 404)
