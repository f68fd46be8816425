"""`farebox doctor`: whether anything paid may be unseen here. Imports click, the runtime, ledger and health; rich when something is drawn."""

from __future__ import annotations

import importlib
import json
from typing import Any, Final

import click
import msgspec

from farebox.cli.show import console
from farebox.core.errors import ConfigurationError
from farebox.health import Finding, Health, Section, examine
from farebox.ledger.locate import ledger_path

UNSEEN: Final = 1
"""Exit code: something paid may be unseen."""

_MARKS: Final = {"unseen": ("✗", "red"), "warning": ("!", "yellow"), "note": ("·", "cyan")}


@click.command(epilog="Example: farebox doctor --import myapp.main")
@click.option(
    "--import", "module", metavar="MODULE", help="Import this module first: one that calls farebox.instrument()."
)
@click.option("--ledger", "place", metavar="PATH", help="Ledger to look at. [default: that of a program here]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Show every fact, not only what is the matter.")
@click.pass_context
def doctor(context: click.Context, *, module: str | None, place: str | None, as_json: bool, verbose: bool) -> None:
    """See whether anything paid may go unseen here; exit code 1 if so.

    Looks at the installed SDKs, which it imports, and how each is hooked; at libraries that go past them; at threads, the ledger and
    its journals; at models without a price, and at the settings. Nothing is sent and nothing is changed.
    """
    if module is not None:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigurationError(
                f"--import {module!r} cannot be imported ({error}): name a module of your program"
            ) from error
    found = examine(None if place is None else ledger_path(place))
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(found), "unseen": found.unseen}, indent=2, ensure_ascii=False))
    else:
        _draw(found, verbose=verbose)
    context.exit(UNSEEN if found.unseen else 0)


def _draw(found: Health, *, verbose: bool) -> None:
    """What is the matter, worst first; then what was looked at; then the verdict."""
    out = console()
    findings = [finding for level in _MARKS for finding in found.findings(level)]  # type: ignore[arg-type] # its keys are the levels
    for finding in findings:
        _line(out, finding)
    if findings:
        out.print()
    for section in found.sections:
        if verbose:
            _table(out, section)
        else:
            _summary(out, section)
    out.print()
    _verdict(out, found, verbose=verbose)


def _line(out: Any, finding: Finding) -> None:
    from rich.text import Text

    mark, style = _MARKS[finding.level]
    remedy = f" {finding.remedy}" if finding.remedy else ""
    out.print(
        Text.assemble((f"{mark} ", style), (f"{finding.subject}: ", "bold"), finding.text, (remedy, "italic")),
        soft_wrap=True,
    )


def _summary(out: Any, section: Section) -> None:
    """One line: what was looked at, how it stands, and what was seen."""
    from rich.text import Text

    levels = [finding.level for finding in section.findings]
    mark, style = next((_MARKS[level] for level in ("unseen", "warning") if level in levels), ("✓", "green"))
    out.print(Text.assemble((f"{mark} ", style), (f"{section.name}: ", "bold"), section.told), soft_wrap=True)


def _table(out: Any, section: Section) -> None:
    from rich.table import Table

    _summary(out, section)
    if not section.rows:
        return
    table = Table(box=None, pad_edge=True, header_style="dim")
    for name in section.rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in section.rows:
        table.add_row(*map(_shown, row.values()))
    out.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _verdict(out: Any, found: Health, *, verbose: bool) -> None:
    from rich.text import Text

    more = "" if verbose else " --verbose shows every fact."
    if found.unseen:
        said = (f"farebox {found.version}: something paid may be unseen.", "bold red")
    else:
        past = ", ".join(row["library"] for section in found.sections if section.key == "past" for row in section.rows)
        but = f" but for calls through {past}" if past else ""
        said = (
            f"farebox {found.version}: nothing paid goes unseen, as far as can be seen from here{but}.",
            "bold green",
        )
    out.print(Text.assemble(said, more), soft_wrap=True)
