"""Names to implementations, loaded when first asked for: one registry line per provider, store, sink or report. Imports core.errors only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from farebox.core.errors import ConfigurationError


class Registry(Mapping[str, Any]):
    """A mapping from a name to the object at "module:attribute", imported on first use.

    Args:
        kind: what the names name, for messages: "instrument".
        group: entry-point group through which other distributions add names; their names never replace ours.
        rows: name → "module:attribute".
    """

    def __init__(self, kind: str, *, group: str | None = None, rows: Mapping[str, str]) -> None:
        self.kind = kind
        self._group = group
        self._rows = dict(rows)
        self._scanned = group is None

    def __getitem__(self, name: str) -> Any:
        """The object of that name.

        Raises:
            ConfigurationError: there is no such name; the message lists those there are.
        """
        if name not in self._rows:
            self._scan()
        if name not in self._rows:
            raise ConfigurationError(f"{self.kind} {name!r} is not known: use one of {', '.join(sorted(self._rows))}")
        module, _, attribute = self._rows[name].partition(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        self._scan()
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(self._rows)

    def __len__(self) -> int:
        self._scan()
        return len(self._rows)

    def _scan(self) -> None:
        if self._scanned or self._group is None:
            return
        self._scanned = True
        from importlib.metadata import entry_points

        for point in entry_points(group=self._group):
            self._rows.setdefault(point.name, point.value)
