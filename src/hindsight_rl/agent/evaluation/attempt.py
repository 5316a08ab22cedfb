"""One attempt at an instruction. Every state is kept, so that `Policy.rollout` can return it and a film can show it.

The agent follows its progress by its own semantic reward, which also decides `Attempt.success`. A trial (see `trials`)
is judged by true events instead, and keeps only the outcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.bank import Bank, load_bank
from hindsight_rl.agent.envs.environment import Environment, exploration_odds
from hindsight_rl.agent.evaluation.suite import EPSILON, EVAL_WORLDS, possible_events
from hindsight_rl.agent.evaluation.trials import Tasks
from hindsight_rl.agent.instructions.parser import MAX_PARSED_GOALS
from hindsight_rl.agent.policy.action_selection import (
    ActionLuck,
    Exploration,
    PolicyView,
    Progress,
    Task,
    Waypoints,
    select_action,
    update_progress,
)
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.network import omega as network_omega
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.instructions.parser import ParsedInstruction

STEPS_AFTER_SUCCESS = 10  # steps kept after the success, so that a film does not end abruptly
CHUNK = 50  # steps per call of the compiled loop
MAX_STEPS = 5000


@dataclass(frozen=True)
class Attempt:
    """What happened in one attempt.

    Attributes:
        env: the environment.
        parsed: the instruction.
        states: the environment's states, NumPy leaves [T + 1, ...]: the first one, then one after each step.
        events: bool [T, n_events].
        reached: bool [T, K], goals reached after each step, by the agent's own reward.
        hits: int [T, K], how often each goal was reached so far.
        pursued: int [T], the goal pursued at each step.
        fulfilled: after how many steps all goals were reached; None when they were not.
        died: after how many steps the environment ended; None when it did not.
        violated: after how many steps something forbidden happened, which ends the attempt; None when it did not.
        world_index: index of the world in the held-out bank.
        tries: number of worlds tried, this one included.
    """

    env: Environment
    parsed: "ParsedInstruction"
    states: Any
    events: np.ndarray
    reached: np.ndarray
    hits: np.ndarray
    pursued: np.ndarray
    fulfilled: int | None
    died: int | None
    violated: int | None
    world_index: int
    tries: int = 1

    @property
    def success(self) -> bool:
        """Were all goals reached, by the agent's own reward?"""
        return self.fulfilled is not None

    @property
    def steps(self) -> int:
        """Steps until success, something forbidden, death, or the last one allowed."""
        return self.fulfilled or self.violated or self.died or len(self.events)

    @property
    def goals(self) -> list[tuple[str, int | None]]:
        """Each goal, and the step at which it was reached; None where it was not."""
        steps = [int(column.argmax()) + 1 if column.any() else None for column in self.reached.T]
        return list(zip(self.parsed.goals, steps, strict=True))

    @property
    def captions(self) -> list[tuple[int, str]]:
        """What happened: the step, from 1, and the caption of the event."""
        return [
            (int(step) + 1, self.env.events[event].captions[0])
            for step, event in zip(*self.events.nonzero(), strict=True)
        ]

    @property
    def frames(self) -> list[np.ndarray]:
        """A picture of every state, uint8 [height, width, 3].

        Raises:
            HindsightError: the environment draws no pictures.
        """
        count = len(self.events) + 1
        return [self.env.render(jax.tree.map(lambda leaf, i=i: leaf[i], self.states)) for i in range(count)]


@partial(jax.jit, static_argnames=("network", "env"))
def _follow(
    network: QNetwork,
    params: Any,
    env: Environment,
    condition: jax.Array,
    task: Task,
    epsilon: jax.Array,
    waypoints: Waypoints | None,
    carry: Any,
    keys: jax.Array,
    walk: jax.Array,
) -> Any:
    """Run one agent for some more steps.

    Args:
        condition: float32 [K, C], of the task's goals.
        task: of one environment.
        waypoints: what the policy knows about prerequisites.
        carry: state, observation, and the progress in one environment.
        keys: one for each step.
        walk: of `ActionLuck`.

    Returns:
        the carry afterwards, and of each step: state, events, reached [K], hits [K], the goal pursued, done.
    """
    view = PolicyView.of(network, params, condition, task.fires[0], waypoints)
    exploration = Exploration(exploration_odds(env), epsilon, moves=env.moves)

    def one_step(carry: Any, key: jax.Array) -> Any:
        state, observation, progress = carry
        whether, which, k_step = jax.random.split(key, 3)
        luck = ActionLuck(jax.random.uniform(whether, (1,)), jax.random.uniform(which, (1,)), walk=walk)
        selection = select_action(view, task, progress, observation[None], exploration, luck)
        step = env.step(k_step, state, selection.action[0])
        progress, _ = update_progress(task, progress, selection.slot, step.events[None], view.prerequisites)
        goals = progress.reached[0], progress.hits[0]
        seen = (plain_state(step.state), step.events, *goals, selection.slot[0], step.done)
        return (step.state, step.observation, progress), seen

    return jax.lax.scan(one_step, carry, keys)


def plain_state(state: Any) -> Any:
    """A state whose random keys are arrays of numbers, as NumPy can hold them."""

    def plain(leaf: Any) -> Any:
        is_key = isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(plain, state)


def attempt(
    policy: Policy,
    text: str,
    steps: int = 300,
    seed: int = 0,
    world_index: int | None = None,
    epsilon: float = EPSILON,
    tries: int = 1,
) -> Attempt:
    """Let the policy try an instruction in a held-out world; see :meth:`Policy.rollout`."""
    if not 1 <= steps <= MAX_STEPS:
        raise HindsightError(f"--steps {steps}: from 1 to {MAX_STEPS}")
    if world_index is not None and not 0 <= world_index < EVAL_WORLDS:
        raise HindsightError(f"--world-index {world_index}: from 0 to {EVAL_WORLDS - 1}")
    if seed < 0:
        raise HindsightError(f"--seed {seed}: 0 or more")
    if tries < 1:
        raise HindsightError(f"--tries {tries}: 1 or more")
    if not 0 <= epsilon <= 1:
        raise HindsightError(f"--epsilon {epsilon}: from 0 to 1")
    parsed = policy.reward.check(text)
    bank = load_bank(policy.env, "eval", EVAL_WORLDS)
    worlds = np.arange(EVAL_WORLDS)
    if world_index is None:
        worlds = _allowing(policy, parsed.goals, bank)
        first = int(np.random.default_rng(seed).integers(len(worlds)))
    else:
        first = world_index
    made: Attempt | None = None
    for n in range(tries):
        made = _attempt(policy, parsed, bank, int(worlds[(first + n) % len(worlds)]), steps, seed, epsilon, n + 1)
        if made.success:
            break
    assert made is not None
    return made


def _allowing(policy: Policy, goals: Sequence[str], bank: Bank) -> np.ndarray:
    """The worlds in which every goal can be reached (see `Environment.possible`); all if there is none."""
    possible = possible_events(policy.env, bank).astype(int) @ policy.reward.table(goals).astype(int) > 0
    found = np.flatnonzero(possible.all(axis=1))
    return found if len(found) else np.arange(bank.size)


def _attempt(
    policy: Policy,
    parsed: "ParsedInstruction",
    bank: Bank,
    index: int,
    steps: int,
    seed: int,
    epsilon: float,
    tries: int,
) -> Attempt:
    # The shapes are always the same, so that a second attempt does not compile again, whatever its text and length.
    place = {event.name: i for i, event in enumerate(policy.env.events)}
    avoid = [place[name] for name in parsed.avoid]
    texts, count = list(parsed.goals), len(parsed.goals)
    padded = texts + texts[-1:] * (MAX_PARSED_GOALS - count)
    goals = np.where(np.arange(MAX_PARSED_GOALS) < count, np.arange(MAX_PARSED_GOALS), -1)
    fires = jnp.asarray(policy.reward.table(padded).T)
    tasks = Tasks.of(policy, [texts[:1]], [False], [[np.zeros(len(policy.env.events), bool)]], avoid=[avoid])
    times = np.ones((1, MAX_PARSED_GOALS), np.int32)
    times[0, :count] = parsed.times
    task = Task(
        jnp.asarray(goals, jnp.int32)[None], jnp.asarray([parsed.ordered]), fires[None], jnp.asarray(times),
        tasks.forbidden, network_omega(policy.network, policy.params, tasks.avoid), tasks.avoiding,
    )  # fmt: skip
    condition = jnp.asarray(policy.conditions(padded))
    state, observation = bank.take(jnp.int32(index))
    start = jax.tree.map(np.asarray, plain_state(state))
    carry = (state, observation, Progress.none(1, MAX_PARSED_GOALS, len(policy.env.events)))
    key = jax.random.fold_in(jax.random.key(seed), index)
    keys, walk = jax.random.split(key, -(-steps // CHUNK) * CHUNK), jax.random.fold_in(key, 1)
    parts: list[Any] = []
    over, forbidden = False, np.asarray(tasks.forbidden[0])
    while not over and len(parts) * CHUNK < steps:
        now = keys[len(parts) * CHUNK : (len(parts) + 1) * CHUNK]
        carry, part = _follow(
            policy.network, policy.params, policy.env, condition, task, jnp.float32(epsilon), policy.waypoints, carry,
            now, walk,
        )  # fmt: skip
        parts.append(jax.tree.map(np.asarray, part))
        over = bool((parts[-1][1] & forbidden).any())
        # One more part after the success holds the steps that a film shows after it.
        over = over or bool(part[5].any()) or (len(parts) > 1 and bool(parts[-2][2][-1, :count].all()))
    after, events, reached, hits, slot, done = jax.tree.map(lambda *x: np.concatenate(x)[:steps], *parts)
    whole = reached[:, :count].all(axis=1)
    died = int(done.argmax()) + 1 if done.any() else None
    fulfilled = int(whole.argmax()) + 1 if whole.any() else None
    broken = (events & forbidden).any(axis=1)
    violated = int(broken.argmax()) + 1 if broken.any() else None
    if fulfilled and ((died and fulfilled > died) or (violated and fulfilled >= violated)):
        fulfilled = None
    if fulfilled:
        violated = None  # what happens afterwards does not count
    end = min(steps, died or steps, violated or steps, fulfilled + STEPS_AFTER_SUCCESS if fulfilled else steps)
    states = jax.tree.map(lambda a, b: np.concatenate([a[None], b[:end]]), start, after)
    if died and died > end:
        died = None
    reached, hits, slot = reached[:end, :count], hits[:end, :count], slot[:end]
    return Attempt(
        policy.env, parsed, states, events[:end], reached, hits, slot, fulfilled, died, violated, index, tries
    )  # fmt: skip
