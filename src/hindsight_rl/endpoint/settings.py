"""The settings of a chat endpoint: address, parameters, limits."""

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
    """The endpoint is not usable, or did not answer within its limits."""


@dataclass
class EndpointSettings:
    """An OpenAI-compatible chat endpoint. The settings hold no API key, only the name of its environment variable."""

    base_url: str = ""
    """Address with version, e.g. http://localhost:8000/v1; by default $OPENAI_BASE_URL."""
    model: str = ""
    """The model's name on the server; by default $HINDSIGHT_MODEL."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the API key; local servers need none."""
    temperature: float = 0.7
    answer_tokens: int = 1024
    """Most tokens of one answer, reasoning included."""
    extra: str = ""
    """More fields of the request, as JSON; null removes a field. Qwen3 without thinking on vLLM:
    '{"chat_template_kwargs": {"enable_thinking": false}}'."""
    structure: str = "auto"
    """How to request JSON. `json_schema`: through response_format. `prompt`: the schema is in the question. `auto`:
    `json_schema`, or `prompt` if the server rejects it."""
    concurrency: int = 8
    """Most requests at the same time."""
    attempts: int = 5
    """Most attempts per question; retried are 408, 409, 429, 5xx, connection resets and timeouts."""
    timeout: float = 120.0
    """Time limit of one attempt in seconds, from the first byte sent to the last byte read."""
    deadline: float = 600.0
    """Time limit of one question with all its attempts in seconds, from the first attempt."""
    max_calls: int = 0
    """Most requests in total; 0 for no limit."""
    max_tokens: int = 0
    """Most tokens in total, input and output; 0 for no limit."""
    price_in: float = 0.0
    """Price of a million input tokens, in any currency; for the cost in the metrics."""
    price_out: float = 0.0
    answer_bytes: int = 1 << 20
    """Most bytes of a response body; a longer one is cut off and counts as malformed."""
    cache: str = ""
    """The SQLite file of cached answers; by default `answers.sqlite3` in the cache folder. `none`: no cache."""

    def resolved(self, environ: Mapping[str, str] | None = None) -> "EndpointSettings":
        """The settings with values from the environment, checked.

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
        """The API key; "none" if the variable is not set."""
        return (os.environ if environ is None else environ).get(self.key_variable) or "none"
