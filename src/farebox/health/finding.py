"""What an examination finds, as data: sections of rows, and findings with their remedies. Imports msgspec only."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Level = Literal["unseen", "warning", "note"]
"""How much a finding matters: something paid may be unseen; something is to be mended; good to know."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found.

    Attributes:
        level: how much it matters.
        subject: what it is about.
        text: what is the matter, in a sentence.
        remedy: what to do, in a sentence; empty when there is nothing to do.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""


class Section(msgspec.Struct, frozen=True):
    """One part of an examination.

    Attributes:
        key: its name for programs.
        name: what it looked at, for people.
        told: the facts in a few words.
        rows: facts, each a mapping with the same keys in every row.
        findings: what is the matter.
    """

    key: str
    name: str
    told: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()


class Health(msgspec.Struct, frozen=True):
    """A whole examination.

    Attributes:
        version: of farebox.
        sections: in the order in which they are shown.
    """

    version: str
    sections: tuple[Section, ...]

    def findings(self, level: Level) -> list[Finding]:
        """All findings of a level."""
        return [finding for section in self.sections for finding in section.findings if finding.level == level]

    @property
    def unseen(self) -> bool:
        """Whether something paid may be unseen."""
        return bool(self.findings("unseen"))
