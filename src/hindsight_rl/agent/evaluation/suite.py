"""The instructions of an evaluation: canonical ones, held-out paraphrases, compositions, and events without an initial
instruction, among them those that no instruction in training may ask for.

Training uses none of the paraphrases and compositions. True events decide on success.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.bank import Bank, load_bank
from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.envs.events import Event, fulfilling
from hindsight_rl.agent.evaluation.trials import Judge, Outcome, Tasks, run_trials
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.reward.semantic import InstructionError

HORIZON = Environment.horizon
"""Steps per goal of an instruction, unless the environment says otherwise."""
EPSILON = 0.05
"""Rate of random actions in every trial of every method: a greedy policy can get stuck in a loop."""
EVAL_WORLDS = 256
BATCH = 704

T = TypeVar("T")


@dataclass(frozen=True)
class EvalInstruction:
    """One instruction to evaluate.

    Attributes:
        text: the instruction.
        events: the true event of each goal, in order.
        ordered: whether the order counts.
        goals: the texts of the goals into which the agent splits the instruction.
        times: how often each true event must happen; () for once.
        avoid: the events that must not happen.
    """

    text: str
    events: tuple[str, ...]
    ordered: bool
    goals: tuple[str, ...]
    times: tuple[int, ...] = ()
    avoid: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """How many events must happen."""
        return sum(self.times) if self.times else len(self.events)


def evaluation_suite(policy: Policy) -> dict[str, list[EvalInstruction]]:
    """The parts of the evaluation: `canonical`, `paraphrased`, `others`, `held_out`, `composed`; a part is empty if the
    environment has nothing for it."""
    env, phrases = policy.env, policy.env.language.phrases
    named = env.events[: len(env.instructions)]
    unnamed = [e for e in env.events[len(named) :] if e.trained]
    held_out = [e for e in env.events if e.held_out]
    composed = []
    for each in env.compositions:
        try:
            goals = policy.reward.check(each.text).goals
        except InstructionError:
            goals = (each.text,)  # an instruction that the reward cannot judge is tried too, and most likely fails
        composed.append(EvalInstruction(each.text, each.events, each.ordered, goals))
    return {
        "canonical": [single(t, e) for t, e in zip(env.instructions, named, strict=True)],
        "paraphrased": [single(t, e) for e in named for t in phrases(e.name, "heldout")],
        "others": [single(t, e) for e in unnamed for t in phrases(e.name, "heldout")],
        "held_out": [
            single(t, e) for e in held_out for t in (*phrases(e.name, "train")[:1], *phrases(e.name, "heldout"))
        ],
        "composed": composed,
    }


def single(text: str, event: Event) -> EvalInstruction:
    """An instruction with one goal."""
    return EvalInstruction(text, (event.name,), False, (text,))


def evaluate_instructions(
    policy: Policy,
    asked: Sequence[EvalInstruction],
    episodes: int,
    horizon: int | None = None,
    seed: int = 0,
    batch: int = BATCH,
) -> list[dict[str, Any]]:
    """Run trials of each instruction in ``episodes`` held-out worlds.

    Args:
        horizon: steps per goal; by default the environment's.

    Returns:
        one row for each instruction that some held-out world allows (see `Environment.possible`): text, events,
        ordered, successes, trials, success, mean_steps (of the successes), achievements (mean number of the events with
        an initial instruction per trial, within the same horizon); with counts also times; with forbidden events also
        avoid, and violated (share of the trials in which one happened).

    The agent pursues the goals into which it splits an instruction, even if this split is wrong. Success is decided by
    the true goals.
    """
    env = policy.env
    horizon = env.horizon if horizon is None else horizon
    bank = load_bank(env, "eval", EVAL_WORLDS)
    truth, index = np.asarray(fulfilling(env.events)).T, {e.name: i for i, e in enumerate(env.events)}
    possible = possible_events(env, bank)
    allowing = {q: np.flatnonzero(possible[:, [index[name] for name in q.events]].all(1)) for q in asked}
    by_length: dict[int, list[EvalInstruction]] = {}
    for q in asked:
        if len(allowing[q]):
            by_length.setdefault(q.length, []).append(q)
    rows: dict[EvalInstruction, dict[str, Any]] = {}
    for length, group in by_length.items():
        repeated = [q for q in group for _ in range(episodes)]
        worlds = np.concatenate([spread(allowing[q], episodes) for q in group])

        def tasks(part: list[EvalInstruction]) -> Tasks:
            return Tasks.of(
                policy,
                [_fitted(q) for q in part],
                [q.ordered for q in part],
                [[truth[index[name]] for name in q.events] for q in part],
                [q.times for q in part],
                [[index[name] for name in q.avoid] for q in part],
            )

        outcome = in_batches(policy, env, bank, repeated, tasks, worlds, horizon, length, seed, batch)
        achieved = np.asarray(outcome.happened)[:, : len(env.instructions)].sum(1).reshape(len(group), episodes)
        done, took, violated = (
            np.asarray(found).reshape(len(group), episodes)
            for found in (outcome.fulfilled, outcome.steps, outcome.violated)
        )
        for i, q in enumerate(group):
            rows[q] = {
                "text": q.text,
                "event": q.events[0] if len(q.events) == 1 else None,
                "goals": list(q.events),
                "ordered": q.ordered,
                "successes": int(done[i].sum()),
                "trials": episodes,
                "success": round(float(done[i].mean()), 4),
                "mean_steps": round(float(took[i][done[i]].mean()), 1) if done[i].any() else None,
                "achievements": round(float(achieved[i].mean()), 3),
                **({"times": list(q.times)} if q.times else {}),
                **({"avoid": list(q.avoid), "violated": round(float(violated[i].mean()), 4)} if q.avoid else {}),
            }
    return [rows[q] for q in asked if q in rows]


def in_batches(
    policy: Policy,
    env: Environment,
    bank: Bank,
    rows: Sequence[T],
    tasks: Callable[[list[T]], Tasks],
    worlds: np.ndarray,
    horizon: int,
    length: int,
    seed: int,
    batch: int,
    judge: Judge | None = None,
    targets: Callable[[list[T]], Any] | None = None,
) -> Outcome:
    """Run one trial for each row, ``batch`` of them side by side. The last batch is filled up with its last row, so
    that all are one compiled program.

    Args:
        rows: what is tried, N of them, at least one.
        tasks: gives the tasks of some rows.
        worlds: int [N], indices into the bank.
        horizon: steps per goal.
        length: goals of each row.
        judge: see :func:`run_trials`.
        targets: gives what the judge is given for some rows.

    Returns:
        NumPy arrays, leading axis [N].
    """
    found = []
    for at in range(0, len(rows), batch):
        part = list(rows[at : at + batch])
        padded = part + [part[-1]] * (batch - len(part))
        where = np.resize(worlds[at : at + len(part)], batch)
        key = jax.random.fold_in(jax.random.key(seed), at + 1000 * length)
        outcome = run_trials(
            policy.network, policy.params, env, bank, tasks(padded), jnp.asarray(where), EPSILON, horizon * length, key,
            policy.waypoints, judge, None if targets is None else targets(padded),
        )  # fmt: skip
        found.append(jax.tree.map(np.asarray, outcome))
    whole: Outcome = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(rows)], *found)
    return whole


def possible_events(env: Environment, bank: Bank) -> np.ndarray:
    """bool [worlds, n_events]: which events can happen in each world of the bank."""
    found = jax.vmap(env.possible)(bank.states)
    return np.ones((bank.size, len(env.events)), bool) if found is None else np.asarray(found)


def spread(worlds: np.ndarray, episodes: int) -> np.ndarray:
    """``episodes`` of these worlds, evenly spread; repeated if there are fewer."""
    n = len(worlds)
    return worlds[np.arange(episodes) * (n // min(episodes, n)) % n]


def _fitted(q: EvalInstruction) -> list[str]:
    """The agent's goals, cut or padded to the number of true goals (padding repeats the last one)."""
    goals = list(q.goals[: len(q.events)])
    return goals + [goals[-1]] * (len(q.events) - len(goals))


def canonical_success(policy: Policy, episodes: int = 32) -> dict[str, float]:
    """Success on each canonical instruction, by event name: the short evaluation during training."""
    rows = evaluate_instructions(policy, evaluation_suite(policy)["canonical"], episodes, seed=7)
    return {row["event"]: row["success"] for row in rows}
