"""Prompts for TRL: the tokenizer, how long a prompt may be, and instructions as rows of its dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch.utils.data import Sampler
from transformers import AutoConfig, AutoTokenizer

from hindsight_rl.constraints.core import Checker, constraint, ids
from hindsight_rl.data.rows import instructions
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.trl.config import HiRConfig
from hindsight_rl.replay.instruction import Constraint, Instruction


class EpochOrder(Sampler):
    """TRL's sampler, with an order that depends only on the seed and the epoch.

    TRL's own sampler draws the orders from a generator that is not in the checkpoints. A resumed run would therefore
    start with the order of its first epoch.
    """

    def __init__(self, inner: Any, seed: int) -> None:
        self.inner, self.seed, self.epoch = inner, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the start of an epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = getattr(self.inner, "generator", None)
        if generator is not None:
            generator.manual_seed(self.seed + self.epoch)
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


def prompt_rows(instructions: Sequence[Instruction], chat: bool, offset: int = 0) -> list[dict[str, Any]]:
    """Rows of TRL's dataset: the prompt, and the instruction's index."""
    return [
        {"prompt": each.messages if chat else each.prompt, "instruction": offset + index}
        for index, each in enumerate(instructions)
    ]


def prompt_lengths(instructions: Sequence[Instruction], tokenizer: Any, chat: bool, **kwargs: Any) -> list[int]:
    """Tokens of each prompt, as the trainer renders it."""
    if not instructions:
        return []
    if chat:
        made = tokenizer.apply_chat_template(
            [each.messages for each in instructions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            **kwargs,
        )
    else:
        made = tokenizer(text=[each.prompt for each in instructions])
    return [len(ids) for ids in made["input_ids"]]


def as_instructions(given: Any, name: str) -> Any:
    """Convert the rows of a Hugging Face ``Dataset`` to instructions; anything else is returned unchanged.

    The rows may have any schema that :func:`hindsight_rl.data.rows.read_dataset` knows.

    Raises:
        HindsightError: a row has no known schema, or demands that no program checks.
    """
    if not isinstance(given, Dataset):
        return given
    return instructions(((f"{name}[{at}]", row) for at, row in enumerate(given)), name).instructions


def in_version(given: Sequence[Instruction], version: str | None) -> list[Instruction]:
    """The instructions with the given version of the checkers; None leaves them unchanged.

    Constraints without a registered checker, e.g. those of a judge, stay unchanged.
    """
    if version is None:
        return list(given)
    known = set(ids())

    def made(each: Constraint) -> Constraint:
        same = isinstance(each, Checker) and each.id in known
        return constraint(each.id, each.kwargs, version=version) if same else each

    return [replace(each, constraints=tuple(map(made, each.constraints))) for each in given]


def fitting(
    given: Sequence[Instruction] | Dataset, name: str, tokenizer: Any, room: int, args: HiRConfig
) -> list[Instruction]:
    """The instructions whose prompts fit in `room` tokens. Longer prompts are skipped or raise
    :class:`HindsightError`, depending on the settings."""
    asked = as_instructions(given, name)
    if not isinstance(asked, Sequence) or not all(isinstance(each, Instruction) for each in asked):
        raise HindsightError(
            f"{name} is a {type(asked).__name__}: give a list of instructions, e.g. "
            "hindsight_rl.data.rows.read_dataset(...).instructions, or a datasets.Dataset of rows that it reads"
        )
    chat = args.prompt_format == "chat"
    if chat and not getattr(tokenizer, "chat_template", None):
        raise HindsightError(
            "the tokenizer has no chat template: set prompt_format=text for a base model, or give one by "
            "chat_template_path"
        )
    if not asked:
        raise HindsightError(f"{name} is empty: give at least one instruction")
    lengths = prompt_lengths(asked, tokenizer, chat, **dict(args.chat_template_kwargs or {}))  # type: ignore[arg-type]
    found = []
    for each, length in zip(asked, lengths, strict=True):
        if length <= room:
            found.append(each)
            continue
        if args.long_prompts == "reject":
            raise HindsightError(
                f"{name}: the prompt of {each.meta.get('where', each.key)} has {length} tokens, {room} fit beside "
                f"{args.max_completion_length} of the completion; set long_prompts=skip, or max_completion_length "
                "smaller"
            )
    if not found:
        raise HindsightError(f"{name}: no prompt fits in {room} tokens; set a smaller max_completion_length")
    return found


def tokenizer_of(model: Any, args: HiRConfig) -> Any:
    """The model's tokenizer, padding on the left."""
    name = model if isinstance(model, str) else getattr(model.config, "_name_or_path", "")
    try:
        return AutoTokenizer.from_pretrained(
            name,
            revision=_revision(args),
            padding_side="left",
            truncation_side="left",
            trust_remote_code=args.trust_remote_code,
        )
    except (OSError, ValueError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise HindsightError(
            f"no tokenizer for {name or 'the model'} ({said}): put its files (tokenizer.json, tokenizer_config.json) "
            "into the model's folder, or from Python give processing_class"
        ) from error


def _revision(args: HiRConfig) -> str:
    given = args.model_init_kwargs
    return (isinstance(given, dict) and given.get("revision")) or "main"


def template_of(path: str) -> str:
    """A chat template from a file."""
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise HindsightError(f"chat_template_path {path}: {error.strerror}") from error


def room_of(model: Any, args: HiRConfig) -> int:
    """Most tokens of a prompt."""
    if isinstance(model, str):
        try:
            config = AutoConfig.from_pretrained(
                model, revision=_revision(args), trust_remote_code=args.trust_remote_code
            )
        except (OSError, ValueError) as error:
            said = (str(error).splitlines() or [""])[0]
            raise HindsightError(f"cannot read the model {model}: {said}") from error
    else:
        config = model.config
    held = getattr(config.get_text_config(), "max_position_embeddings", None)
    longest = args.max_completion_length or 0  # none: as many as the model's own settings of generation say
    limits = [limit for limit in (held - longest if held else None, args.max_prompt_tokens) if limit]
    if held and held <= longest:
        raise HindsightError(
            f"max_completion_length {longest} leaves no room for a prompt: the model holds {held} "
            "tokens; set it smaller"
        )
    return min(limits, default=2**31)
