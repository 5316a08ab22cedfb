"""A compact encoder of Craftax-Classic observations: 191 numbers, computed only from the 1,345 of the game.

It contains, for each kind of object, the nearest one in view (presence, direction, distance). It also contains the cell
in front of the player, which of the four moves are blocked, adjacent objects, inventory, vitals and what the player
could craft.
"""

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl.agent.envs.craftax.mirror import Name

ROWS, COLUMNS, CHANNELS = 7, 9, 21
MAP_SIZE = ROWS * COLUMNS * CHANNELS
RAW_SIZE = MAP_SIZE + 22

# Channels of a cell in the game's own observation: block types, then mobs.
OUT_OF_BOUNDS, GRASS, WATER, STONE, TREE, WOOD, PATH, COAL, IRON, DIAMOND = range(1, 11)
TABLE, FURNACE, SAND, LAVA, PLANT, RIPE_PLANT, ZOMBIE, COW, SKELETON, ARROW = range(11, 21)
SOUGHT = np.array([GRASS, WATER, STONE, TREE, *range(PATH, CHANNELS)])
SOLID = np.array([OUT_OF_BOUNDS, WATER, STONE, TREE, COAL, IRON, DIAMOND, TABLE, FURNACE, PLANT, RIPE_PLANT])
MOBS = np.array([ZOMBIE, COW, SKELETON])

_DY, _DX = (g.reshape(-1) for g in np.mgrid[-(ROWS // 2) : ROWS // 2 + 1, -(COLUMNS // 2) : COLUMNS // 2 + 1])
_BY_DISTANCE = np.argsort(np.abs(_DY) + np.abs(_DX), kind="stable")
_RANK = np.empty(len(_DY), np.int32)
_RANK[_BY_DISTANCE] = np.arange(len(_DY))


def _cell(dy: int, dx: int) -> int:
    return (dy + ROWS // 2) * COLUMNS + dx + COLUMNS // 2


def _offset(dy: int, dx: int) -> Name:
    vertical, horizontal = "up" if dy < 0 else "down", "left" if dx < 0 else "right"
    return (vertical if dy else "level", abs(int(dy)), horizontal if dx else "level", abs(int(dx)))


# In the order of the direction one-hot: left, right, up, down.
NEIGHBOURS = np.array([_cell(0, -1), _cell(0, 1), _cell(-1, 0), _cell(1, 0)])
AROUND = np.array([_cell(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
_SIDES = ("left", "right", "up", "down")
_NUMBERS: list[Name] = [*(("number", i) for i in range(16)), *((side,) for side in _SIDES), ("light",), ("asleep",)]
RAW: list[Name] = [
    *((*_offset(dy, dx), "channel", c) for dy, dx in zip(_DY, _DX, strict=True) for c in range(CHANNELS)),
    *_NUMBERS,
]
"""A name for each feature of the raw observation. Directions are separate parts of the name (see `mirror`)."""
COMPACT: list[Name] = [
    *(
        (int(kind), *part)
        for kind in SOUGHT
        for part in (("present",), ("up",), ("down",), ("left",), ("right",), ("vertical",), ("near",))
    ),
    *(("faced", c) for c in range(CHANNELS)),
    *((what, side) for what in ("blocked", "lava") for side in _SIDES),
    *(("beside", i) for i in range(3)),
    *(("inventory", i) for i in range(12)),
    *(("enough", i) for i in range(7)),
    *(("can craft", i) for i in range(4)),
    *_NUMBERS[12:],
]
"""A name for each feature of the compact observation."""
COMPACT_SIZE = len(COMPACT)


def faced_cell(raw: jax.Array) -> jax.Array:
    """The 21 flags of the cell that the player faces, from a raw observation [1345]."""
    cells = raw[:MAP_SIZE].reshape(ROWS * COLUMNS, CHANNELS)
    return raw[MAP_SIZE + 16 : MAP_SIZE + 20] @ cells[NEIGHBOURS]


def compact(raw: jax.Array) -> jax.Array:
    """Encode one raw Craftax-Classic observation.

    Args:
        raw: float [1345], in the game's order.

    Returns:
        float32 [191].
    """
    raw = raw.astype(jnp.float32)
    cells = raw[:MAP_SIZE].reshape(ROWS * COLUMNS, CHANNELS)
    numbers = raw[MAP_SIZE:]

    # The nearest cell of each kind: the smallest rank by distance among the flagged ones.
    far = len(_DY)
    rank = jnp.where(cells[:, SOUGHT] > 0, jnp.asarray(_RANK)[:, None], far).min(axis=0)
    dy = jnp.asarray(np.append(_DY[_BY_DISTANCE], 0))[rank]
    dx = jnp.asarray(np.append(_DX[_BY_DISTANCE], 0))[rank]
    distance = jnp.abs(dy) + jnp.abs(dx)
    present = rank < far
    nearest = jnp.stack(
        [
            present,
            dy < 0,
            dy > 0,
            dx < 0,
            dx > 0,
            present & (jnp.abs(dy) > jnp.abs(dx)),
            jnp.where(present, 1.0 / jnp.maximum(distance, 1), 0.0),
        ],
        axis=1,
    ).astype(jnp.float32)

    neighbours = cells[NEIGHBOURS]
    blocked = jnp.clip(neighbours[:, SOLID].sum(1) + neighbours[:, MOBS].sum(1), 0, 1)
    around = cells[AROUND].max(axis=0)
    beside_table, beside_furnace, beside_water = around[TABLE], around[FURNACE], around[WATER]

    # wood, stone, coal, iron, diamond, sapling, then six tools; in tenths in the raw observation.
    count = numbers[:12] * 10.0
    wood, stone, coal, iron = count[0], count[1], count[2], count[3]
    holds = (count > 0.5).astype(jnp.float32)
    wood_for = jnp.stack([wood > 1.5, wood > 2.5, wood > 3.5, stone > 1.5, count[5] > 1.5]).astype(jnp.float32)
    can_craft = beside_table * jnp.stack(
        [
            wood > 0.5,
            (wood > 0.5) & (stone > 0.5),
            (wood > 0.5) & (stone > 0.5) & (coal > 0.5) & (iron > 0.5) & (beside_furnace > 0.5),
            stone > 0.5,
        ]
    ).astype(jnp.float32)
    return jnp.concatenate(
        [
            nearest.reshape(-1),
            faced_cell(raw),
            blocked,
            neighbours[:, LAVA],
            jnp.stack([beside_table, beside_furnace, beside_water]),
            jnp.where(np.arange(12) < 6, count / 9.0, holds),
            wood_for,
            holds[jnp.array([0, 1])],
            can_craft,
            numbers[12:16] * (10.0 / 9.0),
            numbers[16:20],
            numbers[20:22],
        ]
    ).astype(jnp.float32)
