"""Parse a server's reply: an answer, or an error in the server's own words."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hindsight_rl.endpoint.cache import Paid

REFUSING = frozenset((400, 404, 415, 422, 501))
"""HTTP statuses of servers that reject an unknown field."""

# Names of the field for a JSON schema in error messages of servers, and words for "not supported".
_STRUCTURE = ("response_format", "json_schema", "json schema", "structured", "guided", "grammar", "schema")
# Other reasons for the same statuses.
_OTHER = (
    "context length", "context_length", "context window", "maximum context", "too long", "too many tokens",
    "max_tokens", "max_completion_tokens", "temperature", "model_not_found", "does not exist", "not found",
    "content_filter", "content policy", "safety",
)  # fmt: skip


class NotAnAnswer(Exception):
    """A body that is no chat completion. status: the HTTP status in the body, 0 if there is none."""

    def __init__(self, said: str, status: int = 0) -> None:
        super().__init__(said)
        self.status = status


def content(body: bytes, messages: Sequence[Mapping[str, Any]]) -> Paid:
    """The answer in the body of a chat completion; "" if the answer is empty.

    Raises:
        NotAnAnswer: the body is no chat completion.
    """
    value: Any = None
    try:
        value = json.loads(body)
        choice = value["choices"][0]
        if choice.get("error"):
            value = choice
            raise KeyError
        text = choice["message"].get("content") or ""
        if not isinstance(text, str):
            text = "".join(part["text"] for part in text)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        said, status = error_in(value)
        raise NotAnAnswer(said or f"{len(body)} bytes that are no chat completion", status) from None
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    asked = sum(len(str(message.get("content", ""))) for message in messages)
    return Paid(text, _tokens(usage.get("prompt_tokens"), asked), _tokens(usage.get("completion_tokens"), len(text)))


def error_in(value: Any) -> tuple[str, int]:
    """The server's error message and the HTTP status in it; "" and 0 if they are missing."""
    if not isinstance(value, Mapping):
        return "", 0
    error = value.get("error")
    inner = error if isinstance(error, Mapping) else value
    said = next((inner[name] for name in ("message", "detail", "error_msg", "msg") if inner.get(name)), None)
    if said is None:
        said = error
    status = next((inner[name] for name in ("code", "status", "status_code") if _status(inner.get(name))), 0)
    return (said if isinstance(said, str) else json.dumps(said) if said else ""), int(status)


def refuses_structure(body: Any, message: str) -> bool | None:
    """Whether an error is about the field for a JSON schema; None if the message is unclear."""
    said = _reason(body, message).lower()
    if any(name in said for name in _STRUCTURE[:3]):
        return True
    if any(name in said for name in _OTHER):
        return False
    return True if any(name in said for name in _STRUCTURE) else None


def _reason(body: Any, message: str) -> str:
    """An error message without the request, which some servers repeat in it."""
    if not isinstance(body, Mapping):
        return message
    inner = body["error"] if isinstance(body.get("error"), Mapping) else body
    parts = [inner.get(name) for name in ("message", "param", "code", "type", "detail")]
    detail = inner.get("detail")
    if isinstance(detail, Sequence) and not isinstance(detail, str):  # FastAPI's: one for each field
        parts[-1] = [[each.get("loc"), each.get("msg")] for each in detail if isinstance(each, Mapping)]
    return " ".join(str(part) for part in parts if part) or message


def _status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600


def _tokens(counted: Any, characters: int) -> int:
    if isinstance(counted, int) and not isinstance(counted, bool) and counted >= 0:
        return counted
    return characters // 4  # the usual estimate if the server does not count
