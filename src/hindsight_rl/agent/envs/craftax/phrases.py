"""The paraphrases of the events, read from `phrases.toml`.

There are three disjoint sets per event: `train` (for the template relabeler and for calibration), `calibration` (for
calibration only) and `heldout` (for evaluation only). All were written before any cosine was computed.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.events import Event

Split = Literal["train", "calibration", "heldout"]
SPLITS: tuple[Split, ...] = get_args(Split)
NONE = "none"
_NONE_BUT = "none_but"


@cache
def _file() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("hindsight_rl.agent.envs.craftax").joinpath("phrases.toml").read_text("utf-8"))


@cache
def _load() -> dict[str, dict[str, tuple[str, ...]]]:
    sets = {name: texts for name, texts in _file().items() if name != _NONE_BUT}
    return {name: {split: tuple(texts) for split, texts in own.items()} for name, own in sets.items()}


def phrases(event: str, split: Split) -> tuple[str, ...]:
    """The phrasings of one event; () for an event without phrases.

    Args:
        event: name of an event, or `NONE` for texts that fit no event.
        split: one of `SPLITS`.
    """
    return _load().get(event, {}).get(split, ())


def labelled(split: Split, events: Sequence[Event] = CLASSIC_EVENTS) -> tuple[list[str], list[int]]:
    """All phrasings of a split, each with the index of its event, in the order of the events."""
    pairs = [(text, i) for i, event in enumerate(events) for text in phrases(event.name, split)]
    return [text for text, _ in pairs], [index for _, index in pairs]


def unrelated(split: Split, events: Sequence[Event] = CLASSIC_EVENTS) -> tuple[str, ...]:
    """The texts of a split that fit none of these events. "climb the ladder" fits an event of the full game."""
    names = {event.name for event in events}
    close = _file()[_NONE_BUT]
    return tuple(text for text in phrases(NONE, split) if close.get(text) not in names)
