"""The frames of a film: a picture of the state, with the instruction above and the latest events below.

The picture comes from the environment.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GROUND = (18, 20, 24)
PANEL = (30, 33, 39)
INK, FAINT = (236, 238, 242), (140, 147, 160)
ACCENT, GOOD, BAD = (255, 196, 84), (98, 209, 128), (240, 106, 96)


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
        avoid: what is forbidden; `broken`: it happened.
    """

    instruction: str
    goals: Sequence[tuple[str, bool]]
    current: int | None
    step: int
    events: Sequence[EventLine] = ()
    verdict: str = ""
    good: bool = False
    source: str = ""
    avoid: Sequence[str] = ()
    broken: bool = False


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


class Painter:
    """Paints frames of one size.

    Args:
        picture: (width, height) of the environment's pictures.
        tile: pixels of a map cell, for the size of the letters.
        goals: most lines in the caption for goals and for what is forbidden, which has one line.
        instruction: longest instruction of the caption.
    """

    def __init__(self, picture: tuple[int, int], tile: int, goals: int, instruction: str):
        self.width, self.body = picture
        self.width += self.width % 2  # video codecs need even sides
        self.unit = max(10, round(tile * 0.30))  # height of the letters
        self.pad = self.unit // 2 + 2
        self.line = round(self.unit * 1.45)
        self._bold, self._plain = font(round(self.unit * 1.1), True), font(self.unit)
        self.title = self._wrapped(instruction, self._bold, 2)
        self.top = self.pad * 2 + len(self.title) * round(self.line * 1.1) + goals * self.line
        self.height = self.top + self.body + self.pad + 4 * self.line
        self.height += self.height % 2

    def paint(self, picture: np.ndarray, caption: Caption) -> Image.Image:
        """A frame, RGB; the picture is uint8 [height, width, 3]."""
        frame = Image.new("RGB", (self.width, self.height), GROUND)
        draw = ImageDraw.Draw(frame)
        self._head(draw, caption)
        frame.paste(Image.fromarray(picture), (0, self.top))
        self._foot(draw, caption)
        return frame

    def _head(self, draw: ImageDraw.ImageDraw, caption: Caption) -> None:
        y = self.pad
        for text in self.title:
            draw.text((self.pad, y), text, INK, self._bold)
            y += round(self.line * 1.1)
        y += self.pad // 3
        side = round(self.unit * 0.85)
        clock = f"step {caption.step}"
        for i, (text, reached) in enumerate(caption.goals):
            colour = GOOD if reached else ACCENT if i == caption.current else FAINT
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
        draw.text((self.width - self.pad, first), clock, FAINT, self._plain, anchor="ra")
        if caption.avoid:
            text = self._cut(f"never: {', '.join(caption.avoid)}", self._plain, self.width - 2 * self.pad)
            draw.text((self.pad, y), text, BAD if caption.broken else FAINT, self._plain)

    def _foot(self, draw: ImageDraw.ImageDraw, caption: Caption) -> None:
        y = self.top + self.body + self.pad // 2
        for row in range(3):
            if row == 0 and caption.verdict:
                draw.text((self.pad, y), caption.verdict, GOOD if caption.good else BAD, self._bold)
            elif (event := row - bool(caption.verdict)) < len(caption.events):
                line = caption.events[event]
                colour = GOOD if line.counted else INK if line.step == caption.step else FAINT
                draw.text((self.pad, y), f"{line.step}", FAINT, self._plain)
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
