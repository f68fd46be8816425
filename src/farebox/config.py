"""Settings: one row and docstring each, from argument > FAREBOX_* > farebox.toml or [tool.farebox] > default. Imports core and the files of settings only."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from farebox.alert_settings import AlertRow, parse_alert_at, parse_alerts
from farebox.budget_settings import BudgetRow, parse_budgets
from farebox.core.errors import ConfigurationError
from farebox.core.guard import logger
from farebox.core.money import Money, parse_amount
from farebox.core.windows import zone_named
from farebox.price_settings import PriceSettings, parse_prices, parse_rates
from farebox.reconcile_settings import ReconcileSettings, parse_reconcile
from farebox.tier_settings import Tier, parse_tiers

Durability = Literal["process", "system", "memory"]
OnGateError = Literal["allow", "deny"]
BudgetStoreKind = Literal["sqlite", "memory"]
OnUnpriced = Literal["deny", "allow"]


class Assume(msgspec.Struct, frozen=True):
    """Prices that budgets reckon with where the book has none: dollars for a million tokens, a thousand calls, an hour, by unit."""

    rates: dict[str, str]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set, validated. Build it with `load`."""

    ledger: str | None = None
    """Path of the ledger file, or the URL of a server; None: `ledger.db` in the user's data directory."""

    disabled: bool = False
    """True makes `instrument()` do nothing (`FAREBOX_DISABLED=1`)."""

    service: str | None = None
    """Name of this program, written on each of its events."""

    durability: Durability = "process"
    """What an event survives once its call returned: the death of the process, of the system (fsync per call), or nothing ("memory")."""

    threads: bool = True
    """Whether pools and threads carry the budget and attribution of the code that started the work."""

    audit: bool = False
    """Whether the requests below the hooks are counted, so that `Instrumentation.audit()` can name those that no event explains."""

    include_usage: bool = True
    """Whether a chat stream asks for its usage where the program was silent and the host is known to accept it."""

    usage_hosts: tuple[str, ...] = ()
    """More host names that accept `stream_options.include_usage`."""

    on_gate_error: OnGateError = "allow"
    """What a soft or hard budget does when the gate itself fails."""

    gate_timeout: float = 2.0
    """Seconds that a call waits at most for a store of budgets that is locked; then the gate has failed, and `on_gate_error` decides."""

    on_unpriced: OnUnpriced | Assume = "deny"
    """What a hard budget with a limit does with a call whose model has no price: a limit that cannot see a cost cannot hold it.
    `{"assume": {"input": "5", "output": "25"}}` books it at those prices; its event stays unpriced."""

    prices: PriceSettings | None = None
    """Own rates, discounts, free models, Azure deployments, and where the price book is from; see `price_settings`."""

    reconcile: ReconcileSettings | None = None
    """Where providers' bills are from, and when a day of them is final; see `reconcile_settings`."""

    tiers: dict[str, Tier] | None = None
    """Limits of request budgets by name, for `track_budget(tier=...)`; see `tier_settings`."""

    budgets: tuple[BudgetRow, ...] = ()
    """Standing budgets; see `budget_settings`. What a program sets by `set_budget`, and `farebox budgets set`, win over them."""

    budget_store: BudgetStoreKind = "sqlite"
    """Where standing and shared budgets are counted: a file beside the ledger, for all processes of this machine; or this process's "memory"."""

    time_zone: str = "UTC"
    """The time zone of calendar windows that name none, by its IANA name."""

    assumed_output_tokens: int = 1024
    """Tokens that a call without an output cap is expected to produce, until its model and task are known better."""

    warn_above: Money | None = None
    """Dollars; a call that is expected to cost more is logged, once for each place in the program. It is sent all the same."""

    alerts: tuple[AlertRow, ...] = ()
    """Who is told of budgets that run out, refusals, models without a price and journal trouble, besides the log; see `alert_settings`."""

    alert_at: tuple[float, ...] = (0.5, 0.8, 1.0)
    """Shares of a budget's limit that are told when they are reached; none: no share is."""

    flush_interval: float = 0.25
    """Seconds that an event waits at most before the background writer moves it to the ledger."""

    batch_size: int = 1000
    """Events in one transaction of the background writer, at most."""

    retention_days: int = 90
    """Days that single calls are kept in the ledger; what is summed of them stays for ever. 0 keeps every call."""


def _text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError("a non-empty text")
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise ValueError("true or false")


def _names(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError("a list of names")
    return tuple(part.strip() for part in parts if part.strip())


def _whole(value: object) -> int:
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else 0
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError("a whole number of at least 1")
    return number


def _days(value: object) -> int:
    if value in (0, "0") and not isinstance(value, bool):
        return 0
    try:
        number = _whole(value)
    except ValueError:
        number = 1 << 20
    if number > 36_500:
        raise ValueError("a whole number of days up to 36500, or 0 to keep every call")
    return number


def _seconds(value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        number = 0.0
    if not 0.001 <= number <= 3600:
        raise ValueError("seconds between 0.001 and 3600")
    return number


def _dollars(value: object) -> Money:
    return Money.from_nano(parse_amount(value, what="warn_above"))


def _zone(value: object) -> str:
    return zone_named(value, what="time_zone").key


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return parse


def _on_unpriced(value: object) -> object:
    if value in get_args(OnUnpriced) or isinstance(value, Assume):
        return value
    table = value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            table = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise ValueError(
                f'valid JSON, for example {{"assume": {{"input": "5", "output": "25"}}}} ({error})'
            ) from None
    if not isinstance(table, Mapping) or set(table) != {"assume"}:
        raise ValueError('one of deny, allow, or {"assume": {"input": "5", "output": "25"}}')
    return Assume(parse_rates("on_unpriced.assume", table["assume"]))


_warned: Final[set[str]] = set()

PARSERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "ledger": _text,
    "disabled": _flag,
    "service": _text,
    "durability": _one_of(get_args(Durability)),
    "threads": _flag,
    "audit": _flag,
    "include_usage": _flag,
    "usage_hosts": _names,
    "on_gate_error": _one_of(get_args(OnGateError)),
    "gate_timeout": _seconds,
    "on_unpriced": _on_unpriced,
    "prices": parse_prices,
    "reconcile": parse_reconcile,
    "tiers": parse_tiers,
    "budgets": parse_budgets,
    "budget_store": _one_of(get_args(BudgetStoreKind)),
    "time_zone": _zone,
    "assumed_output_tokens": _whole,
    "warn_above": _dollars,
    "alerts": parse_alerts,
    "alert_at": parse_alert_at,
    "flush_interval": _seconds,
    "batch_size": _whole,
    "retention_days": _days,
}
"""How each setting is read; the order is that of `Settings`."""


def load(arguments: Mapping[str, Any], *, environment: Mapping[str, str], directory: Path) -> Settings:
    """Settings from all sources.

    Args:
        arguments: what the program passed; the strongest source.
        environment: usually `os.environ`; only `FAREBOX_*` counts, and names that are no setting are left alone.
        directory: where `farebox.toml` or `pyproject.toml` is looked for.

    Raises:
        ConfigurationError: a name or value cannot be used; the message says where it stands and what would do.
        TypeError: an argument is no setting, as for any function.
    """
    found = _gather(arguments, environment, directory)
    return Settings(**{name: value for name, (value, _source) in found.items()})


def from_process(arguments: Mapping[str, Any]) -> Settings:
    """Settings of this process: its environment and its working directory."""
    return load(arguments, environment=os.environ, directory=_directory())


def sources(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Where each setting of this process comes from: "argument", a variable, a file, or "default"."""
    found = _gather(arguments, os.environ, _directory())
    return {name: found[name][1] if name in found else "default" for name in PARSERS}


def _directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # somebody removed it: then no file of ours is in it
        return Path(os.devnull)


def _gather(
    arguments: Mapping[str, Any], environment: Mapping[str, str], directory: Path
) -> dict[str, tuple[Any, str]]:
    """What is set, and where; a stronger source replaces a weaker one."""
    found: dict[str, tuple[Any, str]] = {}
    source, table = _read_file(directory)
    for name, value in table.items():
        if name not in PARSERS:
            raise ConfigurationError(f"{source}: {name!r} is not a setting{_suggestion(name)}")
        found[name] = _parse(name, value, source=str(source)), str(source)
    _warn_of_misspelt(environment)
    for name in PARSERS:
        variable = f"FAREBOX_{name.upper()}"
        if variable in environment:
            found[name] = _parse(name, environment[variable], source=variable), variable
    for name, value in arguments.items():
        if name not in PARSERS:
            raise TypeError(f"{name!r} is not a setting{_suggestion(name)}")
        found[name] = _parse(name, value, source="argument"), "argument"
    return found


def _parse(name: str, value: object, *, source: str) -> Any:
    try:
        return PARSERS[name](value)
    except ConfigurationError as error:  # a table names the key in it that is wrong
        raise ConfigurationError(f"{source}: {error}") from None
    except ValueError as error:
        raise ConfigurationError(f"{source}: {name}={value!r} cannot be used: give {error}") from None


def _warn_of_misspelt(environment: Mapping[str, str]) -> None:
    known = [f"FAREBOX_{name.upper()}" for name in PARSERS]
    for variable in environment:
        if variable.startswith("FAREBOX_") and variable not in known:
            near = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if near and variable not in _warned:
                _warned.add(variable)
                logger.warning("%s is not a setting and does nothing: did you mean %s?", variable, near[0])


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, PARSERS, n=1)
    return f": did you mean {near[0]!r}?" if near else f": use one of {', '.join(PARSERS)}"


def _read_file(directory: Path) -> tuple[Path, Mapping[str, Any]]:
    own, project = directory / "farebox.toml", directory / "pyproject.toml"
    for path in (own, project):
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError:  # not there, not readable, or no file: nothing was set here
            continue
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            if path is project:  # a broken pyproject.toml is not ours to complain about
                continue
            raise ConfigurationError(f"{path} cannot be read: {error}; mend it or remove it") from None
        if path is own:
            return path, table
        tools = table.get("tool")
        section = tools.get("farebox") if isinstance(tools, dict) else None
        if isinstance(section, dict):
            return path, section
    return own, {}
