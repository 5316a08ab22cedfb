"""`hindsight judge BENCH RESPONSES`: a language model's verdicts on the demands that no program checks.

hindsight judge cfbench responses.jsonl --prompts cfbench.jsonl --out judged.jsonl \
    --endpoint.base-url http://localhost:8000/v1 --endpoint.model Qwen/Qwen3-8B
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from hindsight_rl.endpoint import Endpoint, EndpointSettings
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation import cfbench
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.evaluation.responses import match
from hindsight_rl.lm.judge import Judge, prompt
from hindsight_rl.replay.instruction import Instruction, Verdict
from hindsight_rl.replay.verification import verifying


@dataclass
class JudgeConfig:
    """A language model's verdicts on the demands that no program checks."""

    benchmark: Annotated[Literal["cfbench", "hir-16k", "muldimif"], tyro.conf.Positional]
    responses: Annotated[str, tyro.conf.Positional]
    """JSON lines with `prompt` (or `key`) and `response`."""
    out: str
    """JSON lines with `key` and `verdict`, for hindsight score --judged."""
    prompts: str | None = None
    """The prompts as a local file; by default from the hub."""
    votes: int = 1
    """How often each demand is asked about; the majority decides."""
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)


def judged_rows(judge: Judge, instructions: Sequence[Instruction], responses: Sequence[str | None]) -> list[Verdict]:
    """A verdict per instruction: its checkable constraints, then its soft demands; no response meets none."""
    whole = [judge.judged(each) for each in instructions]
    given = [(each, response) for each, response in zip(whole, responses, strict=True) if response is not None]
    found = iter(verifying(judge).verify_batch(given))
    return [
        next(found) if response is not None else [False] * len(each.constraints)
        for each, response in zip(whole, responses, strict=True)
    ]


def main(argv: list[str]) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` on bad input."""
    args = tyro.cli(JudgeConfig, args=argv, prog="hindsight judge")
    instructions = read(args.benchmark, args.prompts)
    matched = match(instructions, args.responses)
    with Endpoint(args.endpoint.resolved()) as endpoint:
        # Strict: a missing verdict must not pass for a bad response. What was answered is cached for the next try.
        judge = Judge(endpoint, args.votes, strict=True)
        verdicts = judged_rows(judge, instructions, matched.responses)
        told = judge.metrics()
    try:
        with Path(args.out).open("w", encoding="utf-8") as out:
            for each, verdict in zip(instructions, verdicts, strict=True):
                line = {"key": each.key, "verdict": verdict, "judge": told["model"], "prompt": prompt()[1]}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        raise HindsightError(f"cannot write {args.out}: {error.strerror or error}") from error
    scores: dict[str, object] = {"benchmark": args.benchmark, "prompts": len(instructions)}
    if args.benchmark == "cfbench":
        scores |= asdict(cfbench.scores(instructions, verdicts))
    else:
        flat = [holds for verdict in verdicts for holds in verdict]
        scores["instruction"] = round(sum(flat) / len(flat), 4) if flat else None
        scores["prompt"] = round(sum(map(all, verdicts)) / len(verdicts), 4) if verdicts else None
    print(json.dumps({**scores, "missing": matched.missing, "judge": told}, ensure_ascii=False))
    return 0
