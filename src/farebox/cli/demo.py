"""`farebox demo`: the real SDKs against a loopback provider, metered, bounded and written down. Imports click, the face, reports, testing and cli."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from farebox.cli.show import console
from farebox.cli.traffic import TRAFFIC, Traffic
from farebox.core.errors import BudgetExceeded, ConfigurationError, FareboxError
from farebox.core.ports import Ledger
from farebox.testing import FakeProvider

TENANTS: Final = {
    "openai": ("acme", "research"),
    "anthropic": ("globex", "support"),
    "google-genai": ("initech", "planning"),
}
"""Whom each SDK's everyday traffic is for: tenant and task."""

BURST: Final = 40

LONG_ANSWER: Final = 350
"""Tokens of an answer in the budget scenes; the questions allow 400."""


@click.command(epilog="Example: farebox demo --keep demo.db, then farebox report --ledger demo.db --by tenant")
@click.option("--keep", metavar="PATH", type=click.Path(path_type=Path), help="Write the ledger here and leave it.")
def demo(keep: Path | None) -> None:
    """Show farebox at work: no network, no key, nothing is paid.

    The SDKs that are installed talk to a provider on loopback that counts real tokens.
    """
    if keep is not None and keep.exists():
        raise ConfigurationError(f"--keep {keep} exists already: name a new file, so that nothing is overwritten")
    present = [traffic for traffic in TRAFFIC if traffic.version]
    if not present:
        raise FareboxError("no SDK is installed that the demo could show: pip install 'farebox[all]'")
    with tempfile.TemporaryDirectory(prefix="farebox-demo-") as directory, FakeProvider() as provider:
        _perform(present, provider, keep or Path(directory) / "demo.db")
    if keep is not None:
        click.echo(f"The ledger is {keep}. Ask it: farebox report --ledger {keep} --by tenant --by task")


def _perform(present: Sequence[Traffic], provider: FakeProvider, path: Path) -> None:
    from farebox import runtime
    from farebox.verbs import open_ledger

    _introduce(present)
    # The loopback provider accepts `include_usage`; the user's own FAREBOX_DISABLED and ledger do not apply here.
    runtime.instrument(ledger=path, disabled=False, service="farebox demo", usage_hosts=("127.0.0.1",))
    try:
        for traffic in present:
            _everyday(traffic, provider)
        provider.wait_idle()
        provider.output_tokens = LONG_ANSWER
        _refusal(present[0], provider)
        _crowd(present[0], provider)
        provider.wait_idle()
        runtime.flush()
        ledger = open_ledger()
        try:
            _account(ledger, provider)
        finally:
            ledger.close()
    finally:
        runtime.reset()


def _introduce(present: Sequence[Traffic]) -> None:
    out = console()
    out.print(
        "[bold]farebox demo[/]: the real SDKs talk to a provider on loopback. No network, no key, nothing is paid."
    )
    out.print("Token counts are real; prices are list prices applied to made-up traffic.\n")
    out.print("SDKs: " + ", ".join(f"{traffic.distribution} {traffic.version}" for traffic in present))
    for traffic in TRAFFIC:
        if traffic not in present:
            out.print(
                f"{traffic.distribution} is not installed; pip install 'farebox[{traffic.extra}]' adds its part.",
                markup=False,
            )


def _everyday(traffic: Traffic, provider: FakeProvider) -> None:
    """Ordinary work, named by tenant and task."""
    from farebox.verbs import tracked

    tenant, task = TENANTS[traffic.distribution]
    with tracked(task, tenant_id=tenant):
        traffic.everyday(provider)


def _refusal(traffic: Traffic, provider: FakeProvider) -> None:
    """A loop that would not stop by itself meets its budget."""
    from farebox.verbs import track_budget, tracked

    _scene("A loop that would not stop by itself", 'with farebox.track_budget(0.05, {"analysis": 0.01}) as budget:')
    ask = traffic.ask(provider)
    before = len(provider.requests)
    with (
        track_budget("0.05", {"analysis": "0.01"}, name="request 4711") as budget,
        tracked("analysis", tenant_id="acme"),
    ):
        try:
            while True:
                ask()
        except BudgetExceeded as refusal:
            console().print(f"  BudgetExceeded: {refusal}", markup=False, style="yellow")
    _bar("request 4711, task analysis", budget.per_task_spent["analysis"], "0.01", len(provider.requests) - before)


def _crowd(traffic: Traffic, provider: FakeProvider) -> None:
    """Many calls at once: each reserves before it is sent, so they cannot all slip through together."""
    from farebox.verbs import track_budget, tracked

    limit = "0.015"
    _scene(f"{BURST} calls at once", f"async with farebox.track_budget({limit}): await asyncio.gather(*calls)")
    before = len(provider.requests)
    with track_budget(limit, name="fan-out") as budget, tracked("triage", tenant_id="globex"):
        answers = asyncio.run(_gather(traffic, provider))
    refused = sum(isinstance(answer, BudgetExceeded) for answer in answers)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, BudgetExceeded):
            raise answer
    console().print(f"  {BURST - refused} sent, {refused} refused before anything was sent.")
    _bar("fan-out", budget.total_spent, limit, len(provider.requests) - before)


async def _gather(traffic: Traffic, provider: FakeProvider) -> Sequence[Any]:
    return await traffic.burst(provider, BURST)


def _account(ledger: Ledger, provider: FakeProvider) -> None:
    """What the ledger says, and what the provider says."""
    from farebox.reports.render import to_terminal
    from farebox.reports.spend import spend

    out = console()
    out.print()
    out.print(to_terminal(spend(ledger, ("provider", "model")), out.width))
    out.print()
    out.print(to_terminal(spend(ledger, ("tenant_id", "task_type")), out.width))
    out.print()
    _compare(ledger, provider)


def _compare(ledger: Ledger, provider: FakeProvider) -> None:
    """The provider's bill beside the ledger, by tokens, over all calls whose usage the provider stated."""
    from farebox.extraction.read import read

    out = console()
    usages = [read(entry.usage, api=entry.api, provider=entry.provider) for entry in provider.billed if entry.stated]
    billed = len(usages), sum(usage.input_tokens for usage in usages), sum(usage.output_tokens for usage in usages)
    whole = next(group for group in ledger.by("status") if group["status"] == "ok")
    written = whole["calls"], whole["input_tokens"], whole["output_tokens"]
    out.print(
        f"The provider's bill: {billed[0]} answers, {billed[1]:,} tokens in, {billed[2]:,} out."
        f" The ledger: {written[0]} calls, {written[1]:,} in, {written[2]:,} out."
    )
    unstated = len(provider.billed) - len(usages)
    if unstated:
        out.print(
            f"{unstated} more was left before the provider said what it used: billed, and estimated in the ledger."
        )
    agree = billed == written
    out.print("They agree." if agree else "They do not agree.", style="bold green" if agree else "bold red")
    if not agree:
        raise FareboxError("the ledger and the provider's bill differ: please report this with the lines above")


def _scene(title: str, code: str) -> None:
    out = console()
    out.print()
    out.print(title, style="bold", markup=False)
    out.print(f"  {code}", style="dim", markup=False)


def _bar(name: str, spent: Any, limit: Any, sent: int) -> None:
    """A budget as a line: how full it is, and how many requests reached the provider."""
    from farebox.core.money import Money

    share = min(spent / Money(str(limit)), Money(1))
    full = round(share * 20)
    console().print(
        f"  {name}: {'█' * full}{'░' * (20 - full)} ${spent} of ${limit} ({share:.0%}) after {sent} calls", markup=False
    )
