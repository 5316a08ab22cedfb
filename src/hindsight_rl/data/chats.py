"""Prompts of rows: a text or a chat, in one of the public formats. A chat may be written as JSON text.

| shape | as in |
|---|---|
| a text | IFEval, IFBench |
| a list of {"role", "content"}; content a text, or a list of {"type": "text", "text"} | most |
| a list of {"from", "value"} | ShareGPT |
| any of these lists as JSON, or as a Python literal | exports to CSV, parquet and some hubs |
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hindsight_rl.errors import HindsightError

CHATS = ("messages", "conversations", "prompt")
_ROLES = {"human": "user", "gpt": "assistant"}


def turn(message: Any) -> Any:
    """A message as {"role", "content"}, converted from ShareGPT's {"from", "value"} if needed."""
    if isinstance(message, Mapping) and "role" not in message and "from" in message:
        return {"role": _ROLES.get(message["from"], message["from"]), "content": message.get("value")}
    return message


def chat_of(value: Any, where: str = "") -> list[Any] | None:
    """The turns of a chat; None for anything else, such as plain text.

    Raises :class:`HindsightError` for a text that begins like the JSON of a chat and cannot be read.
    """
    if isinstance(value, str):
        value = _decoded(value, where)
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    return [turn(message) for message in value]


def prompt_text(value: Any, name: str, where: str) -> str | None:
    """A prompt as text: a text itself, or the last user turn of a chat; None for anything else.

    name: the column. Raises :class:`HindsightError` for a chat that cannot be read.
    """
    if (chat := chat_of(value, where)) is not None:
        return user_turn(chat, name, where)[1]
    return value if isinstance(value, str) else None


def _decoded(text: str, where: str) -> Any:
    """The chat that is written in a text; None if it is plain text."""
    head = text.lstrip()
    if not head.startswith("[") or not head[1:].lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(head)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = None
    if isinstance(value, list) and all(isinstance(turn(each), dict) and "role" in turn(each) for each in value):
        return value
    # A damaged chat must not be used as the text of a user.
    if value is None and any(f"{quote}{name}{quote}" in head[:60] for quote in "\"'" for name in ("role", "from")):
        raise HindsightError(
            f"{where}: this text looks like a chat but cannot be read: {text[:60]!r}; write it as JSON"
        )
    return None


def content_text(content: Any) -> str | None:
    """The text of a message, with its parts joined; None if it has no text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return None
    parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    return "".join(map(str, parts)) if parts and all(isinstance(part, str) for part in parts) else None


def user_turn(messages: Sequence[Any], name: str, where: str) -> tuple[tuple[dict[str, Any], ...], str]:
    """The last user message of a chat, and the messages before it.

    An answer after it is a demonstration, which reinforcement learning does not use. name: the column. Raises
    :class:`HindsightError`.
    """
    found: list[dict[str, Any]] = []
    for message in messages:
        content = content_text(message.get("content")) if isinstance(message, Mapping) else None
        if content is None:
            raise HindsightError(f"{where}: {name!r} must be a list of messages with 'role' and a text as 'content'")
        found.append({"role": message.get("role"), "content": content})
    users = [at for at, message in enumerate(found) if message["role"] == "user"]
    if not users:
        raise HindsightError(f"{where}: {name!r} holds no message of the user")
    return tuple(found[: users[-1]]), found[users[-1]]["content"]


def _plain_words(message: Any) -> str | None:
    """What the user says in a message of the usual form, the content a text; None for any other."""
    if type(message) is dict and message.get("role") == "user" and type(message.get("content")) is str:
        return str(message["content"])
    return None


def asked(row: Mapping[str, Any], where: str) -> tuple[tuple[dict[str, Any], ...], str]:
    """The last user message, and the messages before it, of a row with one of :data:`CHATS` or ``question``."""
    for name in CHATS:
        value = row.get(name)
        if type(value) is list and len(value) == 1 and (said := _plain_words(value[0])) is not None:
            return (), said
        if (messages := chat_of(value, where)) is not None:
            return user_turn(messages, name, where)
        if isinstance(value, str) and value.strip():
            return (), value
    if isinstance(row.get("question"), str):
        return (), str(row["question"])
    raise HindsightError(f"{where}: no prompt in the row: it needs one of {', '.join(CHATS)}")
