"""The full game of Craftax (symbolic): 67 achievements, observations of 8,268 numbers, about 20 times slower.

The game's rules read its achievement flags (the first visit to a floor gives experience), so they are not cleared
here. An event is a newly set flag; a repetition is detected only if it changes the inventory.
"""

import dataclasses
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
from craftax.craftax.constants import Achievement, Action
from craftax.craftax.craftax_state import EnvParams, StaticEnvParams
from craftax.craftax.envs.craftax_symbolic_env import get_flat_map_obs_shape, get_inventory_obs_shape
from craftax.craftax.game_logic import is_game_over
from craftax.craftax.renderer import render_craftax_symbolic
from craftax.craftax.world_gen.world_gen import generate_world

from hindsight_rl.agent.envs.craftax.captions import CANONICAL, CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.compositions import COMPOSITIONS, SCENE, STRICT
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.craftax.sampler import with_two_level_choice
from hindsight_rl.agent.envs.environment import Environment, Step
from hindsight_rl.agent.envs.events import Event

_ACHIEVEMENTS = sorted(Achievement, key=lambda a: a.value)
_REPEATED = ("wood", "stone", "coal", "iron", "diamond", "sapling", "ruby", "sapphire")
_PREY = ("cow", "bat", "snail")  # in the game's order of passive mobs

# Achievements that Craftax-Classic does not have: the instruction, then the captions.
_SAID: dict[str, tuple[str, ...]] = {
    "make_arrow": ("make an arrow", "made an arrow", "crafted arrows"),
    "make_torch": ("make a torch", "made a torch", "crafted a torch from wood and coal"),
    "place_torch": ("place a torch", "placed a torch", "put a torch on the ground"),
    "make_diamond_sword": ("make a diamond sword", "made a diamond sword", "crafted a sword of diamond"),
    "make_iron_armour": ("make iron armour", "made iron armour", "forged a piece of armour from iron"),
    "make_diamond_armour": ("make diamond armour", "made diamond armour", "crafted a piece of armour from diamond"),
    "enter_gnomish_mines": ("enter the gnomish mines", "entered the gnomish mines", "reached the mines of the gnomes"),
    "enter_dungeon": ("enter the dungeon", "entered the dungeon", "reached the dungeon"),
    "enter_sewers": ("enter the sewers", "entered the sewers", "reached the sewers"),
    "enter_vault": ("enter the vault", "entered the vault", "reached the vault"),
    "enter_troll_mines": ("enter the troll mines", "entered the troll mines", "reached the mines of the trolls"),
    "enter_fire_realm": ("enter the fire realm", "entered the fire realm", "reached the realm of fire"),
    "enter_ice_realm": ("enter the ice realm", "entered the ice realm", "reached the realm of ice"),
    "enter_graveyard": ("enter the graveyard", "entered the graveyard", "reached the graveyard"),
    "defeat_gnome_warrior": ("defeat a gnome warrior", "defeated a gnome warrior", "killed a gnome warrior"),
    "defeat_gnome_archer": ("defeat a gnome archer", "defeated a gnome archer", "killed a gnome archer"),
    "defeat_orc_solider": ("defeat an orc soldier", "defeated an orc soldier", "killed an orc soldier"),
    "defeat_orc_mage": ("defeat an orc mage", "defeated an orc mage", "killed an orc mage"),
    "defeat_lizard": ("defeat a lizard", "defeated a lizard", "killed a lizard"),
    "defeat_kobold": ("defeat a kobold", "defeated a kobold", "killed a kobold"),
    "defeat_troll": ("defeat a troll", "defeated a troll", "killed a troll"),
    "defeat_deep_thing": ("defeat a deep thing", "defeated a deep thing", "killed a deep thing"),
    "defeat_pigman": ("defeat a pigman", "defeated a pigman", "killed a pigman"),
    "defeat_fire_elemental": ("defeat a fire elemental", "defeated a fire elemental", "killed a fire elemental"),
    "defeat_frost_troll": ("defeat a frost troll", "defeated a frost troll", "killed a frost troll"),
    "defeat_ice_elemental": ("defeat an ice elemental", "defeated an ice elemental", "killed an ice elemental"),
    "damage_necromancer": ("wound the necromancer", "wounded the necromancer", "damaged the necromancer"),
    "defeat_necromancer": ("defeat the necromancer", "defeated the necromancer", "killed the necromancer"),
    "eat_bat": ("eat a bat", "ate a bat", "ate the meat of a bat"),
    "eat_snail": ("eat a snail", "ate a snail", "ate the meat of a snail"),
    "find_bow": ("find a bow", "found a bow", "found a bow in a chest"),
    "fire_bow": ("shoot an arrow with the bow", "shot an arrow with the bow", "fired the bow"),
    "collect_sapphire": ("collect a sapphire", "collected a sapphire", "mined a sapphire"),
    "learn_fireball": (
        "learn the fireball spell",
        "learned the fireball spell",
        "learned of fireballs from a book",
    ),
    "cast_fireball": ("cast a fireball", "cast a fireball", "threw a ball of fire"),
    "learn_iceball": ("learn the iceball spell", "learned the iceball spell", "learned of iceballs from a book"),
    "cast_iceball": ("cast an iceball", "cast an iceball", "threw a ball of ice"),
    "collect_ruby": ("collect a ruby", "collected a ruby", "mined a ruby"),
    "make_diamond_pickaxe": ("make a diamond pickaxe", "made a diamond pickaxe", "crafted a pickaxe of diamond"),
    "open_chest": ("open a chest", "opened a chest", "opened a treasure chest"),
    "drink_potion": ("drink a potion", "drank a potion", "swallowed a potion"),
    "enchant_sword": ("enchant a sword", "enchanted a sword", "put an enchantment on the sword"),
    "enchant_armour": ("enchant armour", "enchanted armour", "put an enchantment on the armour"),
    "defeat_knight": ("defeat a knight", "defeated a knight", "killed a knight"),
    "defeat_archer": ("defeat an archer", "defeated an archer", "killed an archer"),
}
_MORE = (
    Event("take_damage", ("took damage", "lost health"), harmful=True),
    Event("recover_health", ("recovered health", "healed up")),
    Event("fall_asleep", ("fell asleep", "went to sleep")),
    Event("descend", ("climbed down the ladder", "descended to the floor below", "went down to a deeper floor")),
    Event("ascend", ("climbed up the ladder", "ascended to the floor above", "went up to a higher floor")),
    # An animal killed by hand is eaten; one killed by arrow or spell is not.
    *(Event(f"kill_{prey}", (f"killed a {prey}", f"slew a {prey}")) for prey in _PREY),
    Event("die", ("died", "lost all health and died"), harmful=True),
)


def _event(achievement: Any) -> Event:
    name = achievement.name.lower()
    known = {e.achievement: e for e in CLASSIC_EVENTS if e.achievement is not None}
    event = known.get(achievement.value) or Event(name, _SAID[name][1:], achievement.value)
    eaten = name.removeprefix("eat_")
    return dataclasses.replace(event, implies=(f"kill_{eaten}",)) if name != eaten and eaten in _PREY else event


def _instruction(achievement: Any) -> str:
    known = achievement.value < len(CANONICAL)
    return CANONICAL[achievement.value] if known else _SAID[achievement.name.lower()][0]


class CraftaxFull(Environment):
    """The full game; observations are raw, and not mirrored."""

    name = "craftax"
    about = "Craftax, the full game"
    observation = "raw"
    n_actions = len(Action)
    events = (*(_event(a) for a in _ACHIEVEMENTS), *_MORE)
    instructions = tuple(_instruction(a) for a in _ACHIEVEMENTS)
    language = LANGUAGE
    compositions = COMPOSITIONS
    strict_compositions = STRICT
    scene = SCENE
    exploration = tuple(0.1 if action is Action.SLEEP else 1.0 for action in Action)
    moves = tuple(action.value for action in (Action.LEFT, Action.RIGHT, Action.UP, Action.DOWN))

    def __init__(self) -> None:
        self.static, self.params = StaticEnvParams(), EnvParams()
        self.observation_size = get_flat_map_obs_shape() + get_inventory_obs_shape()
        self.cache_key = f"{self.name}/{self.observation}/{version('craftax')}"
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
        prey, spent = state.passive_mobs, after.passive_mobs.health <= 0
        killed = prey.mask & (prey.health > 0) & spent
        found = {
            f"kill_{name}": new[self._index[f"eat_{name}"]] | (killed & (prey.type_id == kind)).any()
            for kind, name in enumerate(_PREY)
        } | {
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
