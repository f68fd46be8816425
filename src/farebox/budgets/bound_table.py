"""The rows of `bound_table.toml`, read once and laid out for the walk over a request. May import core only."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from fractions import Fraction
from importlib import resources
from typing import Any, Final, NamedTuple

import msgspec

from farebox.core import semconv

_REMEMBERED: Final = 1_024


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a row is from.

    Attributes:
        source: the page, or the measurement.
        checked: when a person compared the two, ISO date.
        confidence: `documented`, `measured` or `secondary`.
    """

    source: str
    checked: str
    confidence: str


class Margin(Reviewed, frozen=True):
    """Output tokens that may be billed beyond a cap: a share of it, and some more."""

    share: str
    tokens: int


class Feature(Reviewed, frozen=True, kw_only=True):
    """Keys of a body that belong together, and what they add.

    Attributes:
        feature: its name.
        counts: what is counted for it, in words.
        keys: key → what it may hold, in the words of the file's head.
        tokens: added once where one of its keys is present.
        writes: units that the provider may then bill instead of plain input.
        providers: those of the endpoint's providers that it holds for; empty: all.
    """

    feature: str
    counts: str
    keys: dict[str, str]
    tokens: int = 0
    writes: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One interface of some providers.

    Attributes:
        title: its name for people.
        providers: who offers it.
        apis: its names in `CallRequest.api`.
        feature: what its bodies may have.
        write_cap: path of the output cap that is written where the request states none.
        smallest_cap: the smallest cap that it takes.
        unstated_cap: the cap that holds where the request states none; None: the model's own.
        output: whether anything comes out that is billed.
        unit: what texts are billed by in place of tokens.
        request_tokens: added to each request.
        json_factor: tokens for each byte of JSON.
        normalises: whether text may be normalised (NFKC) before it is cut into tokens.
        writes: units that the provider may always bill instead of plain input.
    """

    title: str
    providers: tuple[str, ...]
    apis: tuple[str, ...]
    feature: tuple[Feature, ...]
    write_cap: tuple[str, ...] = ()
    smallest_cap: int = 1
    unstated_cap: int | None = None
    output: bool = True
    unit: str = semconv.INPUT
    request_tokens: int = 0
    json_factor: int = 1
    normalises: bool = False
    writes: tuple[str, ...] = ()


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An object inside a body.

    Attributes:
        name: what rows call it.
        keys: key → what it may hold, where all such objects are alike.
        tag: the key that tells which of `kinds` an object is.
        untagged: the kind of an object without it.
        kinds: kind → key → what it may hold.
        tokens: added for each object.
    """

    name: str
    keys: dict[str, str] = {}
    tag: str | None = None
    untagged: str | None = None
    kinds: dict[str, dict[str, str]] = {}
    tokens: int = 0


class Tile(msgspec.Struct, frozen=True):
    """How a model bills images by their size: tokens for each square of `side` pixels."""

    side: int
    tokens: int


class Models(Reviewed, frozen=True, kw_only=True):
    """Models that have a ceiling.

    Attributes:
        providers: who offers them.
        names: patterns of names.
        most_output: tokens that one answer has at most; None: not known.
        most_written: the largest cap that is written for it, where the whole output leaves no room for a prompt; None: the most output.
        image_tokens: tokens that an image of any size is at most, or that it has beside those of its `tile`s; None: not known.
        tile: how much an image has more for its size; None: nothing.
    """

    providers: tuple[str, ...]
    names: tuple[str, ...]
    most_output: int | None = None
    most_written: int | None = None
    image_tokens: int | None = None
    tile: Tile | None = None


class _File(msgspec.Struct, frozen=True):
    margin: Margin
    endpoint: tuple[Endpoint, ...]
    node: tuple[Node, ...]
    models: tuple[Models, ...]


class Rule(NamedTuple):
    """What a key may hold.

    Attributes:
        kind: the first word of the row's entry.
        argument: the node, or the values.
        feature: the feature that it belongs to; None inside a node.
        needed: whether the object must have the key.
    """

    kind: str
    argument: Any = None
    feature: Feature | None = None
    needed: bool = False


class Shape(NamedTuple):
    """A node, laid out."""

    name: str
    tokens: int
    keys: Mapping[str, Rule]
    tag: str | None
    untagged: str | None
    kinds: Mapping[str, Mapping[str, Rule]]


class Table:
    """All rows.

    Attributes:
        endpoints: as in the file.
        models: as in the file.
        nodes: as in the file.
        margin: what may be billed beyond a cap.
        share: its share of the cap, exact.
    """

    def __init__(self, data: bytes) -> None:
        file = msgspec.toml.decode(data, type=_File)
        self.endpoints = file.endpoint
        self.models = file.models
        self.nodes = file.node
        self.margin = file.margin
        self.share = Fraction(file.margin.share)
        self._nodes = {node.name: node for node in file.node}
        self._shapes: dict[str, Shape] = {}
        self._found: dict[tuple[str, str], Models | None] = {}
        self._keys = {
            (provider, api): (endpoint, self._body(endpoint, provider))
            for endpoint in file.endpoint
            for provider in endpoint.providers
            for api in endpoint.apis
        }

    def endpoint(self, provider: str, api: str) -> tuple[Endpoint, Mapping[str, Rule]] | None:
        """The interface of a provider, and what its bodies may have."""
        return self._keys.get((provider, api))

    def model(self, provider: str, name: str) -> Models | None:
        """The row of a model, by its name in lower case."""
        key = (provider, name)
        if key not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = next(
                (row for row in self.models if provider in row.providers and _matches(row, name)), None
            )
        return self._found[key]

    def _body(self, endpoint: Endpoint, provider: str) -> dict[str, Rule]:
        return {
            key: self._rule(entry, feature)
            for feature in endpoint.feature
            if not feature.providers or provider in feature.providers
            for key, entry in feature.keys.items()
        }

    def _rule(self, entry: str, feature: Feature | None = None) -> Rule:
        kind, _, argument = entry.removeprefix("needed ").partition(" ")
        held: Any = None
        if kind in {"node", "nodes", "parts"}:
            held = self._shape(argument)
        elif kind == "costs":
            held = int(argument)
        elif kind == "one":
            held = json.loads(argument.removeprefix("of "))
        return Rule(kind, held, feature, needed=entry.startswith("needed "))

    def _shape(self, name: str) -> Shape:
        shape = self._shapes.get(name)
        if shape is None:
            node = self._nodes[name]
            keys: dict[str, Rule] = {}
            kinds: dict[str, dict[str, Rule]] = {kind: {} for kind in node.kinds}
            # Known before its keys are: a node may hold others of its kind.
            shape = self._shapes[name] = Shape(name, node.tokens, keys, node.tag, node.untagged, kinds)
            keys.update({key: self._rule(entry) for key, entry in node.keys.items()})
            for kind, entries in node.kinds.items():
                kinds[kind].update({key: self._rule(entry) for key, entry in entries.items()})
        return shape


def _matches(row: Models, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in row.names)


@functools.cache
def table() -> Table:
    """The table, read when the first ceiling is asked for."""
    return Table(resources.files(__package__).joinpath("bound_table.toml").read_bytes())
