"""`hindsight judge BENCH RESPONSES`: a language model's verdicts on the demands that no program checks.

hindsight judge cfbench responses.jsonl --prompts cfbench.jsonl --out judged.jsonl --base-url http://localhost:8000/v1 \
--model Qwen/Qwen3-8B
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from hindsight_rl.benchmarks import cfbench
from hindsight_rl.benchmarks.readers import read
from hindsight_rl.benchmarks.responses import match
from hindsight_rl.endpoint import Endpoint, EndpointSettings
from hindsight_rl.errors import HindsightError
from hindsight_rl.instruction import Instruction, Verdict
from hindsight_rl.lm.judge import Judge, prompt

BENCHMARKS = ("cfbench", "hir-16k", "muldimif")


def add_endpoint_flags(parser: argparse.ArgumentParser) -> None:
    """One flag for each of :class:`EndpointSettings`, without the word endpoint."""
    group = parser.add_argument_group("endpoint")
    for each in fields(EndpointSettings):
        kind = {"str": str, "int": int, "float": float}.get(str(getattr(each.type, "__name__", each.type)), str)
        group.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default, dest=f"e_{each.name}")


def endpoint_of(args: argparse.Namespace) -> Endpoint:
    """The endpoint that the flags name; raises :class:`hindsight_rl.endpoint.EndpointError`."""
    given = {each.name: getattr(args, f"e_{each.name}") for each in fields(EndpointSettings)}
    return Endpoint(EndpointSettings(**given).resolved())


def judged_rows(judge: Judge, instructions: Sequence[Instruction], responses: Sequence[str | None]) -> list[Verdict]:
    """A verdict per instruction: its checkable constraints, then its soft demands; a missing response meets none."""
    whole = [judge.judged(each) for each in instructions]
    given = [(each, response) for each, response in zip(whole, responses, strict=True) if response is not None]
    found = iter(judge.verdicts(given))
    return [
        next(found) if response is not None else [False] * len(each.constraints)
        for each, response in zip(whole, responses, strict=True)
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` on bad input."""
    parser = argparse.ArgumentParser(prog="hindsight judge", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("responses", help="JSON lines with `prompt` (or `key`) and `response`")
    parser.add_argument("--prompts", help="the prompts as a local file; default: from the hub")
    parser.add_argument(
        "--out", required=True, help="JSON lines with `key` and `verdict`, for hindsight score --judged"
    )
    parser.add_argument("--votes", type=int, default=1, help="how often each is asked; the majority decides")
    add_endpoint_flags(parser)
    args = parser.parse_args(argv)
    instructions = read(args.benchmark, args.prompts)
    matched = match(instructions, args.responses)
    with endpoint_of(args) as endpoint:
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
