"""Exact token counts of text, where a vocabulary lies on this machine already. May import core only; tiktoken when it is there.

tiktoken downloads a vocabulary that it does not have. That must never happen inside a request, so its cache is looked at first.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any, Final

_VOCABULARIES: Final = {
    "o200k_base": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    "cl100k_base": "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
}
"""The address that tiktoken names its cached file by, as the SHA-1 of it."""
_OLDER: Final = ("gpt-4-", "gpt-3.5", "text-embedding-")
_MESSAGE_TOKENS: Final = 4
_ANSWER_TOKENS: Final = 3


def count_exactly(content: Any, model: str) -> int | None:
    """Tokens of a text or of chat messages made of text, framing included; None when that cannot be known here."""
    texts = _texts(content)
    name = "cl100k_base" if model == "gpt-4" or model.startswith(_OLDER) else "o200k_base"
    if texts is None or not _cached(name):
        return None
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    tokens = sum(len(encoding.encode_ordinary(text)) for text in texts)
    return tokens if isinstance(content, str) else tokens + _MESSAGE_TOKENS * len(texts) + _ANSWER_TOKENS


def _texts(content: Any) -> list[str] | None:
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return None
    texts = [message.get("content") if isinstance(message, dict) else message for message in content]
    return [text for text in texts if isinstance(text, str)] if all(isinstance(text, str) for text in texts) else None


def _cached(name: str) -> bool:
    if importlib.util.find_spec("tiktoken") is None:
        return False
    directory = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    folder = Path(directory) if directory else Path(tempfile.gettempdir()) / "data-gym-cache"
    key = hashlib.sha1(_VOCABULARIES[name].encode(), usedforsecurity=False).hexdigest()
    return (folder / key).is_file()
