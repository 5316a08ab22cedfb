"""IFEval's ``combination:`` constraints: two responses, or the prompt repeated first."""

from __future__ import annotations

from hindsight_rl.constraints.core import Param
from hindsight_rl.constraints.ifeval.declare import ifeval
from hindsight_rl.constraints.text.response import Text


@ifeval(
    "combination:two_responses",
    wording="Give two different responses. Responses and only responses should be separated "
    "by 6 asterisk symbols: ******.",
)
def two_responses(text: Text) -> bool:
    parts = [part.strip() for part in text.raw.split("******")]
    if not all(parts[1:-1]):
        return False
    kept = [part for part in parts if part]
    return len(kept) == 2 and kept[0] != kept[1]


@ifeval(
    "combination:repeat_prompt",
    Param("prompt_to_repeat", str),
    wording="First repeat the request word for word without change, then give your answer "
    "(1. do not say any words or characters before repeating the request; "
    "2. the request you need to repeat does not include this sentence)",
)
def repeat_prompt(text: Text, prompt_to_repeat: str) -> bool:
    return text.raw.strip().lower().startswith(prompt_to_repeat.strip().lower())
