"""`farebox doctor`: whether anything paid may be unseen here. Imports click, the runtime and health; rich when a table is drawn."""

from __future__ import annotations

import importlib
import json
from typing import Any, Final

import click
import msgspec

from farebox.cli.show import console
from farebox.core.errors import ConfigurationError
from farebox.health import Finding, Health, Section, examine

UNSEEN: Final = 1
"""Exit code: something paid may be unseen."""

_MARKS: Final = {"unseen": ("✗", "red"), "warning": ("!", "yellow"), "note": ("·", "dim")}


@click.command(epilog="Example: farebox doctor --import myapp.main")
@click.option(
    "--import", "module", metavar="MODULE", help="Import this module first: one that calls farebox.instrument()."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Show every fact, not only what is the matter.")
@click.pass_context
def doctor(context: click.Context, *, module: str | None, as_json: bool, verbose: bool) -> None:
    """See whether anything paid may go unseen here; exit code 1 if so.

    Looks at the installed SDKs and how each is hooked, at libraries that go past them, at threads, the ledger and its journals,
    at models without a price, and at the settings. Nothing is sent and nothing is changed.
    """
    if module is not None:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigurationError(
                f"--import {module!r} cannot be imported ({error}): name a module of your program"
            ) from error
    found = examine()
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(found), "unseen": found.unseen}, indent=2, ensure_ascii=False))
    else:
        _draw(found, verbose=verbose)
    context.exit(UNSEEN if found.unseen else 0)


def _draw(found: Health, *, verbose: bool) -> None:
    out = console()
    for level in ("unseen", "warning", *(("note",) if verbose else ())):
        for finding in found.findings(level):
            _line(out, finding)
    if verbose:
        for section in found.sections:
            _table(out, section)
    else:
        for section in found.sections:
            _summary(out, section)
    verdict = (
        "something paid may be unseen" if found.unseen else "nothing paid goes unseen, as far as can be seen from here"
    )
    out.print(f"farebox {found.version}: {verdict}." + ("" if verbose else " --verbose shows every fact."))


def _line(out: Any, finding: Finding) -> None:
    from rich.text import Text

    mark, style = _MARKS[finding.level]
    out.print(Text.assemble((f"{mark} ", style), (f"{finding.subject}: ", "bold"), finding.text))
    if finding.remedy:
        out.print(Text(f"    {finding.remedy}"))


def _summary(out: Any, section: Section) -> None:
    """One line: the section, and how many facts and findings it has."""
    from rich.text import Text

    worst = next((level for level in ("unseen", "warning") if any(f.level == level for f in section.findings)), None)
    mark, style = _MARKS[worst] if worst else ("✓", "green")
    facts = ", ".join(_told(section)) or "nothing"
    out.print(Text.assemble((f"{mark} ", style), (f"{section.name}: ", "bold"), facts))


def _told(section: Section) -> list[str]:
    """The facts of a section in a few words."""
    if section.name == "SDKs and hooks":
        versions = {(row["SDK"], row["version"]) for row in section.rows}
        hooked = sum(row["state"] == "hooked" for row in section.rows)
        return [*(f"{sdk} {version}" for sdk, version in sorted(versions)), f"{hooked} of {len(section.rows)} hooks"]
    return [" ".join(str(value) for value in row.values() if value != "") for row in section.rows[:6]] + (
        [f"and {len(section.rows) - 6} more"] if len(section.rows) > 6 else []
    )


def _table(out: Any, section: Section) -> None:
    from rich.table import Table

    if not section.rows:
        out.print(f"\n{section.name}: nothing")
        return
    table = Table(title=section.name, title_justify="left", box=None, pad_edge=False)
    for name in section.rows[0]:
        table.add_column(name, overflow="fold")
    for row in section.rows:
        table.add_row(*(str(row.get(name, "")) for name in section.rows[0]))
    out.print()
    out.print(table)
