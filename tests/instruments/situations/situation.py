"""What a situation is: a row that says what a user does, with which SDK, and what the ledger must say. Imports no SDK.

A row is a function whose name is the sentence. What it is called with it names as parameters, like a test its fixtures:

    client    a client of the SDK; farebox is in force when it is made
    provider  the loopback provider
    run       the whole run (`trial.Run`), for a program that puts farebox in force itself

It returns, or yields, what the SDK gives. `yield` hands a value back when it is there: awaited in an asynchronous program, as it
is in a synchronous one. So each is written once for both. What it returns is what the user sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["sync", "async"]
BOTH: tuple[Mode, ...] = ("sync", "async")


@dataclass(frozen=True)
class Situation:
    """One row.

    Attributes:
        name: the sentence.
        kind: which client (`clients.KINDS`).
        program: what the user does.
        covers: items of `lessons.LESSONS`.
        modes: "sync", "async" or both.
        known: whether the host is known to accept `stream_options.include_usage`.
        asks: whether farebox is expected to ask for usage; nothing else may differ on the wire.
        given: told to the provider before the program begins.
        expect: rows of the ledger (`bills`), in order; None: one, exact, for each line of the bill.
        raises: names that the error may have that the program ends with, with farebox and without.
        needs: dotted attribute that the client must have: older SDKs have not every method.
        wrong: what farebox still does wrong here, in words: the row is then expected to fail.
        options: of the client.
        habits: of the provider.
    """

    name: str
    kind: str
    program: Callable[..., Any]
    covers: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = BOTH
    known: bool = True
    asks: bool = False
    given: Callable[[Any], object] | None = None
    expect: tuple[Any, ...] | None = None
    raises: tuple[str, ...] = ()
    needs: str | None = None
    wrong: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    habits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """The file that it stands in, without `about_`."""
        return self.program.__module__.removeprefix("about_")


SITUATIONS: list[Situation] = []
"""Every row, in the order in which the files are read."""


def using(kind: str) -> Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """The decorator that makes functions rows of one kind of client: `@openai("calls: sync", known=False)`."""

    def row(*covers: str, **columns: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def register(program: Callable[..., Any]) -> Callable[..., Any]:
            if isinstance(columns.get("raises"), str):
                columns["raises"] = (columns["raises"],)
            sentence = program.__name__.replace("_", " ")
            SITUATIONS.append(Situation(sentence, kind, program, covers, **columns))
            return program

        return register

    return row


HELLO = [{"role": "user", "content": "How far is it?"}]
GPT, CLAUDE, GEMINI = "gpt-5-mini", "claude-sonnet-4-6", "gemini-2.5-flash"
"""What most rows ask, and whom; each model has a price."""
