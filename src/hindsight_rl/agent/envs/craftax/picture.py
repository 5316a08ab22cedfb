"""Pictures of Craftax-Classic states: the cells around the player and, for films, what it has.

The tiles are the PNG files of the installed `craftax` package. Its own pixel renderer is not used: its
first call compiles textures for half a minute and writes a cache into the installed package.
"""

import importlib.util
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from hindsight_rl.agent.video.renderer import BAD, INK, PANEL, font
from hindsight_rl.errors import HindsightError

ROWS, COLUMNS = 7, 9
TEXELS = 16  # side of the package's textures

# By block number; None is outside the map.
_BLOCKS = (
    None, None, "grass", "water", "stone", "tree", "wood", "path", "coal", "iron", "diamond", "table", "furnace",
    "sand", "lava", "plant_on_grass", "ripe_plant_on_grass",
)  # fmt: skip
_FACING = {1: "player-left", 2: "player-right", 3: "player-up", 4: "player-down"}
_FLYING = {(0, -1): "arrow-left", (0, 1): "arrow-right", (-1, 0): "arrow-up", (1, 0): "arrow-down"}
_VITALS = (
    ("health", "player_health"), ("food", "player_food"), ("drink", "player_drink"), ("energy", "player_energy"),
)  # fmt: skip
_HELD = (
    "wood", "stone", "coal", "iron", "diamond", "sapling", "wood_pickaxe", "stone_pickaxe", "iron_pickaxe",
    "wood_sword", "stone_sword", "iron_sword",
)  # fmt: skip
_NIGHT = np.array([0, 12, 48])


@cache
def _folder() -> Path:
    found = importlib.util.find_spec("craftax")
    if found is None or not found.submodule_search_locations:
        raise HindsightError("the game's textures need the package 'craftax': pip install 'hindsight-rl[agent]'")
    return Path(next(iter(found.submodule_search_locations))) / "craftax_classic" / "assets"


@cache
def _texture(name: str) -> np.ndarray:
    """uint8 [16, 16, 4]."""
    try:
        with Image.open(_folder() / f"{name}.png") as image:
            return np.asarray(image.convert("RGBA"))
    except OSError as error:
        raise HindsightError(f"the installed 'craftax' lacks the texture {name}.png: reinstall craftax 1.6") from error


@lru_cache(maxsize=256)
def _icon(name: str, side: int) -> Image.Image:
    return Image.fromarray(_texture(name)).resize((side, side), Image.Resampling.NEAREST)


def view(game: Any) -> np.ndarray:
    """The 7 x 9 cells around the player, at the textures' own resolution.

    Args:
        game: a Craftax-Classic `EnvState` of NumPy arrays (one environment).

    Returns:
        uint8 [112, 144, 3].
    """
    around = np.array([ROWS // 2, COLUMNS // 2])
    grid = np.pad(np.asarray(game.map), [(r, r) for r in around], constant_values=1)
    y, x = (int(v) for v in game.player_position)
    canvas = np.empty((ROWS * TEXELS, COLUMNS * TEXELS, 3), np.uint8)

    def cell(row: int, column: int) -> np.ndarray:
        return canvas[row * TEXELS : (row + 1) * TEXELS, column * TEXELS : (column + 1) * TEXELS]

    for row in range(ROWS):
        for column in range(COLUMNS):
            name = _BLOCKS[int(grid[y + row, x + column])]
            cell(row, column)[:] = _texture(name)[:, :, :3] if name else PANEL

    def put(name: str, position: Any) -> None:
        row, column = (int(v) for v in np.asarray(position) - (y, x) + around)
        if 0 <= row < ROWS and 0 <= column < COLUMNS:
            tile, texture = cell(row, column), _texture(name)
            alpha = texture[:, :, 3:] / 255.0
            tile[:] = (tile * (1 - alpha) + texture[:, :, :3] * alpha).astype(np.uint8)

    put("player-sleep" if game.is_sleeping else _FACING.get(int(game.player_direction), "player"), (y, x))
    for name, mobs in (("zombie", game.zombies), ("cow", game.cows), ("skeleton", game.skeletons)):
        for position in np.asarray(mobs.position)[np.asarray(mobs.mask, bool)]:
            put(name, position)
    for position, way, present in zip(game.arrows.position, game.arrow_directions, game.arrows.mask, strict=True):
        if present:
            put(_FLYING.get((int(way[0]), int(way[1])), "arrow-up"), position)
    return _darkened(canvas, float(game.light_level), bool(game.is_sleeping))


def _darkened(canvas: np.ndarray, light: float, asleep: bool) -> np.ndarray:
    """Darkness at night, from the edges inwards. It changes in few steps per cell, which keeps films small."""
    dark = max(0.0, 0.75 - light) / 0.75
    if dark <= 0 and not asleep:
        return canvas
    rows, columns = np.mgrid[-(ROWS // 2) : ROWS // 2 + 1, -(COLUMNS // 2) : COLUMNS // 2 + 1]
    far = np.hypot(rows / 3.0, columns / 4.0)
    alpha = dark * np.clip(0.3 + 0.5 * far, 0, 0.8)
    if asleep:
        alpha = np.maximum(alpha, 0.55)
    alpha = np.round(alpha * 8) / 8
    alpha = np.kron(alpha, np.ones((TEXELS, TEXELS)))[:, :, None]
    return (canvas * (1 - alpha) + _NIGHT * alpha).astype(np.uint8)


def film_picture(game: Any, tile: int) -> np.ndarray:
    """The view, enlarged, and below it the vitals and the inventory.

    Args:
        game: as for :func:`view`.
        tile: side of a map cell in pixels; a multiple of 16 keeps the textures sharp.

    Returns:
        uint8 [height, 9 x tile, 3].
    """
    unit = max(10, round(tile * 0.30))
    pad, icon, width = unit // 2 + 2, round(tile * 0.5), COLUMNS * tile
    top, belt = ROWS * tile, 2 * (icon + pad) + pad
    picture = Image.new("RGB", (width, top + belt), PANEL)
    picture.paste(Image.fromarray(view(game)).resize((width, top), Image.Resampling.NEAREST), (0, 0))
    draw, face = ImageDraw.Draw(picture), font(unit)
    vitals = [(name, int(getattr(game, field))) for name, field in _VITALS]
    held = [(name, int(getattr(game.inventory, name))) for name in _HELD]
    for slot, (name, count) in enumerate(vitals + held):
        if count <= 0 and slot >= len(vitals):
            continue
        x = pad + (slot % 8) * ((width - pad) // 8)
        y = top + pad + (slot // 8) * (icon + pad)
        drawn = _icon(name, icon)
        picture.paste(drawn, (x, y), drawn)
        if slot < len(vitals) or not name.endswith(("pickaxe", "sword")):
            colour = BAD if slot < len(vitals) and count <= 3 else INK
            draw.text((x + icon + unit // 3, y + icon // 2), str(count), colour, face, anchor="lm")
    return np.asarray(picture)
