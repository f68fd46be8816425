"""`farebox dashboard`: what is spent, live in a browser. Imports click, the dashboard, the runtime and cli."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import socket
from typing import Final

import click

from farebox.core.errors import ConfigurationError, FareboxError

PORT: Final = 3335
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - only with --expose
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


@click.command(epilog="Example: farebox dashboard --ledger ledger.db --port 8080")
@click.option("--ledger", metavar="PATH", help="Ledger to read. [default: FAREBOX_LEDGER, farebox.toml, or the user's]")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any that is free.")
@click.option(
    "--expose", is_flag=True, help="Allow a --host that other machines reach. Whoever has the token sees everything."
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A further name it is called by, behind a proxy; may be given again.",
)
@click.option(
    "--token",
    envvar="FAREBOX_DASHBOARD_TOKEN",
    show_envvar=True,
    metavar="TEXT",
    help="The token, at least 16 characters; better by the variable than for all to see. [default: a new one each time]",
)
@click.option("--open", "browser", is_flag=True, help="Open it in the browser.")
@click.option(
    "--build", is_flag=True, help="Build the page with npm and end; needed where npm was not there at installation."
)
def dashboard(
    *,
    ledger: str | None,
    host: str,
    port: int,
    expose: bool,
    names: tuple[str, ...],
    token: str | None,
    browser: bool,
    build: bool,
) -> None:
    """Show what is spent, live in a browser. It only reads, on this machine only, and asks for a token."""
    if build:
        _build()
        return
    if not _is_local(host) and not expose:
        raise ConfigurationError(
            f"--host {host} can be reached by other machines: add --expose if that is meant, or leave it at 127.0.0.1"
        )
    if token is not None and len(token) < 16:
        raise ConfigurationError("--token is too short to keep others out: give 16 characters or more")
    _serve(ledger, host=host, port=port, names=names, token=token or secrets.token_urlsafe(24), browser=browser)


def _is_local(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host in _LOCAL


def _build() -> None:
    from farebox.dashboard import build

    try:
        build.build()
    except build.BuildError as error:
        raise FareboxError(f"the page was not built: {error}") from None
    click.echo(f"The page is in {build.BUILT}.")


def _serve(ledger: str | None, *, host: str, port: int, names: tuple[str, ...], token: str, browser: bool) -> None:
    try:
        from farebox.dashboard.access import ANY_ADDRESS, LOOPBACK
        from farebox.dashboard.server import app
        from farebox.dashboard.serving import Server
    except ImportError as error:
        raise FareboxError(
            f"{(error.name or '').partition('.')[0]} is not installed: pip install 'farebox[dashboard]'"
        ) from None
    from farebox import runtime
    from farebox.dashboard.build import BUILT

    if ledger is not None:
        runtime.configure(ledger=ledger)
    shown = "127.0.0.1" if host in _EVERYWHERE else f"[{host}]" if ":" in host else host
    hosts = (*LOOPBACK, shown, *names, *(() if _is_local(host) else (ANY_ADDRESS,)))
    server = Server(app(token=token, hosts=hosts))
    if not (BUILT / "index.html").exists():
        click.echo(
            "The page was not built, because npm was not there at installation: farebox dashboard --build", err=True
        )
    with _listening(host, port) as listening:
        address = f"http://{shown}:{listening.getsockname()[1]}/?token={token}"
        click.echo(address)
        click.echo("Open this address; it works until you press Ctrl+C.", err=True)
        if browser:
            click.launch(address)
        with contextlib.suppress(KeyboardInterrupt):  # how it ends
            server.run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens already: what asks before the server runs waits."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise FareboxError(
            f"it cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}): name another port with --port"
        ) from None
