"""Reads and judges responses, rewrites the instructions of failures, and writes rows in a format."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hindsight_rl.data.relabel.config import RelabelConfig
from hindsight_rl.data.relabel.counts import Counts
from hindsight_rl.data.relabel.formats import labelled, line, messages, pair, prompt_completion, sharegpt
from hindsight_rl.data.relabel.judging import Judged, Judging
from hindsight_rl.data.relabel.output import Output, named
from hindsight_rl.data.relabel.sources import Bad, Source, Unit
from hindsight_rl.data.stream import first_line
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction

Made = tuple[dict[str, Any], Instruction, str]
"""A row, the instruction of its prompt, and its source."""

_EVERY = 500  # units between two saves
_SECONDS = 5.0

_CHATS = {
    "messages": messages,
    "prompt-completion": prompt_completion,
    "sharegpt": sharegpt,
}


def relabel(config: RelabelConfig, step: Callable[[Counts], None] | None = None) -> Counts:
    """Write the rows of a config. Returns the counts, including earlier calls for the same file.

    step: called with the counts now and then. Raises :class:`HindsightError` if nothing can be read or written. Rows
    written until then stay, and the next call resumes after them.
    """
    free = ("out", "overwrite") if config.format == "dpo" else ("out", "overwrite", "limit")
    settings = {name: value for name, value in vars(config).items() if name not in free}
    # A file that has grown is resumed; a different file with the same name is not.
    path = Path(config.file)
    settings["begins"] = blake2b(first_line(path), digest_size=8).hexdigest() if path.exists() else None
    source, judging = Source(config), Judging(config)
    with Output(config.out, settings, config.overwrite) as output:
        counts = output.counts
        counts.prompts = source.prompts if config.prompts is not None else None
        counts.bad_prompts = source.bad
        if config.format == "dpo" and counts.finished:
            return counts  # the groups are closed: new responses would change the pairs
        counts.finished = False
        done, saved = counts.units, time.monotonic()
        for at, unit in enumerate(source):
            if at < done:
                continue
            counts.units += 1
            if isinstance(unit, Bad):
                counts.bad.add(unit.where, unit.reason, unit.said)
            else:
                _write(unit, judging, config, output)
            if counts.units % _EVERY == 0 or time.monotonic() - saved > _SECONDS:
                counts.reopened = source.reopened
                output.save()
                saved = time.monotonic()
                if step is not None:
                    step(counts)
        counts.reopened = source.reopened
        if not counts.responses:
            why = f" ({counts.bad.total} bad rows; {counts.bad.first[0]})" if counts.bad.first else ""
            raise HindsightError(f"{config.file}: no response can be used{why}")
        counts.finished = True
    return counts


def _write(unit: Unit, judging: Judging, config: RelabelConfig, output: Output) -> None:
    counts = output.counts
    judged = judging.judge(unit)
    counts.responses += len(judged)
    counts.successes += sum(each.succeeded for each in judged)
    counts.rewritten += sum(each.hindsight is not None for each in judged)
    for each in judged:
        if each.reason:
            counts.rejected[each.reason] += 1
    for row, asked, source in _rows(unit, judged, judging, config):
        if output.add(named(row), line(row, asked, source)):
            counts.written[source] += 1
        else:
            counts.rejected["the same row again"] += 1


def _rows(unit: Unit, judged: Sequence[Judged], judging: Judging, config: RelabelConfig) -> Iterator[Made]:
    if config.format == "dpo":
        yield from _pairs(unit.asked, judged, judging, config)
        return
    for each in judged:
        if config.format == "kto":
            yield from _labelled(unit.asked, each, config.successes)
            continue
        chat = _CHATS["sharegpt" if config.format == "sharegpt" else config.columns]
        if each.succeeded and config.successes:
            yield chat(unit.asked, each.text), unit.asked, "success"
        elif each.hindsight is not None:
            yield chat(each.hindsight, each.text), each.hindsight, "hindsight"


def _labelled(asked: Instruction, each: Judged, successes: bool) -> Iterator[Made]:
    """A failure is bad under its own prompt, and good under the prompt that it met."""
    if each.verdict is None:
        return
    if each.succeeded:
        if successes:
            yield labelled(asked, each.text, True), asked, "success"
        return
    if each.hindsight is not None:
        yield labelled(each.hindsight, each.text, True), each.hindsight, "hindsight"
    yield labelled(asked, each.text, False), asked, "failure"


def _pairs(asked: Instruction, judged: Sequence[Judged], judging: Judging, config: RelabelConfig) -> Iterator[Made]:
    """Pairs for the prompt, and for each prompt that a failure met: a response that meets it, and one that does not."""
    usable = [each for each in judged if each.verdict is not None]
    if config.successes:
        met = [each.text for each in usable if each.succeeded]
        missed = [each.text for each in usable if not each.succeeded]
        yield from _paired(asked, met, missed, "success", config.pairs)
    if len(usable) < 2:
        return
    for made in {each.hindsight.prompt: each.hindsight for each in usable if each.hindsight is not None}.values():
        found = [(each.text, judging.met(made, each.answer)) for each in usable]
        met = [text for text, holds in found if holds]
        missed = [text for text, holds in found if holds is False]
        yield from _paired(made, met, missed, "hindsight", config.pairs)


def _paired(asked: Instruction, met: list[str], missed: list[str], source: str, most: int) -> Iterator[Made]:
    """Use each response in as few pairs as possible."""
    met, missed = list(dict.fromkeys(met)), list(dict.fromkeys(missed))
    if met and missed:
        for at in range(min(most, max(len(met), len(missed)))):
            yield pair(asked, met[at % len(met)], missed[at % len(missed)]), asked, source
