"""Rollouts of several turns: what an environment or a tool wrote, and what that means for replays. No trainer here.

TRL runs the turns (``environment_factory``, ``tools`` or ``rollout_func``) and marks the tokens that the policy did not
write (``tool_mask``). A replay changes the first message of the user and keeps the rest token for token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hindsight_rl.constraints.completions import field_of, message_text
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction


def observations(ids: Sequence[Sequence[int]], masks: Sequence[Sequence[int]] | None, tokenizer: Any) -> list[str]:
    """The text that the environment wrote in each completion, "" if the policy wrote all of it.

    ids: tokens of the completions. masks: 1 for tokens of the policy, 0 for those of the environment.
    """
    if masks is None:
        return [""] * len(ids)
    foreign = [
        [token for token, own in zip(each, mask, strict=True) if not own] for each, mask in zip(ids, masks, strict=True)
    ]
    found: list[str] = tokenizer.batch_decode(foreign, skip_special_tokens=True)
    return found


def waiting(completion: Any) -> bool:
    """Whether a completion ends with a call of a tool that was not answered, or with its answer: it was cut off."""
    if isinstance(completion, str) or not completion:
        return False
    last = completion[-1]
    return field_of(last, "role") == "tool" or bool(field_of(last, "tool_calls"))


def check_prompts(prompts: Sequence[Any], asked: Sequence[Instruction]) -> None:
    """Check that the policy read the instructions and nothing else.

    Raises:
        HindsightError: the environment's ``reset`` added a text, which a rewritten prompt would lack.
    """
    for prompt, instruction in zip(prompts, asked, strict=True):
        if message_text(prompt, "user") != instruction.prompt:
            raise HindsightError(
                "the environment's reset() added a text to the prompt, which a rewritten prompt would lack: return "
                "None from reset(), and describe the start in the instruction's task"
            )
