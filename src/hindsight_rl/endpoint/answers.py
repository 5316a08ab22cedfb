"""From a model's answer to a value of the schema: remove the reasoning, find the JSON, check the schema."""

import json
import re
from typing import TYPE_CHECKING, Any

from hindsight_rl.endpoint.settings import EndpointError

if TYPE_CHECKING:
    from pydantic import BaseModel

_REASONING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_OPENED_IN_PROMPT = re.compile(r"\A.*?</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_UNFINISHED = re.compile(r"<(?:think|thinking|reasoning)>.*\Z", re.DOTALL | re.IGNORECASE)
_MOST_STARTS = 64


class MalformedAnswer(EndpointError):
    """The endpoint gave two answers that do not fit the schema."""


def without_reasoning(text: str) -> str:
    """The answer of a thinking model without its thoughts.

    Some chat templates open the thought in the prompt, so that the answer contains only its end. An answer that was cut
    off may contain only its start.
    """
    text = _REASONING.sub("", text)
    text = _OPENED_IN_PROMPT.sub("", text)
    return _UNFINISHED.sub("", text).strip()


def read(text: str, schema: "type[BaseModel]") -> "BaseModel":
    """The first JSON object of the text that fits the schema.

    Raises:
        ValueError: there is none; the message can be shown to the model.
    """
    said = without_reasoning(text)
    if not said:
        raise ValueError("the answer is empty; a model that thinks may need more --endpoint.answer-tokens")
    decoder = json.JSONDecoder()
    problem = "there is no JSON object in it"
    at = said.find("{")
    for _ in range(_MOST_STARTS):
        if at < 0:
            break
        try:
            value, end = decoder.raw_decode(said, at)
        except (ValueError, RecursionError) as error:
            problem, end = f"it is not JSON: {_line(error)}", at + 1
        else:
            try:
                return schema.model_validate(value)
            except ValueError as error:  # pydantic's errors are ValueErrors
                problem = _reasons(error)
        at = said.find("{", end)
    raise ValueError(problem)


def strict_schema(schema: "type[BaseModel]") -> dict[str, Any]:
    """The JSON schema in the form that strict servers require: all fields required, no other fields."""
    made = schema.model_json_schema()

    def close(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                node["additionalProperties"] = False
                node["required"] = list(node["properties"])
            for value in node.values():
                close(value)
        elif isinstance(node, list):
            for value in node:
                close(value)

    close(made)
    return made


def in_words(schema: "type[BaseModel]") -> str:
    """Text to add to a question for a server without `response_format`.

    A schema may have a class attribute `example`: a value that fits it. Small models copy its form, where they would
    otherwise answer with the schema itself.
    """
    shape = json.dumps(strict_schema(schema), ensure_ascii=False)
    said = f"Reply with one JSON object and nothing else, no code fence. It must fit this JSON schema:\n{shape}"
    example = getattr(schema, "example", None)
    if example is None:
        return said
    return f"{said}\nThis is the form, with another content:\n{json.dumps(example, ensure_ascii=False)}"


def _reasons(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return _line(error)
    rows = errors(include_url=False, include_input=False, include_context=False)[:3]
    return "; ".join(f"{'.'.join(map(str, row['loc'])) or 'the object'}: {row['msg']}" for row in rows)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
