"""Finds the endpoint of a request by its method and the end of its path. Imports the words of instruments only."""

from __future__ import annotations

from typing import Final

from farebox.instruments.hook import Endpoint

ANY: Final = "{}"
"""One part of a path, whatever it is: an id."""


class Paths:
    """The rows of one SDK, by method and path.

    A plain path is one look into a dictionary; all others are compared part by part, from the end, as hosts and clients set
    prefixes before them. A row with a query (`?beta=true`) goes before one without, and a longer path before a shorter.

    Args:
        endpoints: the rows.
    """

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._exact: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            if endpoint.method == "post" and ANY not in endpoint.path:
                self._exact.setdefault("/" + endpoint.path, endpoint)
        self._rows: dict[str, list[tuple[tuple[str, ...], str, Endpoint]]] = {}
        for endpoint in endpoints:
            path, _, query = endpoint.path.partition("?")
            self._rows.setdefault(endpoint.method, []).append((tuple(path.split("/")), query, endpoint))
        for rows in self._rows.values():
            rows.sort(key=lambda row: (-len(row[0]), row[0].count(ANY), not row[1]))

    def find(self, method: str, url: str) -> Endpoint | None:
        """The row of a request, or None: it is free, or not known."""
        if method in {"post", "POST"} and (endpoint := self._exact.get(url)) is not None:
            return endpoint
        rows = self._rows.get(method.lower())
        if rows is None:
            return None
        path, _, query = url.partition("?")
        parts = path.strip("/").split("/")
        for wanted, condition, endpoint in rows:
            if _fits(wanted, parts) and (not condition or condition in query):
                return endpoint
        return None


def names(endpoint: Endpoint, url: str) -> tuple[str, ...]:
    """What stands for the "{}" of a row's path in a URL that fits it."""
    wanted = endpoint.path.partition("?")[0].split("/")
    parts = url.partition("?")[0].strip("/").split("/")[-len(wanted) :]
    return tuple(part for part, name in zip(parts, wanted, strict=True) if name == ANY)


def _fits(wanted: tuple[str, ...], parts: list[str]) -> bool:
    if len(wanted) > len(parts):
        return False
    return all(name in (ANY, part) for name, part in zip(reversed(wanted), reversed(parts), strict=False))
