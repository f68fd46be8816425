"""Forms with files (multipart/form-data, RFC 7578) to plain data. Imports the standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any, Final

_INDEX: Final = re.compile(r"\[\d*\]$")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form."""

    filename: str
    content_type: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)


def parse(content_type: str, data: bytes) -> dict[str, Any]:
    """The fields by name: a text, an `Upload`, or a list of them where the name ends in `[]` or `[0]`, or comes again."""
    fields: dict[str, Any] = {}
    for headers, content in _parts(content_type, data):
        written = str(headers.get_param("name", "", "content-disposition"))
        name = _INDEX.sub("", written)
        filename = headers.get_filename()
        value = (
            content.decode(errors="replace")
            if filename is None
            else Upload(filename, headers.get_content_type(), content)
        )
        if name in fields:
            before = fields[name]
            fields[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            fields[name] = [value] if name != written else value
    return fields


def _parts(content_type: str, data: bytes) -> Iterator[tuple[Message, bytes]]:
    about = Message()
    about["content-type"] = content_type
    boundary = str(about.get_param("boundary", "")).encode()
    parser = BytesHeaderParser()
    for piece in (b"\r\n" + data).split(b"\r\n--" + boundary)[1:]:
        if piece.startswith(b"--"):
            return
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        yield parser.parsebytes(head + b"\r\n\r\n"), content
