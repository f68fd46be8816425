"""The words that provider files are written in: hooks, endpoints, answers, streams. Imports core and msgspec only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from farebox.core.event import Limits
from farebox.core.usage import Count

Shape: TypeAlias = Literal["call", "coroutine", "generator", "coroutine_generator"]
"""What calling the hooked function gives: the answer, an awaitable of it, a generator that sends when first asked for an item, or
an awaitable of an asynchronous generator. Said by hand: `inspect.iscoroutinefunction` is wrong for decorated SDK methods."""

ToolCalls: TypeAlias = tuple[dict[str, int] | None, tuple[str, ...]]
"""How often the provider ran hosted tools (by name), and which of its tools the answer shows in use."""


Around: TypeAlias = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
"""A wrapper as wrapt calls it: (wrapped, instance, args, kwargs)."""


class Reading(msgspec.Struct, gc=False):
    """What an answer says that prices the call.

    Attributes:
        usage: the provider's usage object as plain JSON values, or None when it gave none.
        model: the model that answered.
        id: the provider's id of the answer.
        tier: the service tier, where the answer states it outside the usage object.
        tool_calls: hosted tools run, by name.
        tools: hosted tools that the answer shows in use.
        whole: False when more usage was still to come.
        units: billable units that the answer shows beside its usage object, or in place of one: seconds of a video.
        key: the provider's own id of what is billed, where other answers may tell of it again; see `core.event.Told`.
        created: when the provider made it, seconds since the epoch.
        group: key of the batch that it is a line of, or whose lines are billed in its place.
        pending: the work was only begun; its usage comes later.
        void: the work failed and is not billed.
        api: the interface of a line of a batch, which may be of any.
        rough: `units` were inferred and are not exact.
    """

    usage: dict[str, Any] | None = None
    model: str | None = None
    id: str | None = None
    tier: str | None = None
    tool_calls: dict[str, int] | None = None
    tools: tuple[str, ...] = ()
    whole: bool = True
    units: dict[str, Count] | None = None
    key: str | None = None
    created: int | None = None
    group: str | None = None
    pending: bool = False
    void: bool = False
    api: str | None = None
    rough: bool = False


class Answer(msgspec.Struct, frozen=True):
    """Where an answer keeps what prices the call.

    Attributes:
        shape: the members to decode from JSON text; the others are skipped unread. Its attributes have the names below.
        usage: name of the usage member.
        model: name of the member that says which model answered, or None.
        id: name of the member that holds the answer's id, or None.
        tier: name of the member that says the service tier, or None.
        tier_header: name of the response's header that says it, or None.
        asked: names the hosted tools that a request's body asks for.
        tools: counts those that the provider ran, given the answer and what was asked for.
        identify: sets what else a reading may hold (`key` and what follows it), given the answer.
        members: reads usage, model, id and tier at once.
    """

    shape: type[msgspec.Struct]
    usage: str = "usage"
    model: str | None = "model"
    id: str | None = "id"
    tier: str | None = None
    tier_header: str | None = None
    asked: Callable[[Any], tuple[str, ...]] | None = None
    tools: Callable[[Any, tuple[str, ...]], ToolCalls] | None = None
    identify: Callable[[Any, Reading], None] | None = None
    members: Callable[[Any], Sequence[Any]] = attrgetter("usage")

    def __post_init__(self) -> None:
        """Make `members`; one call in C for four attributes. What the answer does not have is a name that raises."""
        names = [name or "_" for name in (self.usage, self.model, self.id, self.tier)]
        msgspec.structs.force_setattr(self, "members", attrgetter(*names))


class Pieces(Protocol):
    """Collects what the pieces of one stream say. A new one for each stream; reads models, dicts and text alike.

    Attributes:
        probe: looks at a piece in C; may raise AttributeError.
        quiet: what `probe` gives for pieces that say nothing: those are not noted.
        said: gets from a piece what holds its text, in C; may raise AttributeError. None: usage comes with every piece.
    """

    @property
    def probe(self) -> Callable[[Any], Any]:
        """Looks at a piece."""
        ...

    @property
    def quiet(self) -> Any:
        """What `probe` gives for most pieces."""
        ...

    @property
    def said(self) -> Callable[[Any], Any] | None:
        """Gets what holds a piece's text."""
        ...

    def note(self, piece: Any) -> None:
        """Take note of a piece that may say something."""
        ...

    def reading(self, last: Any, *, ended: bool) -> Reading:
        """What was said so far.

        Args:
            last: the last piece of all, noted or not.
            ended: whether the stream came to its end.
        """
        ...


Found: TypeAlias = Iterable[Reading]
"""What one answer tells of things that were paid for earlier."""


class Endpoint(msgspec.Struct, frozen=True):
    """One billable operation, or one whose answers tell of what was billed.

    Attributes:
        path: end of the logical path, before a client rewrites it for its cloud: "chat/completions", ":generateContent"; "{}" is any
            one part of it.
        operation: OpenTelemetry operation name.
        api: the interface, as extraction and prices know it.
        answer: how its answer is read.
        pieces: makes the collector for a stream, given the answer row and the hosted tools asked for; None: it does not stream.
        asks_usage: whether its streams say usage only when `stream_options.include_usage` asks for it.
        accepts: further test on the request's body, where the path alone does not tell.
        otherwise: the row for bodies that this one does not accept.
        method: of the request.
        derive: what the request alone says will be billed, given its body and the bytes of its files, for answers that do not
            count it.
        exact: whether `derive` says it exactly; otherwise it only estimates.
        told: reads an answer that tells of things paid for earlier, given the parts of the path that stand for "{}"; such a request
            is free itself, and no budget is asked. A stream is read by `pieces` where there are any, else item by item.
        lines: whether the answer is a file of JSON lines, each read by `told`.
        text: reads the units of an answer that is a text, given what the request says.
        default: the model that is taken where the request names none.
        opaque: whether the answer is no JSON and says nothing: sound.
    """

    path: str
    operation: str
    api: str
    answer: Answer
    pieces: Callable[[Answer, tuple[str, ...]], Pieces] | None = None
    asks_usage: bool = False
    accepts: Callable[[Any], bool] | None = None
    otherwise: Endpoint | None = None
    method: str = "post"
    derive: Callable[[Any, int], dict[str, Count]] | None = None
    exact: bool = True
    told: Callable[[Any, tuple[str, ...]], Found] | None = None
    lines: bool = False
    text: Callable[[str, dict[str, Count] | None], dict[str, Count] | None] | None = None
    default: str | None = None
    opaque: bool = False


class Place(msgspec.Struct, frozen=True):
    """Where a client sends its calls.

    Attributes:
        provider: who bills.
        address: host name of the server, or None.
        extra: what else the client says that prices the call: `location`, `data_residency`.
        takes_usage_option: whether the server is known to accept `stream_options.include_usage`.
    """

    provider: str
    address: str | None
    extra: dict[str, str] | None = None
    takes_usage_option: bool = False


class Sent(msgspec.Struct, gc=False):
    """A request about to be sent, in no SDK's words.

    Attributes:
        body: what will be serialised; may hold one-shot iterators, so only dicts and lists are looked into.
        model: the model asked for.
        stream: whether the answer is a stream.
        raw: how the answer comes: "" parsed, "body" with its JSON as `body`, "raw" as a response that was read, "bytes" as one
            that the caller reads.
        attempts: how often the SDK may send it.
        files: bytes of the files that it carries, as far as they are known.
        adjusts: whether `Dialect.limited` can change it.
        counts_attempts: whether `attempts` is a number that the SDK keeps to.
        steering: a header that decides what is billed, where the request has one.
    """

    body: Any
    model: str | None = None
    stream: bool = False
    raw: Literal["", "body", "raw", "bytes"] = ""
    attempts: int = 1
    files: int = 0
    adjusts: bool = False
    counts_attempts: bool = True
    steering: str | None = None


class WireOptions(msgspec.Struct, frozen=True):
    """What an instrument may change on the wire.

    Attributes:
        include_usage: ask chat streams for their usage where the program was silent and the host is known to accept it.
        usage_hosts: more host names that accept it.
    """

    include_usage: bool = True
    usage_hosts: Collection[str] = ()


class Dialect(Protocol):
    """How one family of SDKs is called: the part of an instrument that is code."""

    def route(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Endpoint | None:
        """The endpoint that a call goes to, or None when it is free or not known. Runs on every call: keep it light."""
        ...

    def line(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        """The method and the path of a request, for one that no endpoint describes."""
        ...

    def names(self, endpoint: Endpoint, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
        """The parts of the call's path that stand for the "{}" of its endpoint's."""
        ...

    def sent(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sent:
        """What is about to be sent."""
        ...

    def place(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: WireOptions) -> Place:
        """Where it is sent."""
        ...

    def asking(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The same call asking for usage, with nothing of the user's changed; None where the user has spoken."""
        ...

    def caught(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], keep: Callable[[Any], None]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The same call, handing the answer to `keep` before the SDK parses it further; None where nothing is parsed."""
        ...


class Adjusting(Protocol):
    """A dialect whose requests can be sent with limits; those of others never say that they adjust."""

    def limited(
        self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], limits: Limits
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same call within limits, with nothing of the user's changed."""
        ...


class Hook(msgspec.Struct, frozen=True):
    """One function of an SDK that every call passes.

    Attributes:
        module: module that holds it.
        attribute: dotted path inside the module.
        shape: what calling it gives.
        around: what is done around it where that is not metering; the instrument then needs no dialect.
        metering: makes what is done around it, given the layer that it reports through, where one call of the function is not one
            paid call: a connection.
        dialect: how this function is called, where that differs from the rest of the instrument.
        only: which releases have it, in words; empty: all that are supported.
    """

    module: str
    attribute: str
    shape: Shape = "call"
    around: Around | None = None
    metering: Callable[[Any], Around] | None = None
    dialect: Dialect | None = None
    only: str = ""

    @property
    def target(self) -> str:
        """The function's address, for messages: "module:Class.method"."""
        return f"{self.module}:{self.attribute}"


class Instrument(msgspec.Struct, frozen=True):
    """Everything that is done to one SDK.

    Attributes:
        name: what the user calls it.
        distribution: name on the package index.
        package: what is imported; its presence tells whether the SDK is installed.
        hooks: functions to wrap.
        dialect: how the SDK is called; None where no hook meters.
    """

    name: str
    distribution: str
    package: str
    hooks: tuple[Hook, ...]
    dialect: Dialect | None = None


class HookState(msgspec.Struct, frozen=True):
    """How one hook stands, for the doctor.

    Attributes:
        instrument: name of the instrument.
        distribution: name of the SDK on the package index.
        version: installed version, or None.
        target: the function.
        state: "hooked", "waiting" (the SDK is not imported yet), "missing" (this version has no such function), "other_release"
            (nor need it: only other releases do), "absent" (not installed), "faulty" or "undone".
        detail: more, in words.
        only: which releases have it, see `Hook`.
    """

    instrument: str
    distribution: str
    version: str | None
    target: str
    state: Literal["hooked", "waiting", "missing", "other_release", "absent", "faulty", "undone"]
    detail: str = ""
    only: str = ""
