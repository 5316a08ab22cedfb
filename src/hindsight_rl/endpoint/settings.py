"""Where a chat endpoint is, how it is asked, and what may be spent on it."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hindsight_rl.errors import HindsightError

BASE_URL_VARIABLE = "OPENAI_BASE_URL"
MODEL_VARIABLE = "HINDSIGHT_MODEL"
STRUCTURES = ("auto", "json_schema", "prompt")


class EndpointError(HindsightError):
    """The endpoint cannot be asked, or did not answer within its limits."""


@dataclass
class EndpointSettings:
    """An OpenAI-compatible chat endpoint. The key is no setting, only the name of its variable: no run holds it."""

    base_url: str = ""
    """Address with its version, e.g. http://localhost:8000/v1; by default $OPENAI_BASE_URL."""
    model: str = ""
    """The model's name there; by default $HINDSIGHT_MODEL."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; local servers need none."""
    temperature: float = 0.7
    answer_tokens: int = 1024
    """Most tokens of one answer, reasoning included."""
    extra: str = ""
    """More of the request's fields as JSON; null removes one. Qwen3 without thinking on vLLM:
    '{"chat_template_kwargs": {"enable_thinking": false}}'."""
    structure: str = "auto"
    """How JSON is asked for: `json_schema` (response_format), `prompt` (the schema in words), or `auto`: the first,
    and the second where the server refuses it."""
    concurrency: int = 8
    """Most requests at one time."""
    attempts: int = 5
    """Tries per question on 408, 409, 429, 5xx, resets and time-outs."""
    timeout: float = 120.0
    """Seconds for one try, from the first byte sent to the last one read."""
    deadline: float = 600.0
    """Seconds for one question with all its tries, from when it is first sent."""
    max_calls: int = 0
    """Requests after which nothing more is asked; 0 is no limit."""
    max_tokens: int = 0
    """Tokens, in and out, after which nothing more is asked; 0 is no limit."""
    price_in: float = 0.0
    """Price of a million tokens in, in any currency: for the cost in the metrics."""
    price_out: float = 0.0
    answer_bytes: int = 1 << 20
    """A longer answer is cut off and counts as malformed."""
    cache: str = ""
    """The SQLite file of paid answers; by default `answers.sqlite3` in the cache folder; `none` for none."""

    def resolved(self, environ: Mapping[str, str] | None = None) -> "EndpointSettings":
        """With what the environment adds, checked.

        Raises:
            EndpointError: no address, no model, a key inside the address, or a number out of range.
        """
        environ = os.environ if environ is None else environ
        made = dataclasses.replace(
            self,
            base_url=(self.base_url or environ.get(BASE_URL_VARIABLE, "")).rstrip("/"),
            model=self.model or environ.get(MODEL_VARIABLE, ""),
        )
        if not made.base_url:
            raise EndpointError(f"endpoint: no address: give --endpoint.base-url or ${BASE_URL_VARIABLE}")
        parts = urlsplit(made.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointError("endpoint: the address must look like http://host:port/v1")
        if parts.username or parts.password or parts.query:
            raise EndpointError(f"endpoint: no key or query in the address: put the key into ${made.key_variable}")
        if not made.model:
            raise EndpointError(f"endpoint: no model: give --endpoint.model or ${MODEL_VARIABLE}")
        for name in ("answer_tokens", "concurrency", "attempts", "timeout", "deadline", "answer_bytes"):
            if not getattr(made, name) > 0:
                raise EndpointError(f"--endpoint.{name.replace('_', '-')} {getattr(made, name)}: must be above 0")
        for name in ("max_calls", "max_tokens", "price_in", "price_out", "temperature"):
            if getattr(made, name) < 0:
                raise EndpointError(f"--endpoint.{name.replace('_', '-')} {getattr(made, name)}: must be at least 0")
        if made.structure not in STRUCTURES:
            raise EndpointError(f"--endpoint.structure {made.structure}: one of {', '.join(STRUCTURES)}")
        made.extra_fields()
        return made

    def extra_fields(self) -> dict[str, Any]:
        """``extra`` as an object."""
        try:
            fields = json.loads(self.extra) if self.extra.strip() else {}
        except ValueError as error:
            raise EndpointError(f"--endpoint.extra is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise EndpointError("--endpoint.extra must be a JSON object")
        return fields

    def key(self, environ: Mapping[str, str] | None = None) -> str:
        """The key; "none" where the variable is not set."""
        return (os.environ if environ is None else environ).get(self.key_variable) or "none"
