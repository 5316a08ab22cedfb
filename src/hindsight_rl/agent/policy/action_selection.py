"""One control step, the same in training, trials and films: choose a goal and an action, then update the progress.

    selection = select_action(view, task, progress, observation, exploration, keys)
    step = ...                                            # the environment's, with selection.action
    progress, fulfilled = update_progress(task, progress, selection.slot, step.events, view.prerequisites)

An instruction has a few goals. Ordered goals are pursued one by one; of unordered goals, the one with the highest value
comes first. A goal that is asked for several times is pursued until it was reached so often. If prerequisites of a goal
are missing, the agent pursues one of them first (a waypoint). What is forbidden is no waypoint, and the action that
would make it happen now is not taken.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hindsight_rl.agent.policy.network import QNetwork, psi_of
from hindsight_rl.agent.policy.network import omega as network_omega
from hindsight_rl.agent.policy.prerequisites import (
    MAX_COUNT,
    Prerequisites,
    Requirements,
    choose_waypoint,
    event_values,
    requirements,
    update_inventory,
)

IDLE_STEPS, WALK_STEPS = 24, 8
"""Where walking is allowed: after IDLE_STEPS steps without a new event, the agent walks WALK_STEPS steps in one
direction."""
IMMINENT, CLOSE = 0.95, 0.8
"""Values of a forbidden event's goal from which on its best action is not taken: IMMINENT by choice, CLOSE at random.
With the default discount the event is then one step away, or some four. By choice, only the last step is not taken,
because the steps before it may serve the goals too: a pickaxe and a forbidden sword need the same wood."""


class Waypoints(NamedTuple):
    """What a policy knows about events as intermediate goals.

    Attributes:
        condition: float32 [n_events, C], of the goal that asks for each event.
        known: bool [n_events], whether there is such a goal.
        prerequisites: of events, learned from their order.
    """

    condition: jax.Array
    known: jax.Array
    prerequisites: Prerequisites


class PolicyView(NamedTuple):
    """What a control step needs of a policy. Computed once, used for many steps.

    Attributes:
        psi: observations float32 [E, F] -> [E, A, R].
        omega: float32 [G, R], of the goals that tasks refer to.
        waypoint_omega: float32 [n_events, R], of the goal that asks for each event.
        known: bool [n_events].
        prerequisites: of events; None: unknown, so nothing is consumed.
        required: [G, n_events], what each goal requires; None: goals are pursued directly.
    """

    psi: Callable[[jax.Array], jax.Array]
    omega: jax.Array
    waypoint_omega: jax.Array | None = None
    known: jax.Array | None = None
    prerequisites: Prerequisites | None = None
    required: Requirements | None = None

    @classmethod
    def of(
        cls, network: QNetwork, params: Any, condition: jax.Array, fires: jax.Array, waypoints: Waypoints | None
    ) -> "PolicyView":
        """The view of a policy for the given goals.

        Args:
            condition: float32 [G, C], of the goals.
            fires: bool [G, n_events], the events that fulfil them.
            waypoints: what the policy knows; None: goals are pursued directly.
        """
        psi, omega = psi_of(network, params), network_omega(network, params, condition)
        if waypoints is None:
            return cls(psi, omega)
        return cls(
            psi,
            omega,
            network_omega(network, params, waypoints.condition),
            waypoints.known,
            waypoints.prerequisites,
            requirements(fires, waypoints.prerequisites),
        )


class Task(NamedTuple):
    """The task of each of E environments.

    Attributes:
        goals: int32 [E, K], rows of the view's goals, padded with -1.
        ordered: bool [E], whether the goals must be reached in this order.
        fires: bool [E, K, n_events], the events that fulfil each goal.
        times: int32 [E, K], how often each goal must be reached; None: once.
        forbidden: bool [E, n_events], the events that must not happen; None: none is forbidden.
        avoid: float32 [E, A, R], omega of goals that ask for forbidden events; with `avoiding`, the values of these.
        avoiding: bool [E, A], False for padding.
    """

    goals: jax.Array
    ordered: jax.Array
    fires: jax.Array
    times: jax.Array | None = None
    forbidden: jax.Array | None = None
    avoid: jax.Array | None = None
    avoiding: jax.Array | None = None

    def violated(self, events: jax.Array) -> jax.Array:
        """bool [E], whether something forbidden is among the events, bool [E, n_events]."""
        if self.forbidden is None:
            return jnp.zeros(events.shape[0], bool)
        return (self.forbidden & events).any(axis=1)


class Progress(NamedTuple):
    """What has happened in each of E environments.

    Attributes:
        reached: bool [E, K], goals of the task that were reached, as often as it asks.
        event_counts: int32 [E, n_events], how often each event happened in this life, at most `MAX_COUNT`.
        inventory: int32 [E, n_events], the inventory estimate (see `prerequisites.update_inventory`).
        idle: int32 [E], steps since an event happened for the first time.
        hits: int32 [E, K], how often each goal was reached.
    """

    reached: jax.Array
    event_counts: jax.Array
    inventory: jax.Array
    idle: jax.Array
    hits: jax.Array

    @classmethod
    def none(cls, n: int, n_goals: int, n_events: int) -> "Progress":
        """The progress at the start."""
        nothing = jnp.zeros((n, n_events), jnp.int32)
        hits = jnp.zeros((n, n_goals), jnp.int32)
        return cls(jnp.zeros((n, n_goals), bool), nothing, nothing, jnp.zeros(n, jnp.int32), hits)

    def new_task(self, given: jax.Array) -> "Progress":
        """Reset the goals where ``given``, bool [E]; the history stays."""
        at = given[:, None]
        return self._replace(reached=jnp.where(at, False, self.reached), hits=jnp.where(at, 0, self.hits))

    def new_life(self, over: jax.Array) -> "Progress":
        """Reset the history where ``over``, bool [E]; the goals reached stay."""
        at = over[:, None]
        return self._replace(
            event_counts=jnp.where(at, 0, self.event_counts),
            inventory=jnp.where(at, 0, self.inventory),
            idle=jnp.where(over, 0, self.idle),
        )


class Exploration(NamedTuple):
    """When an action is not the greedy one.

    Attributes:
        odds: float32 [A], the running sum of the chances of random actions.
        epsilon: float32, scalar or [E], the rate of random actions.
        always: bool [E], act at random regardless of the rate; None: nowhere.
        sticky: probability that a random action repeats ``last``; None: never.
        last: int32 [E], the last random action.
        moves: actions that move the agent, for walking on when nothing new happens. Empty: it never does.
    """

    odds: jax.Array
    epsilon: jax.Array | float
    always: jax.Array | None = None
    sticky: jax.Array | float | None = None
    last: jax.Array | None = None
    moves: tuple[int, ...] = ()


class ActionLuck(NamedTuple):
    """The random numbers of a choice of actions, uniform between 0 and 1.

    They are drawn for all steps before the first: drawn inside a loop of steps, XLA would compute them again in each
    operation that uses them, which takes most of the time of compilation.

    Attributes:
        whether: float32 [E], act at random or not.
        which: float32 [E], the random action.
        repeat: float32 [E], repeat the last random action or not; used with `Exploration.sticky`.
        walk: a key, the direction of a walk. It is the same at every step, so that a walk keeps its direction; used
            with `Exploration.moves`.
    """

    whether: jax.Array
    which: jax.Array
    repeat: jax.Array | None = None
    walk: jax.Array | None = None


class Selection(NamedTuple):
    """What E environments do next, and why.

    Attributes:
        action: int32 [E].
        slot: int32 [E], which goal of the task is pursued.
        goal: int32 [E], its row among the view's goals.
        waypoint: int32 [E], the event that is pursued first, as a waypoint; meaningless where there is none.
        by_waypoint: bool [E], whether there is one.
        drawn: int32 [E], the random action that was drawn, even if it was not taken.
        random: bool [E], whether it was taken.
        psi: float32 [E, A, R], of the observation.
        event_values: float32 [E, n_events], value of every event's goal here; None if waypoints are unknown.
    """

    action: jax.Array
    slot: jax.Array
    goal: jax.Array
    waypoint: jax.Array
    by_waypoint: jax.Array
    drawn: jax.Array
    random: jax.Array
    psi: jax.Array
    event_values: jax.Array | None


def select_action(
    view: PolicyView,
    task: Task,
    progress: Progress,
    observation: jax.Array,
    exploration: Exploration,
    luck: ActionLuck,
) -> Selection:
    """The next action of each of E environments.

    Args:
        observation: float32 [E, F].
    """
    n = observation.shape[0]
    psi = view.psi(observation)
    slot, values = pursued(psi, view.omega, task.goals, task.ordered, progress.reached)
    goal = jnp.maximum(jnp.take_along_axis(task.goals, slot[:, None], axis=1)[:, 0], 0)
    waypoint, by_waypoint, near = jnp.zeros(n, jnp.int32), jnp.zeros(n, bool), None
    if view.waypoint_omega is not None and view.known is not None:
        near = event_values(psi, view.waypoint_omega, view.known)
        if view.required is not None and view.prerequisites is not None:
            wanted = jax.tree.map(lambda x: x[goal], view.required)
            waypoint, by_waypoint = choose_waypoint(
                near, wanted, view.prerequisites.consumed, progress.event_counts, progress.inventory, task.forbidden
            )
            to_waypoint = jnp.einsum("ear,er->ea", psi, view.waypoint_omega[waypoint])
            values = jnp.where(by_waypoint[:, None], to_waypoint, values)

    close = None
    if task.avoid is not None and task.avoiding is not None:
        imminent, close = (makes_happen(psi, task.avoid, task.avoiding, value) for value in (IMMINENT, CLOSE))
        values = jnp.where(imminent, -jnp.inf, values)

    random = luck.whether < exploration.epsilon
    if exploration.always is not None:
        random = exploration.always | random
    drawn = drawn_by(exploration.odds, luck.which)
    if exploration.sticky is not None:
        assert luck.repeat is not None and exploration.last is not None
        drawn = jnp.where(luck.repeat < exploration.sticky, exploration.last, drawn)
    if close is not None:
        random = random & ~jnp.take_along_axis(close, drawn[:, None], axis=1)[:, 0]
    best = jnp.argmax(values, axis=1)
    if exploration.moves:
        assert luck.walk is not None
        best = walk_on(best, progress.idle, exploration.moves, luck.walk)
    action = jnp.where(random, drawn, best).astype(jnp.int32)
    return Selection(action, slot, goal, waypoint, by_waypoint, drawn, random, psi, near)


def update_progress(
    task: Task, progress: Progress, slot: jax.Array, events: jax.Array, prerequisites: Prerequisites | None
) -> tuple[Progress, jax.Array]:
    """Progress after a step.

    Args:
        slot: int32 [E], the goal that was pursued (`Selection.slot`).
        events: bool [E, n_events], of the step.
        prerequisites: of the policy; None: nothing is consumed, and the inventory is not kept.

    Returns:
        the progress, and bool [E], whether all goals of the task are reached.
    """
    hits = (task.fires & events[:, None]).any(axis=2)
    counted, reached, fulfilled = goals_reached(task, progress.hits, slot, hits)
    inventory = progress.inventory
    if prerequisites is not None:
        inventory = update_inventory(inventory, events, prerequisites.consumed)
    first = (events & (progress.event_counts == 0)).any(axis=1)
    counts = jnp.minimum(progress.event_counts + events, MAX_COUNT)
    return Progress(reached, counts, inventory, jnp.where(first, 0, progress.idle + 1), counted), fulfilled


def pursued(
    psi: jax.Array, omega: jax.Array, goals: jax.Array, ordered: jax.Array, reached: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Which goal each environment pursues now, and its action values.

    Args:
        psi: float32 [E, A, R].
        omega: float32 [G, R].
        goals: int32 [E, K], rows of omega, padded with -1.
        ordered: bool [E].
        reached: bool [E, K].

    Returns:
        slot int32 [E] in 0..K-1, values float32 [E, A] of that slot's goal.
    """
    values = jnp.einsum("ear,ekr->eka", psi, omega[jnp.maximum(goals, 0)])
    open_ = (goals >= 0) & ~reached
    first = jnp.argmax(open_, axis=1)
    nearest = jnp.argmax(jnp.where(open_, values.max(axis=2), -jnp.inf), axis=1)
    slot = jnp.where(ordered, first, nearest)
    return slot, jnp.take_along_axis(values, slot[:, None, None], axis=1)[:, 0]


def goals_reached(
    task: Task, counted: jax.Array, slot: jax.Array, hits: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The goals reached after a step. An ordered goal counts only in its turn, an unordered one at any time.

    Args:
        counted: int32 [E, K], how often each goal was reached before.
        slot: int32 [E], the goal whose turn it is.
        hits: bool [E, K], which goals the step's events fulfil.

    Returns:
        how often each goal was reached, int32 [E, K], at most as often as the task asks; whether it was reached so
        often, bool [E, K]; whether all goals were, and there is one, bool [E].
    """
    there = task.goals >= 0
    turn = jnp.arange(task.goals.shape[1])[None] == slot[:, None]
    times = jnp.ones_like(counted) if task.times is None else task.times
    counted = jnp.minimum(counted + (hits & there & (turn | ~task.ordered[:, None])), times)
    reached = there & (counted >= times)
    return counted, reached, there.any(axis=1) & (reached | ~there).all(axis=1)


def makes_happen(psi: jax.Array, avoid: jax.Array, avoiding: jax.Array, value: float) -> jax.Array:
    """The actions that are about to make something forbidden happen, bool [E, A].

    Such an action is the best one for a forbidden event, where the value of its goal is at least ``value``.

    Args:
        psi: float32 [E, A, R].
        avoid: float32 [E, F, R], omega of the forbidden events' goals.
        avoiding: bool [E, F], False for padding.
    """
    values = jnp.einsum("ear,efr->efa", psi, avoid)
    best = values.max(axis=2, keepdims=True)
    return (avoiding[:, :, None] & (values >= best) & (best >= value)).any(axis=1)


def drawn_by(odds: jax.Array, luck: jax.Array) -> jax.Array:
    """Draw one of K items for each uniform random number, int32; the items' odds are given as running sum [K]."""
    # A comparison with all K sums, because a search compiles to a loop, which is slow for few numbers.
    found = jnp.searchsorted(odds, luck * odds[-1], method="scan_unrolled")
    return jnp.minimum(found, len(odds) - 1).astype(jnp.int32)


def walk_on(action: jax.Array, idle: jax.Array, moves: tuple[int, ...], key: jax.Array) -> jax.Array:
    """The action [E]; after IDLE_STEPS steps without a new event, a walk of WALK_STEPS steps in one direction instead.

    Without this, a policy without memory may stay in one place for ever if it cannot see what it needs.

    Args:
        idle: int32 [E], steps since something happened for the first time.
        moves: actions that move the agent.
        key: the same at every step: a walk keeps its direction.
    """
    walk, step = jnp.divmod(idle, IDLE_STEPS + WALK_STEPS)
    keys = jax.vmap(jax.random.fold_in)(jax.random.split(key, len(action)), walk)
    direction = jax.vmap(lambda k: jax.random.choice(k, jnp.asarray(moves)))(keys)
    return jnp.where(step >= IDLE_STEPS, direction, action).astype(jnp.int32)
