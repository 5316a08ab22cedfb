"""Acting: environments step side by side, each under an instruction of its own, in a world that goes on.

An instruction is one to three goals with progress: ordered goals are pursued one by one, unordered ones in the
order that the values suggest. Fulfilling it, or running out of time, ends the instruction; the world goes on under
the next one, so that what was achieved (a table, some wood) can be built upon. Success is a `done` for the learner
alone.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.environment import World, step_each
from hindsight_rl.agent.policy import prerequisites as waypoints
from hindsight_rl.agent.policy.network import QNetwork, psi_of
from hindsight_rl.agent.policy.network import omega as network_omega

MAX_GOALS = 3
HOPE = 0.1
"""What a goal is taken to be worth when it looks worth nothing here: how often the seemingly hopeless is asked for."""
DOUBT = 0.02
"""Values below this are taken for noise when moments are compared."""
DRAWN, TOLD, UNDONE, AGAIN = range(4)
"""How an instruction was chosen: by its chance, as an initial one (`ActingRules.told`), because this life has not done
it (`fresh`), because it has not done it lately (`again`)."""


@struct.dataclass
class Tables:
    """Everything about text, as arrays: no sentence is touched inside the training step.

    Attributes:
        condition: float32 [G, C], the conditioning input of each known goal.
        fires: bool [G, n_events], the semantic reward: does the event fulfil the goal?
        hindsight: float32 [G], weight with which a goal is drawn for hindsight updates; 0 for unused rows.
        goals: int32 [I, MAX_GOALS], the goals of each instruction, padded with -1.
        ordered: bool [I], whether the goals must be reached in their order.
        chance: float32 [I], probability with which an instruction is given; sums to 1.
        told: float32 [I], probability with which an instruction is given for being told from the start; sums to 1, or
            to 0 where nothing was told.
        waypoint: int32 [n_events], the instruction that asks for each event alone; -1 where none has been found.
        rarity: float32 [n_events], how much more a rare event is wanted.
    """

    condition: jax.Array
    fires: jax.Array
    hindsight: jax.Array
    goals: jax.Array
    ordered: jax.Array
    chance: jax.Array
    told: jax.Array
    waypoint: jax.Array
    rarity: jax.Array


@struct.dataclass
class Actors:
    """The state of E environments and of what each has been told.

    Attributes:
        world: the worlds' states, leading axis [E].
        observation: float32 [E, F].
        instruction: int32 [E], index into the tables' instructions.
        reached: bool [E, MAX_GOALS], progress.
        elapsed: int32 [E], steps since the instruction was given.
        explore: int32 [E], remaining steps of random exploration, during which no instruction is pursued.
        life: int32 [E], steps since the world began.
        witnessed: int32 [E, n_events], how often each event happened in this life, at most `waypoints.MOST`.
        stock: int32 [E, n_events], how much of each is at hand (see `waypoints.keep_books`).
        since: bool [E, n_events], events since this life last did something for the first time.
        newest: float32 [E], how rare that was.
        exploring_action: int32 [E], the last random action, for sticky exploration.
    """

    world: Any
    observation: jax.Array
    instruction: jax.Array
    reached: jax.Array
    elapsed: jax.Array
    explore: jax.Array
    life: jax.Array
    witnessed: jax.Array
    stock: jax.Array
    since: jax.Array
    newest: jax.Array
    exploring_action: jax.Array


class Transitions(NamedTuple):
    """One step of E environments (or [T, E] of them).

    Attributes:
        observation: float32 [E, F], before the action.
        action: int32 [E].
        events: bool [E, n_events].
        goal: int32 [E], the goal pursued.
        previous: float32 [E], value, before the action, of the goal that the step before pursued.
        reward: float32 [E], of the goal pursued.
        reached: bool [E], the goal pursued was reached: terminal for the learner, not for the world.
        witnessed: int32 [E, n_events], how often each happened in this life before the step.
        dead: bool [E], the world ended: terminal for every goal.
        dropped: bool [E], the world was left while it could have gone on: the next observation is of another world.
        switched: bool [E], the goal was reached or its instruction ended: the next step is another pursuit.
        pursuing: bool [E], False during random exploration.
        instruction: int32 [E], the instruction in force.
        ended: bool [E], the instruction ended with this step.
        fulfilled: bool [E], it ended in success.
        given: bool [E], a new instruction was given after this step.
        new_instruction: int32 [E], which; without meaning where none was.
        chosen: int32 [E], how it was chosen: `DRAWN`, `TOLD`, `UNDONE` or `AGAIN`.
    """

    observation: jax.Array
    action: jax.Array
    events: jax.Array
    witnessed: jax.Array
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


@struct.dataclass
class ActingRules:
    """How environments act. Numbers that only scale something are traced, so changing them recompiles nothing."""

    patience: int = 128
    """Steps per goal before an instruction is given up."""
    mean_life: int = 1500
    """Mean steps before a world is left for a fresh one (death ends it sooner)."""
    explore_after: int = 0
    """Random steps after a success, before the next instruction; the rarer the success, the likelier."""
    sticky: float = 0.0
    """Probability that a random action repeats the last random action."""
    candidates: int = struct.field(pytree_node=False, default=1)
    """Instructions drawn, of which the one is given for which this is the best moment: whose value here exceeds by
    most, as a ratio, what it is worth on average."""
    told: float = struct.field(pytree_node=False, default=0.0)
    """Share of instructions that are drawn evenly from those told at the start, whatever their moment."""
    fresh: float = struct.field(pytree_node=False, default=0.0)
    """Share of the others that ask for something that this life has not done yet, the nearer the likelier."""
    again: float = struct.field(pytree_node=False, default=0.0)
    """Share of these that ask instead for something on which much else stands and which was not done since the last
    thing that was new: after a first stone, more wood and another table mean something else."""
    waypoints: bool = struct.field(pytree_node=False, default=True)
    """Pursue what is far away by way of what is near (see `waypoints`)."""
    reset_on_success: bool = False
    """The paper's mode: success leaves the world."""
    objective: str = struct.field(pytree_node=False, default="goal")
    """`goal`: the instruction's goals; `game`: the game's own reward; `novel`: each fitting goal once per life."""


def start(world: World, bank: Bank, n_envs: int, key: jax.Array) -> Actors:
    """Actors at the beginning of worlds from the bank, before their first instruction."""
    states, observation = bank.take(jax.random.randint(key, (n_envs,), 0, bank.size))
    none = jnp.zeros(n_envs, jnp.int32)
    return Actors(
        world=states,
        observation=observation,
        instruction=none,
        reached=jnp.zeros((n_envs, MAX_GOALS), bool),
        elapsed=none,
        explore=none + 1,  # one random step, then the first instruction
        life=none,
        witnessed=jnp.zeros((n_envs, len(world.events)), jnp.int32),
        stock=jnp.zeros((n_envs, len(world.events)), jnp.int32),
        since=jnp.zeros((n_envs, len(world.events)), bool),
        newest=jnp.zeros(n_envs),
        exploring_action=none,
    )


def pursued(psi: jax.Array, omega: jax.Array, goals: jax.Array, ordered: jax.Array, reached: jax.Array) -> Any:
    """Which goal each environment pursues now, and its action values.

    Args:
        psi: float32 [E, A, R].
        omega: float32 [G, R].
        goals: int32 [E, MAX_GOALS], padded with -1.
        ordered: bool [E].
        reached: bool [E, MAX_GOALS].

    Returns:
        slot int32 [E] in 0..MAX_GOALS-1, values float32 [E, A] of that slot's goal.
    """
    values = jnp.einsum("ear,ekr->eka", psi, omega[jnp.maximum(goals, 0)])
    open_ = (goals >= 0) & ~reached
    first = jnp.argmax(open_, axis=1)
    nearest = jnp.argmax(jnp.where(open_, values.max(axis=2), -jnp.inf), axis=1)
    slot = jnp.where(ordered, first, nearest)
    return slot, jnp.take_along_axis(values, slot[:, None, None], axis=1)[:, 0]


def drawn_by(odds: jax.Array, luck: jax.Array) -> jax.Array:
    """int32, which of K is drawn by each of some uniform numbers, given the running sum of their odds, [K]."""
    # Written out: a search is a loop otherwise, and a loop on few numbers is mostly overhead.
    found = jnp.searchsorted(odds, luck * odds[-1], method="scan_unrolled")
    return jnp.minimum(found, len(odds) - 1).astype(jnp.int32)


def progress(goals: jax.Array, ordered: jax.Array, reached: jax.Array, slot: jax.Array, hits: jax.Array) -> Any:
    """Progress after a step: ordered goals count only in their turn, unordered ones whenever they happen.

    Args:
        goals, ordered, reached, slot: as in :func:`pursued`.
        hits: bool [E, MAX_GOALS], which goals the step's events fulfil.

    Returns:
        reached bool [E, MAX_GOALS], fulfilled bool [E].
    """
    turn = jnp.arange(goals.shape[1])[None] == slot[:, None]
    reached = reached | (hits & (goals >= 0) & (turn | ~ordered[:, None]))
    return reached, (reached | (goals < 0)).all(axis=1)


def undone_yet(
    near: jax.Array, left: jax.Array, wanted: jax.Array, tables: Tables, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """An instruction that asks for one event of those left, the nearer and the more wanted the likelier.

    Args:
        near: float32 [E, n_events], value of every event's goal here.
        left: bool [E, n_events], what can be asked for and has not been done.
        wanted: float32 [E, n_events].

    Returns:
        whether there is one, bool [E], and which, int32 [E].
    """
    odds = jnp.cumsum(jnp.where(left, (jnp.maximum(near, 0.0) + HOPE) * wanted, 0.0), axis=1)
    mark = jax.random.uniform(key, (near.shape[0], 1)) * odds[:, -1:]
    event = jnp.minimum((odds <= mark).sum(axis=1), odds.shape[1] - 1)
    return odds[:, -1] > 0, tables.waypoint[event]


def roll(
    network: QNetwork,
    params: Any,
    world: World,
    bank: Bank,
    tables: Tables,
    rules: ActingRules,
    actors: Actors,
    order: waypoints.Order,
    epsilon: jax.Array,
    steps: int,
    key: jax.Array,
) -> tuple[Actors, Transitions]:
    """Step E environments ``steps`` times.

    Args:
        epsilon: float32 [E], the rate of random actions of each environment.

    Returns:
        the actors afterwards and the transitions [steps, E].
    """
    n = actors.instruction.shape[0]
    omega, psi_at = network_omega(network, params, tables.condition), psi_of(network, params)
    cumulative, ladder = jnp.cumsum(tables.chance), jnp.cumsum(tables.told)
    odds = jnp.cumsum(jnp.asarray(world.exploration))
    way_goal, known = waypoints.rows(tables)
    needs = waypoints.needs(order, known)
    demands = waypoints.demand(tables.fires, needs)
    useful = (needs.required > 0).sum(axis=0).astype(jnp.float32)  # how much stands on each event
    if rules.candidates > 1:
        psi = psi_at(actors.observation)
        usual = jnp.maximum(jnp.einsum("ear,gr->ega", psi, omega).max(axis=2).mean(axis=0), 0.0)

    def one_step(carry: tuple[Actors, jax.Array], key: jax.Array) -> tuple[tuple[Actors, jax.Array], Transitions]:
        actors, previous_goal = carry
        k_random, k_action, k_stick, k_pick, k_step, k_life, k_world = jax.random.split(key, 7)
        goals, ordered = tables.goals[actors.instruction], tables.ordered[actors.instruction]
        psi = psi_at(actors.observation)
        slot, values = pursued(psi, omega, goals, ordered, actors.reached)
        goal = jnp.maximum(jnp.take_along_axis(goals, slot[:, None], axis=1)[:, 0], 0)
        asked = goal
        near = waypoints.goal_values(psi, omega[way_goal], known) if rules.waypoints or rules.fresh else None
        if near is not None and rules.waypoints:
            asked_for = jax.tree.map(lambda x: x[goal], demands)
            way, by_way = waypoints.choose(near, asked_for, needs.spent, actors.witnessed, actors.stock)
            goal = jnp.where(by_way, way_goal[way], goal)
            values = jnp.where(by_way[:, None], jnp.einsum("ear,er->ea", psi, omega[goal]), values)

        pursuing = actors.explore <= 0
        random = ~pursuing | (jax.random.uniform(k_random, (n,)) < epsilon)
        repeat = jax.random.uniform(k_stick, (n,)) < rules.sticky
        drawn = drawn_by(odds, jax.random.uniform(k_action, (n,)))
        drawn = jnp.where(repeat, actors.exploring_action, drawn)
        action = jnp.where(random, drawn, jnp.argmax(values, axis=1)).astype(jnp.int32)

        step = step_each(world, jax.random.split(k_step, n), actors.world, action)
        hits = (tables.fires[jnp.maximum(goals, 0)] & step.events[:, None]).any(axis=2)
        reached, fulfilled = progress(goals, ordered, actors.reached, slot, hits)
        hit = (tables.fires[goal] & step.events).any(axis=1)
        passed = hit & (goal != asked)
        fulfilled &= pursuing
        reward, terminal = hit.astype(jnp.float32), hit
        if rules.objective == "game":
            reward, terminal = step.reward, jnp.zeros(n, bool)
        elif rules.objective == "novel":
            # ELLM's rule: any suggested goal, each once per life.
            suggested = (tables.fires & (tables.hindsight > 0)[:, None]).any(axis=0)
            reward = (step.events & (actors.witnessed == 0) & suggested).sum(axis=1).astype(jnp.float32)
            terminal = jnp.zeros(n, bool)

        allowed = rules.patience * (goals >= 0).sum(axis=1)
        leave = ~step.done & (jax.random.uniform(k_life, (n,)) < 1.0 / rules.mean_life)
        leave = leave | (fulfilled & ~step.done & rules.reset_on_success)
        over = step.done | leave
        ended = pursuing & (fulfilled | (actors.elapsed + 1 >= allowed) | over)

        # The next instruction: of a few drawn, the one that looks nearest from here.
        k_draw = jax.random.uniform(k_pick, (n, rules.candidates))
        drawn_instructions = drawn_by(cumulative, k_draw)
        if rules.candidates > 1:
            first_goal = jnp.maximum(tables.goals[drawn_instructions, 0], 0)
            looks = jnp.einsum("ear,ecr->eca", psi, omega[first_goal]).max(axis=2)
            choice = jnp.argmax((looks + DOUBT) / (usual[first_goal] + DOUBT), axis=1)
        else:
            choice = jnp.zeros(n, jnp.int32)
        next_instruction = jnp.take_along_axis(drawn_instructions, choice[:, None], axis=1)[:, 0]
        chosen = jnp.full(n, DRAWN, jnp.int32)

        witnessed = jnp.where(over[:, None], 0, jnp.minimum(actors.witnessed + step.events, waypoints.MOST))
        first = jnp.where(step.events & (actors.witnessed == 0), tables.rarity, 0.0).max(axis=1)
        stock = jnp.where(over[:, None], 0, waypoints.keep_books(actors.stock, step.events, needs.spent))
        since = jnp.where((over | (first > 0))[:, None], False, actors.since) | (step.events & ~over[:, None])
        newest = jnp.where(over, 0.0, jnp.where(first > 0, first, actors.newest))
        if near is not None and rules.fresh:
            k_whether, k_which = jax.random.split(jax.random.fold_in(key, 7))
            again = jax.random.bernoulli(jax.random.fold_in(key, 9), rules.again, (n, 1))
            left = known & ~jnp.where(again, since, witnessed > 0)
            left, undone = undone_yet(near, left, jnp.where(again, useful, tables.rarity), tables, k_which)
            wanted = jax.random.uniform(k_whether, (n,)) < rules.fresh
            next_instruction = jnp.where(wanted & left, undone, next_instruction)
            chosen = jnp.where(wanted & left, jnp.where(again[:, 0], AGAIN, UNDONE), chosen)

        if rules.told:
            k_whether, k_which = jax.random.split(jax.random.fold_in(key, 11))
            practised = drawn_by(ladder, jax.random.uniform(k_which, (n,)))
            given = (jax.random.uniform(k_whether, (n,)) < rules.told) & (ladder[-1] > 0)
            next_instruction = jnp.where(given, practised, next_instruction)
            chosen = jnp.where(given, TOLD, chosen)

        explored_out = ~pursuing & ((actors.explore <= 1) | over)
        # Something rare is at hand: what may follow from it is best looked for there and then.
        rare = jnp.where(tables.fires[goal] & step.events, tables.rarity, 0.0).max(axis=1)
        rare = jnp.maximum(rare, rules.again * actors.newest)
        curious = jax.random.uniform(jax.random.fold_in(key, 8), (n,)) < rare
        burst = ended & fulfilled & ~over & curious & (rules.explore_after > 0)
        renewed = ended | explored_out
        next_world, next_observation = bank.renew(k_world, over, step.state, step.observation)
        transitions = Transitions(
            observation=actors.observation,
            action=action,
            events=step.events,
            witnessed=actors.witnessed,
            goal=goal,
            previous=jnp.einsum("ear,er->ea", psi, omega[previous_goal]).max(axis=1),
            reward=reward,
            reached=terminal,
            dead=step.done,
            dropped=leave,
            switched=hit | ended,
            pursuing=pursuing,
            instruction=actors.instruction,
            ended=ended,
            fulfilled=ended & fulfilled,
            given=renewed,
            new_instruction=next_instruction,
            chosen=chosen,
        )
        after = Actors(
            world=next_world,
            observation=next_observation,
            instruction=jnp.where(renewed, next_instruction, actors.instruction),
            reached=jnp.where(renewed[:, None], False, reached),
            elapsed=jnp.where(renewed | passed, 0, actors.elapsed + 1),
            explore=jnp.where(burst, rules.explore_after, jnp.where(over, 0, jnp.maximum(actors.explore - 1, 0))),
            life=jnp.where(over, 0, actors.life + 1),
            witnessed=witnessed,
            stock=stock,
            since=since,
            newest=newest,
            exploring_action=jnp.where(random, drawn, actors.exploring_action),
        )
        return (after, goal), transitions

    (actors, _), seen = jax.lax.scan(one_step, (actors, jnp.zeros(n, jnp.int32)), jax.random.split(key, steps))
    return actors, seen
