"""Instructions that can be fulfilled: a response is drawn first, then demands are drawn that this response meets."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.sandbox.language import (
    BULLET,
    KINDS,
    MOST_BULLETS,
    MOST_WORDS,
    WITHOUT_E,
    WORDS,
    Demand,
    instruct,
    prompt_tokens,
    render,
)
from hindsight_rl.replay.instruction import Instruction

USUAL = tuple(name for name, kind in KINDS.items() if kind.usual)
DEPENDENT = tuple(name for name, kind in KINDS.items() if kind.needs for _ in range(kind.repeats))
MOST_DEMANDS = sum(KINDS[name].repeats for name in USUAL)
TRIES = 1000


@dataclass
class Instructions:
    """A source of instructions.

    low, high: fewest and most constraints, drawn uniformly. room: most tokens of a prompt; longer prompts are
    discarded, counted in `too_long`, and drawn once more. dependent: share of the constraints that presuppose another
    one, if they fit together with it; with 0 only the nine usual kinds are drawn.
    """

    low: int
    high: int
    room: int
    dependent: float = 0.0
    too_long: int = 0

    def draw(self, rng: np.random.Generator) -> tuple[Instruction, str]:
        """An instruction, and a response that fulfils it.

        Raises:
            HindsightError: no instruction fits into the room.
        """
        for _ in range(TRIES):
            kinds = self._kinds(rng, int(rng.integers(self.low, self.high + 1)))
            words, bullets, response = _respond(rng, kinds)
            demands = _bind(rng, kinds, words, bullets)
            if demands is None:
                continue
            instruction = instruct(demands)
            if len(prompt_tokens(instruction)) <= self.room:
                return instruction, response
            self.too_long += 1
        raise HindsightError(
            f"no instruction with {self.low} to {self.high} constraints fits into {self.room} tokens: "
            "raise --model.context or ask for fewer --constraints"
        )

    def _kinds(self, rng: np.random.Generator, count: int) -> list[str]:
        """Kinds in random order, each at most as often as allowed; the kinds that others presuppose are included."""
        pool = [name for name in USUAL for _ in range(KINDS[name].repeats)]
        chosen: list[str] = []
        wanted = int(rng.binomial(count, self.dependent)) if self.dependent else 0
        for name in rng.permutation(DEPENDENT).tolist() if wanted else ():
            needed = str(KINDS[name].needs)
            # One `bullets` carries every bullet; each `after` follows an `include` of its own.
            new = [needed] * (needed == "include" or needed not in chosen)
            if wanted and len(chosen) + 1 + len(new) <= count:
                chosen += [name, *new]
                wanted -= 1
                for each in new:
                    pool.remove(each)
        left = count - len(chosen)
        chosen += [pool[i] for i in rng.permutation(len(pool))[:left]]
        return [chosen[i] for i in rng.permutation(count)]


def _respond(rng: np.random.Generator, kinds: list[str]) -> tuple[list[str], list[int], str]:
    """A random response that meets the kinds without parameters: its words, the words that open a bullet, its text."""
    pool = WITHOUT_E if "no_e" in kinds else WORDS
    words = [pool[i] for i in rng.permutation(len(pool))[: rng.integers(2, MOST_WORDS + 1)]]
    if "sorted" in kinds:
        words.sort()
    bullets: list[int] = []
    if "bullets" in kinds or rng.random() < 0.5:
        most = min(MOST_BULLETS, len(words))
        bullets = sorted(rng.permutation(len(words))[: rng.integers(1, most + 1)].tolist())
    capitals = "capitals" in kinds or rng.random() < 0.3
    pieces: list[str] = []
    for place, word in enumerate(words):
        pieces += [BULLET] * (place in bullets) + [word.upper() if capitals else word]
    return words, bullets, render(pieces)


def _bind(rng: np.random.Generator, kinds: list[str], words: list[str], bullets: list[int]) -> list[Demand] | None:
    """Demands of these kinds that the response meets; None if the response has too few words."""
    count = Counter(kinds)
    edges = {words[0]} if count["start"] else set()
    edges |= {words[-1]} if count["end"] else set()
    inside = [word for word in words if word not in edges and (not count["after"] or word != words[-1])] or words
    outside = [word for word in WORDS if word not in words]
    include = [inside[i] for i in rng.permutation(len(inside))[: count["include"]]]
    avoid = [outside[i] for i in rng.permutation(len(outside))[: count["avoid"]]]
    if len(include) < count["include"] or len(avoid) < count["avoid"] or len(bullets) < count["bullet"]:
        return None
    followed = include[: count["after"]]
    if words[-1] in followed:
        return None
    opened = [int(i) for i in rng.permutation(len(bullets))[: count["bullet"]]] if count["bullet"] else []
    demands = []
    for kind in kinds:
        values: dict[str, object] = {}
        if kind in ("include", "avoid"):
            values = {"word": (include if kind == "include" else avoid).pop(0)}
        elif kind in ("start", "end"):
            values = {"word": words[0 if kind == "start" else -1]}
        elif kind in ("words", "bullets"):
            values = {"count": len(words if kind == "words" else bullets)}
        elif kind == "bullet":
            index = opened.pop(0)
            values = {"index": index + 1, "word": words[bullets[index]]}
        elif kind == "after":
            word = followed.pop(0)
            values = {"word": word, "next": words[words.index(word) + 1]}
        demands.append(Demand(kind, values))
    return demands
