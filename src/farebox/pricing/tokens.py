"""Exact token counts of text, where a vocabulary lies on this machine already. May import core only; tiktoken when it is there.

tiktoken downloads a vocabulary that it does not have. That must never happen inside a request, so its cache is looked at first.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from farebox.core.guard import contained

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
    name = _vocabulary(model)
    if texts is None or not _cached(name):
        return None
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    tokens = sum(len(encoding.encode_ordinary(text)) for text in texts)
    return tokens if isinstance(content, str) else tokens + _MESSAGE_TOKENS * len(texts) + _ANSWER_TOKENS


def count_at_once(text: str, model: str) -> int | None:
    """Tokens of a text, on the way of a call: None where the vocabulary lies nowhere, or would have to be read while others wait.

    Reading a vocabulary takes 0.7 s, once a process. A thread that runs an event loop does not do it; another one begins to.
    """
    name = _vocabulary(model)
    if name not in _loaded:
        if not _cached(name):
            return None
        if _in_event_loop():
            if name not in _loading:
                _loading.add(name)
                threading.Thread(target=_load, args=(name,), name="farebox-vocabulary", daemon=True).start()
            return None
        _load(name)
    encoding = _loaded.get(name)
    return None if encoding is None else len(encoding.encode_ordinary(text))


_loaded: Final[dict[str, Any]] = {}
_loading: Final[set[str]] = set()


def _load(name: str) -> None:
    import tiktoken

    encoding = contained("load a vocabulary", tiktoken.get_encoding, name)
    if encoding is not None:
        _loaded[name] = encoding


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 - the one that does not raise


def _vocabulary(model: str) -> str:
    return "cl100k_base" if model == "gpt-4" or model.startswith(_OLDER) else "o200k_base"


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
