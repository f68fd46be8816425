"""What a user can see of a value, as plain data that two runs can be compared by. Imports no SDK: it goes by attributes.

Left out is what differs from run to run: ids (numbered in order of appearance), dates, ports, signatures.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

VOLATILE = frozenset({"created", "created_at", "completed_at", "date", "x-amz-date", "host", "create_time", "elapsed"})
"""Names of members and headers whose values are times or ports."""

_START = r"(?:[A-Za-z]+[-_]|gem)?"
_IDS = re.compile(
    rf"(?<=boundary=)[^;\s]+|{_START}[0-9a-f]{{24}}\b|[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}"
)
_TIME = re.compile(r'(?<="created)((?:_at)?": ?)\d+')
_PORT = re.compile(r"127\.0\.0\.1:\d+")
_SIGNATURE = re.compile(r"AWS4-HMAC-SHA256 .*")


class Describer:
    """Describes the values of one run; the same id gets the same number throughout.

    Args:
        forgives_null_usage: leave out `usage: null`, which a provider writes into every chunk when it is asked for usage.

    Attributes:
        ids: every id that was seen, and what it was called.
    """

    def __init__(self, *, forgives_null_usage: bool = False) -> None:
        self.ids: dict[str, str] = {}
        self._forgives = forgives_null_usage
        self._open: list[int] = []

    def text(self, value: str) -> str:
        """The text with ids, ports and signatures told apart by nothing but their order."""
        value = _SIGNATURE.sub("signed", _PORT.sub("127.0.0.1", _TIME.sub(r"\1…", value)))
        return _IDS.sub(lambda found: self._named(found[0]), value)

    def _named(self, identifier: str) -> str:
        start = re.match(_START, identifier)
        return self.ids.setdefault(identifier, f"{start[0] if start else ''}#{len(self.ids)}")

    def of(self, value: Any) -> Any:
        """Plain data for a value: its type, and what it holds."""
        if value is None or type(value) in {bool, int, float}:
            return value
        if type(value) is str:
            return self.text(value)
        if isinstance(value, enum.Enum):
            return f"{_name(value)}.{value.name}"
        if isinstance(value, bytes):
            return ("bytes", self.text(value.decode("utf-8", "replace")))
        if id(value) in self._open:
            return "again"
        self._open.append(id(value))
        try:
            return self._whole(value)
        finally:
            self._open.pop()

    def _whole(self, value: Any) -> Any:
        return next((describe(self, value) for fits, describe in _FORMS if fits(value)), _name(value))

    def _mapping(self, value: Any) -> Any:
        return (_name(value), self._members(dict(value)))

    def _items(self, value: Any) -> Any:
        return (_name(value), [self.of(item) for item in value])

    def _headers(self, value: Any) -> Any:
        return (_name(value), [(key, self.of(item)) for key, item in value.multi_items() if key not in VOLATILE])

    def _request(self, value: Any) -> Any:
        return (_name(value), value.method, self.text(str(value.url)), self.of(value.headers))

    def _members(self, members: dict[Any, Any]) -> list[Any]:
        if self._forgives and members.get("usage", ...) is None:
            del members["usage"]
        return [
            (self.of(key), "…" if str(key).lower() in VOLATILE else self.of(member)) for key, member in members.items()
        ]

    def _model(self, model: Any) -> Any:
        said = set(model.model_fields_set)
        if self._forgives and getattr(model, "usage", ...) is None:
            said.discard("usage")
        members = {**vars(model), **(getattr(model, "__pydantic_extra__", None) or {})}
        return (_name(model), self._members(members), sorted(said), self.of(getattr(model, "_request_id", None)))

    def _error(self, error: BaseException) -> Any:
        members = {name: member for name, member in vars(error).items() if name != "__notes__"}
        causes = [_name(cause) for cause in (error.__cause__, error.__context__) if cause is not None]
        told = (self.text(str(error)), getattr(error, "__notes__", []), error.__suppress_context__)
        return (_name(error), self.of(error.args), self._members(members), causes, told)

    def _response(self, response: Any) -> Any:
        """A transport's response; its own attributes show whether anything was left on it."""
        own = sorted(name for name in vars(response) if not name.startswith("_"))
        content = self.of(response.content) if hasattr(response, "_content") else "unread"
        return (_name(response), response.status_code, self.of(response.headers), own, response.is_closed, content)


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda value: all(hasattr(value, name) for name in names)


_FORMS: tuple[tuple[Callable[[Any], bool], Callable[[Describer, Any], Any]], ...] = (
    (lambda value: isinstance(value, Mapping), Describer._mapping),
    (lambda value: isinstance(value, list | tuple | set | frozenset), Describer._items),
    (lambda value: isinstance(value, BaseException), Describer._error),
    (_has("model_fields_set"), Describer._model),
    (_has("multi_items"), Describer._headers),
    (_has("status_code", "is_closed"), Describer._response),
    (_has("method", "url", "headers"), Describer._request),
)
"""What a value looks like → how it is described; of anything else the type is all that is compared."""


def sent(request: Any, describer: Describer) -> dict[str, Any]:
    """A request as it arrived: the body in the order of its members, so that with its length two equal ones are the same bytes."""
    headers = {name: describer.text(value) for name, value in request.headers.items() if name not in VOLATILE}
    body = request.body
    if not isinstance(body, bytes):
        body = describer.text(json.dumps(body, ensure_ascii=False, default=repr))
    return {
        "line": f"{request.method} {describer.text(request.path)}?{describer.text(request.query)}",
        "headers": headers,
        "body": body,
    }


def _name(value: Any) -> str:
    kind = type(value)
    flag = "coroutine" if inspect.iscoroutine(value) else ""
    return flag or f"{kind.__module__}.{kind.__qualname__}"
