"""Families of grids: what each id of the package may hold, and how its first state is made.

The package `xminigrid` generates the layouts. In its XLand environments, each world gets its own objects here; the
package would take them from a ruleset.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import xminigrid
from xminigrid.core.constants import TILES_REGISTRY, Colors, Tiles
from xminigrid.core.goals import AgentOnTileGoal, EmptyGoal
from xminigrid.core.rules import EmptyRule
from xminigrid.types import RuleSet

from hindsight_rl.errors import HindsightError

MINIGRID_COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
OBJECTS = ("ball", "square", "pyramid", "hexagon", "star")
TILE = {
    "ball": Tiles.BALL, "square": Tiles.SQUARE, "pyramid": Tiles.PYRAMID, "hexagon": Tiles.HEX, "star": Tiles.STAR,
    "key": Tiles.KEY,
}  # fmt: skip
"""The package's number of each thing that can be carried."""
COLOUR: dict[str, int] = {name: getattr(Colors, name.upper()) for name in MINIGRID_COLOURS}
_TILES = jnp.asarray(TILES_REGISTRY)
NO_RULES = EmptyRule().encode()[None, ...]
_TO_GREEN_GOAL = AgentOnTileGoal(tile=_TILES[Tiles.GOAL, Colors.GREEN]).encode()
_NO_GOAL = EmptyGoal().encode()

XLAND_PAIRS = tuple((colour, thing) for colour in ("red", "green", "blue", "yellow") for thing in OBJECTS[:4])
XLAND_OBJECTS = 6
"""Objects in each world of the XLand environments; no two are alike."""


@dataclass(frozen=True)
class Family:
    """One id of the package.

    Attributes:
        pairs: (colour, thing) of everything that can be carried.
        doors: the colours of doors.
        held_out: pairs for which no instruction in training asks.
        has_goal: there is a green goal square.
        goal: the encoding of the game's own goal; None: each state has its own.
        put_next: putting one thing next to another is an event.
        objects: number of objects that each world gets here; 0: the package places all of them.
        max_steps: the time limit; None: the package's own.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    doors: tuple[str, ...] = ()
    held_out: tuple[tuple[str, str], ...] = ()
    has_goal: bool = False
    goal: Any = None
    put_next: bool = False
    objects: int = 0
    max_steps: int | None = None


_BLOCKED_OBJECTS = tuple((colour, thing) for colour in MINIGRID_COLOURS for thing in OBJECTS)
_BLOCKED_KEYS = tuple((colour, "key") for colour in MINIGRID_COLOURS)
# One pair of each colour, so that every colour and every thing is asked for in training, but not together.
_HELD_OUT = tuple((MINIGRID_COLOURS[i], OBJECTS[i % len(OBJECTS)]) for i in range(len(MINIGRID_COLOURS)))
_XLAND_HELD_OUT = (("red", "ball"), ("green", "square"), ("blue", "pyramid"), ("yellow", "hexagon"))


def family(name: str) -> Family:
    """What an id of the package may hold.

    Raises:
        HindsightError: no such id, or one that is not offered here.
    """
    if name.startswith("MiniGrid-DoorKey-"):
        made = Family((("yellow", "key"),), ("yellow",), has_goal=True, goal=_TO_GREEN_GOAL)
    elif name == "MiniGrid-BlockedUnlockPickUp":
        made = Family(_BLOCKED_KEYS + _BLOCKED_OBJECTS, MINIGRID_COLOURS, _HELD_OUT)
    elif name == "MiniGrid-LockedRoom":
        made = Family(_BLOCKED_KEYS, MINIGRID_COLOURS, has_goal=True, goal=_TO_GREEN_GOAL)
    elif name.startswith("XLand-MiniGrid-R") and not name.startswith(("XLand-MiniGrid-R6", "XLand-MiniGrid-R9")):
        doors = () if name.startswith("XLand-MiniGrid-R1") else MINIGRID_COLOURS
        made = Family(
            XLAND_PAIRS, doors, _XLAND_HELD_OUT, goal=_NO_GOAL, put_next=True, objects=XLAND_OBJECTS, max_steps=400
        )
    else:
        made = None
    if made is None or name not in xminigrid.registered_environments():
        raise HindsightError(
            f"unknown environment '{name}': of xminigrid, MiniGrid-DoorKey-5x5 (or 6x6, 8x8, 16x16), "
            "MiniGrid-BlockedUnlockPickUp, MiniGrid-LockedRoom, and XLand-MiniGrid-R1-9x9 (or R2, R4, and larger)"
        )
    return made


def layouts(name: str, of: Family, view_size: int) -> tuple[Any, Any, Callable[[jax.Array], Any]]:
    """The package's environment, its parameters, and a function that makes a first `TimeStep` from a key."""
    settings = {"view_size": view_size} | ({"max_steps": of.max_steps} if of.max_steps else {})
    game, params = xminigrid.make(name)
    params = params.replace(**settings)
    if not of.objects:
        return game, params, lambda key: game.reset(params, key)
    tiles = jnp.stack([_TILES[TILE[thing], COLOUR[colour]] for colour, thing in of.pairs])

    def first(key: jax.Array) -> Any:
        k_objects, k_layout = jax.random.split(key)
        chosen = jax.random.choice(k_objects, len(tiles), (of.objects,), replace=False)
        ruleset = RuleSet(goal=_NO_GOAL, rules=NO_RULES, init_tiles=tiles[chosen])
        return game.reset(params.replace(ruleset=ruleset), k_layout)

    return game, params, first
