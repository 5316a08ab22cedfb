"""The full game of Craftax (symbolic), opt in: 67 achievements, 8,268 numbers of observation, about 20 times the cost.

The game's rules read its achievement flags (the first visit to a floor gives experience), so they are not cleared
here: an event is a newly set flag, and repeats are told where the inventory shows them.
"""

from typing import Any

import jax
import jax.numpy as jnp
from craftax.craftax.constants import Achievement, Action
from craftax.craftax.craftax_state import EnvParams, StaticEnvParams
from craftax.craftax.envs.craftax_symbolic_env import get_flat_map_obs_shape, get_inventory_obs_shape
from craftax.craftax.game_logic import is_game_over
from craftax.craftax.renderer import render_craftax_symbolic
from craftax.craftax.world_gen.world_gen import generate_world

from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS, Event
from hindsight_rl.agent.envs.craftax.mirror import unmirrored
from hindsight_rl.agent.envs.craftax.sampler import with_two_level_choice
from hindsight_rl.agent.envs.environment import Step

_ACHIEVEMENTS = sorted(Achievement, key=lambda a: a.value)
_PAST = {
    "make": "made", "place": "placed", "collect": "collected", "enter": "entered", "defeat": "defeated",
    "damage": "wounded", "eat": "ate", "find": "found", "fire": "shot an arrow from", "learn": "learned",
    "cast": "cast", "open": "opened", "drink": "drank", "enchant": "enchanted",
}  # fmt: skip
_REPEATED = ("wood", "stone", "coal", "iron", "diamond", "sapling", "ruby", "sapphire")
_MORE = (
    Event("take_damage", ("took damage", "lost health")),
    Event("recover_health", ("recovered health", "healed up")),
    Event("fall_asleep", ("fell asleep", "went to sleep")),
    Event("descend", ("climbed down to a deeper floor", "descended a ladder")),
    Event("ascend", ("climbed up to a higher floor", "ascended a ladder")),
    Event("die", ("died", "lost all health and died")),
)


def _event(achievement: Any) -> Event:
    known = {e.achievement: e for e in CLASSIC_EVENTS if e.achievement is not None}
    if achievement.value in known:
        return known[achievement.value]
    verb, _, thing = achievement.name.lower().partition("_")
    thing = thing.replace("_", " ").replace("solider", "soldier")
    return Event(achievement.name.lower(), (f"{_PAST[verb]} {thing}",), achievement.value)


def _instruction(achievement: Any) -> str:
    if achievement.value < len(CANONICAL):
        return CANONICAL[achievement.value]
    return achievement.name.lower().replace("_", " ").replace("solider", "soldier")


class CraftaxFull:
    """The full game; observations are raw, and not mirrored."""

    name = "craftax"
    observation = "raw"
    n_actions = len(Action)
    events = (*(_event(a) for a in _ACHIEVEMENTS), *_MORE)
    canonical = tuple(_instruction(a) for a in _ACHIEVEMENTS)
    exploration = tuple(0.1 if action is Action.SLEEP else 1.0 for action in Action)
    moves = tuple(action.value for action in (Action.LEFT, Action.RIGHT, Action.UP, Action.DOWN))

    def __init__(self) -> None:
        self.static, self.params = StaticEnvParams(), EnvParams()
        self.observation_size = get_flat_map_obs_shape() + get_inventory_obs_shape()
        self.mirrors = unmirrored(self.observation_size, self.n_actions)
        self._module = with_two_level_choice("craftax.craftax.game_logic")
        self._index = {event.name: i for i, event in enumerate(self.events)}

    def generate(self, key: jax.Array) -> Any:
        """A fresh world: the game's own generator."""
        return generate_world(key, self.params, self.static)

    def observe(self, state: Any) -> jax.Array:
        """float32 [8268]."""
        return render_craftax_symbolic(state).astype(jnp.float32)

    def step(self, key: jax.Array, state: Any, action: jax.Array) -> Step:
        """One transition of one environment."""
        after, reward = self._module.craftax_step(key, state, action, self.params, self.static)
        new = after.achievements & ~state.achievements
        for thing in _REPEATED:
            gained = getattr(after.inventory, thing) > getattr(state.inventory, thing)
            new = new.at[self._index[f"collect_{thing}"]].max(gained)
        dead = after.player_health <= 0
        found = {
            "take_damage": after.player_health < state.player_health,
            "recover_health": after.player_health > state.player_health,
            "fall_asleep": after.is_sleeping & ~state.is_sleeping,
            "descend": after.player_level > state.player_level,
            "ascend": after.player_level < state.player_level,
            "die": dead,
        }
        events = jnp.concatenate([new, jnp.stack([jnp.asarray(found[e.name]) for e in _MORE])])
        return Step(
            state=after,
            observation=self.observe(after),
            events=events.astype(bool),
            reward=jnp.asarray(reward, jnp.float32),
            done=jnp.asarray(is_game_over(after, self.params, self.static)),
        )
