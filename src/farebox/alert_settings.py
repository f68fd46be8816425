"""The settings `alerts` and `alert_at`: who is told of what. Imports core only.

```toml
[[alerts]]
channel = "webhook"
url_env = "SLACK_WEBHOOK"
format = "slack"
kinds = ["threshold", "journal"]
severity = "warning"
```
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from farebox.core.alert import KINDS, SEVERITIES
from farebox.core.errors import ConfigurationError

FORMATS: Final = ("plain", "slack", "discord")
"""What the body of a webhook may look like."""

MILLION: Final = 1_000_000


class Secret:
    """A text that no representation shows: it stands in the settings, or in a variable that they name."""

    __slots__ = ("_value", "_variable")

    def __init__(self, value: str | None = None, *, variable: str | None = None) -> None:
        self._value = value
        self._variable = variable

    def reveal(self, where: str) -> str:
        """The text.

        Raises:
            ConfigurationError: the variable is not set.
        """
        found = self._value if self._variable is None else os.environ.get(self._variable)
        if not found:
            raise ConfigurationError(f"{where} names the variable {self._variable}, which is not set: set it")
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self._variable) == (other._value, other._variable)

    def __hash__(self) -> int:
        return hash((self._value, self._variable))

    def __repr__(self) -> str:
        return "<set>" if self._variable is None else f"<from {self._variable}>"


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """One receiver of alerts.

    Attributes:
        channel: name in the registry of channels: "log", "webhook", or another distribution's.
        name: what it is called; default: the channel.
        kinds: which alerts it gets (`core.alert.KINDS`).
        severity: the least severe that it gets.
        url: where a webhook posts to.
        format: body of a webhook: "plain", "slack" or "discord".
        secret: key that a webhook's posts are signed with.
        timeout: seconds that a post may take.
        per_minute: alerts a minute at most; what is more is counted and told with the next. 0: no bound.
        options: more for channels of other distributions.
    """

    channel: str
    name: str
    kinds: tuple[str, ...] = KINDS
    severity: str = SEVERITIES[0]
    url: Secret | None = None
    format: str = FORMATS[0]
    secret: Secret | None = None
    timeout: float = 10.0
    per_minute: int = 20
    options: dict[str, Any] = {}


def parse_alerts(value: object) -> tuple[AlertRow, ...]:
    """The rows of `[[alerts]]`, or of their JSON text as an environment variable holds it.

    Raises:
        ConfigurationError: a key or value cannot be used. The message names it and what would do, and shows no URL and no secret.
    """
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f'alerts cannot be used: give rows as JSON, for example [{{"channel": "log"}}] ({error})'
            ) from None
    rows = [value] if isinstance(value, Mapping) else value
    if not isinstance(rows, list | tuple):
        raise ConfigurationError('alerts cannot be used: give a list of tables, for example [{"channel": "log"}]')
    found = tuple(
        row if isinstance(row, AlertRow) else _row(f"alerts[{number}]", row) for number, row in enumerate(rows)
    )
    names = [row.name for row in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f"alerts has {names.count(name)} rows called {name!r}: give each a name of its own"
            )
    return found


def parse_alert_at(value: object) -> tuple[float, ...]:
    """Shares of a limit, ascending; "0.5,0.8,1" in an environment variable.

    Raises:
        ValueError: one is no number above 0 and up to 10.
    """
    parts = [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    wanted = "shares of the limit above 0 and up to 10, for example [0.5, 0.8, 1]"
    if not isinstance(parts, list | tuple):
        raise ValueError(wanted)  # noqa: TRY004 - whoever called names the setting
    shares = set()
    for part in parts:
        try:
            share = Decimal(str(part).strip())
        except InvalidOperation:
            share = Decimal(0)
        if isinstance(part, bool) or not share.is_finite() or not Decimal("0.000001") <= share <= 10:
            raise ValueError(wanted)
        shares.add(float(share))
    return tuple(sorted(shares))


def millionths(shares: tuple[float, ...]) -> tuple[int, ...]:
    """Shares as whole millionths, which amounts are computed from without rounding."""
    return tuple(round(share * MILLION) for share in shares)


def _row(where: str, value: object) -> AlertRow:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f'{where} cannot be used: give a table, for example {{"channel": "log"}}')
    for key in value:
        if key not in _READERS:
            near = difflib.get_close_matches(str(key), _READERS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(_READERS)}"
            raise ConfigurationError(f"{where}.{key} is not a setting: {hint}")
    if "channel" not in value:
        raise ConfigurationError(f'{where} has no channel: give channel = "webhook", for example')
    for key in ("url", "secret"):
        if key in value and f"{key}_env" in value:
            raise ConfigurationError(f"{where} has both {key} and {key}_env: give one of them")
    read = {key.removesuffix("_env"): _READERS[key](f"{where}.{key}", given) for key, given in value.items()}
    if read["channel"] == "webhook" and "url" not in read:
        raise ConfigurationError(f"{where} has no url: give url, or url_env with the name of a variable")
    return AlertRow(**{"name": read["channel"], **read})


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{where} cannot be used: give a non-empty text")
    return value.strip()


def _hidden(where: str, value: object) -> Secret:
    return Secret(_text(where, value))


def _variable(where: str, value: object) -> Secret:
    return Secret(variable=_text(where, value))


def check_url(where: str, url: str) -> str:
    """The URL, where alerts can be posted to it.

    Raises:
        ConfigurationError: they cannot. The URL is not shown: those of chats are secrets.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character <= " " for character in url):
        raise ConfigurationError(f"{where} cannot be used: give an http or https URL")
    return url


def _url(where: str, value: object) -> Secret:
    return Secret(check_url(where, _text(where, value)))


def _one_of(choices: tuple[str, ...]) -> Callable[[str, object], str]:
    def read(where: str, value: object) -> str:
        if value not in choices:
            raise ConfigurationError(f"{where}={value!r} cannot be used: give one of {', '.join(choices)}")
        return str(value)

    return read


def _kinds(where: str, value: object) -> tuple[str, ...]:
    kinds = [value] if isinstance(value, str) else value
    if not isinstance(kinds, list | tuple):
        raise ConfigurationError(f"{where}={value!r} cannot be used: give a list of {', '.join(KINDS)}")
    return tuple(_one_of(KINDS)(where, kind) for kind in kinds)


def _number(least: float, most: float, kind: type[int | float]) -> Callable[[str, object], Any]:
    def read(where: str, value: object) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | kind) or not least <= value <= most:
            what = "a whole number" if kind is int else "seconds"
            raise ConfigurationError(f"{where}={value!r} cannot be used: give {what} between {least} and {most}")
        return kind(value)

    return read


def _table(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} cannot be used: give a table")
    return dict(value)


_READERS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "channel": _text,
    "name": _text,
    "kinds": _kinds,
    "severity": _one_of(SEVERITIES),
    "url": _url,
    "url_env": _variable,
    "format": _one_of(FORMATS),
    "secret": _hidden,
    "secret_env": _variable,
    "timeout": _number(0.1, 60, float),
    "per_minute": _number(0, 10_000, int),
    "options": _table,
}
"""How each key of a row is read."""
