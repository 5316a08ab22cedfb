"""Accuracy on held-out instructions, by number of constraints, and statistics of the responses.

asked = read_dataset("test_prompts.jsonl").instructions
evaluate(model, tokenizer, asked, max_new_tokens=80)["all"]
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hindsight_rl.lm.attention import attention_to_constraints
from hindsight_rl.lm.drift import perplexity, shape
from hindsight_rl.lm.generate import Response, generate
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import Verifier, verifying


def measured(
    instructions: Sequence[Instruction], responses: Sequence[Response], verifier: Verifier | None = None
) -> dict[str, Any]:
    """Shares met, in total and by number of constraints. A response that was cut off is scored like any other.

    Returns:
        `all`: share of instructions whose constraints all hold; `each`: share of single constraints that hold;
        `instructions`: their number; `by_number`: `all`, by number of constraints; `numbers`: how many instructions
        have that number; `wins`: a string with 0 or 1 for each instruction.
    """
    return _shares(_verdicts(instructions, responses, verifier))


def _verdicts(
    instructions: Sequence[Instruction], responses: Sequence[Response], verifier: Verifier | None
) -> Sequence[Sequence[bool]]:
    pairs = [(each, response.text) for each, response in zip(instructions, responses, strict=True)]
    return (verifier or verifying()).verify_batch(pairs)


def _shares(verdicts: Sequence[Sequence[bool]]) -> dict[str, Any]:
    wins = [int(all(verdict)) for verdict in verdicts]
    by_number: dict[int, list[int]] = defaultdict(list)
    for verdict, win in zip(verdicts, wins, strict=True):
        by_number[len(verdict)].append(win)
    single = [int(holds) for verdict in verdicts for holds in verdict]
    return {
        "all": round(statistics.mean(wins), 4),
        "each": round(statistics.mean(single), 4),
        "instructions": len(wins),
        "by_number": {str(n): round(statistics.mean(rows), 4) for n, rows in sorted(by_number.items())},
        "numbers": {str(n): len(rows) for n, rows in sorted(by_number.items())},
        "wins": "".join(map(str, wins)),
    }


def evaluate(
    model: Any,
    tokenizer: Any,
    instructions: Sequence[Instruction],
    *,
    max_new_tokens: int,
    batch: int = 64,
    verifier: Verifier | None = None,
    prompt_format: Any = "chat",
    examples: int = 0,
    attention: int = 0,
) -> dict[str, Any]:
    """Generate greedy responses and evaluate them: :func:`measured`, statistics of the responses, and the perplexity.

    Args:
        model, tokenizer: of transformers.
        instructions: held out of training.
        max_new_tokens: most tokens of a response.
        batch: responses generated at the same time.
        verifier: judges the responses; by default the constraints' own checks.
        prompt_format: `chat` or `text`.
        examples: number of responses that are returned as `examples`.
        attention: number of responses whose attention to the constraints is measured as `attention`, see
            :func:`hindsight_rl.lm.attention.attention_to_constraints`.
    """
    chats = [each.messages for each in instructions]
    made = generate(model, tokenizer, chats, max_new_tokens=max_new_tokens, batch=batch, prompt_format=prompt_format)
    verdicts = _verdicts(instructions, made, verifier)
    found = _shares(verdicts)
    found |= {name: round(value, 4) for name, value in shape(made).items()}
    found["tokens"] = round(statistics.mean(each.tokens for each in made), 2)
    found["perplexity"] = round(perplexity(model, tokenizer), 4)
    if attention:
        first = slice(attention)
        found["attention"] = attention_to_constraints(
            model, tokenizer, instructions[first], made[first], verdicts[first], prompt_format
        )
    if examples:
        shown = list(zip(instructions, made, strict=True))[:examples]
        found["examples"] = [{"prompt": each.prompt, "response": response.text} for each, response in shown]
    return found
