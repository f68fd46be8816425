"""The global state department: builds everything from Settings and holds the one default Runtime. May import every part below it.

Nothing else in farebox keeps state between calls; reloading this module leaves hooks in force that nobody owns.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from _thread import RLock
from collections.abc import Callable
from typing import Any, Final, TypeVar

from farebox import config
from farebox.alert_settings import millionths
from farebox.alerts.claims import Claims, claims_path
from farebox.alerts.dispatcher import Alerts, LateAlarm
from farebox.budgets.gate import Gate
from farebox.budgets.place import BudgetPlace, ProgramBudgets
from farebox.budgets.telling import Booked
from farebox.config import Settings
from farebox.core.alert import Alert
from farebox.core.guard import contained, logger
from farebox.core.ports import Ledger
from farebox.instrumentation import Instrumentation
from farebox.ledger.locate import Location, budgets_path, journal_directory, ledger_path
from farebox.ledger.registry import ENGINES, open_ledger
from farebox.maintenance import Maintenance, price_jobs
from farebox.meter import Meter
from farebox.pricing import installed
from farebox.pricing.assume import AssumedRates
from farebox.pricing.estimate import Estimator
from farebox.pricing.quoting import BookPrices
from farebox.sinks.adopt import adopt
from farebox.sinks.recorder import Recorder

T = TypeVar("T")
_EXIT_TIMEOUT: Final = 5.0
"""Seconds that the interpreter's exit waits for the ledger; what is not in it by then stays in the journal."""

_BOOK_AGAIN: Final = 1.0
"""Seconds after which a store of budgets that failed is told anew what it was not told yet."""

gate: Final = Gate(os.getpid())
"""Every budget of this process is booked here, whatever the settings are: budgets outlive a `configure`."""
gate.alarm = LateAlarm(lambda: current().alerts)
gate.alert_at = millionths(Settings().alert_at)


class Runtime:
    """Everything that one set of settings builds. Tests and programs with several ledgers may make their own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ledger_path = ledger_path(settings.ledger)
        prices, policy = BookPrices(), settings.on_unpriced
        self.alerts: Alerts = Alerts(
            settings.alerts,
            alert_at=millionths(settings.alert_at),
            claims=Claims(claims_path(self.ledger_path.path), lambda: _state.opening),
            wake=lambda: self.maintenance.wake(),  # noqa: PLW0108 - it is made below, around these alerts
            service=settings.service,
        )
        self.maintenance = Maintenance(price_jobs(settings.prices, prices_changed), errand=self._errand)
        for function in _state.callbacks:
            self.alerts.listen(function)
        self.recorder = Recorder(
            journal_directory(self.ledger_path),
            lambda: _opened(self.ledger_path, read_only=False),
            durability=settings.durability,
            interval=settings.flush_interval,
            batch_size=settings.batch_size,
            retention_days=settings.retention_days,
            alarm=self.alerts,
        )
        self.budgets = BudgetPlace(budgets_path(self.ledger_path), settings, _state.budgets, _known)
        self._booked = Booked(self.budgets.store, self.maintenance.wake)
        self.budgets.standing.booked = self._booked.note
        self.budgets.standing.failed = self.maintenance.wake
        self.meter = Meter(
            prices=prices,
            estimator=Estimator(prices, assumed_output_tokens=settings.assumed_output_tokens),
            gate=gate,
            standing=self.budgets.standing,
            journal=self.recorder,
            service=settings.service,
            on_gate_error=settings.on_gate_error,
            on_unpriced=policy if isinstance(policy, str) else AssumedRates(policy.rates),
            warn_above=settings.warn_above,
            alarm=self.alerts,
        )

    def _errand(self) -> float | None:
        """What the maintenance thread does when it is woken: look at standing budgets, then send alerts."""
        contained("standing budgets", self.budgets.standing.flush)
        later = contained("alert", self._booked.tell, self.alerts, time.time_ns())
        again = [later, self.alerts.work(), _BOOK_AGAIN if self.budgets.standing.unbooked else None]
        return min((seconds for seconds in again if seconds is not None), default=None)

    def open_ledger(self, path_or_url: str | os.PathLike[str] | None, *, read_only: bool) -> Ledger:
        """Open a ledger; unless read-only, first bring in what this process and dead ones left in journals."""
        path = self.ledger_path if path_or_url is None else ledger_path(os.fspath(path_or_url))
        ledger = _opened(path, read_only=read_only)
        if not read_only:
            if path == self.ledger_path:
                self.recorder.flush(_EXIT_TIMEOUT)
            adopt(journal_directory(path), ledger).tell(self.alerts)
        return ledger

    def leave_in_child(self) -> None:
        """After a fork: what is in flight, and every thread, is the parent's."""
        for part in (self.meter, self.recorder, self.maintenance, self.alerts, self._booked, self.budgets.standing):
            contained("fork", part.leave_in_child)

    def close(self, timeout: float) -> bool:
        """Bring everything into the ledger, send alerts, release the journal. Calls still in flight keep the journal open."""
        self.maintenance.close()
        done = self.finish(timeout, keep_journal=bool(self.meter.open_calls))
        contained("exit", self.budgets.close)
        return done

    def finish(self, timeout: float, *, keep_journal: bool = False) -> bool:
        """Bring everything into the ledger and send every alert; False when `timeout` seconds were not enough for both."""
        deadline = time.monotonic() + timeout
        contained("standing budgets", self.budgets.standing.flush)
        contained("alert", self._booked.tell, self.alerts, time.time_ns())
        done = self.recorder.flush(timeout) if keep_journal else self.recorder.close(timeout)
        return self.alerts.flush(max(0.0, deadline - time.monotonic())) and done


class _State:
    """What there is one of in a process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.arguments: dict[str, Any] = {}
        self.runtime: Runtime | None = None
        self.retired: list[Runtime] = []
        self.installed: list[Any] = []
        self.opening = RLock()  # the system's own, also under gevent, as that of a ledger
        self.ledgers: weakref.WeakSet[Any] = weakref.WeakSet()
        self.budgets = ProgramBudgets()
        self.forking: list[Any] = []
        self.watching = False
        self.callbacks: list[Callable[[Alert], object]] = []


_state: Final = _State()


def current() -> Runtime:
    """The default runtime, built from the environment and `farebox.toml` when `configure` never was called."""
    runtime = _state.runtime
    if runtime is None:
        with _state.lock:
            runtime = _state.runtime
            if runtime is None:
                settings = config.from_process(_state.arguments)
                installed.use(settings.prices)
                gate.alert_at = millionths(settings.alert_at)
                runtime = _state.runtime = Runtime(settings)
                _watch()
    return runtime


def home() -> BudgetPlace:
    """Where budgets that outlive this process are counted, by the settings of now."""
    return current().budgets


def configure(**settings: Any) -> None:
    """Set how farebox works; settings add to those given before.

    Args:
        **settings: see `config.Settings`; stronger than FAREBOX_* variables, which are stronger than `farebox.toml`.

    Raises:
        ConfigurationError: a value cannot be used, here or in a file or variable.
        LedgerError: the ledger's path cannot be used.
        TypeError: there is no such setting.
    """
    with _state.lock:
        merged = {**_state.arguments, **settings}
        wanted = config.from_process(merged)
        if _state.runtime is not None and _state.runtime.settings == wanted:
            _state.arguments = merged
            return
        runtime = Runtime(wanted)
        if not wanted.disabled:
            _check(runtime.ledger_path)
        installed.use(wanted.prices)
        gate.alert_at = millionths(wanted.alert_at)
        before, _state.runtime, _state.arguments = _state.runtime, runtime, merged
        _watch()
    if before is not None:
        before.close(_EXIT_TIMEOUT)
        if before.meter.open_calls:
            _state.retired.append(before)


def reset(timeout: float = _EXIT_TIMEOUT) -> None:
    """Undo everything: hooks, settings, runtime. For tests."""
    uninstrument()
    with _state.lock:
        before, _state.runtime, _state.arguments = _state.runtime, None, {}
        _state.callbacks, _state.budgets = [], ProgramBudgets()
        gate.alert_at = millionths(Settings().alert_at)
    installed.reset()
    if before is not None:
        before.close(timeout)


def instrument(*names: str, **settings: Any) -> Instrumentation:
    """Meter every paid call of the official SDKs from now on, also of clients that exist already.

    Args:
        *names: which SDKs ("openai", "anthropic", "google_genai"); none: all that are or will be imported.
        **settings: as for `configure`.

    Returns:
        A handle whose `undo()`, or end as a `with`, removes the hooks.

    Raises:
        ConfigurationError: an unknown or missing SDK was named, or a setting cannot be used.
        LedgerError: the ledger cannot be used.
    """
    from farebox.instruments.audit import Audit
    from farebox.instruments.patching import WireOptions, install

    configure(**settings)
    runtime = current()
    if runtime.settings.disabled:
        logger.info("farebox is disabled: nothing is metered")
        return Instrumentation(names, None, _removed)
    _check(runtime.ledger_path)
    runtime.recorder.make()
    runtime.maintenance.start()
    installed = install(
        names,
        meter=lambda: current().meter,
        options=WireOptions(
            include_usage=runtime.settings.include_usage, usage_hosts=frozenset(runtime.settings.usage_hosts)
        ),
        carry=runtime.settings.threads,
        audit=Audit() if runtime.settings.audit else None,
    )
    with _state.lock:
        _state.installed.append(installed)
    return Instrumentation(names, installed, _removed)


def _removed(installed: Any) -> None:
    with _state.lock:
        _state.installed = [other for other in _state.installed if other is not installed]


def uninstrument() -> None:
    """Remove every hook. Calls in flight still settle."""
    with _state.lock:
        installed, _state.installed = _state.installed, []
    for one in installed:
        one.undo()


def listen(function: Callable[[Alert], object]) -> None:
    """Have a function told of every alert, whatever the settings are; again is nothing."""
    with _state.lock:
        if function not in _state.callbacks:
            _state.callbacks.append(function)
            if _state.runtime is not None:
                _state.runtime.alerts.listen(function)


def setting_sources() -> dict[str, str]:
    """Where each setting comes from; see `config.sources`."""
    return config.sources(_state.arguments)


def hook_states() -> list[Any] | None:
    """How the hooks stand that this process has in force; None when it has none."""
    with _state.lock:
        installed = list(_state.installed)
    return [state for one in installed for state in one.states()] if installed else None


def flush(timeout: float = 5.0) -> bool:
    """Wait until every event of this process is in the ledger; False when `timeout` seconds were not enough."""
    return _all(lambda runtime, left: runtime.recorder.flush(left), timeout)


def shutdown(timeout: float = 5.0) -> bool:
    """Bring everything into the ledger, send every alert and stop the background writer; False when `timeout` seconds were not enough.

    Events that come later start it again.
    """
    done = _all(lambda runtime, left: runtime.finish(left), timeout)
    _state.retired = [runtime for runtime in _state.retired if runtime.meter.open_calls]
    return done


def prices_changed() -> None:
    """Have estimates look their rates up again."""
    with _state.lock:
        for runtime in (*_state.retired, _state.runtime):
            if runtime is not None:
                runtime.meter.estimator.forget_rates()


def _all(do: Callable[[Runtime, float], bool], timeout: float) -> bool:
    """Do it with every runtime that may still have events, within `timeout` seconds in all."""
    deadline = time.monotonic() + timeout
    runtimes = [*_state.retired, *([] if _state.runtime is None else [_state.runtime])]
    done = [do(runtime, max(0.0, deadline - time.monotonic())) for runtime in runtimes]
    return all(done)


def _check(location: Location) -> None:
    """See that the ledger can be used, now and not in the background later."""
    _ = ENGINES[location.scheme]
    if not location.check():
        _opened(location, read_only=False).close()


def _opened(location: Location, *, read_only: bool) -> Ledger:
    return _known(lambda: open_ledger(location, read_only=read_only))


def _known(make: Callable[[], T]) -> T:
    # A fork waits until the file is open and known: a child must not inherit one that is being opened.
    with _state.opening:
        made = make()
        _state.ledgers.add(made)
    return made


def _watch() -> None:
    """Be told of forks and of the interpreter's exit, once a process."""
    if _state.watching:
        return
    _state.watching = True
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )


def _at_exit() -> None:
    for runtime in (*_state.retired, _state.runtime):
        if runtime is not None:
            contained("exit", runtime.meter.settle_open_calls)
            contained("exit", runtime.budgets.standing.end_all)
            contained("exit", runtime.finish, _EXIT_TIMEOUT)


def _before_fork() -> None:
    _state.opening.acquire()
    _state.forking = list(_state.ledgers)
    for ledger in _state.forking:
        contained("fork", ledger.before_fork)


def _after_fork_in_parent() -> None:
    _reopen()
    _state.opening.release()


def _reopen() -> None:
    ledgers, _state.forking = _state.forking, []
    for ledger in ledgers:
        contained("fork", ledger.after_fork)


def _after_fork_in_child() -> None:
    _reopen()
    _state.lock, _state.opening, _state.budgets.lock = threading.RLock(), RLock(), threading.Lock()
    gate.renew(os.getpid())
    for runtime in (*_state.retired, _state.runtime):
        if runtime is not None:
            runtime.leave_in_child()
    _state.retired = []
