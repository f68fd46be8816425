"""Metering fails open: the one place where a fault of ours is caught. Imports core.errors only.

A fault is logged once per kind, counted, and swallowed; `BudgetExceeded` always passes. Gates fail as the user configured
(`on_gate_error`), which is decided where the gate is called.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from farebox.core.errors import BudgetExceeded, FareboxError

P = ParamSpec("P")
T = TypeVar("T")

logger: Final = logging.getLogger("farebox")

faults: Final[Counter[str]] = Counter()
"""Faults swallowed so far in this process, by kind: `farebox doctor` and health reports read it."""

_raise_faults = False


def raise_faults(*, enabled: bool) -> None:
    """Let faults through instead of swallowing them: for farebox's own tests, where a fault must fail the test."""
    global _raise_faults  # noqa: PLW0603 - a switch of the test suite, see the docstring
    _raise_faults = enabled


def report(where: str, error: BaseException) -> None:
    """Count a fault, and log it the first time it happens."""
    kind = f"{where}: {type(error).__name__}"
    faults[kind] += 1
    if faults[kind] == 1:
        logger.warning(
            "farebox could not meter: %s: %s. Your program is not affected; further faults of this kind are only counted.",
            kind,
            error,
            exc_info=None if isinstance(error, FareboxError) else error,  # its message says it all, with the remedy
        )


def contained(where: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call `function`; a fault in it is reported and becomes None. `BudgetExceeded` passes through."""
    try:
        return function(*args, **kwargs)
    except BudgetExceeded:
        raise
    except Exception as error:
        if _raise_faults:
            raise
        report(where, error)
        return None


def decided(where: str, decide: Callable[[Exception], T], function: Callable[..., T], /, *args: Any) -> T:
    """As `contained`, but of a fault that was reported `decide` says what becomes: it gives an answer in its place, or raises."""
    try:
        return function(*args)
    except BudgetExceeded:
        raise
    except Exception as error:
        if _raise_faults:
            raise
        report(where, error)
        return decide(error)


def attempt(function: Callable[..., T], /, *args: Any, on_error: Callable[[Exception], T], **kwargs: Any) -> T:
    """Call `function`; any error is handed to `on_error`, whose answer counts instead. For callers with a policy of their own."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return on_error(error)
