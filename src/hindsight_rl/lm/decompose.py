"""From an instruction in prose to a task and atomic constraints, for datasets with inline demands.

    made = Decomposer(Endpoint(settings)).decompose("Write a poem about rain in at least 50 words, in a sad voice.")
    made.instruction.task, made.instruction.constraints, made.instruction.soft, made.dropped

A language model makes proposals, and each proposal is checked. A demand must quote the instruction; otherwise it is
dropped, with the reason. If the checkers accept its public id and kwargs, it becomes a constraint that a program
checks; otherwise it becomes a soft demand, for a judge.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from hindsight_rl.atomic_files import check_output, write_output
from hindsight_rl.constraints.core import Checker, ConstraintError, checker_class, constraint, ids
from hindsight_rl.data.chats import asked
from hindsight_rl.data.stream import rows as source_rows
from hindsight_rl.endpoint import Endpoint, EndpointError, EndpointSettings, Question
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.judge import prompt
from hindsight_rl.replay.instruction import Instruction

if TYPE_CHECKING:
    from pydantic import BaseModel

PROMPT = "decompose-1"
# The IFEval family: its kwargs need no further explanation. Other kinds are used only on request.
KINDS = tuple(
    f"{family}:{name}"
    for family, names in {
        "keywords": ("existence", "forbidden_words", "frequency", "letter_frequency"),
        "language": ("response_language",),
        "length_constraints": ("number_words", "number_sentences", "number_paragraphs"),
        "detectable_content": ("number_placeholders", "postscript"),
        "detectable_format": (
            "number_bullet_lists", "number_highlighted_sections", "multiple_sections", "json_format", "title",
        ),
        "startend": ("end_checker", "quotation"),
        "change_case": ("english_capital", "english_lowercase", "capital_word_frequency"),
        "punctuation": ("no_comma",),
    }.items()
    for name in names
)  # fmt: skip


@dataclass(frozen=True)
class Decomposed:
    """The decomposition of one instruction.

    instruction: task, checkable constraints, soft demands; its prompt is the unchanged text. dropped: rejected
    proposals, with the reason. prompt: the version of the prompt.
    """

    instruction: Instruction
    dropped: tuple[tuple[str, str], ...]
    prompt: str


class Decomposer:
    """Splits instructions into task and constraints, with a language model.

    Args:
        endpoint: the chat server.
        kinds: public ids that the model may choose from. All ids together make a long prompt.
    """

    def __init__(self, endpoint: Endpoint, kinds: Sequence[str] = KINDS):
        known = set(ids())
        if unknown := [id for id in kinds if id not in known]:
            raise HindsightError(f"unknown constraint id '{unknown[0]}' among the kinds")
        self.endpoint, self.kinds = endpoint, tuple(kinds)

    def question(self, text: str) -> Question:
        """The question about a text."""
        fence = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]  # a text cannot hold its own hash
        kinds = "\n".join(_kind(id) for id in self.kinds)
        question = prompt(PROMPT)[0].format(fence=fence, text=text, kinds=kinds)
        return Question([{"role": "user", "content": question}], _parts(), {"temperature": 0.0})

    def decompose(self, text: str, key: str | int | None = None) -> Decomposed:
        """Decompose one instruction.

        Raises:
            EndpointError: no usable answer.
        """
        return self._made(text, self.endpoint.ask(self.question(text)).value, key)

    def decompose_many(self, texts: Sequence[str]) -> list[Decomposed | EndpointError]:
        """Decompose many instructions at the same time; a failed one gives its error instead of a result."""
        answers = self.endpoint.ask_many([self.question(text) for text in texts])
        return [
            answer if isinstance(answer, EndpointError) else self._made(text, answer.value, None)
            for text, answer in zip(texts, answers, strict=True)
        ]

    def _made(self, text: str, proposed: Any, key: str | int | None) -> Decomposed:
        plain = _plain(text)
        found: list[tuple[Checker, str]] = []
        soft: list[str] = []
        dropped: list[tuple[str, str]] = []
        for part in proposed.constraints:
            demand, quote = " ".join(part.text.split()), _plain(part.quote)
            if not demand or not quote:
                dropped.append((demand, "its text or its quote is empty"))
            elif quote not in plain:
                dropped.append((demand, f"the instruction does not contain {part.quote[:80]!r}"))
            elif demand in soft or demand in [words for _, words in found]:
                dropped.append((demand, "it is a duplicate"))
            elif (checker := self._checker(part.id, part.kwargs)) is None:
                soft.append(demand)
            elif checker in [each for each, _ in found]:
                dropped.append((demand, f"{checker.id} with these kwargs is a duplicate"))
            else:
                found.append((checker, demand))
        task = " ".join(proposed.task.split())
        if not task:
            task = text
            dropped.append(("", "the model gave an empty task: the whole text is used as the task"))
        words = tuple(demand for _, demand in found)
        made = Instruction(task, tuple(each for each, _ in found), text, key, texts=words, soft=tuple(soft))
        return Decomposed(made, tuple(dropped), prompt(PROMPT)[1])

    def _checker(self, id: str, kwargs: str) -> Checker | None:
        """The constraint; None if its id is not among the kinds, or if its kwargs are not accepted."""
        if id not in self.kinds:
            return None
        try:
            given = json.loads(kwargs or "{}")
            return constraint(id, given) if isinstance(given, dict) else None
        except (ValueError, RecursionError, ConstraintError):
            return None


def _kind(id: str) -> str:
    cls = checker_class(id)
    about = "; ".join(f"{p.name}: {p.accepts()}{'' if p.required else ' (optional)'}" for p in cls.params)
    return f"- {id} ({about or 'no arguments'})" + (f": {cls.wording}" if cls.wording else "")


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .\"'").casefold()


@cache
def _parts() -> "type[BaseModel]":
    from pydantic import BaseModel

    class Part(BaseModel):
        quote: str
        text: str
        id: str = ""
        kwargs: str = "{}"

    class Parts(BaseModel):
        task: str
        constraints: list[Part]

        example: ClassVar[dict[str, Any]] = {
            "task": "Describe a lamp.",
            "constraints": [{"quote": "in a calm tone", "text": "Use a calm tone.", "id": "", "kwargs": "{}"}],
        }

    return Parts


def _row(where: str, row: Any) -> tuple[str, Any, Sequence[dict[str, Any]], str]:
    """Its place, its key, the turns before the last one of the user, and that one."""
    key, text = row.get("key", row.get("id")), row.get("instruction")
    if isinstance(text, str) and row.get("prompt") is None and text.strip():
        return where, key, (), text
    return where, key, *asked(row, where)


@dataclass
class DecomposeConfig:
    """Split instructions into a task and atomic constraints, with a language model."""

    prompts: Annotated[str, tyro.conf.Positional]
    """Rows with `prompt` (a text or a chat), `messages` or `instruction`: a file, a folder, or a dataset on the hub."""
    out: str
    """Rows with task, criteria, ids and kwargs, and soft demands."""
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)


def main(argv: list[str]) -> int:
    """`hindsight decompose`: JSON lines with `prompt` in, training rows out."""
    args = tyro.cli(DecomposeConfig, args=argv, prog="hindsight decompose")
    check_output(Path(args.out))
    rows = [_row(where, row) for where, row in source_rows(args.prompts)]
    if not rows:
        raise HindsightError(f"{args.prompts}: it holds no prompts")
    counts: Counter[str] = Counter()
    lines = []
    with Endpoint(args.endpoint.resolved()) as endpoint:
        found = Decomposer(endpoint).decompose_many([text for *_, text in rows])
        for (where, key, earlier, text), made in zip(rows, found, strict=True):
            if isinstance(made, EndpointError):
                counts["failed"] += 1
                print(f"hindsight: {where}: {made}", file=sys.stderr)
                continue
            taken = made.instruction
            counts.update(prompts=1, checkable=len(taken.constraints), soft=len(taken.soft), dropped=len(made.dropped))
            line = {
                "id": key, "prompt": [*earlier, {"role": "user", "content": taken.task}] if earlier else taken.task,
                "original": text, "criteria": [*taken.texts, *taken.soft],
                "instruction_id_list": [each.id for each in taken.constraints],
                "kwargs": [each.kwargs for each in taken.constraints], "soft": list(taken.soft),
                "dropped": [list(each) for each in made.dropped],
                "by": {"model": endpoint.settings.model, "prompt": made.prompt},
            }  # fmt: skip
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        if lines:
            write_output(Path(args.out), lambda path: path.write_text("".join(lines), "utf-8"))
        print(json.dumps({**counts, "endpoint": endpoint.usage.snapshot()}))
    return 2 if counts["failed"] else 0
