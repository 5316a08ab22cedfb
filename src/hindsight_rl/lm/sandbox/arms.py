"""The arms that can be compared: one flag, one learner; what differs between two arms is what this table says."""

from dataclasses import dataclass

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.replayer import Strategy


@dataclass(frozen=True)
class Arm:
    """What distinguishes an arm.

    about: one line. reward: of the originals: `binary` (all constraints met) or `fraction` (share met). rewriter: of
    failures, by name; None for no replay. strategy: which failures are replayed. extra: train on some originals a
    second time, as many rows as the replays of the other arms. layout: of rewritten instructions: `list` as the
    originals, another of `language.LAYOUTS`, `mixed` (one of them by chance) or `shuffled` (a list in another order).
    names: instructions that each failure is replayed under, one of them its own. memory: rows of earlier steps, replays
    and successes, imitated beside each step, as far as there are so many.
    learning_rate, decay: tuned per arm; decay is the share of the learning rate that is left at the end.
    """

    about: str
    reward: str = "binary"
    rewriter: str | None = None
    strategy: Strategy = "curriculum"
    extra: bool = False
    layout: str = "list"
    names: int = 1
    memory: int = 0
    learning_rate: float = 1e-3
    decay: float = 1.0


ARMS: dict[str, Arm] = {
    "rlvr": Arm("binary reward, no replay", learning_rate=5e-4),
    "fraction": Arm("the share of constraints met as reward, no replay", reward="fraction", learning_rate=5e-4),
    "hir": Arm("failures replayed under the constraints that they met (HiR)", rewriter="drop"),
    "retarget": Arm("failures replayed under what they achieved instead", rewriter="retarget"),
    "named": Arm(
        "retarget, each failure under four instructions of the batch",
        rewriter="retarget",
        names=4,
        learning_rate=2e-3,
        decay=0.1,
    ),
    "hir-named": Arm("hir, each failure under four instructions of the batch", rewriter="drop", names=4),
    # The falling rate is tuned for `named` and `named-memory`; the other two with a memory take it from there.
    "hir-memory": Arm(
        "hir, replays and successes remembered and imitated",
        rewriter="drop",
        memory=2048,
        learning_rate=2e-3,
        decay=0.1,
    ),
    "retarget-memory": Arm(
        "retarget, replays and successes remembered and imitated",
        rewriter="retarget",
        memory=2048,
        learning_rate=2e-3,
        decay=0.1,
    ),
    "named-memory": Arm(
        "named, replays and successes remembered and imitated",
        rewriter="retarget",
        names=4,
        memory=2048,
        learning_rate=2e-3,
        decay=0.1,
    ),
    "rlvr-memory": Arm(
        "binary reward, successes remembered and imitated; no hindsight", memory=2048, learning_rate=5e-4
    ),
    "fraction-memory": Arm(
        "share as reward, successes remembered and imitated; no hindsight", "fraction", memory=2048, learning_rate=5e-4
    ),
    "hir-random": Arm("hir, random failures", rewriter="drop", strategy="random"),
    "hir-integrity": Arm("hir, the failures that met most", rewriter="drop", strategy="integrity"),
    "hir-diversity": Arm("hir, the failures of highest entropy", rewriter="drop", strategy="diversity"),
    "hir-shuffled": Arm("hir, rewritten in another order", rewriter="drop", layout="shuffled"),
    "hir-numbered": Arm("hir, rewritten with numbers", rewriter="drop", layout="numbered"),
    "hir-bullets": Arm("hir, rewritten with bullets", rewriter="drop", layout="bullets"),
    "hir-bare": Arm("hir, rewritten without anything between the demands", rewriter="drop", layout="bare"),
    "hir-mixed": Arm("hir, rewritten in one of four layouts by chance", rewriter="drop", layout="mixed"),
    "retarget-random": Arm("retarget, random failures", rewriter="retarget", strategy="random"),
    "retarget-integrity": Arm("retarget, the failures that met most", rewriter="retarget", strategy="integrity"),
    "retarget-diversity": Arm("retarget, highest entropy", rewriter="retarget", strategy="diversity"),
    "hir-fraction": Arm("hir with the fraction reward on the originals", reward="fraction", rewriter="drop"),
    "retarget-fraction": Arm("retarget with the fraction reward on the originals", "fraction", "retarget"),
    "keep": Arm("failures replayed under their own instruction: a control that must fail", rewriter="keep"),
    "rlvr-rows": Arm("rlvr, trained on as many rows as hir", extra=True, learning_rate=5e-4),
}


def arm(name: str) -> Arm:
    """The arm of that name.

    Raises:
        HindsightError: there is none.
    """
    if name not in ARMS:
        raise HindsightError(f"unknown arm '{name}': one of {', '.join(ARMS)}")
    return ARMS[name]
