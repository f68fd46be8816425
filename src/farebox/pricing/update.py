"""Fetches newer prices, looks at them, and stores them; on any doubt the old ones stay. May import core and its neighbours here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from farebox.core.errors import PriceError
from farebox.pricing import compare, installed, overlay, published, shelf
from farebox.pricing.assemble import assemble
from farebox.pricing.book import Book
from farebox.pricing.compare import Change, Name
from farebox.pricing.draft import Conflicts

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of price data that are read, at most; the published data has 2 million."""

SHRINKS_AT_MOST: Final = 20
"""One model in so many may be missing from newer data; more means that it is cut off, or older."""

_OVERLAY: Final = Path(__file__).with_name("overlay.toml")
_TIMEOUT: Final = 30.0


class Update(msgspec.Struct, frozen=True):
    """What an update did.

    Attributes:
        stored: the new book's file; None when nothing differs from the book in force.
        as_of: ISO day of its prices.
        added: models that are new.
        changed: prices that changed and are in force.
        quarantined: price jumps that are not in force: those models stay as they were until `accept` names them.
        kept: models whose data cannot be used or was taken away, and why; they stay as they were.
    """

    stored: Path | None
    as_of: str
    added: tuple[Name, ...] = ()
    changed: tuple[Change, ...] = ()
    quarantined: tuple[Change, ...] = ()
    kept: tuple[tuple[str, str, str], ...] = ()


def update(source: str | None, *, today: date, accept: Collection[str] = ()) -> Update:
    """Bring newer prices into force, for this process and for those that start later.

    Args:
        source: URL or file: the published data, or a farebox price book; None: the published data.
        today: the day, in UTC.
        accept: `provider/model` whose price jumps are meant; "*" for all.

    Raises:
        PriceError: the data cannot be had, or is not to be trusted as a whole; nothing was changed.
    """
    old = installed.book_data()
    before = Book(old)
    data, refused = _book(fetch(source or published.URL), today)
    new = Book(data)
    if new.as_of > (today + timedelta(days=1)).isoformat():
        raise PriceError(f"the prices say that they are of {new.as_of}, which is still to come: the old ones stay")
    if new.as_of < before.as_of:
        raise PriceError(
            f"the prices are of {new.as_of}, older than those in force ({before.as_of}): the old ones stay"
        )
    found, known = compare.entries(data), compare.entries(old)
    missing = [name for name in known if name not in found and name not in refused]
    if len(missing) * SHRINKS_AT_MOST > len(known):
        named = ", ".join("/".join(name) for name in missing[:5])
        raise PriceError(
            f"the prices lack {len(missing)} of {len(known)} models ({named}, ...): cut off, or older data; the old ones stay"
        )
    listed = [
        change
        for name in known.keys() & found.keys()
        if name not in refused
        for change in compare.changes(known[name], found[name], *name)
    ]
    accepted = {name for name in known if "*" in accept or "/".join(name) in accept}
    suspect = {(row.provider, row.model) for row in listed if row.jump} - accepted
    stay = {*suspect, *missing, *(refused.keys() & known.keys())}
    result = compare.keep(data, old, stay)
    outcome = Update(
        stored=None if _same(result, old) else shelf.store(result, new.as_of),
        as_of=new.as_of,
        added=tuple(sorted(found.keys() - known.keys() - refused.keys())),
        changed=_sorted(row for row in listed if (row.provider, row.model) not in suspect),
        quarantined=_sorted(row for row in listed if (row.provider, row.model) in suspect and row.jump),
        kept=tuple(
            (*name, refused.get(name, "it is not in the new data"))
            for name in sorted({*missing, *refused} & known.keys())
        ),
    )
    if outcome.stored is not None:
        installed.reload()
    return outcome


def fetch(source: str) -> bytes:
    """The bytes at a URL, or in a file. Proxies are those of the environment.

    Raises:
        PriceError: it cannot be had whole.
    """
    if "://" not in source:
        try:
            with Path(source).expanduser().open("rb") as file:
                return _within(file.read(LARGEST + 1), source)
        except OSError as error:
            raise PriceError(f"{source} cannot be read ({error.strerror}): the old prices stay") from None
    if not source.startswith(("https://", "http://", "file://")):
        raise PriceError(f"{source!r} is no source of prices: give an https URL or a file")
    from http.client import HTTPException
    from urllib.request import Request, build_opener

    request = Request(source, headers={"User-Agent": "farebox", "Accept": "application/json"})  # noqa: S310 - the scheme was looked at
    try:
        # An opener of our own: the shared one remembers the proxies of its first use.
        with build_opener().open(request, timeout=_TIMEOUT) as answer:
            data = _within(answer.read(LARGEST + 1), source)
            length = answer.headers.get("Content-Length")
    except (OSError, HTTPException, ValueError) as error:
        raise PriceError(f"{source} cannot be fetched ({error}): the old prices stay") from None
    if length is not None and length.isdigit() and int(length) != len(data):  # reading with a limit does not say so
        raise PriceError(f"{source} cannot be fetched whole ({len(data)} of {length} bytes): the old prices stay")
    return data


def _within(data: bytes, source: str) -> bytes:
    if len(data) > LARGEST:
        raise PriceError(f"{source} has more than {LARGEST} bytes, which no price data has: the old prices stay")
    return data


def _book(data: bytes, today: date) -> tuple[bytes, dict[Name, str]]:
    """A book from what was fetched, and the models in it that cannot be used."""
    if data.lstrip()[:1] == b"{":
        return data, {}
    conflicts = Conflicts(strict=False)
    name = f"genai-prices, published data {shelf.hash_of(data)}"
    rows = overlay.load(_OVERLAY)
    return assemble(published.providers(data), rows, name=name, as_of=today, conflicts=conflicts), conflicts.found


def _sorted(rows: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(rows, key=str))


def _same(one: bytes, other: bytes) -> bool:
    """Whether two books say the same, whatever day and sources they name."""
    same: bool = _unsourced(msgspec.json.decode(one)) == _unsourced(msgspec.json.decode(other))
    return same


def _unsourced(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unsourced(part) for name, part in value.items() if name not in {"as_of", "sources", "source"}}
    return [_unsourced(part) for part in value] if isinstance(value, list) else value
