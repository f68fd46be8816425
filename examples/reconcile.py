"""Compare a provider's bill with the ledger, and see where every dollar of difference is from. Runs offline, against loopback."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import farebox
from farebox.reconcile.run import reconcile
from farebox.reconcile_settings import BillSource, ReconcileSettings
from farebox.testing import FakeBilling, FakeProvider
from farebox.testing.billing.causes import Credit, OtherCalls
from farebox.testing.billing.traffic import Used


def spend(provider: FakeProvider) -> None:
    """What the metered program does."""
    with farebox.instrument(), provider.openai_client() as client:
        for number in range(20):
            client.responses.create(model="gpt-5-mini", input=f"Summarise complaint {number}.", max_output_tokens=400)
    farebox.flush()


def main() -> None:
    """Spend, let others spend, and read the bill."""
    with tempfile.TemporaryDirectory() as folder, FakeProvider() as provider, FakeBilling() as billing:
        path = Path(folder) / "ledger.db"
        farebox.configure(ledger=str(path))
        spend(provider)
        billing.bill_provider(provider.billed)

        # What the ledger cannot know: a program without farebox, which uses the same key, and a credit.
        now = datetime.now(UTC)
        notebook = Used("openai", "gpt-5", int(now.timestamp() * 10**9), {"input": 2000, "output": 900})
        billing.inject(OtherCalls((notebook,)))
        billing.inject(Credit("openai", f"{now:%Y-%m-%d}", Decimal("-0.005")))

        os.environ["OPENAI_ADMIN_KEY"] = billing.admin_key
        settings = ReconcileSettings(sources={"openai": BillSource(url=billing.openai_url)})
        with farebox.open_ledger() as ledger:
            day = f"{now:%Y-%m-%d}"
            found = reconcile(ledger, path, settings=settings, providers=["openai"], since=day, until=day)
        for result in found.results:
            print(f"{result.day} {result.provider}: billed ${result.billed}, computed ${result.computed}")
            for cause in result.causes:
                print(f"  {cause.kind} {cause.model}{cause.what}: {cause.amount:+f} USD")
            print(f"  unexplained: ${result.unexplained:f}")
        farebox.shutdown()


if __name__ == "__main__":
    main()
