"""Rollouts: many environments step in parallel, each with its own instruction, and continue after a success.

A success or a time limit ends the instruction, not the environment. Under the next instruction the agent can build on
what it has achieved, such as a table or some wood. A success is a `done` only for the learner.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.environment import Environment, exploration_odds, step_each
from hindsight_rl.agent.instructions.parser import MAX_TRAINED_GOALS
from hindsight_rl.agent.policy.action_selection import (
    ActionLuck,
    Exploration,
    PolicyView,
    Progress,
    Task,
    select_action,
    update_progress,
)
from hindsight_rl.agent.policy.network import QNetwork, psi_of
from hindsight_rl.agent.policy.network import omega as network_omega
from hindsight_rl.agent.policy.network import trunk as network_trunk
from hindsight_rl.agent.policy.prerequisites import Precedence, prerequisites, requirements
from hindsight_rl.agent.training.acting import ActingRules
from hindsight_rl.agent.training.instruction_choice import Allowed, ChoiceLuck, Odds, next_instruction
from hindsight_rl.agent.training.refresh import refreshed
from hindsight_rl.agent.training.tables import Tables


@struct.dataclass
class Actors:
    """The state of E environments and of their instructions.

    Attributes:
        env_state: the environments' states, leading axis [E].
        observation: float32 [E, F].
        instruction: int32 [E], index into the tables' instructions.
        progress: goals reached, and what has happened in this life.
        elapsed: int32 [E], steps since the instruction was given.
        explore: int32 [E], remaining steps of random exploration, during which no instruction is pursued.
        life: int32 [E], steps since the environment was reset.
        since_new: bool [E, n_events], events that happened since the last new event of this life.
        newest: float32 [E], how rare that new event was.
        exploring_action: int32 [E], the last random action, for sticky exploration.
    """

    env_state: Any
    observation: jax.Array
    instruction: jax.Array
    progress: Progress
    elapsed: jax.Array
    explore: jax.Array
    life: jax.Array
    since_new: jax.Array
    newest: jax.Array
    exploring_action: jax.Array


class Transitions(NamedTuple):
    """One step of E environments (or [T, E] of them).

    Attributes:
        observation: float32 [E, F], before the action.
        action: int32 [E].
        events: bool [E, n_events].
        event_counts: int32 [E, n_events], how often each event had happened in this life before the step.
        goal: int32 [E], the goal pursued.
        previous: float32 [E], value of the previous step's goal in this observation.
        reward: float32 [E], of the goal pursued.
        reached: bool [E], the goal pursued was reached: terminal for the learner, not for the environment.
        dead: bool [E], the environment ended: terminal for every goal.
        dropped: bool [E], the environment was reset before its end: the next observation belongs to another life.
        switched: bool [E], the goal was reached or its instruction ended: the next step pursues another goal.
        pursuing: bool [E], False during random exploration.
        instruction: int32 [E], the instruction in force.
        ended: bool [E], the instruction ended with this step.
        fulfilled: bool [E], it ended in success.
        given: bool [E], a new instruction was given after this step, to be pursued from the next one on.
        new_instruction: int32 [E], the instruction in force after this step.
        chosen: int32 [E], how a given instruction was chosen: `acting.BY_CHANCE`, `INITIAL`, `NEW_EVENT` or
            `REPEATED_EVENT`.
    """

    observation: jax.Array
    hidden: jax.Array
    action: jax.Array
    events: jax.Array
    event_counts: jax.Array
    goal: jax.Array
    previous: jax.Array
    reward: jax.Array
    reached: jax.Array
    dead: jax.Array
    dropped: jax.Array
    switched: jax.Array
    pursuing: jax.Array
    instruction: jax.Array
    ended: jax.Array
    fulfilled: jax.Array
    given: jax.Array
    new_instruction: jax.Array
    chosen: jax.Array


class StepLuck(NamedTuple):
    """What is random in one step of E environments; see `ActionLuck` for why it is drawn beforehand."""

    action: ActionLuck
    instruction: ChoiceLuck
    step: jax.Array
    """Keys [E]: randomness of the environments."""
    life: jax.Array
    """float32 [E]: which environments are reset."""
    reset: jax.Array
    """A key: which states they are reset to."""
    burst: jax.Array
    """float32 [E]: whether random steps follow a success."""

    @classmethod
    def of(cls, key: jax.Array, n: int, candidates: int) -> "StepLuck":
        """Draw for ``n`` environments; ``candidates`` instructions are drawn by chance for each."""
        whether, which, repeat, by_chance, step, life, reset = jax.random.split(key, 7)
        new_event, which_event = jax.random.split(jax.random.fold_in(key, 7))
        initial, initial_which = jax.random.split(jax.random.fold_in(key, 11))
        repeated_event, burst = jax.random.fold_in(key, 9), jax.random.fold_in(key, 8)
        each = jnp.stack(
            [whether, which, repeat, life, burst, new_event, which_event, repeated_event, initial, initial_which]
        )
        numbers = jax.vmap(lambda stream: jax.random.uniform(stream, (n,)))(each)
        whether, which, repeat, life, burst, *choice = numbers
        chance = jax.random.uniform(by_chance, (n, candidates))
        return cls(
            action=ActionLuck(whether, which, repeat),
            instruction=ChoiceLuck(chance, *choice),
            step=jax.random.split(step, n),
            life=life,
            reset=reset,
            burst=burst,
        )


def start(env: Environment, bank: Bank, num_envs: int, key: jax.Array) -> Actors:
    """Actors in freshly reset environments, before their first instruction."""
    states, observation = bank.take(jax.random.randint(key, (num_envs,), 0, bank.size))
    none = jnp.zeros(num_envs, jnp.int32)
    return Actors(
        env_state=states,
        observation=observation,
        instruction=none,
        progress=Progress.none(num_envs, MAX_TRAINED_GOALS, len(env.events)),
        elapsed=none,
        explore=none + 1,  # one random step, then the first instruction
        life=none,
        since_new=jnp.zeros((num_envs, len(env.events)), bool),
        newest=jnp.zeros(num_envs),
        exploring_action=none,
    )


def view_of(
    network: QNetwork, params: Any, tables: Tables, rules: ActingRules, precedence: Precedence
) -> tuple[PolicyView, jax.Array]:
    """The policy for the goals of the tables, and the goal that asks for each event, int32 [n_events]."""
    event_goal, known = tables.event_goals()
    found = prerequisites(precedence, known)
    view = PolicyView(psi_of(network, params), network_omega(network, params, tables.condition), prerequisites=found)
    if rules.waypoints or rules.new_event_share:
        view = view._replace(waypoint_omega=view.omega[event_goal], known=known)
    if rules.waypoints:
        view = view._replace(required=requirements(tables.fires, found))
    return view, event_goal


def _at(tree: Any, rows: Any) -> Any:
    """These rows of arrays."""
    return jax.tree.map(lambda x: x[rows], tree)


def _task(tables: Tables, view: PolicyView, instruction: jax.Array) -> Task:
    """The tasks of environments with these instructions, int32 [E]."""
    goals = tables.goals[instruction]
    task = Task(goals, tables.ordered[instruction], tables.fires[jnp.maximum(goals, 0)])
    if tables.times is not None:
        task = task._replace(times=tables.times[instruction])
    if tables.forbidden is not None and tables.avoid is not None:
        avoid = tables.avoid[instruction]
        task = task._replace(
            forbidden=tables.forbidden[instruction], avoid=view.omega[jnp.maximum(avoid, 0)], avoiding=avoid >= 0
        )
    return task


def roll(
    network: QNetwork,
    params: Any,
    env: Environment,
    bank: Bank,
    tables: Tables,
    rules: ActingRules,
    actors: Actors,
    precedence: Precedence,
    epsilon: jax.Array,
    num_steps: int,
    key: jax.Array,
    at_once: int | None = None,
) -> tuple[Actors, Transitions]:
    """Step E environments ``num_steps`` times.

    Args:
        epsilon: float32 [E], the rate of random actions of each environment.
        at_once: for how many environments instructions are chosen together; see `refresh.refreshed`.

    Returns:
        the actors afterwards and the transitions [num_steps, E].
    """
    n = actors.instruction.shape[0]
    view, event_goal = view_of(network, params, tables, rules, precedence)
    odds = Odds.of(tables, view, rules, actors.observation)
    exploration = Exploration(exploration_odds(env), epsilon, sticky=rules.sticky)

    def worlds_allow(states: Any) -> Allowed | None:
        possible = jax.vmap(env.possible)(states)
        return None if possible is None else Allowed.of(tables, possible)

    def one_step(carry: Any, luck: StepLuck) -> tuple[Any, Transitions]:
        actors, previous_goal, by_world = carry
        goals = tables.goals[actors.instruction]
        task = _task(tables, view, actors.instruction)
        pursuing = actors.explore <= 0
        selection = select_action(
            view, task, actors.progress, actors.observation,
            exploration._replace(always=~pursuing, last=actors.exploring_action), luck.action,
        )  # fmt: skip
        asked = selection.goal
        goal = jnp.where(selection.by_waypoint, event_goal[selection.waypoint], asked)

        step = step_each(env, luck.step, actors.env_state, selection.action)
        progress, fulfilled = update_progress(task, actors.progress, selection.slot, step.events, view.prerequisites)
        fulfilled &= pursuing
        violated = pursuing & task.violated(step.events)
        fulfilled &= ~violated
        hit = (tables.fires[goal] & step.events).any(axis=1)
        waypoint_reached = hit & (goal != asked)
        reward, terminal = hit.astype(jnp.float32), hit
        if rules.objective == "game":
            reward, terminal = step.reward, jnp.zeros(n, bool)
        elif rules.objective == "novel":
            # ELLM's rule: any suggested goal, each once per life.
            suggested = (tables.fires & (tables.hindsight > 0)[:, None]).any(axis=0)
            new = step.events & (actors.progress.event_counts == 0) & suggested
            reward, terminal = new.sum(axis=1).astype(jnp.float32), jnp.zeros(n, bool)

        # Does the life end? Does the instruction end?
        leave = ~step.done & (luck.life < 1.0 / rules.mean_life)
        leave = leave | (fulfilled & ~step.done & rules.reset_on_success)
        over = step.done | leave
        times = 1 if task.times is None else task.times
        allowed = rules.patience * jnp.where(goals >= 0, times, 0).sum(axis=1)
        ended = pursuing & (fulfilled | violated | (actors.elapsed + 1 >= allowed) | over)

        # What is new in this life.
        first = jnp.where(step.events & (actors.progress.event_counts == 0), tables.rarity, 0.0).max(axis=1)
        progress = progress.new_life(over)
        since_new = jnp.where((over | (first > 0))[:, None], False, actors.since_new) | (step.events & ~over[:, None])
        newest = jnp.where(over, 0.0, jnp.where(first > 0, first, actors.newest))

        env_state, observation = bank.renew(luck.reset, over, step.state, step.observation)
        if by_world is not None:
            new_worlds = partial(refreshed, by_world, over, lambda rows: worlds_allow(_at(env_state, rows)), at_once)
            by_world = jax.lax.cond(over.any(), new_worlds, lambda: by_world)
        renewed = ended | (~pursuing & ((actors.explore <= 1) | over))

        def choose(rows: Any) -> tuple[jax.Array, jax.Array]:
            at = (selection, progress.event_counts, since_new, luck.instruction, by_world)
            return next_instruction(tables, odds, view, rules, *_at(at, rows))

        instruction, chosen = refreshed((actors.instruction, jnp.zeros(n, jnp.int32)), renewed, choose, at_once)
        # After a rare event the agent takes random steps, because its consequences are most likely found there.
        rare = jnp.where(tables.fires[goal] & step.events, tables.rarity, 0.0).max(axis=1)
        rare = jnp.maximum(rare, rules.repeated_event_share * actors.newest)
        curious = luck.burst < rare
        burst = ended & fulfilled & ~over & curious & (rules.explore_after > 0)
        transitions = Transitions(
            observation=actors.observation,
            hidden=network_trunk(network, params, actors.observation),  # XLA merges this with the policy's own
            action=selection.action,
            events=step.events,
            event_counts=actors.progress.event_counts,
            goal=goal,
            previous=jnp.einsum("ear,er->ea", selection.psi, view.omega[previous_goal]).max(axis=1),
            reward=reward,
            reached=terminal,
            dead=step.done,
            dropped=leave,
            switched=hit | ended,
            pursuing=pursuing,
            instruction=actors.instruction,
            ended=ended,
            fulfilled=ended & fulfilled,
            given=renewed & ~burst,  # after a burst of random steps it is drawn once more
            new_instruction=instruction,
            chosen=chosen,
        )
        after = Actors(
            env_state=env_state,
            observation=observation,
            instruction=instruction,
            progress=progress.new_task(renewed),
            elapsed=jnp.where(renewed | waypoint_reached, 0, actors.elapsed + 1),
            explore=jnp.where(burst, rules.explore_after, jnp.where(over, 0, jnp.maximum(actors.explore - 1, 0))),
            life=jnp.where(over, 0, actors.life + 1),
            since_new=since_new,
            newest=newest,
            exploring_action=jnp.where(selection.random, selection.drawn, actors.exploring_action),
        )
        return (after, goal, by_world), transitions

    first = (actors, jnp.zeros(n, jnp.int32), worlds_allow(actors.env_state))
    luck = jax.vmap(lambda each: StepLuck.of(each, n, rules.candidates))(jax.random.split(key, num_steps))
    (actors, _, _), seen = jax.lax.scan(one_step, first, luck)
    return actors, seen
