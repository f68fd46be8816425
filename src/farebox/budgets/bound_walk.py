"""One walk over a request's body: every key is looked up in the table, every text is measured. May import core only.

Only dicts, lists, tuples, strings, numbers and the SDKs' own models are read: anything else may be an iterator that can be read once.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from farebox.budgets import bound_images
from farebox.budgets.bound_table import Endpoint, Models, Rule, Shape
from farebox.core import semconv

PART_TOKENS: Final = 16
"""Added for each of several prompts or texts."""

SEALED_TOKENS: Final = 4
"""For each character of encrypted reasoning. Recorded exchanges show 0.14 at most: it is the text of the reasoning, and longer than that."""

_PLAIN: Final = (str, int, float, bool, type(None))
_ABSENT: Final = frozenset({"NotGiven", "Omit"})
"""Classes of the SDKs' marks for an argument that was not given."""
_IMAGE_KEYS: Final = frozenset(
    {"url", "detail", "type", "media_type", "data", "mimeType", "mime_type", "displayName", "display_name"}
)
_INLINE: Final = frozenset({None, "base64", "url"})
_FIVE_MINUTES: Final = frozenset({None, "5m"})


class Outside(Exception):  # noqa: N818 - it never leaves budgets: a request that the table does not cover is no fault
    """The request is outside the table; the message says why."""


class Walk:
    """What was found in one body.

    Args:
        endpoint: the row of its interface.
        keys: what its bodies may have.
        known: the row of its model.

    Attributes:
        tokens: input tokens, at most.
        cap: path and value of the output cap; None: the body has none.
        copies: answers that are billed.
        thinking: output tokens set aside for thinking.
        tier: the service tier.
        writes: units of cache writes that may be billed.
    """

    def __init__(self, endpoint: Endpoint, keys: Mapping[str, Rule], known: Models) -> None:
        self.tokens = endpoint.request_tokens
        self.cap: tuple[tuple[str, ...], int] | None = None
        self.copies = 1
        self.thinking = 0
        self.tier: str | None = None
        self.writes: set[str] = set(endpoint.writes)
        self._endpoint = endpoint
        self._keys = keys
        self._known = known
        self._prompts = 1

    def body(self, body: Any) -> None:
        """Read the whole body.

        Raises:
            Outside: something in it is not in the table.
        """
        body = _object(body, "the body")
        seen: set[str] = set()
        for key, value in body.items():
            if type(value).__name__ in _ABSENT:
                continue
            rule = self._keys.get(key)
            if rule is None:
                raise Outside(f"the key {key!r} has no proven ceiling on {self._endpoint.title}")
            if value is None:
                continue
            feature = rule.feature
            if feature is not None and feature.feature not in seen:
                seen.add(feature.feature)
                self.tokens += feature.tokens
                self.writes.update(feature.writes)
            self._value(rule, value, (key,))
        self.copies *= self._prompts

    def _value(self, rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        READERS[rule.kind](self, rule, value, path)

    def _text(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if not isinstance(value, str):
            raise Outside(f"{_at(path)} is {type(value).__name__}, not a text")
        self.tokens += size(value, normalises=self._endpoint.normalises)

    def _texts(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        items = value if isinstance(value, list | tuple) else [value]
        if all(type(item) is int for item in items):
            items = [items]
        for item in items:
            self.tokens += PART_TOKENS
            if isinstance(item, list | tuple) and all(type(number) is int for number in item):
                self.tokens += len(item)
            else:
                self._text(_rule, item, path)
        self._prompts = max(1, len(items))

    def _json(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        try:
            text = _dumped(value, escaped=False)
            escaped = text if text.isascii() else _dumped(value, escaped=True)
        except (TypeError, ValueError, RecursionError):
            raise Outside(f"{_at(path)} cannot be read as JSON before it is sent") from None
        measured = max(size(text, normalises=self._endpoint.normalises), len(escaped))
        self.tokens += measured * self._endpoint.json_factor

    def _plain(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, _PLAIN):
            return
        if not isinstance(value, list | tuple) or not all(isinstance(item, _PLAIN) for item in value):
            raise Outside(f"{_at(path)} holds {type(value).__name__}, which has no proven ceiling")

    def _ignored(self, _rule: Rule, _value_: Any, _path: tuple[str, ...]) -> None:
        pass

    def _one(self, rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        given = list(value) if isinstance(value, tuple) else value
        if given != rule.argument or type(given) is not type(rule.argument):
            raise Outside(f"{_at(path)}={_shown(value)} has no proven ceiling on {self._endpoint.title}")

    def _node(self, rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        shape: Shape = rule.argument
        item = _object(value, _at(path))
        self.tokens += shape.tokens
        keys = shape.keys
        if shape.tag is not None:
            kind = item.get(shape.tag) or shape.untagged
            if not isinstance(kind, str) or kind not in shape.kinds:
                raise Outside(
                    f"{_at(path)} of {shape.tag} {_shown(kind)} has no proven ceiling on {self._endpoint.title}"
                )
            keys = shape.kinds[kind]
        for key, entry in item.items():
            if type(entry).__name__ in _ABSENT:
                continue
            inner = keys.get(key)
            if entry is None:  # an answer that is handed back has more fields than a request takes, and they are empty
                continue
            if inner is None:
                raise Outside(f"the key {key!r} of {_at(path)} has no proven ceiling on {self._endpoint.title}")
            READERS[inner.kind](self, inner, entry, (*path, key))
        for key, inner in keys.items():
            if inner.needed and item.get(key) is None:
                raise Outside(
                    f"{_at(path)} without {key!r} stands for what the provider keeps, which has no proven ceiling"
                )

    def _nodes(self, rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            value = [value]
        if not isinstance(value, list | tuple):
            raise Outside(f"{_at(path)} is {type(value).__name__}, not a list, and cannot be read before it is sent")
        for item in value:
            self._node(rule, item, path)

    def _parts(self, rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, str):
            self._text(rule, value, path)
        else:
            self._nodes(rule, value, path)

    def _sealed(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if not isinstance(value, str | bytes):
            raise Outside(f"{_at(path)} is {type(value).__name__}, not a text")
        self.tokens += len(value) * SEALED_TOKENS

    def _costs(self, rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        self._plain(rule, value, path)
        self.tokens += rule.argument

    def _image(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        """An image in any of the three dialects. What else may stand in its place (a file, a sound, a document) is told by its type."""
        data = value
        if not isinstance(value, str | bytes):
            image = _object(value, _at(path))
            if unknown := image.keys() - _IMAGE_KEYS:
                raise Outside(f"the key {min(map(str, unknown))!r} of {_at(path)} has no proven ceiling")
            kind = image.get("mimeType") or image.get("mime_type") or image.get("media_type") or "image/"
            if not str(kind).startswith("image/") or image.get("type") not in _INLINE:
                raise Outside(f"{_at(path)} of type {_shown(image.get('type') or kind)} has no proven ceiling")
            data = image.get("data") or image.get("url")
        self.tokens += self._image_tokens(data, path)

    def _image_tokens(self, data: Any, path: tuple[str, ...]) -> int:
        """The most that the model makes of any image, or of one of this size."""
        least, tile = self._known.image_tokens, self._known.tile
        if least is None:
            raise Outside(f"images ({_at(path)}) have no proven ceiling with this model")
        if tile is None:
            return least
        found = bound_images.size(data) if isinstance(data, str | bytes) else None
        if found is None:
            raise Outside(
                f"the size of an image ({_at(path)}) cannot be read: send it in the request, as PNG, JPEG, GIF or WebP"
            )
        width, height = found
        # Thin images may be cut into tiles of two thirds of their short side. https://ai.google.dev/gemini-api/docs/image-understanding
        side = min(tile.side, max(1, min(found) * 2 // 3))
        return least + -(-width // side) * -(-height // side) * tile.tokens

    def _cap(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if self.cap is not None:
            raise Outside(f"{_at(self.cap[0])} and {_at(path)} are two output caps: leave one out")
        self.cap = (path, _whole(value, path))

    def _copies(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        self.copies = max(self.copies, _whole(value, path))

    def _tier(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if not isinstance(value, str):
            raise Outside(f"{_at(path)} is {type(value).__name__}, not a word")
        self.tier = value

    def _thinking(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if type(value) is not int:
            raise Outside(f"{_at(path)}={_shown(value)} is no number of tokens")
        self.thinking = max(0, value)

    def _cache(self, _rule: Rule, value: Any, path: tuple[str, ...]) -> None:
        if "cache_control" not in self._keys:
            raise Outside(f"{_at(path)} has no proven ceiling on {self._endpoint.title} of this provider")
        mark = _object(value, _at(path))
        if unknown := mark.keys() - {"type", "ttl"}:
            raise Outside(f"the key {min(map(str, unknown))!r} of {_at(path)} has no proven ceiling")
        self.writes.add(semconv.CACHE_WRITE_5M)
        if mark.get("ttl") not in _FIVE_MINUTES:
            self.writes.add(semconv.CACHE_WRITE_1H)


READERS: Final[dict[str, Callable[[Walk, Rule, Any, tuple[str, ...]], None]]] = {
    "plain": Walk._plain,  # noqa: SLF001
    "ignored": Walk._ignored,  # noqa: SLF001
    "text": Walk._text,  # noqa: SLF001
    "texts": Walk._texts,  # noqa: SLF001
    "json": Walk._json,  # noqa: SLF001
    "node": Walk._node,  # noqa: SLF001
    "nodes": Walk._nodes,  # noqa: SLF001
    "parts": Walk._parts,  # noqa: SLF001
    "sealed": Walk._sealed,  # noqa: SLF001
    "one": Walk._one,  # noqa: SLF001
    "costs": Walk._costs,  # noqa: SLF001
    "image": Walk._image,  # noqa: SLF001
    "cap": Walk._cap,  # noqa: SLF001
    "copies": Walk._copies,  # noqa: SLF001
    "tier": Walk._tier,  # noqa: SLF001
    "thinking": Walk._thinking,  # noqa: SLF001
    "cache": Walk._cache,  # noqa: SLF001
}
"""The words that rows are written in, and what reads them."""


def size(text: str, *, normalises: bool) -> int:
    """Bytes of a text's UTF-8, at most one token each; of what it becomes where the provider may normalise it first."""
    if text.isascii():
        return len(text)
    measured = len(text.encode("utf-8", "surrogatepass"))
    if normalises:
        measured = max(measured, len(unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass")))
    return measured


def _dumped(value: Any, *, escaped: bool) -> str:
    return json.dumps(value, ensure_ascii=escaped, separators=(",", ":"), default=_plain_object)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    try:
        return _plain_object(value)
    except TypeError:
        raise Outside(f"{what} is {type(value).__name__} and cannot be read before it is sent") from None


def _plain_object(value: Any) -> dict[str, Any]:
    """The fields of an SDK's own model, as it will be sent.

    Raises:
        TypeError: it is none.
    """
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        dumped = dump(mode="json", exclude_unset=True, by_alias=True)
        if isinstance(dumped, dict):
            return dumped
    raise TypeError(type(value).__name__)


def _whole(value: Any, path: tuple[str, ...]) -> int:
    if type(value) is not int or value < 1:
        raise Outside(f"{_at(path)}={_shown(value)} is no whole number of at least 1")
    return value


def _at(path: tuple[str, ...]) -> str:
    return ".".join(path)


def _shown(value: Any) -> str:
    """A value in a message: a word or a number as it is, anything else by its type, so that no content is told."""
    if (isinstance(value, str) and len(value) <= 40) or isinstance(value, int | float):
        return repr(value)
    return f"({type(value).__name__})"
