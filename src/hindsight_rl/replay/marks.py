"""Marks of thoughts and of ends that :func:`~hindsight_rl.replay.verification.answer_of` does not remove.

watch = MarkWatch()
watch.add(answer)    # warns once if many answers hold such marks, because the text before a mark is judged too

Standard library only.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter

# Marks at the end of a thought, or between thought and answer. Any response could contain them as text, so only the
# user can decide that the answer begins after them.
MARKS = (
    "[/THINK]",  # Magistral
    "</thinking>",
    "</thought>",
    "</reasoning>",
    "</reflection>",
    "</seed:think>",
    "◁/think▷",  # Kimi
    "<|end_of_thought|>",  # Sky-T1
    "<|END_THINKING|>",  # Command A
    "<|channel|>",  # harmony without its beginning
    "assistantfinal",  # harmony without its special tokens
)
_END = re.compile(r"(?:<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|</s>|<eos>|<end_of_turn>)\s*$")
SHARE = 0.05
_FIRST = 20  # answers before a warning is possible


def mark_in(answer: str) -> str | None:
    """The first of :data:`MARKS` that an answer contains, or the special token at its end."""
    for mark in MARKS:
        if mark in answer:
            return mark
    if answer.endswith(">") and (end := _END.search(answer, max(0, len(answer) - 64))):
        return end[0].strip()
    return None


class MarkWatch:
    """Counts answers with marks.

    Attributes:
        seen: number of answers. found: number of answers with a mark, by mark.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.found: Counter[str] = Counter()
        self._said = False

    def add(self, answer: str) -> None:
        """Count an answer; warns once, as soon as a share above :data:`SHARE` of at least 20 holds marks."""
        self.count(answer)
        if not self._said and self.seen >= _FIRST and (why := self.warning("answer_after")):
            self._said = True
            warnings.warn(why, stacklevel=3)

    def count(self, answer: str) -> None:
        """Count an answer without a warning."""
        self.seen += 1
        if (mark := mark_in(answer)) is not None:
            self.found[mark] += 1

    def warning(self, option: str) -> str:
        """The warning about the answers so far, "" if there is none. option: the name of `answer_after`."""
        if self.found.total() <= SHARE * self.seen:
            return ""
        mark, _ = self.found.most_common(1)[0]
        said = f"{self.found.total():,} of {self.seen:,} responses hold {mark!r} or the like, "
        if _END.fullmatch(mark) and mark not in MARKS:
            return said + "which is judged as text: decode responses without special tokens"
        return said + f"and what stands before it is judged too: set {option} to {mark!r} if that is a thought"
