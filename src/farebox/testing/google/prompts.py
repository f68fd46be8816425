"""What a prompt of Google's counts, by modality, cached content included. Imports testing only."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from farebox.testing import prompt
from farebox.testing.store import Kept
from farebox.testing.wire import Habits, Json, required

_MEDIA: Final = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO"}


_CAPITAL: Final = re.compile("[A-Z]")


class Prompt:
    """The tokens of a prompt.

    Attributes:
        by_modality: tokens, cached ones included.
        cached: tokens of the cached content that the request names, by modality.
    """

    def __init__(self, body: Json, habits: Habits) -> None:
        self.by_modality = _count(body)
        self.cached: Counter[str] = Counter()
        if body.get("cachedContent"):
            self.cached = habits.store.get(body["cachedContent"], Kept).content
            self.by_modality += self.cached

    def members(self) -> Json:
        """The prompt's members of `usageMetadata`."""
        members: Json = {"promptTokenCount": self.by_modality.total()}
        if self.cached:
            members["cachedContentTokenCount"] = self.cached.total()
            members["cacheTokensDetails"] = details(self.cached)
        return {**members, "promptTokensDetails": details(self.by_modality)}


def _count(body: Json) -> Counter[str]:
    counted = contents(required(body, "contents"))
    counted += parts((body.get("systemInstruction") or {}).get("parts"))
    return counted + Counter(TEXT=prompt.tools(body.get("tools")))


def contents(items: list[Any]) -> Counter[str]:
    """Tokens of a conversation by modality."""
    return sum((parts(item.get("parts")) for item in items), Counter())


def parts(items: Any) -> Counter[str]:
    """Tokens of parts by modality."""
    counted: Counter[str] = Counter()
    for item in items or []:
        counted[_modality(item)] += prompt.part(item)
    return counted


def named(item: Json, name: str) -> Any:
    """A member by its name or by its name in snake case: Google takes both, and its SDK mixes them."""
    return item[name] if name in item else item.get(_CAPITAL.sub(lambda found: f"_{found[0].lower()}", name))


def _modality(item: Json) -> str:
    data = named(item, "inlineData") or named(item, "fileData") or {}
    kind = str(named(data, "mimeType") or "text").partition("/")[0]
    return "DOCUMENT" if kind == "application" else _MEDIA.get(kind, "TEXT")


def details(by_modality: Counter[str]) -> list[Json]:
    """The details of a count, as `usageMetadata` has them."""
    return [{"modality": name, "tokenCount": tokens} for name, tokens in by_modality.items() if tokens]
