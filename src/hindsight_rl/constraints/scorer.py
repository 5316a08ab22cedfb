"""From a row and a response to verdicts and a reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from hindsight_rl.constraints.completions import message_text, response_text
from hindsight_rl.constraints.core import CURRENT, ConstraintError
from hindsight_rl.constraints.rows import row_constraints
from hindsight_rl.constraints.verdicts import Mode, verdicts
from hindsight_rl.replay.instruction import Verdict
from hindsight_rl.replay.marks import MarkWatch
from hindsight_rl.replay.verification import answer_of

Reward = Literal["all", "fraction"]


class Scorer:
    """From a row and a response to verdicts and a reward; what all trainers' conventions share.

    mode: "all" (1 if every constraint holds, else 0) or "fraction" (the share that holds). check: "strict" or
    "loose" verdicts. unchecked: what to do with a row that also makes demands that no program checks:
    "raise", or "skip" them (the reward then covers only the others; a row without others has no reward).
    answer_after: judge only what follows the last of these marks; without one, thoughts in ``<think>`` and in harmony's
    channels are removed (:func:`hindsight_rl.replay.verification.answer_of`), and a warning is given where many
    responses hold marks of others. answer: before that, from the text of a completion to another text. version: see
    :func:`hindsight_rl.constraints.core.constraint`.
    """

    def __init__(
        self,
        mode: Reward = "all",
        check: Mode = "strict",
        unchecked: Literal["raise", "skip"] = "raise",
        answer: Callable[[str], str] | None = None,
        version: str = CURRENT,
        answer_after: str | None = None,
    ) -> None:
        for name, value, known in (
            ("mode", mode, ("all", "fraction")),
            ("check", check, ("strict", "loose")),
            ("unchecked", unchecked, ("raise", "skip")),
        ):
            if value not in known:
                raise ConstraintError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}")
        self.mode, self.check, self.unchecked = mode, check, unchecked
        self.answer, self.version, self.answer_after = answer, version, answer_after
        self._watch = MarkWatch()

    def verdicts(self, row: Mapping[str, Any], response: Any, prompt: Any, where: str) -> Verdict:
        """One verdict for each of the row's checkable constraints; empty where it has none."""
        constraints, unchecked = row_constraints(row, where, self.version)
        if unchecked and self.unchecked == "raise":
            raise ConstraintError(
                f"{where}: no program checks {unchecked[0]!r}; skip such rows, or pass unchecked='skip' "
                "to reward the other constraints only"
            )
        text = response_text(response, where)
        if self.answer is not None:
            text = self.answer(text)
        text = answer_of(text, self.answer_after)
        if self.answer_after is None:
            self._watch.add(text)
        return verdicts(constraints, text, message_text(prompt, "user") or None, self.check)

    def reward(self, verdict: Verdict) -> float | None:
        """The reward for a verdict, ``None`` for an empty one."""
        if not verdict:
            return None
        return float(all(verdict)) if self.mode == "all" else sum(verdict) / len(verdict)
