"""From failed rollouts to replays: which failures to use, under which instruction, and is that one really met.

rollouts = [Rollout(instruction, response, verdict, group, entropy), ...]
found = replay(rollouts, step=1, budget=2 * 64, selector=Selector(), rewriter=Drop(), rng=default_rng(0))
found.replays[0].source, found.replays[0].instruction.prompt

Nothing here knows tokens or tensors: an engine's adapter keeps those by the index of the rollout. Sources: HiR,
arXiv 2512.23457, and its released code; where the two differ, the setting says which is which. Standard library
and NumPy only.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Protocol

import numpy as np

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Constraint, Instruction, Verdict
from hindsight_rl.replay.verification import AnswerVerifier, Verifier, Verify, verifying

Strategy = Literal["curriculum", "random", "integrity", "diversity"]
Scope = Literal["batch", "group"]


@dataclass(frozen=True)
class Rollout:
    """One attempt.

    instruction: what was asked. response: the decoded text, thought included (:mod:`~hindsight_rl.replay.verification`
    says what of it is the answer). verdict: one boolean per constraint, in their order.
    group: index of its prompt in the batch. entropy: mean entropy of the policy per response token, in nats, under
    the original prompt, before the update (the paper sums over tokens, the released code takes this mean).
    complete: it ended by itself; a truncated response is never replayed.
    """

    instruction: Instruction
    response: str
    verdict: Verdict
    group: int = 0
    entropy: float = 0.0
    complete: bool = True

    def __post_init__(self) -> None:
        if len(self.verdict) != len(self.instruction.constraints):
            raise ValueError(f"{len(self.verdict)} verdicts for {len(self.instruction.constraints)} constraints")

    @property
    def integrity(self) -> float:
        """Share of the constraints that hold, under the original instruction; 0 where there are none."""
        return sum(self.verdict) / len(self.verdict) if self.verdict else 0.0

    @property
    def succeeded(self) -> bool:
        """Every constraint holds."""
        return bool(self.verdict) and all(self.verdict)


@dataclass(frozen=True)
class Rewrite:
    """An instruction made of what a response achieved.

    kept, changed, dropped: indices into the original instruction's constraints; together they are all of them.
    """

    instruction: Instruction
    kept: tuple[int, ...]
    changed: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()

    @property
    def share(self) -> float:
        """Of the constraints, those that were kept or changed."""
        return 1 - len(self.dropped) / (len(self.kept) + len(self.changed) + len(self.dropped))


class Refusal(Exception):
    """A rewriter's reason, in few words, not to replay a rollout; it is counted, and the next one is tried."""


class Rewriter(Protocol):
    """From a failed rollout to the instruction that it fulfilled (:mod:`hindsight_rl.replay.rewriting` has those)."""

    @property
    def name(self) -> str:
        """As the command line knows it."""
        ...

    def eligible(self, rollout: Rollout) -> bool:
        """Cheap test, before selection: can a rewrite of this rollout exist?"""
        ...

    def rewrite(self, rollout: Rollout) -> Rewrite | None:
        """The rewritten instruction, or None where nothing worth asking remains.

        Raises :class:`Refusal` where there is another reason not to replay it.
        """
        ...

    def lend(
        self, constraint: Constraint, response: str, beside: Sequence[Constraint], prompt: str | None = None
    ) -> Constraint | None:
        """A constraint of another instruction as this response fulfils it, beside others; None where it does not."""
        ...


@dataclass(frozen=True)
class Replay:
    """A rollout under a rewritten instruction; its reward is 1.

    source: index of the rollout it repeats. score: what selection gave it (diversity + lambda * integrity). own:
    of its own instruction; else of constraints of the whole batch (:class:`Pool`).
    """

    source: int
    rewrite: Rewrite
    score: float
    own: bool = True

    @property
    def instruction(self) -> Instruction:
        """The rewritten instruction."""
        return self.rewrite.instruction


@dataclass(frozen=True)
class Curriculum:
    """The growing weight of integrity: start * (1 + growth) ** step, first step 1 (from the released code).

    cap: an upper bound, ours: without one the weight passes 250 by step 100 and the rule is "nearly solved first".
    """

    start: float = 2.0
    growth: float = 0.05
    cap: float = float("inf")

    def weight(self, step: int) -> float:
        """Lambda at this step (1 is the first)."""
        try:
            return min(self.start * (1.0 + self.growth) ** step, self.cap)
        except OverflowError:
            return self.cap


@dataclass(frozen=True)
class Selector:
    """Which of the eligible failures are replayed.

    strategy: `curriculum` (diversity + lambda * integrity), `integrity` or `diversity` alone, or `random`.
    scope: `batch` takes the best of the whole batch (the released code), `group` at most `per_group` of each prompt
    (the paper's text; also an even spread).
    """

    strategy: Strategy = "curriculum"
    scope: Scope = "batch"
    per_group: int = 2
    curriculum: Curriculum = field(default_factory=Curriculum)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("strategy", self.strategy, ("curriculum", "random", "integrity", "diversity")),
            ("scope", self.scope, ("batch", "group")),
        ):
            if value not in known:
                raise HindsightError(f"selector {name} is {value!r}: one of {', '.join(known)}")
        if self.per_group < 1:
            raise HindsightError(f"selector per_group is {self.per_group}: it must be at least 1")

    def score(self, rollout: Rollout, step: int, rng: np.random.Generator) -> float:
        """How much this failure is wanted."""
        if self.strategy == "random":
            return float(rng.random())
        if self.strategy == "integrity":
            return rollout.integrity
        if self.strategy == "diversity":
            return rollout.entropy
        return rollout.entropy + self.curriculum.weight(step) * rollout.integrity

    def order(self, rollouts: Sequence[Rollout], of: Sequence[int], step: int, rng: np.random.Generator) -> list[int]:
        """The candidates `of` (indices of rollouts) from the most wanted on; ties fall by chance, not by place."""
        scores = [self.score(rollouts[index], step, rng) for index in of]
        if not np.isfinite(scores).all():
            bad = of[int(np.flatnonzero(~np.isfinite(scores))[0])]
            raise HindsightError(
                f"rollout {bad}: entropy is {rollouts[bad].entropy}; the policy's logits are not finite"
            )
        luck = rng.permutation(len(of))
        return [of[place] for place in sorted(range(len(of)), key=lambda place: (-scores[place], luck[place]))]


@dataclass(frozen=True)
class Replayed:
    """What came of a batch of rollouts.

    replays: at most the budget. candidates: eligible failures. refused: why candidates that were looked at were not
    replayed, by reason (a rewrite that nothing is left of, or whose constraints do not hold on second check).
    weight: lambda. diversity, integrity, kept: means over the replays (kept: share of constraints kept or changed).
    """

    replays: list[Replay]
    candidates: int
    refused: dict[str, int]
    weight: float
    diversity: float
    integrity: float
    kept: float


@dataclass(frozen=True)
class Pool:
    """What a batch asks for, to name once more what one of its responses achieved.

    HiR rewrites the instruction of a failure once. Much else that the batch asks for may hold of the response, or hold
    at another value: any of it makes an instruction that was fulfilled (HER's goals of other episodes).

    constraints: of all instructions, those that presuppose nothing. texts: how each was asked. most: how often an id
    stands in one instruction, at most.
    """

    constraints: tuple[Constraint, ...]
    texts: tuple[str, ...]
    most: Counter[str]

    @classmethod
    def of(cls, instructions: Sequence[Instruction]) -> "Pool":
        """The pool of these instructions, each counted once."""
        found: list[tuple[Constraint, str]] = []
        most: Counter[str] = Counter()
        for each in {id(each): each for each in instructions}.values():
            if each.woven:
                continue
            lone = [index for index, needs in enumerate(each.needs) if not needs]
            found += [(each.constraints[index], each.texts[index]) for index in lone]
            most |= Counter(each.constraints[index].id for index in lone)
        return cls(tuple(each for each, _ in found), tuple(text for _, text in found), most)

    def rewrite(self, rollout: Rollout, rewriter: Rewriter, rng: np.random.Generator) -> Rewrite | None:
        """The rollout's task with as many constraints as it had, drawn from the pool, at values that it achieved.

        Soft demands stay those of its own task. None where nothing of the pool holds.
        """
        asked, left = rollout.instruction, Counter(self.most)
        made: list[Constraint] = []
        texts: list[str] = []
        for place in rng.permutation(len(self.constraints)):
            if len(made) == len(asked.constraints):
                break
            each = self.constraints[place]
            lent = rewriter.lend(each, rollout.response, made, asked.prompt) if left[each.id] else None
            if lent is not None:
                left[each.id] -= 1
                made.append(lent)
                texts.append(self.texts[place] if lent is each else lent.describe())
        if not made:
            return None
        lent_to = replace(asked, constraints=tuple(made), texts=tuple(texts), needs=(), prompt="")
        return Rewrite(lent_to, kept=tuple(range(len(made))))


def replay(
    rollouts: Sequence[Rollout],
    *,
    step: int,
    budget: int,
    selector: Selector,
    rewriter: Rewriter,
    rng: np.random.Generator,
    verify: Verifier | Verify | None = None,
    names: int = 1,
    distinct: bool = True,
) -> Replayed:
    """Select failures, rewrite their instructions, verify, and hand back at most `budget` replays.

    A candidate whose rewrite is empty or fails its verification gives its place to the next; never replayed are
    successes, truncated and blank responses and, by the rewriters' rules, responses that satisfied nothing. The same
    response is replayed once under the same instruction, unless `distinct` is False.

    Args:
        rollouts: the batch, every rank's where there are several.
        step: of training, from 1.
        budget: how many replays at most; 0 selects nothing.
        verify: checks a response anew against the rewritten instruction; left out, it is the rewriter's own
            ``verify`` where it has one (only :class:`~hindsight_rl.replay.rewriting.Keep` has), else the constraints'
            own checks.
        names: how many instructions a failure is replayed under (ours): its own, rewritten, and others made of the
            batch's constraints (:class:`Pool`). All count as replays.
        distinct: never the same response under the same instruction twice.
    """
    verifier = verifying(getattr(rewriter, "verify", None) if verify is None else verify)
    if budget < 0:
        raise HindsightError(f"the budget of replays is {budget}: it must be at least 0")
    responses = [each.response for each in rollouts]
    rollouts = [replace(each, response=verifier.answer(each.response)) for each in rollouts]
    candidates = [index for index, each in enumerate(rollouts) if may_be_replayed(each, rewriter)]
    pool = Pool.of([each.instruction for each in rollouts] if names > 1 else [])
    found: list[Replay] = []
    refused: Counter[str] = Counter()
    taken: Counter[int] = Counter()
    seen: set[tuple[str, str]] | None = set() if distinct else None
    for index in selector.order(rollouts, candidates, step, rng) if budget else ():
        rollout = rollouts[index]
        if len(found) == budget:
            break
        if selector.scope == "group" and taken[rollout.group] == selector.per_group:
            continue
        checked = partial(_checked, responses[index], rollout.response, verifier, refused, seen)
        rewrite = checked(partial(rewriter.rewrite, rollout))
        if rewrite is None:
            continue
        taken[rollout.group] += 1
        score = rollout.entropy + selector.curriculum.weight(step) * rollout.integrity
        found.append(Replay(index, rewrite, score))
        for _ in range(min(names - 1, budget - len(found))):
            again = partial(pool.rewrite, rollout, rewriter, rng)
            if more := checked(again):
                found.append(Replay(index, more, score, own=False))
    sources = [rollouts[each.source] for each in found]
    return Replayed(
        found,
        len(candidates),
        dict(refused),
        selector.curriculum.weight(step),
        _mean([each.entropy for each in sources]),
        _mean([each.integrity for each in sources]),
        _mean([each.rewrite.share for each in found]),
    )


def may_be_replayed(rollout: Rollout, rewriter: Rewriter) -> bool:
    """A failure that ended by itself, whose answer is not blank, and that the rewriter can use."""
    usable = rollout.complete and not rollout.succeeded and bool(rollout.response.strip())
    return usable and rewriter.eligible(rollout)


def _checked(
    response: str,
    answer: str,
    verifier: AnswerVerifier,
    refused: Counter[str],
    seen: set[tuple[str, str]] | None,
    rewrite: Callable[[], Rewrite | None],
) -> Rewrite | None:
    """A rewrite, verified; None, and the reason counted, where there is none.

    seen: (response, chat) of what is replayed already; None allows the same replay twice.
    """
    try:
        made = rewrite()
        if made is None:
            raise Refusal("nothing left to ask")
        key = response, repr(made.instruction.messages)
        if seen is not None and key in seen:
            raise Refusal("the same replay again")
        (verdict,) = verifier.verify_answers([(made.instruction, answer)])
    except HindsightError:
        raise
    except Refusal as reason:
        refused[str(reason)] += 1
        return None
    except Exception as error:  # a checker's or a judge's: this row's alone
        refused[f"{type(error).__name__} when it was checked again"] += 1
        return None
    if not all(verdict):
        failing = next(each.id for each, holds in zip(made.instruction.constraints, verdict, strict=True) if not holds)
        refused[f"{failing} does not hold again"] += 1
        return None
    if seen is not None:
        seen.add(key)
    return made


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
