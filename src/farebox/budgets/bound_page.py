"""The table of ceilings as people read it: `python -m farebox.budgets.bound_page docs/strict.md` writes it into that page. May import core only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from farebox.budgets.bound_table import Endpoint, Models, Reviewed, Table, table

MARK: Final = "<!-- written by `python -m farebox.budgets.bound_page`; a test holds it to the rows -->"


def written(page: str, rows: Table) -> str:
    """The page with the table of these rows behind its mark."""
    before, mark, _old = page.partition(MARK)
    return before + mark + "\n" + "\n".join(_lines(rows))


def _lines(rows: Table) -> Iterator[str]:
    for endpoint in rows.endpoints:
        yield from _endpoint(endpoint)
    yield from ("", "### Models", "")
    yield "| providers | models | most output | an image | source |"
    yield "| --- | --- | --- | --- | --- |"
    for models in rows.models:
        yield _models(models)


def _endpoint(endpoint: Endpoint) -> Iterator[str]:
    providers = ", ".join(f"`{name}`" for name in endpoint.providers)
    cap = ".".join(endpoint.write_cap)
    lowered = f"; the cap is lowered in `{cap}`" if cap else "; nothing comes out that is billed by the token"
    yield from ("", f"### {endpoint.title}", "", f"{providers}{lowered}.", "")
    yield "| feature | keys of the body | counted | source |"
    yield "| --- | --- | --- | --- |"
    for row in endpoint.feature:
        only = f" ({', '.join(row.providers)} only)" if row.providers else ""
        keys = ", ".join(f"`{key}`" for key in row.keys if key[:1] != "_") or "parts of the above"
        yield f"| {row.feature}{only} | {keys} | {row.counts} | {_source(row)} |"


def _models(row: Models) -> str:
    names = ", ".join(f"`{name}`" for name in row.names)
    output, image = (f"{most:,}" if most else "-" for most in (row.most_output, row.image_tokens))
    if row.tile is not None:
        image = f"{image}, and {row.tile.tokens} for each {row.tile.side} x {row.tile.side} pixels"
    return f"| {', '.join(row.providers)} | {names} | {output} | {image} | {_source(row)} |"


def _source(row: Reviewed) -> str:
    where = f"<{row.source}>" if row.source.startswith("https://") else row.source
    return f"{where}, {row.checked}, {row.confidence}"


def main(name: str) -> None:
    """Write the table into the page of that name."""
    page = Path(name)
    page.write_text(written(page.read_text(encoding="utf-8"), table()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
