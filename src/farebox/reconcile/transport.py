"""One GET to a billing interface, over the standard library's HTTP. Imports core.errors and the standard library.

A redirect is not followed: it would take the admin key elsewhere. Proxies are those of the environment.
"""

from __future__ import annotations

import email.utils
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from farebox.core.errors import ConfigurationError

TIMEOUT: Final = 60.0
_LARGEST: Final = 256 * 1024 * 1024

Parameters = Sequence[tuple[str, str]]


class Answer(msgspec.Struct, frozen=True):
    """What the server said.

    Attributes:
        status: HTTP status; 0: no connection, and `body` says why.
        body: its bytes.
        after: seconds that a Retry-After asks for, or None.
        date: the server's clock, seconds since the epoch, or None.
    """

    status: int
    body: bytes
    after: float | None = None
    date: float | None = None


class Transport(Protocol):
    """A way to a billing interface, with its key."""

    def get(self, path: str, parameters: Parameters) -> Answer:
        """One GET, tried once. Never raises for what the network or the server does."""
        ...


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_given: Any) -> None:
        """Follow nowhere."""


class HTTP:
    """Plain HTTP.

    Args:
        base: the address that paths are added to.
        headers: sent with each request; the key is among them, so no representation shows them.

    Raises:
        ConfigurationError: the address is none, or would send a key unencrypted over a network.
    """

    def __init__(self, base: str, headers: Mapping[str, str], *, timeout: float = TIMEOUT) -> None:
        self._base = checked(base)
        self._headers = {"User-Agent": "farebox", "Accept": "application/json", **headers}
        self._timeout = timeout

    def get(self, path: str, parameters: Parameters) -> Answer:
        """See `Transport`."""
        url = f"{self._base}{path}?{urlencode(list(parameters))}"
        request = urllib.request.Request(url, headers=self._headers)  # noqa: S310 - http or https, checked
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=self._timeout) as answer:
                return Answer(answer.status, answer.read(_LARGEST), date=date(answer.headers.get("Date")))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(
                    error.code,
                    _said(error),
                    after=seconds(error.headers.get("Retry-After")),
                    date=date(error.headers.get("Date")),
                )
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            return Answer(0, f"{type(error).__name__}: {reason}".encode())


def checked(base: str) -> str:
    """An address without its last slash.

    Raises:
        ConfigurationError: no http or https URL, or a plain one to another machine, which would send the key in the clear.
    """
    try:
        parts = urlsplit(base)
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{base!r} is no address of a billing interface: give an https URL")
    if parts.scheme == "http" and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigurationError(f"{base!r} would send an admin key unencrypted: give an https URL")
    return base.rstrip("/")


def seconds(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After asks for: a number, or a date of HTTP's."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    moment = date(retry_after)
    return None if moment is None else max(0.0, moment - time.time())


def date(text: str | None) -> float | None:
    """Seconds since the epoch of a date of HTTP's; None: it is none."""
    if text is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _said(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(_LARGEST)
    except (OSError, http.client.HTTPException):
        return b""
