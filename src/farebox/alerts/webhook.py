"""The channel `webhook`: one signed POST an alert. Imports core, alert_settings and the standard library's HTTP.

Signed as https://www.standardwebhooks.com says, so that a receiver can verify it with an existing library. Proxies are those of
the environment. A redirect is not followed: it would take the alert, and the secret in a chat's URL, elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import email.utils
import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from farebox.alert_settings import AlertRow, check_url
from farebox.alerts.formats import BODIES
from farebox.core.alert import Alert, UndeliveredError
from farebox.core.errors import ConfigurationError

_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which a later try may help."""
_PREFIX: Final = "whsec_"
"""Begins a secret that is written in base64."""
_SHOWN: Final = 200
"""Bytes of a refusing receiver's answer that are shown."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Makes a redirect the error that it is here."""

    def redirect_request(self, *_given: Any) -> None:
        """Follow nowhere."""


class Webhook:
    """Posts alerts to a URL.

    Raises:
        ConfigurationError: a variable that the row names is not set, or what it holds cannot be used.
    """

    def __init__(self, row: AlertRow) -> None:
        where = f"alerts row {row.name!r}"
        assert row.url is not None  # the settings see to it
        self._url = check_url(f"{where}: url", row.url.reveal(where))
        self._body = BODIES[row.format]
        self._key = None if row.secret is None else _key(where, row.secret.reveal(where))
        self._timeout = row.timeout

    @property
    def address(self) -> str:
        """Where alerts go, for people: without the path, which is a secret of chats."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}/..."

    def send(self, alert: Alert, *, timeout: float) -> None:
        """See `ports.Channel`."""
        request = self._request(alert)
        # Made for each post: the environment's proxies may have changed.
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=max(0.05, min(timeout, self._timeout))):
                return
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            # Not chained: a traceback of urllib shows the URL.
            raise UndeliveredError(f"{type(error).__name__}: {reason}", retry=True) from None

    def _request(self, alert: Alert) -> urllib.request.Request:
        body = msgspec.json.encode(self._body(alert))
        headers = {"Content-Type": "application/json", "User-Agent": "farebox"}
        if self._key is not None:
            moment = str(int(time.time()))
            headers |= {
                "Webhook-Id": alert.id,
                "Webhook-Timestamp": moment,
                "Webhook-Signature": signature(self._key, alert.id, moment, body),
            }
        return urllib.request.Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310 - http or https, checked


def signature(key: bytes, message_id: str, moment: str, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 of id, time and body, with full stops between them."""
    signed = b".".join((message_id.encode(), moment.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(where: str, secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ConfigurationError(
            f"{where}: secret begins with {_PREFIX} and is no base64: give another one, or leave {_PREFIX} out"
        ) from None


def _refused(error: urllib.error.HTTPError) -> UndeliveredError:
    try:
        said = error.read(_SHOWN).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException):
        said = ""
    return UndeliveredError(
        f"HTTP {error.code}{f': {said}' if said else ''}",
        retry=error.code in _AGAIN,
        after=_seconds(error.headers.get("Retry-After")),
    )


def _seconds(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After asks for: a number, or a date of HTTP's."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdigit():
            return float(retry_after)
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
