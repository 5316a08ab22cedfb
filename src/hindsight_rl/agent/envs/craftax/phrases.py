"""The paraphrases of the events, read from `phrases.toml`.

Three disjoint sets per event: `train` (spoken by the template relabeler, and calibrated on), `calibration`
(calibrated on only) and `heldout` (for evaluation only). They were written before any cosine was looked at.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS, Event

Split = Literal["train", "calibration", "heldout"]
SPLITS: tuple[Split, ...] = get_args(Split)
NONE = "none"


@cache
def _load() -> dict[str, dict[str, tuple[str, ...]]]:
    data = tomllib.loads(files("hindsight_rl.agent.envs.craftax").joinpath("phrases.toml").read_text("utf-8"))
    return {name: {split: tuple(texts) for split, texts in sets.items()} for name, sets in data.items()}


def phrases(event: str, split: Split) -> tuple[str, ...]:
    """The phrasings of one event; () for an event without phrases.

    Args:
        event: name of an event, or `NONE` for texts that name no event.
        split: one of `SPLITS`.
    """
    return _load().get(event, {}).get(split, ())


def labelled(split: Split, events: Sequence[Event] = CLASSIC_EVENTS) -> tuple[list[str], list[int]]:
    """All phrasings of a split with the index of the event that each means, in the order of the events."""
    pairs = [(text, i) for i, event in enumerate(events) for text in phrases(event.name, split)]
    return [text for text, _ in pairs], [index for _, index in pairs]
