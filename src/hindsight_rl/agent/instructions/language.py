"""The language of an environment: how people name its events.

An environment gives a `Language`, read from a TOML file. All of it is optional: without phrasings an event is known by
its captions alone.

    [phrasings.collect_wood]             # how people ask for an event
    train = ["collect wood", ...]        # spoken by the template relabeler; the semantic reward is calibrated on them
    calibration = ["punch a tree", ...]  # the semantic reward is calibrated on them; no agent trains on them
    heldout = ["fetch firewood", ...]    # for evaluation only

    [nothing]                            # texts that ask for no event, with the same three sets
    train = ["write a poem", ...]

    [nothing_but]                        # such texts that do ask for an event of a larger vocabulary
    "climb the ladder" = "ascend"

    [actions]                            # verbs that mean the same
    collect = "collect, gather, pick up"

    [things]                             # nouns that mean the same
    wood = "wood, timber, log"

    [meanings]                           # how an action and things make an event; see `meanings.Frame`
    collect_wood = ["collect wood ?tree"]

    [lexicon]                            # see the attributes of `Language`
    steps = "find"

    [forbids]                            # who must not hit a zombie must not defeat one
    hit_zombie = "defeat_zombie"

    [tools]                              # the things of a tool that an event cannot do without
    collect_coal = "pickaxe"
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, get_args

from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.instructions.meanings import Frame
from hindsight_rl.agent.instructions.words import entries
from hindsight_rl.errors import HindsightError

Split = Literal["train", "calibration", "heldout"]
SPLITS: tuple[Split, ...] = get_args(Split)
NOTHING = "nothing"
"""Stands for an event where texts are meant that ask for none; see :meth:`Language.phrases`."""

_TABLES = ("phrasings", NOTHING, "nothing_but", "actions", "things", "lexicon", "meanings", "forbids", "tools")
_LEXICON = ("steps", "materials", "empty", "wide", "states", "wielding")


@dataclass(frozen=True, eq=False)
class Language:
    """How people name the events of an environment.

    Attributes:
        phrasings: for each event, its phrasings in three disjoint sets.
        nothing: texts that ask for no event, in the same three sets.
        nothing_but: texts of `nothing` that do ask for an event of a larger vocabulary, with the name of this event.
        actions: families of verbs that mean the same.
        things: nouns that mean the same.
        meanings: how actions and things make an event; see `meanings.Frame`.
        steps: families of actions that are only a step where another action follows ("find and collect").
        materials: things that a list may share ("a stone pickaxe and sword").
        empty: things that carry no meaning beside others.
        wide: families of actions with a wide meaning ("get", "put"), which many events can be said with.
        states: things that are a state of the agent, so that a condition with them is a part of the event ("thirst").
        wielding: families of actions that name a tool ("use").
        tools: things that an event cannot do without, as far as they are a tool.
        forbids: events whose prohibition forbids another one too.
    """

    phrasings: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    nothing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nothing_but: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    things: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    meanings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    steps: frozenset[str] = frozenset()
    materials: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()
    wide: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    wielding: frozenset[str] = frozenset()
    tools: Mapping[str, frozenset[str]] = field(default_factory=dict)
    forbids: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path | Traversable) -> "Language":
        """Read a language file; see the module's text for its form.

        Raises:
            HindsightError: it cannot be read, or a table, a set or a value is not as expected.
        """
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise HindsightError(f"language file {file}: {error}") from error
        if unknown := [name for name in values if name not in _TABLES]:
            raise HindsightError(f"language file {file}: '{unknown[0]}' is unknown: one of {', '.join(_TABLES)}")
        tables = {name: _table(file, name, values.get(name, {})) for name in _TABLES}
        single = ("nothing_but", "actions", "things", "lexicon", "forbids", "tools")
        texts = {name: _single(file, name, tables[name]) for name in single}
        if unknown := [name for name in texts["lexicon"] if name not in _LEXICON]:
            raise HindsightError(f"language file {file}: [lexicon] has '{unknown[0]}': one of {', '.join(_LEXICON)}")
        lists = {name: frozenset(entries(texts["lexicon"].get(name, ""))) for name in _LEXICON}
        made = cls(
            {name: _sets(file, f"phrasings.{name}", sets) for name, sets in tables["phrasings"].items()},
            _sets(file, NOTHING, tables[NOTHING]),
            texts["nothing_but"],
            {name: tuple(entries(text)) for name, text in texts["actions"].items()},
            {name: tuple(entries(text)) for name, text in texts["things"].items()},
            {name: _texts(file, f"meanings.{name}", frames) for name, frames in tables["meanings"].items()},
            forbids=texts["forbids"],
            tools={event: frozenset(entries(text)) for event, text in texts["tools"].items()},
            **lists,
        )
        made._check(file)
        return made

    def _check(self, file: Path | Traversable) -> None:
        """Every action and thing of a meaning, and every thing of a tool, must be listed."""
        for event, texts in self.meanings.items():
            for text in texts:
                if text.split() == ["~"]:
                    raise HindsightError(f"language file {file}: meanings.{event}: '~' must stand before an action")
                frame = Frame.read(event, text)
                things = frame.optional.union(*frame.things)
                for names, kind, listed in ((frame.actions, "actions", self.actions), (things, "things", self.things)):
                    if unknown := sorted(names - set(listed)):
                        raise HindsightError(
                            f"language file {file}: meanings.{event}: '{unknown[0]}' in '{text}' is not listed in "
                            f"[{kind}]"
                        )
        for event, tool in self.tools.items():
            if unknown := sorted(tool - set(self.things)):
                raise HindsightError(f"language file {file}: tools.{event}: '{unknown[0]}' is not listed in [things]")

    @cached_property
    def known(self) -> Mapping[str, str]:
        """The event of each phrasing of the sets `train` and `calibration`; the phrasings in lower case."""
        splits: tuple[Split, ...] = ("train", "calibration")
        return {
            text.lower(): event for event in self.phrasings for split in splits for text in self.phrases(event, split)
        }

    def phrases(self, event: str, split: Split) -> tuple[str, ...]:
        """The phrasings of one event; () for an event without phrasings.

        Args:
            event: name of an event, or `NOTHING` for texts that ask for no event.
        """
        sets = self.nothing if event == NOTHING else self.phrasings.get(event, {})
        return sets.get(split, ())

    def labelled(self, split: Split, events: Sequence[Event]) -> tuple[list[str], list[int]]:
        """All phrasings of a set, each with the index of its event, in the order of the events."""
        pairs = [(text, i) for i, event in enumerate(events) for text in self.phrases(event.name, split)]
        return [text for text, _ in pairs], [index for _, index in pairs]

    def unrelated(self, split: Split, events: Sequence[Event]) -> tuple[str, ...]:
        """The texts of a set that ask for none of these events. "climb the ladder" asks for an event of the full
        game."""
        names = {event.name for event in events}
        return tuple(text for text in self.phrases(NOTHING, split) if self.nothing_but.get(text) not in names)


def _table(file: Path | Traversable, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise HindsightError(f"language file {file}: {name} must be a table, [{name}]; it is {value!r}")
    return value


def _single(file: Path | Traversable, name: str, table: dict[str, Any]) -> dict[str, str]:
    for key, text in table.items():
        if not isinstance(text, str):
            raise HindsightError(f"language file {file}: {name}.{key} must be one text; it is {text!r}")
    return table


def _sets(file: Path | Traversable, name: str, sets: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(sets, dict) or (unknown := [split for split in sets if split not in SPLITS]):
        found = unknown[0] if isinstance(sets, dict) else sets
        raise HindsightError(f"language file {file}: [{name}] has '{found}': one of {', '.join(SPLITS)}")
    return {split: _texts(file, f"{name}.{split}", texts) for split, texts in sets.items()}


def _texts(file: Path | Traversable, name: str, texts: Any) -> tuple[str, ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise HindsightError(f"language file {file}: {name} must be a list of texts, none of them empty")
    return tuple(texts)
