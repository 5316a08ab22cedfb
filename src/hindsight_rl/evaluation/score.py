"""`hindsight score BENCH RESPONSES`: how many constraints and prompts a file of responses satisfies.

hindsight score ifeval responses.jsonl --prompts prompts.jsonl --verdicts verdicts.jsonl
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from hindsight_rl.atomic_files import write_output
from hindsight_rl.constraints.core import CURRENT, VERSIONS
from hindsight_rl.constraints.text.sentences import splitter, splitter_version, use_splitter
from hindsight_rl.constraints.verdicts import both
from hindsight_rl.data.files import file_rows
from hindsight_rl.data.garbage import without_collection
from hindsight_rl.errors import HindsightError
from hindsight_rl.evaluation import cfbench
from hindsight_rl.evaluation.accuracy import SEEN_BY_HIR, accuracy, by_seen
from hindsight_rl.evaluation.prompts import read
from hindsight_rl.evaluation.responses import Matched, match
from hindsight_rl.replay.instruction import Instruction, Verdict
from hindsight_rl.replay.verification import answer_of


@dataclass(frozen=True)
class ScoreConfig:
    """Score the responses to an instruction-following benchmark."""

    benchmark: Annotated[Literal["ifeval", "ifbench", "muldimif", "cfbench"], tyro.conf.Positional]
    """The benchmark."""
    responses: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RESPONSES")]
    """Rows with `prompt` (or `key`) and `response`, samples of lm-eval, or a batch output of OpenAI or vLLM. A .jsonl,
    .json or .parquet file, compressed by gzip or not, or a folder of such files."""
    prompts: str | None = None
    """The benchmark's prompts as a local file; by default from the hub."""
    requests: str | None = None
    """The input file of the batch; needed if its custom ids are not the keys of the prompts."""
    answer_after: str | None = None
    """Score only the text after the last of these marks, e.g. [/THINK]; a response without the mark has no answer.
    Thoughts in <think> and the channels of harmony are removed without this option."""
    verdicts: str | None = None
    """Write the verdicts to this file: per line key, instruction_id_list, strict, loose."""
    json: bool = False
    """Print the scores as one JSON object."""
    strict_input: bool = False
    """Fail if prompts are missing, duplicate or unknown, or if requests of a batch failed."""
    version: str = "auto"
    """Version of the checkers: `current`, `hir` or `corrected`. Several, separated by commas, are shown side by side.
    `auto` is `hir` for the older release of IFBench, otherwise `current`."""
    splitter: Literal["auto", "punkt", "native"] = "auto"
    """What splits texts into sentences: `punkt` of NLTK, as the references do, or the built-in `native`. `auto` is
    `punkt` if its data are installed."""
    judged: str | None = None
    """For CFBench: JSON lines with `key` and `verdict`, the booleans of a judge."""

    @property
    def versions(self) -> list[str]:
        """The names in ``version``. Raises :class:`HindsightError` if one is unknown."""
        names = self.version.split(",")
        if not set(names) <= {"auto", *VERSIONS}:
            known = ", ".join(("auto", *VERSIONS))
            raise HindsightError(f"--version {self.version}: one of {known}, or several, separated by commas")
        return names


def _refuse_unused(config: ScoreConfig) -> None:
    """Raises :class:`HindsightError` for an option that the benchmark does not use."""
    if config.benchmark != "cfbench":
        if config.judged is not None:
            raise HindsightError(f"--judged: only for cfbench; {config.benchmark} is scored by its programs")
        return
    for name, value, default in (
        ("verdicts", config.verdicts, None),
        ("version", config.version, "auto"),
        ("answer-after", config.answer_after, None),
    ):
        if value != default:
            raise HindsightError(f"--{name}: not for cfbench, whose verdicts come from --judged")


def main(argv: list[str]) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` on bad input."""
    config = tyro.cli(ScoreConfig, args=argv, prog="hindsight score")
    named = config.versions
    _refuse_unused(config)
    use_splitter(config.splitter)
    instructions = read(config.benchmark, config.prompts)
    if config.benchmark == "cfbench":
        return _cfbench(instructions, config)
    older = config.benchmark == "ifbench" and is_older_ifbench(instructions)
    versions = list(dict.fromkeys(("hir" if older else CURRENT) if name == "auto" else name for name in named))
    if config.verdicts and len(versions) > 1:
        raise HindsightError("--verdicts takes the verdicts of one --version")
    matched = match(instructions, config.responses, config.requests)
    _complain(matched, config.strict_input)
    if marks := matched.marks(config.answer_after):
        print(f"hindsight: {marks}", file=sys.stderr)
    found: list[dict[str, Any]] = []
    strict: list[Verdict] = []
    loose: list[Verdict] = []
    for version in versions:
        if version != CURRENT:
            instructions = read(config.benchmark, config.prompts, version)
        elif found:
            instructions = read(config.benchmark, config.prompts)
        strict, loose = verdicts_of(instructions, matched.responses, config.answer_after)
        scores = score(config.benchmark, version, instructions, matched, strict, loose)
        if config.answer_after is not None:
            scores["answer_after"] = config.answer_after
        found.append(scores)
    if config.json:
        print(json.dumps(found[0] if len(found) == 1 else {"versions": found}, ensure_ascii=False))
    else:
        print(table(found[0]) if len(found) == 1 else side_by_side(found))
    if config.verdicts:
        write_verdicts(config.verdicts, instructions, strict, loose)
    return 0


def is_older_ifbench(instructions: Sequence[Instruction]) -> bool:
    """IFBench's first release has 294 prompts; keys 269 to 274 came later."""
    keys = {str(each.key) for each in instructions}
    return "268" in keys and "275" in keys and not keys & {str(key) for key in range(269, 275)}


def verdicts_of(
    instructions: Sequence[Instruction], responses: Sequence[str | None], answer_after: str | None = None
) -> tuple[list[Verdict], list[Verdict]]:
    """Strict and loose verdicts, in the order of the instructions; a missing response satisfies nothing.

    answer_after: see :func:`hindsight_rl.replay.verification.answer_of`.
    """
    with without_collection():
        pairs = [
            both(each.constraints, answer_of(response or "", answer_after), each.prompt)  # type: ignore[arg-type]
            for each, response in zip(instructions, responses, strict=True)
        ]
    return [strict for strict, _ in pairs], [loose for _, loose in pairs]


def write_verdicts(
    path: str | Path, instructions: Sequence[Instruction], strict: Sequence[Verdict], loose: Sequence[Verdict]
) -> None:
    """One JSON line a prompt: key, instruction_id_list, strict, loose.

    Raises:
        HindsightError: the file cannot be written.
    """
    lines = []
    for each, tight, slack in zip(instructions, strict, loose, strict=True):
        ids = [constraint.id for constraint in each.constraints]
        line = {"key": each.key, "instruction_id_list": ids, "strict": tight, "loose": slack}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_output(Path(path), lambda out: out.write_text("".join(lines), "utf-8"))


def score(
    benchmark: str,
    evaluator: str,
    instructions: Sequence[Instruction],
    matched: Matched,
    strict: Sequence[Verdict],
    loose: Sequence[Verdict],
) -> dict[str, Any]:
    """Everything that the command reports, as plain JSON."""
    scores: dict[str, Any] = {
        "benchmark": benchmark,
        "evaluator": evaluator,
        "splitter": splitter().name,
        "splitter_version": splitter_version(),
        "prompts": len(instructions),
        "input": {
            "missing": matched.missing,
            "duplicate": matched.duplicate,
            "extra": matched.extra,
            "failed": matched.failed,
        },
        "strict": accuracy(instructions, strict),
        "loose": accuracy(instructions, loose),
    }
    if benchmark == "ifbench":
        scores["trained_on_by_hir_16k"] = {
            "ids": sorted(SEEN_BY_HIR),
            "strict": by_seen(instructions, strict),
            "loose": by_seen(instructions, loose),
        }
    unchecked = [text for each in instructions for text in each.soft]
    if unchecked:
        scores["unchecked"] = unchecked
    return scores


def table(scores: dict[str, Any]) -> str:
    """The scores for people."""

    def cell(part: dict[str, Any]) -> str:
        if not part["total"]:
            return "-"
        low, high = part["ci95"]
        return f"{100 * part['accuracy']:6.2f} [{100 * low:5.1f}, {100 * high:5.1f}] {part['correct']}/{part['total']}"

    lines = [
        f"{scores['benchmark']}: {scores['prompts']} prompts, checkers '{scores['evaluator']}', "
        f"sentences by {scores['splitter_version']}; % with 95 % interval",
        f"{'':24} {'strict':>34} {'loose':>34}",
    ]

    def row(name: str, tight: dict[str, Any], slack: dict[str, Any]) -> None:
        lines.append(f"{name:24} {cell(tight):>34} {cell(slack):>34}")

    for level in ("prompt", "instruction"):
        row(level, scores["strict"][level], scores["loose"][level])
    for family, part in scores["strict"]["families"].items():
        row(f"  {family}", part, scores["loose"]["families"][family])
    split = scores.get("trained_on_by_hir_16k")
    if split:
        lines.append(f"by whether HIR-16K trains on the constraint's type ({len(split['ids'])} ids)")
        for part in ("seen", "unseen"):
            for level in ("prompt", "instruction"):
                row(f"  {part}, {level}", split["strict"][part][level], split["loose"][part][level])
    if "unchecked" in scores:
        lines.append(f"{len(scores['unchecked'])} constraints that no program checks are not scored (see --json)")
    return "\n".join(lines)


def side_by_side(found: Sequence[dict[str, Any]]) -> str:
    """The scores of several versions of the checkers for people, in % of the prompts or instructions."""
    first = found[0]
    names = [f"{each['evaluator']} {mode}" for each in found for mode in ("strict", "loose")]
    lines = [
        f"{first['benchmark']}: {first['prompts']} prompts, sentences by {first['splitter_version']}; %",
        " " * 24 + "".join(f"{name:>18}" for name in names),
    ]

    def row(name: str, parts: list[dict[str, Any]]) -> None:
        cells = (f"{100 * part['accuracy']:.2f}" if part["total"] else "-" for part in parts)
        lines.append(f"{name:24}" + "".join(f"{cell:>18}" for cell in cells))

    for level in ("prompt", "instruction"):
        row(level, [each[mode][level] for each in found for mode in ("strict", "loose")])
    for family in first["strict"]["families"]:
        row(f"  {family}", [each[mode]["families"][family] for each in found for mode in ("strict", "loose")])
    return "\n".join(lines)


def _complain(matched: Matched, fatal: bool) -> None:
    said = matched.complaints()
    if fatal and said:
        raise HindsightError("; ".join(said))
    for line in said:
        print(f"hindsight: {line}", file=sys.stderr)


def _cfbench(instructions: Sequence[Instruction], config: ScoreConfig) -> int:
    if not config.judged:
        raise HindsightError(
            "cfbench is scored from a judge's verdicts: name a file with `key` and `verdict` a line by --judged"
        )
    _complain(match(instructions, config.responses, config.requests), config.strict_input)
    verdicts = read_judged(instructions, config.judged)
    if said := cfbench.missing_said(instructions, verdicts):
        print(f"hindsight: {said}", file=sys.stderr)
    found = asdict(cfbench.scores(instructions, verdicts))
    names = " ".join(f"{name.upper()} {100 * found[name]:.2f}" for name in ("csr", "isr", "psr"))
    print(json.dumps({"benchmark": "cfbench", **found}) if config.json else f"cfbench: {names} ({found['prompts']})")
    return 0


def read_judged(instructions: Sequence[Instruction], path: str | Path) -> list[cfbench.MaybeVerdict]:
    """A judge's verdicts from a file (`key` and `verdict` a line), in the order of the instructions.

    A verdict that is missing is None: one of a demand where the line holds null, all of a prompt that has no line.
    """
    judged: dict[str, cfbench.MaybeVerdict] = {}
    for found in file_rows(Path(path)):
        row, where = found.read(), found.where
        verdict = row.get("verdict")
        if not isinstance(verdict, list) or not all(each in (0, 1, None) for each in verdict):
            raise HindsightError(f"{where}: 'verdict' must be a list of booleans, null where one is missing")
        judged[str(row.get("key"))] = [None if each is None else bool(each) for each in verdict]
    return [judged.get(str(each.key), [None] * len(each.soft)) for each in instructions]
