"""The names that one model goes by: resource paths, cloud ids, dates, revisions, fine-tunings. May import the standard library only.

Every step here undoes a documented way of writing a name. None of them leads to another model: what is left unknown stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# projects/p/locations/l/publishers/google/models/m, publishers/google/models/m, models/m, accounts/a/models/m keeps its path elsewhere
_RESOURCE: Final = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/(?P<model>[^/]+)$")
_ARN: Final = re.compile(r"^arn:aws[\w-]*:bedrock:[^/]+:(?:inference-profile|foundation-model)/(?P<model>[^/]+)$")
_DATE: Final = re.compile(
    r"^(?P<model>.+?)[-@](?P<year>20\d\d)-?(?P<month>0[1-9]|1[0-2])-?(?P<day>0[1-9]|[12]\d|3[01])$"
)
_REVISION: Final = re.compile(r"^(?P<model>gemini-.+|text-embedding-.+|gemini-embedding-.+|imagen-.+|veo-.+)-0\d\d$")
_BRACKET: Final = re.compile(r"^(?P<model>.+)\[\w+\]$")
"""Claude Code writes the size of the window behind the name: `claude-sonnet-4-5[1m]`."""


def candidates(model: str, owners: tuple[str, ...]) -> Iterator[str]:
    """Names to look up, the given one first; each is lower case.

    Args:
        model: as the caller or the answer wrote it.
        owners: words that may stand before the name and a slash, as in `openai/gpt-5`.
    """
    name = model.strip().lower()
    yield name
    if found := _BRACKET.match(name):
        name = found["model"]
        yield name
    if found := _RESOURCE.match(name) or _ARN.match(name):
        name = found["model"]
        yield name
    owner, _, rest = name.partition("/")
    if rest and owner in owners:
        name = rest
        yield name
    if name.startswith("ft:"):
        # ft:gpt-4.1-mini-2025-04-14:organisation:suffix:id
        base = ":".join(name.split(":")[:2])
        yield base
        name = base
    if name.endswith(("@default", "@latest")):
        name = name.rpartition("@")[0]
        yield name
    if found := _DATE.match(name):
        base, day = found["model"], f"{found['year']}-{found['month']}-{found['day']}"
        yield f"{base}-{day}"
        yield f"{base}-{day.replace('-', '')}"
        yield f"{base}@{day.replace('-', '')}"
        yield base
    elif found := _REVISION.match(name):
        yield found["model"]
