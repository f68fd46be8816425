"""The same GETs through the admin resources of the `openai` SDK, where it has them. May import openai, when it is asked for.

The raw answer is taken: the SDK's models hold amounts as binary floats.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from farebox.reconcile.transport import TIMEOUT, Answer, Parameters, checked, date, seconds

_METHODS: Final[Mapping[str, str]] = {
    "/organization/costs": "costs",
    "/organization/usage/completions": "completions",
    "/organization/usage/decisions": "decisions",
    "/organization/usage/embeddings": "embeddings",
    "/organization/usage/images": "images",
    "/organization/usage/audio_speeches": "audio_speeches",
    "/organization/usage/audio_transcriptions": "audio_transcriptions",
    "/organization/usage/code_interpreter_sessions": "code_interpreter_sessions",
    "/organization/usage/file_search_calls": "file_search_calls",
    "/organization/usage/web_search_calls": "web_search_calls",
    "/organization/usage/vector_stores": "vector_stores",
}
_NUMBERS: Final = frozenset({"start_time", "end_time", "limit"})


class AdminSDK:
    """`client.admin.organization.usage`, as a `Transport`; what it has no method for goes by `client.get`.

    Args:
        base: the API's address.
        key: the admin key.
    """

    def __init__(self, base: str, key: str) -> None:
        import openai

        self._errors = (openai.APIConnectionError, openai.APIStatusError)
        # Another key in the environment must not be sent here, so the ordinary one is named, and is never used.
        self._client = openai.OpenAI(
            api_key="unused", admin_api_key=key, base_url=checked(base), max_retries=0, timeout=TIMEOUT
        )

    def get(self, path: str, parameters: Parameters) -> Answer:
        """See `Transport`."""
        try:
            raw = self._ask(path, parameters)
        except self._errors as error:
            response = getattr(error, "response", None)
            if response is None:
                cause = error.__cause__
                return Answer(0, f"{type(error).__name__}: {cause or error}".encode())
            after = seconds(response.headers.get("retry-after"))
            return Answer(response.status_code, response.content, after=after, date=date(response.headers.get("date")))
        return Answer(raw.status_code, raw.content, date=date(raw.headers.get("date")))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _ask(self, path: str, parameters: Parameters) -> Any:
        name = _METHODS[path]
        usage = self._client.admin.organization.usage.with_raw_response
        return getattr(usage, name)(**_arguments(parameters))


def available() -> bool:
    """Whether an SDK is installed that has all of it: admin resources came bit by bit."""
    from importlib.util import find_spec

    try:
        if find_spec("openai.resources.admin.organization.usage") is None:
            return False
    except ModuleNotFoundError:
        return False
    import openai
    from openai.resources.admin.organization.usage import Usage

    takes_key = "admin_api_key" in inspect.signature(openai.OpenAI.__init__).parameters
    return takes_key and all(hasattr(Usage, name) for name in _METHODS.values())


def _arguments(parameters: Parameters) -> dict[str, Any]:
    """`group_by[]=model` and the like as the SDK's arguments."""
    found: dict[str, Any] = {}
    for name, value in parameters:
        if name.endswith("[]"):
            found.setdefault(name.removesuffix("[]"), []).append(value)
        else:
            found[name] = int(value) if name in _NUMBERS else value
    return found
