"""Readers put together from their parts: a key, a way there, the words of a provider. Imports its neighbours here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from farebox.reconcile import anthropic, google, openai, openai_sdk, table
from farebox.reconcile.keys import admin_key
from farebox.reconcile.pages import Clock, Pages, StatementError
from farebox.reconcile.statement import Dimensions, Lines
from farebox.reconcile.transport import HTTP, Transport
from farebox.reconcile_settings import BillSource

OPENAI_KEY: Final = "OPENAI_ADMIN_KEY"
ANTHROPIC_KEY: Final = "ANTHROPIC_ADMIN_KEY"
BOTH: Final = "both"
EXPORT: Final = "export"

Fetch = Callable[[str, str, str], Iterator[tuple[str, Lines]]]


class BillReader:
    """A `Reader` made of functions.

    Args:
        title: what it is, for people.
        parts: each part, and what it has.
        dimensions: what its usage tells apart.
        fetch: days of a part.
        close: releases what it holds.
    """

    def __init__(
        self,
        title: str,
        parts: Mapping[str, str],
        dimensions: Dimensions,
        fetch: Fetch,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.title = title
        self._parts = parts
        self._dimensions = dimensions
        self._fetch = fetch
        self.close = close

    def parts(self) -> Mapping[str, str]:
        """See `Reader`."""
        return self._parts

    def dimensions(self) -> Dimensions:
        """See `Reader`."""
        return self._dimensions

    def read(self, part: str, first: str, last: str) -> Iterator[tuple[str, Lines]]:
        """See `Reader`."""
        return self._fetch(part, first, last)


def openai_reader(provider: str, source: BillSource, clock: Clock) -> BillReader:  # noqa: ARG001 - one signature for all
    """OpenAI's interface, through the SDK's admin resources where there are any."""
    key = admin_key(source, OPENAI_KEY, openai.HINT)
    base = source.url or openai.BASE
    sdk = openai_sdk.AdminSDK(base, key) if openai_sdk.available() else None
    transport: Transport = sdk or HTTP(base, {"Authorization": f"Bearer {key}"})
    pages = Pages(transport, clock, key=key, hint=openai.HINT)
    return BillReader(
        "OpenAI usage and costs",
        openai.PARTS,
        openai.DIMENSIONS,
        lambda part, first, last: openai.read(pages, part, first, last),
        *(() if sdk is None else (sdk.close,)),
    )


def anthropic_reader(provider: str, source: BillSource, clock: Clock) -> BillReader:  # noqa: ARG001 - one signature for all
    """Anthropic's interface; its SDK has no method for it."""
    key = admin_key(source, ANTHROPIC_KEY, anthropic.HINT)
    headers = {"x-api-key": key, "anthropic-version": anthropic.VERSION}
    pages = Pages(HTTP(source.url or anthropic.BASE, headers), clock, key=key, hint=anthropic.HINT)
    scale = 2 if source.amounts == "dollars" else 0
    return BillReader(
        "Anthropic usage and cost report",
        anthropic.PARTS,
        anthropic.DIMENSIONS,
        lambda part, first, last: _scaled(anthropic.read(pages, part, first, last), scale),
    )


def google_reader(provider: str, source: BillSource, clock: Clock) -> BillReader:  # noqa: ARG001 - one signature for all
    """Files of Google's billing export."""
    pattern = _files(provider, source)
    return BillReader(
        "Google billing export",
        {EXPORT: BOTH},
        google.DIMENSIONS,
        lambda _part, _first, _last: google.read(pattern, provider),
    )


def table_reader(provider: str, source: BillSource, clock: Clock) -> BillReader:  # noqa: ARG001 - one signature for all
    """Files of any bill, by the columns that the settings name."""
    pattern, columns = _files(provider, source), source.columns
    if columns is None:
        raise StatementError(f"farebox does not know the bill of {provider}: name its columns in reconcile.{provider}")
    parts = BOTH if columns.units and columns.amount else "money" if columns.amount else "usage"
    return BillReader(
        f"table {pattern}", {EXPORT: parts}, table.dimensions(columns), lambda *_: table.read(pattern, columns)
    )


def _files(provider: str, source: BillSource) -> str:
    if source.files is None:
        raise StatementError(
            f"no files of {provider}'s bill: export them, and name them with --files {provider}=PATH"
            f" or as reconcile.{provider}.files in farebox.toml"
        )
    return source.files


def _scaled(found: Iterator[tuple[str, Lines]], places: int) -> Iterator[tuple[str, Lines]]:
    """Amounts that are dollars where they are documented as cents."""
    for day, lines in found:
        money = tuple(msgspec.structs.replace(line, amount=line.amount.scaleb(places)) for line in lines.money)
        yield day, msgspec.structs.replace(lines, money=money)
