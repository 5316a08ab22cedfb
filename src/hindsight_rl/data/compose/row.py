"""One composed row: a task, constraints in words, and the prompt that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hindsight_rl.replay.layouts import render, sentences


@dataclass(frozen=True)
class Row:
    """A composed row. ids, kwargs, texts: aligned. witness: a response that meets every constraint."""

    key: str
    index: int
    task: str
    ids: tuple[str, ...]
    kwargs: tuple[dict[str, Any], ...]
    texts: tuple[str, ...]
    layout: str
    witness: str

    @property
    def prompt(self) -> str:
        """Task and constraints as one text."""
        if self.layout != "inline":
            return render(self.layout, self.task, self.texts)
        before = self.texts[: len(self.texts) // 2]
        after = self.texts[len(before) :]
        return " ".join(part for part in (sentences(before), self.task, sentences(after)) if part)
