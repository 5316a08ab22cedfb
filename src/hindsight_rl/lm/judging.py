"""`hindsight judge BENCH RESPONSES`: a language model judges the demands that no program checks.

hindsight judge cfbench responses.jsonl --prompts cfbench.jsonl --out judged.jsonl \
    --endpoint.base-url http://localhost:8000/v1 --endpoint.model Qwen/Qwen3-8B
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from hindsight_rl.atomic_files import check_output, write_output
from hindsight_rl.endpoint import Endpoint, EndpointSettings
from hindsight_rl.evaluation import cfbench
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.evaluation.responses import match
from hindsight_rl.lm.judge import Judge, prompt
from hindsight_rl.lm.soft import Judging
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.verification import answer_of


@dataclass
class JudgeConfig:
    """Judge the demands that no program checks, with a language model."""

    benchmark: Annotated[Literal["cfbench", "hir-16k", "muldimif"], tyro.conf.Positional]
    responses: Annotated[str, tyro.conf.Positional]
    """Rows with `prompt` (or `key`) and `response`, lm-eval's samples, or a batch output of OpenAI or vLLM."""
    out: str
    """JSON lines with `key` and `verdict` (null: no verdict); hindsight score cfbench --judged reads them."""
    prompts: str | None = None
    """The prompts as a local file; by default from the hub."""
    requests: str | None = None
    """The input file of the batch; needed if its custom ids are not the keys of the prompts."""
    answer_after: str | None = None
    """Judge only the text after the last of these marks, e.g. [/THINK]."""
    votes: int = 1
    """Number of times that the model judges each demand; the majority decides."""
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)


def judged_rows(
    judge: Judging,
    instructions: Sequence[Instruction],
    responses: Sequence[str | None],
    answer_after: str | None = None,
) -> list[list[bool | None]]:
    """One verdict per instruction: first its checkable constraints, then its soft demands; None for a missing verdict.

    A missing response, or one without an answer, meets nothing. answer_after: see
    :func:`hindsight_rl.replay.verification.answer_of`.
    """
    whole = [judge.judged(each) for each in instructions]
    answers = [answer_of(response or "", answer_after) for response in responses]
    given = [(each, answer) for each, answer in zip(whole, answers, strict=True) if answer and each.constraints]
    found = iter(judge.given(given))
    return [
        next(found) if answer and each.constraints else [False] * len(each.constraints)
        for each, answer in zip(whole, answers, strict=True)
    ]


def main(argv: list[str]) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` for bad input."""
    args = tyro.cli(JudgeConfig, args=argv, prog="hindsight judge")
    check_output(Path(args.out))
    instructions = read(args.benchmark, args.prompts)
    matched = match(instructions, args.responses, args.requests)
    for note in (*matched.complaints(), matched.marks(args.answer_after)):
        if note:
            print(f"hindsight: {note}", file=sys.stderr)
    with Endpoint(args.endpoint.resolved()) as endpoint:
        # Strict: the output must not lack verdicts because the server failed. The next call reuses the cached answers.
        judge = Judge(endpoint, args.votes, strict=True)
        verdicts = judged_rows(judge, instructions, matched.responses, args.answer_after)
        metrics = judge.metrics()
    about = {"judge": metrics["model"], "prompt": prompt()[1]}
    lines = [
        json.dumps({"key": each.key, "verdict": verdict, **about}, ensure_ascii=False) + "\n"
        for each, verdict in zip(instructions, verdicts, strict=True)
    ]
    write_output(Path(args.out), lambda path: path.write_text("".join(lines), "utf-8"))
    if note := cfbench.missing_said(instructions, verdicts):
        print(f"hindsight: {note}", file=sys.stderr)
    scores: dict[str, object] = {"benchmark": args.benchmark, "prompts": len(instructions)}
    if args.benchmark == "cfbench":
        scores |= asdict(cfbench.scores(instructions, verdicts))
    else:
        whole = [verdict for verdict in verdicts if None not in verdict]
        flat = [holds for verdict in whole for holds in verdict]
        scores["instruction"] = round(sum(map(bool, flat)) / len(flat), 4) if flat else None
        scores["prompt"] = round(sum(map(all, whole)) / len(whole), 4) if whole else None
        scores["unjudged"] = len(verdicts) - len(whole)
    print(json.dumps({**scores, "missing": matched.missing, "judge": metrics}, ensure_ascii=False))
    return 0
