"""Every bill that can be read, by provider: one row each. Imports core and its neighbours here.

Other distributions add theirs through the entry-point group `farebox.statements`: a `Reader` by the provider's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from farebox.core.registry import Registry
from farebox.reconcile.pages import Clock
from farebox.reconcile.statement import Dimensions, Lines
from farebox.reconcile_settings import BillSource


class Reader(Protocol):
    """Reads one provider's bill.

    Attributes:
        title: what it is, for people.
    """

    title: str

    def parts(self) -> Mapping[str, str]:
        """Each part that is fetched by itself, and what it has: `statement.USAGE`, `MONEY`, or "both"."""
        ...

    def dimensions(self) -> Dimensions:
        """What its usage tells apart."""
        ...

    def read(self, part: str, first: str, last: str) -> Iterator[tuple[str, Lines]]:
        """Days of a part, from the first to the last; each as soon as it is whole, a file's in pieces.

        Raises:
            StatementError: the rest cannot be had.
        """
        ...

    def close(self) -> None:
        """Release what it holds, such as connections."""
        ...


class MakesReader(Protocol):
    """What the registry holds."""

    def __call__(self, provider: str, source: BillSource, clock: Clock) -> Reader:
        """A reader by the settings.

        Raises:
            StatementError: it lacks a key or a file.
            ConfigurationError: a setting cannot be used.
        """
        ...


READERS: Final = Registry(
    "bill",
    group="farebox.statements",
    rows={
        "openai": "farebox.reconcile.sources:openai_reader",
        "anthropic": "farebox.reconcile.sources:anthropic_reader",
        "google": "farebox.reconcile.sources:google_reader",
        "google-vertex": "farebox.reconcile.sources:google_reader",
        "table": "farebox.reconcile.sources:table_reader",
    },
)
"""Provider → `MakesReader`; "table" reads any other provider's files, by the columns that the settings name."""
