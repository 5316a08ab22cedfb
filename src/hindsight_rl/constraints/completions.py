"""Converts prompts and completions of trainers (texts, messages, chats) to texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hindsight_rl.constraints.core import ConstraintError

SHAPES = (
    "a text, a list of messages like [{'role': 'assistant', 'content': 'text'}], or such a message; its content may be "
    "a list of {'type': 'text', 'text': 'text'}"
)


def response_text(value: Any, where: str) -> str:
    """The text of a completion: itself, or that of the assistant's last message (else the last).

    None, no messages, and a message without content (a call of a tool) are "". Raises :class:`ConstraintError` for
    shapes that are not in :data:`SHAPES`; without this error they would all get reward 0.
    """
    if value is None or isinstance(value, str):
        return value or ""
    messages = list(value) if isinstance(value, Sequence) else [value]
    for message in messages:
        if not _is_message(message):
            raise ConstraintError(f"{where}: the completion is {shown(value)}; it must be {SHAPES}")
    return message_text(messages)


def _is_message(message: Any) -> bool:
    if isinstance(message, str) or (field_of(message, "role") is None and field_of(message, "content") is None):
        return False
    content = field_of(message, "content")
    if isinstance(content, Sequence) and not isinstance(content, str):
        return all(field_of(part, "text") is not None or field_of(part, "type") is not None for part in content)
    return content is None or isinstance(content, str)


def message_text(value: Any, role: str = "assistant") -> str:
    """The text of a prompt or completion: itself, or that of the last message of a role (else the last)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and not isinstance(value[-1], str):
        mine = [message for message in value if field_of(message, "role") == role]
        return _content(field_of((mine or list(value))[-1], "content"))
    return _content(field_of(value, "content"))


def field_of(message: Any, name: str) -> Any:
    """A field of a mapping or of an object; None where it is absent."""
    return message.get(name) if isinstance(message, Mapping) else getattr(message, name, None)


def _content(content: Any) -> str:
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "".join(str(field_of(part, "text") or "") for part in content)
    return content if isinstance(content, str) else ""


def shown(value: Any) -> str:
    """A value for a message, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
