"""One attempt at an instruction, step by step, with every state kept: what a film shows.

A trial (see `trial`) counts; an attempt remembers. The agent follows its progress by its own semantic reward.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.bank import Bank, load_bank
from hindsight_rl.agent.envs.environment import World
from hindsight_rl.agent.evaluation.suite import EPSILON, EVAL_WORLDS
from hindsight_rl.agent.evaluation.trials import Books, Ways, by_way, move_on
from hindsight_rl.agent.instructions.parser import MAX_GOALS
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.policy.prerequisites import demand
from hindsight_rl.agent.training.rollout import drawn_by, progress, pursued
from hindsight_rl.errors import HindsightError

if TYPE_CHECKING:
    from hindsight_rl.agent.instructions.parser import ParsedInstruction

AFTERWARDS = 10  # steps kept after the instruction is fulfilled
CHUNK = 50  # steps per call of the compiled loop
MOST_STEPS = 5000


@dataclass(frozen=True)
class Attempt:
    """What happened in one attempt.

    Attributes:
        parsed: the instruction.
        states: the game's states, NumPy leaves [T + 1, ...]: the first one, then one after each step.
        events: bool [T, n_events].
        reached: bool [T, K], goals reached after each step, by the agent's own reward.
        pursued: int [T], the goal pursued at each step.
        fulfilled: after how many steps all goals were reached; None when they were not.
        died: after how many steps the world ended; None when it did not.
        world_index: which world of the held-out bank.
        tries: worlds tried up to this one.
    """

    parsed: "ParsedInstruction"
    states: Any
    events: np.ndarray
    reached: np.ndarray
    pursued: np.ndarray
    fulfilled: int | None
    died: int | None
    world_index: int
    tries: int = 1

    @property
    def steps(self) -> int:
        """Steps until fulfilment, death or the end of patience."""
        return self.fulfilled or self.died or len(self.events)


@partial(jax.jit, static_argnames=("network", "world"))
def _follow(
    network: QNetwork,
    params: Any,
    world: World,
    condition: jax.Array,
    fires: jax.Array,
    goals: jax.Array,
    ordered: jax.Array,
    epsilon: jax.Array,
    ways: Ways | None,
    carry: Any,
    keys: jax.Array,
    k_walk: jax.Array,
) -> Any:
    """Some more steps of one agent.

    Args:
        condition: float32 [K, C].
        fires: bool [K, n_events].
        goals: int32 [K], padded with -1.
        ways: what the policy knows of waypoints.
        carry: state, observation, reached bool [1, K] and books.
        keys: one for each step.
        k_walk: of `trial.move_on`.

    Returns:
        the carry afterwards, and of each step: game, events, reached [K], the goal pursued, done.
    """
    omega: Any = network.apply(params, condition, method=network.omega)
    goals, ordered = goals[None], ordered[None]
    odds = jnp.cumsum(jnp.asarray(world.exploration))

    def one_step(carry: Any, key: jax.Array) -> Any:
        state, observation, reached, books = carry
        k_random, k_action, k_step = jax.random.split(key, 3)
        psi: Any = network.apply(params, observation[None], method=network.psi)
        slot, values = pursued(psi, omega, goals, ordered, reached)
        if ways is not None:
            values = by_way(network, params, ways, psi, demand(fires[slot], ways.needs), values, books)
        random = jax.random.uniform(k_random) < epsilon
        drawn = drawn_by(odds, jax.random.uniform(k_action))
        best = move_on(jnp.argmax(values, axis=1), books, world.moves, k_walk)[0]
        action = jnp.where(random, drawn, best).astype(jnp.int32)
        step = world.step(k_step, state, action)
        hits = (fires & step.events[None]).any(axis=1)[None]
        reached, _ = progress(goals, ordered, reached, slot, hits)
        seen = (step.state.game.replace(state_rng=None), step.events, reached[0], slot[0], step.done)
        return (step.state, step.observation, reached, books.after(step.events[None], ways)), seen

    return jax.lax.scan(one_step, carry, keys)


def attempt(
    policy: Policy,
    text: str,
    steps: int = 300,
    seed: int = 0,
    world_index: int | None = None,
    epsilon: float = EPSILON,
    tries: int = 1,
) -> Attempt:
    """Let the policy try an instruction in a held-out world.

    Args:
        policy: a trained policy of a Craftax-Classic world.
        text: what it is told.
        steps: at most this many environment steps.
        seed: of the actions and, without ``world_index``, of the choice of the world.
        world_index: which world of the held-out bank, from 0.
        epsilon: rate of random actions; a greedy policy can be stuck for ever.
        tries: worlds to try, one after another, until the instruction is fulfilled in one.

    Raises:
        HindsightError: an instruction that cannot be judged (see `SemanticReward.check`), or a number out of range.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise HindsightError(f"--steps {steps}: from 1 to {MOST_STEPS}")
    if world_index is not None and not 0 <= world_index < EVAL_WORLDS:
        raise HindsightError(f"--world-index {world_index}: from 0 to {EVAL_WORLDS - 1}")
    if not 0 <= epsilon <= 1:
        raise HindsightError(f"--epsilon {epsilon}: from 0 to 1")
    parsed = policy.reward.check(text)
    bank = load_bank(policy.world, "eval", EVAL_WORLDS)
    first = world_index if world_index is not None else int(np.random.default_rng(seed).integers(EVAL_WORLDS))
    made: Attempt | None = None
    for n in range(max(1, tries)):
        made = _attempt(policy, parsed, bank, (first + n) % EVAL_WORLDS, steps, seed, epsilon, n + 1)
        if made.fulfilled:
            break
    assert made is not None
    return made


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
    # Always the same shapes: a second film, whatever its text and length, compiles nothing.
    texts, count = list(parsed.goals), len(parsed.goals)
    padded = texts + texts[-1:] * (MAX_GOALS - count)
    goals = np.where(np.arange(MAX_GOALS) < count, np.arange(MAX_GOALS), -1)
    given = (
        jnp.asarray(policy.conditions(padded)),
        jnp.asarray(policy.reward.table(padded).T),
        jnp.asarray(goals, jnp.int32),
        jnp.asarray(parsed.ordered),
        jnp.float32(epsilon),
    )
    state, observation = bank.take(jnp.int32(index))
    start = jax.tree.map(np.asarray, state.game.replace(state_rng=None))
    carry = (state, observation, jnp.zeros((1, MAX_GOALS), bool), Books.none(1, len(policy.world.events)))
    key = jax.random.fold_in(jax.random.key(seed), index)
    keys, k_walk = jax.random.split(key, -(-steps // CHUNK) * CHUNK), jax.random.fold_in(key, 1)
    parts: list[Any] = []
    over = False
    while not over and len(parts) * CHUNK < steps:
        now = keys[len(parts) * CHUNK : (len(parts) + 1) * CHUNK]
        carry, part = _follow(policy.network, policy.params, policy.world, *given, policy.ways, carry, now, k_walk)
        parts.append(jax.tree.map(np.asarray, part))
        # One more part after fulfilment holds what is shown afterwards.
        over = bool(part[4].any()) or (len(parts) > 1 and bool(parts[-2][2][-1, :count].all()))
    after, events, reached, slot, done = jax.tree.map(lambda *x: np.concatenate(x)[:steps], *parts)
    whole = reached[:, :count].all(axis=1)
    died = int(done.argmax()) + 1 if done.any() else None
    fulfilled = int(whole.argmax()) + 1 if whole.any() else None
    if fulfilled and died and fulfilled > died:
        fulfilled = None
    end = min(steps, died or steps, fulfilled + AFTERWARDS if fulfilled else steps)
    states = jax.tree.map(lambda a, b: np.concatenate([a[None], b[:end]]), start, after)
    if died and died > end:
        died = None
    return Attempt(
        parsed, states, events[:end], reached[:end, :count], slot[:end], fulfilled, died, index, tries
    )  # fmt: skip
