"""The responses of a row, in one of the public formats.

| shape | as in |
|---|---|
| ``response``, ``responses``, ``completion``, ``completions``: a text, a chat, or a list of them | most |
| ``messages`` or ``conversations`` that end in the assistant's words | chat data, ShareGPT |
| ``custom_id`` and ``response.body.choices`` | batch output of OpenAI and vLLM |
| ``doc`` and ``resps`` | lm-eval's samples_*.jsonl |

A response is cut off if ``finish_reason`` is "length" (of the row, the choice or the item), ``truncated`` is true or
``complete`` is false.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hindsight_rl.data.chats import CHATS, chat_of, content_text, turn
from hindsight_rl.errors import HindsightError

Row = Mapping[str, Any]
COLUMNS = ("response", "responses", "completion", "completions")
_CUT = ("length", "max_tokens", "max_output_tokens", "incomplete")


@dataclass(frozen=True)
class Response:
    """text: the output of the model, thoughts included. complete: it was not cut off."""

    text: str
    complete: bool = True


def is_batch(row: Row) -> bool:
    """Whether the row is a line of a batch output, which has no prompt."""
    return "custom_id" in row and isinstance(row.get("response"), Mapping | None)


def is_sample(row: Row) -> bool:
    """Whether the row is a line of lm-eval's samples."""
    return isinstance(row.get("doc"), Mapping) and ("resps" in row or "filtered_resps" in row)


def responses(row: Row, where: str) -> list[Response]:
    """The responses of a row, at least one; raises :class:`HindsightError` if there are none."""
    if is_batch(row):
        return _batch(row, where)
    if is_sample(row):
        return _listed(row["resps"] if "resps" in row else row["filtered_resps"], "resps", True, where)
    complete = _ended(row)
    for name in COLUMNS:
        if name in row:
            return _listed(row[name], name, complete, where)
    for name in CHATS:
        last = (chat_of(row.get(name), where) or [None])[-1]
        if isinstance(last, Mapping) and last.get("role") == "assistant":
            return [Response(_text(last.get("content"), name, where), complete)]
    raise HindsightError(
        f"{where}: no response in the row: it needs one of {', '.join(COLUMNS)}, or messages that end in the "
        "assistant's words"
    )


def _ended(row: Row) -> bool:
    return not (row.get("finish_reason") in _CUT or row.get("truncated") is True or row.get("complete") is False)


def _listed(value: Any, name: str, complete: bool, where: str) -> list[Response]:
    """One response, a chat, or a list of responses (nested, as lm-eval writes repeats)."""
    if isinstance(value, str):
        value = _chat_text(value) or value
    if value is None or isinstance(value, str):
        return [Response(value or "", complete)]
    if isinstance(value, Mapping):
        content = next((value[key] for key in ("content", "text", "response", "value") if key in value), value)
        return [Response(_text(content, name, where), complete and _ended(value))]
    if not isinstance(value, Sequence):
        raise HindsightError(f"{where}: {name!r} is {value!r:.60}; it must be a text, or a list of texts")
    turns = [turn(each) for each in value]
    roles = [each.get("role") if isinstance(each, Mapping) else None for each in turns]
    if roles and roles[-1] == "assistant" and (len(roles) == 1 or "user" in roles):
        return [Response(_text(turns[-1].get("content"), name, where), complete)]
    found = [each for item in value for each in _listed(item, name, complete, where)]
    if not found:
        raise HindsightError(f"{where}: {name!r} is empty")
    return found


def _chat_text(text: str) -> list[Any] | None:
    """An assistant's chat that is written as JSON text. Other JSON is an ordinary response."""
    try:
        chat = chat_of(text)
    except HindsightError:
        return None
    return chat if chat and isinstance(chat[-1], Mapping) and chat[-1].get("role") == "assistant" else None


def request_failed(row: Row) -> bool:
    """Whether a line of a batch output reports a failed request."""
    answered = row.get("response")
    body = answered.get("body") if isinstance(answered, Mapping) else None
    if row.get("error") or not isinstance(body, Mapping) or body.get("error"):
        return True
    status = answered.get("status_code") if isinstance(answered, Mapping) else None
    return isinstance(status, int) and status >= 400


def _batch(row: Row, where: str) -> list[Response]:
    if request_failed(row):
        raise HindsightError(f"{where}: the request {row['custom_id']!r} failed")
    body = row["response"]["body"]
    if isinstance(body.get("choices"), Sequence) and body["choices"]:
        return [_choice(choice, where) for choice in body["choices"]]
    if isinstance(body.get("output"), Sequence):  # OpenAI's Responses API, where one answer has several parts
        parts = [part for item in body["output"] if item.get("type") == "message" for part in item.get("content") or []]
        text = "".join(part.get("text") or "" for part in parts if isinstance(part, Mapping))
        return [Response(text, body.get("status") not in _CUT)]
    raise HindsightError(f"{where}: the answer to {row['custom_id']!r} holds no choices")


def _choice(choice: Any, where: str) -> Response:
    if not isinstance(choice, Mapping):
        raise HindsightError(f"{where}: {choice!r:.60} among the choices; they are objects")
    message = choice.get("message")
    text = message.get("content") if isinstance(message, Mapping) else choice.get("text")
    return Response(_text(text, "choices", where), _ended(choice))


def _text(value: Any, name: str, where: str) -> str:
    """The text of a message. Null is an empty text; parts are joined."""
    if value is None:
        return ""
    text = content_text(value)
    if text is None:
        raise HindsightError(f"{where}: {value!r:.60} in {name!r}; a response is a text")
    return text
