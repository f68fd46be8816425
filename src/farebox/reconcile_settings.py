"""The table `reconcile` of the settings: where bills are from, and when a day of them is final. Imports core only.

```toml
[reconcile]
grace_hours = 48

[reconcile.openai]
key_file = "~/.config/openai-admin-key"
our_keys = ["key_abc"]

[reconcile.google]
files = "~/billing/export-*.jsonl"

[reconcile.groq]
files = "~/billing/groq-*.csv"
columns = { day = "Date", model = "Model", amount = "Cost", units = { input = "Input tokens", output = "Output tokens" } }
```
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from farebox.core.errors import ConfigurationError

_OWN: Final = frozenset({"grace_hours"})


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the columns of a table mean.

    Attributes:
        day: column of the day (ISO, or as `day_format` says), in UTC.
        day_format: its format, in the words of `strptime`.
        model: column of the model.
        tier: column of the service tier.
        batch: column that says "true" for the batch interface.
        key: column of the API key's id.
        item: column of the line item, whose words say what the money is for.
        amount: column of the money.
        unit: "dollars" or "cents".
        units: billable unit (`input`, `cache_read`, `output`, ...) → column of its count.
        input_includes_cached: whether the count of `input` includes cached tokens.
    """

    day: str
    day_format: str | None = None
    model: str | None = None
    tier: str | None = None
    batch: str | None = None
    key: str | None = None
    item: str | None = None
    amount: str | None = None
    unit: Literal["dollars", "cents"] = "dollars"
    units: dict[str, str] = {}
    input_includes_cached: bool = False


class BillSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one provider's bill is from.

    Attributes:
        key_env: variable that holds the admin key; None: the provider's usual one.
        key_file: file that holds it, instead.
        url: address of the billing interface; None: the provider's.
        our_keys: ids of the API keys that the metered programs use; what others used is then known to be theirs.
        files: path or pattern of exported files.
        columns: what their columns mean, for a bill that has no reader of its own.
        amounts: "cents" or "dollars": what Anthropic's amounts are, where they are not cents as documented.
    """

    key_env: str | None = None
    key_file: str | None = None
    url: str | None = None
    our_keys: tuple[str, ...] = ()
    files: str | None = None
    columns: Columns | None = None
    amounts: Literal["cents", "dollars"] | None = None


class ReconcileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set about reconciliation.

    Attributes:
        grace_hours: hours after the end of a day (UTC) in which its bill may still grow.
        sources: provider → where its bill is from.
    """

    grace_hours: int = 48
    sources: dict[str, BillSource] = {}


def parse_reconcile(value: object) -> ReconcileSettings:
    """The settings in a table, or in its JSON text as an environment variable holds it.

    Raises:
        ConfigurationError: a key or value cannot be used; the message names it and what would do.
    """
    if isinstance(value, ReconcileSettings):
        return value
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f'reconcile cannot be used: give a table as JSON, for example {{"grace_hours": 48}} ({error})'
            ) from None
    if not isinstance(value, Mapping):
        raise ConfigurationError('reconcile cannot be used: give a table, for example {"grace_hours": 48}')
    hours = value.get("grace_hours", 48)
    if isinstance(hours, bool) or not isinstance(hours, int) or not 0 <= hours <= 24 * 60:
        raise ConfigurationError(f"reconcile.grace_hours={hours!r} cannot be used: give whole hours up to {24 * 60}")
    return ReconcileSettings(
        grace_hours=hours,
        sources={str(name): _source(str(name), row) for name, row in value.items() if name not in _OWN},
    )


def _source(name: str, row: Any) -> BillSource:
    where = f"reconcile.{name}"
    if isinstance(row, BillSource):
        return row
    try:
        source: BillSource = msgspec.convert(row, BillSource)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where} cannot be used: {error}") from None
    if source.key_env and source.key_file:
        raise ConfigurationError(f"{where} has both key_env and key_file: give one of them")
    if source.columns is not None and source.files is None:
        raise ConfigurationError(f"{where} has columns and no files: say where they are")
    return source
