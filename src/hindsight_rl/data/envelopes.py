"""Flattens the nested columns of verl's and NeMo-Gym's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_INNER = ("extra_info", "verifier_metadata")


def opened(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with the contents of its nested columns at the top level. Existing top-level columns are kept.

    ``extra_info`` may be a JSON text.
    """
    asked, reward = row.get("responses_create_params"), row.get("reward_model")
    if asked is None and reward is None and row.keys().isdisjoint(_INNER):
        return row
    made = dict(row)
    for name in _INNER:
        inner = row.get(name)
        if isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except ValueError:
                inner = None
        if isinstance(inner, Mapping):
            made = {**inner, **made}
    if isinstance(asked, Mapping) and asked.get("input"):
        made["prompt" if isinstance(asked["input"], str) else "messages"] = asked["input"]
    if isinstance(reward, Mapping) and made.get("ground_truth") is None:
        made["ground_truth"] = reward.get("ground_truth")
    return made
