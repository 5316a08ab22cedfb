"""Pictures of Craftax-Classic states, with the instruction above and the latest events below.

The tiles are the PNG files of the installed `craftax` package. Its own pixel renderer is not used: its
first call compiles textures for half a minute and writes a cache into the installed package.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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

_GROUND = (18, 20, 24)
_PANEL = (30, 33, 39)
_INK, _FAINT = (236, 238, 242), (140, 147, 160)
_ACCENT, _GOOD, _BAD = (255, 196, 84), (98, 209, 128), (240, 106, 96)


@dataclass(frozen=True)
class EventLine:
    """An event as a line of the caption: its last step, its text, whether it reached a goal, its number of
    repetitions."""

    step: int
    text: str
    counted: bool = False
    times: int = 1


@dataclass(frozen=True)
class Caption:
    """The text around a picture.

    Attributes:
        instruction: as the user wrote it.
        goals: (text, reached) of each goal, in order.
        current: index of the goal pursued, None if all goals are reached.
        step: environment steps so far.
        events: what happened, in the order of the lines.
        verdict: how it ended, None before the end; `good` chooses the colour.
        source: the small print: method, world, which world of the bank.
    """

    instruction: str
    goals: Sequence[tuple[str, bool]]
    current: int | None
    step: int
    events: Sequence[EventLine] = ()
    verdict: str = ""
    good: bool = False
    source: str = ""


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


@cache
def font(size: int, bold: bool = False) -> Any:
    """A font with many characters: DejaVu Sans if matplotlib is installed, else Pillow's own."""
    found = importlib.util.find_spec("matplotlib")
    if found is not None and found.submodule_search_locations:
        fonts = Path(next(iter(found.submodule_search_locations))) / "mpl-data" / "fonts" / "ttf"
        try:
            return ImageFont.truetype(str(fonts / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)
        except OSError:
            pass
    return ImageFont.load_default(size)


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
            cell(row, column)[:] = _texture(name)[:, :, :3] if name else _PANEL

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


class Painter:
    """Paints whole pictures of one size.

    Args:
        tile: side of a map cell in pixels; a multiple of 16 keeps the textures sharp.
        goals: maximum number of goals in the caption.
        instruction: longest instruction of the caption.
    """

    def __init__(self, tile: int, goals: int, instruction: str):
        self.tile = tile
        self.width = COLUMNS * tile
        self.unit = max(10, round(tile * 0.30))  # height of the letters
        self.pad = self.unit // 2 + 2
        self.line = round(self.unit * 1.45)
        self._bold, self._plain = font(round(self.unit * 1.1), True), font(self.unit)
        self.title = self._wrapped(instruction, self._bold, 2)
        self.top = self.pad * 2 + len(self.title) * round(self.line * 1.1) + goals * self.line
        self.icon = round(tile * 0.5)
        self.belt = 2 * (self.icon + self.pad) + self.pad
        self.bottom = self.pad + 4 * self.line
        self.height = self.top + ROWS * tile + self.belt + self.bottom
        self.height += self.height % 2  # video codecs need even sides

    def paint(self, game: Any, caption: Caption) -> Image.Image:
        """An RGB picture of a state; see :func:`view` and :class:`Caption`."""
        picture = Image.new("RGB", (self.width, self.height), _GROUND)
        draw = ImageDraw.Draw(picture)
        self._head(draw, caption)
        seen = Image.fromarray(view(game))
        picture.paste(seen.resize((self.width, ROWS * self.tile), Image.Resampling.NEAREST), (0, self.top))
        self._belt(picture, draw, game)
        self._foot(draw, caption)
        return picture

    def _head(self, draw: ImageDraw.ImageDraw, caption: Caption) -> None:
        y = self.pad
        for text in self.title:
            draw.text((self.pad, y), text, _INK, self._bold)
            y += round(self.line * 1.1)
        y += self.pad // 3
        side = round(self.unit * 0.85)
        clock = f"step {caption.step}"
        for i, (text, reached) in enumerate(caption.goals):
            colour = _GOOD if reached else _ACCENT if i == caption.current else _FAINT
            x, top = self.pad, y + round(self.unit * 0.18)
            draw.rectangle((x, top, x + side, top + side), outline=colour, width=max(1, self.unit // 9))
            if reached:
                stroke = max(2, self.unit // 6)
                draw.line((x + side * 0.2, top + side * 0.5, x + side * 0.45, top + side * 0.78), colour, stroke)
                draw.line((x + side * 0.45, top + side * 0.78, x + side * 0.95, top), colour, stroke)
            room = self.width - 3 * self.pad - side - (draw.textlength(clock, self._plain) + self.pad if i == 0 else 0)
            draw.text((x + side + self.pad, y), self._cut(text, self._plain, room), colour, self._plain)
            y += self.line
        first = y - len(caption.goals) * self.line
        draw.text((self.width - self.pad, first), clock, _FAINT, self._plain, anchor="ra")

    def _belt(self, picture: Image.Image, draw: ImageDraw.ImageDraw, game: Any) -> None:
        top = self.top + ROWS * self.tile
        draw.rectangle((0, top, self.width, top + self.belt - 1), fill=_PANEL)
        held = [(name, int(getattr(game.inventory, name))) for name in _HELD]
        cells = [(name, int(getattr(game, field))) for name, field in _VITALS]
        for slot, (name, count) in enumerate(cells + held):
            if count <= 0 and slot >= len(cells):
                continue
            x = self.pad + (slot % 8) * ((self.width - self.pad) // 8)
            y = top + self.pad + (slot // 8) * (self.icon + self.pad)
            icon = _icon(name, self.icon)
            picture.paste(icon, (x, y), icon)
            if slot < len(cells) or not name.endswith(("pickaxe", "sword")):
                colour = _BAD if slot < len(cells) and count <= 3 else _INK
                middle = y + self.icon // 2
                draw.text((x + self.icon + self.unit // 3, middle), str(count), colour, self._plain, anchor="lm")

    def _foot(self, draw: ImageDraw.ImageDraw, caption: Caption) -> None:
        y = self.top + ROWS * self.tile + self.belt + self.pad // 2
        for row in range(3):
            if row == 0 and caption.verdict:
                draw.text((self.pad, y), caption.verdict, _GOOD if caption.good else _BAD, self._bold)
            elif (event := row - bool(caption.verdict)) < len(caption.events):
                line = caption.events[event]
                colour = _GOOD if line.counted else _INK if line.step == caption.step else _FAINT
                draw.text((self.pad, y), f"{line.step}", _FAINT, self._plain)
                at = self.pad + round(self.unit * 2.6)
                text = line.text + (f"  ×{line.times}" if line.times > 1 else "")
                draw.text((at, y), self._cut(text, self._plain, self.width - at - self.pad), colour, self._plain)
            y += self.line
        draw.text((self.pad, y), caption.source, (118, 125, 138), font(round(self.unit * 0.8)))

    def _wrapped(self, text: str, face: Any, most: int) -> list[str]:
        room = self.width - 2 * self.pad
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and face.getlength(longer) > room:
                lines.append(word)
            else:
                lines[-1] = longer
        if len(lines) > most:
            lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
        return [self._cut(line, face, room) for line in lines]

    @staticmethod
    def _cut(text: str, face: Any, room: float) -> str:
        if face.getlength(text) <= room:
            return text
        while text and face.getlength(text + "…") > room:
            text = text[:-1]
        return text + "…"
