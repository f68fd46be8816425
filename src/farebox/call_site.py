"""Where in the program a call is made, and one warning for each place whose calls are dear. Imports core only."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

from farebox.core.alert import DEAR
from farebox.core.event import CallRequest
from farebox.core.guard import contained, logger
from farebox.core.money import Money
from farebox.core.ports import Alarm

_SDKS: Final = frozenset({"farebox", "openai", "anthropic"})
_BENEATH: Final = frozenset({"tenacity", "wrapt"})
"""What an SDK's call passes through besides the SDK: google-genai retries by tenacity, and hooks are wrapt's."""
_GOOGLE: Final = "google.genai"
_SITES_AT_MOST: Final = 1_000
"""Places that are remembered; a program that makes up more of them, by `exec`, is warned no further."""

UNKNOWN: Final = "a task or thread of its own"
"""The site of a call whose stack holds no frame of the program, as when a pool was handed the SDK's method itself."""


class CostWarning:
    """Warns once per call site of a call that is expected to cost more than a threshold.

    Args:
        above: nano-dollars that a call may be expected to cost without a warning.
        alarm: told of the same.
    """

    def __init__(self, above: int, alarm: Alarm | None = None) -> None:
        self._alarm = alarm
        self._above = above
        self._seen: dict[str, object] = {}

    def look(self, request: CallRequest, expected_nano: int | None) -> None:
        """Warn if this call is dear and its place is new. The stack is walked for dear calls only."""
        if expected_nano is None or expected_nano <= self._above or len(self._seen) >= _SITES_AT_MOST:
            return
        site, mine = call_site(), object()
        if self._seen.setdefault(site, mine) is not mine:  # atomic: of threads that meet here, one warns
            return
        logger.warning(
            "%s: a call of %r is expected to cost $%s, which is above warn_above=%s. Later calls from there are not warned of.",
            site,
            request.model,
            Money.from_nano(expected_nano),
            Money.from_nano(self._above),
        )
        if self._alarm is not None:
            contained(
                "alert",
                self._alarm.tell,
                DEAR,
                site=site,
                model=request.model,
                expected=expected_nano,
                above=self._above,
            )


def call_site() -> str:
    """`file:line` of the innermost frame that is neither farebox's, an SDK's nor the standard library's, else `UNKNOWN`.

    The standard library counts as ours too: a task's stack ends in asyncio, which says nothing about the program.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented; inspect.stack() reads source files for every frame
    while frame is not None:
        if _is_programs(frame.f_globals.get("__name__") or ""):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return UNKNOWN


def _is_programs(module: str) -> bool:
    top = module.partition(".")[0]
    if top in _SDKS or top in _BENEATH or top in sys.stdlib_module_names:
        return False
    return module != _GOOGLE and not module.startswith(f"{_GOOGLE}.")
