"""The methods that can be compared, in one table for all engines. Two methods differ only in the columns of the table.

A method is a rewriter x a selection x a replay buffer x a layout x a reward. Options override the method's choices, so
further combinations need no name: `--method hir --strategy random`, `--method hir --relabels 4`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.config import RewriterName
from hindsight_rl.replay.selection import Strategy

Layout = Literal["list", "numbered", "bullets", "bare", "mixed", "shuffled"]


@dataclass(frozen=True)
class Method:
    """The choices of a method.

    about: one line. reward: of a rollout: `all` (1 if all constraints hold, else 0) or `fraction` (the share that
    holds). rewriter: of failures; None for no replay. strategy: which failures are replayed. repeat: no replays;
    instead train a second time on some rollouts, with the same number of rows. relabels: instructions under which each
    failure is replayed, its own included. buffer: also train on replays and successes of earlier steps. two_anchors:
    the update of MDP-GRPO instead of Reinforce++ (only in the sandbox).

    Only in the sandbox: layout of rewritten instructions: `list` (the layout of the originals), `numbered`, `bullets`,
    `bare`, `mixed` (one of these, at random) or `shuffled` (a list in another order); learning_rate and decay, tuned
    per method (decay: share of the learning rate that remains at the end).
    """

    about: str
    reward: Literal["all", "fraction"] = "all"
    rewriter: RewriterName | None = None
    strategy: Strategy = "curriculum"
    repeat: bool = False
    layout: Layout = "list"
    relabels: int = 1
    buffer: bool = False
    two_anchors: bool = False
    learning_rate: float = 1e-3
    decay: float = 1.0

    def settings(self, *, failures: int, buffer_rows: int) -> dict[str, Any]:
        """The settings of :class:`~hindsight_rl.replay.config.ReplayConfig` and of the replay buffer, by name.

        failures: replayed per prompt. buffer_rows: rows from the replay buffer per prompt, if the method has one.
        """
        return {
            **({"rewriter": self.rewriter} if self.rewriter else {}),
            "strategy": self.strategy,
            "relabels": self.relabels,
            "replays_per_prompt": failures * self.relabels if self.rewriter or self.repeat else 0,
            "buffer_rows_per_prompt": buffer_rows if self.buffer else 0,
        }


METHODS: dict[str, Method] = {
    "rlvr": Method("binary reward, no replay", learning_rate=5e-4),
    "fraction": Method("the share of constraints met as reward, no replay", reward="fraction", learning_rate=5e-4),
    "hir": Method("failures replayed under the constraints that they met (HiR)", rewriter="drop"),
    "retarget": Method("failures replayed under what they achieved instead", rewriter="retarget"),
    "relabels": Method(
        "retarget, each failure under four instructions of the batch",
        rewriter="retarget",
        relabels=4,
        learning_rate=2e-3,
        decay=0.1,
    ),
    "relabels-buffer": Method(
        "relabels, with a replay buffer of replays and successes",
        rewriter="retarget",
        relabels=4,
        buffer=True,
        learning_rate=2e-3,
        decay=0.1,
    ),
    "rlvr-buffer": Method(
        "binary reward, with a replay buffer of successes; no hindsight", buffer=True, learning_rate=5e-4
    ),
    "mdp-grpo": Method(
        "a gradient also where all rewards of a group are alike, no replay (MDP-GRPO)",
        reward="fraction",
        two_anchors=True,
        learning_rate=5e-4,
    ),
    "keep": Method("failures replayed under their own instruction: a control that must fail", rewriter="keep"),
}


def method(name: str) -> Method:
    """The method of that name.

    Raises:
        HindsightError: no method has that name.
    """
    if name not in METHODS:
        raise HindsightError(f"unknown method '{name}': one of {', '.join(METHODS)}")
    return METHODS[name]
