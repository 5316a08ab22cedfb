"""The semantic reward: sentence embeddings decide which events fulfil which instructions.

An environment has a finite number of events. So the reward is a boolean table, events x instructions, which is looked
up inside `jit`; a new instruction adds a column. There are two modes:

* ``global``: the event's caption and the instruction have a cosine of at least delta (the paper's way).
* ``calibrated``: a map fitted on captions and paraphrases (see `calibration`) must put at least delta of its
  probability on the event, and the instruction must be near a known phrasing of the event. The probability compares
  the event with all others, so each instruction has, in effect, its own threshold.

Both use only the embedding, in which negation and counts are invisible. So they judge single goals; `check` splits an
instruction into these, with what it forbids and how often it asks.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from hindsight_rl.agent.envs.events import Event, fulfilling
from hindsight_rl.agent.instructions.clauses import InstructionError
from hindsight_rl.agent.instructions.language import Language, Split
from hindsight_rl.agent.reward.calibration import Reading, best_global, fit_reading

if TYPE_CHECKING:
    from hindsight_rl.agent.instructions.parser import ParsedInstruction
    from hindsight_rl.agent.instructions.reader import Reader

Mode = Literal["calibrated", "global"]
MODES: tuple[Mode, ...] = get_args(Mode)
GLOBAL_DELTA = 0.7  # only for vocabularies that have no phrases to choose it from


class TextEncoder(Protocol):
    """Turns sentences into vectors; :func:`hindsight_rl.load_encoder` gives one."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 [n_texts, d]; the same text must always give the same vector."""
        ...


class SemanticReward:
    """The events x instructions table; made by `SemanticReward.fit`.

    Attributes:
        encoder: the sentence encoder.
        events: the vocabulary, in the order of the environment.
        language: how people name the events.
        mode: "calibrated" or "global".
        delta: the threshold: on the probability in calibrated mode, on the cosine in global mode.
        reading: the map behind the calibrated mode and `affinity`.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        events: Sequence[Event],
        language: Language,
        mode: Mode,
        delta: float,
        reading: Reading,
        known: tuple[np.ndarray, np.ndarray],
    ):
        """Use `fit`. `known`: vectors float32 [n, d] and owners int [n] of every phrasing fitted on."""
        self.encoder = encoder
        self.events = tuple(events)
        self.language = language
        self.mode = mode
        self.delta = delta
        self.reading = reading
        order = np.argsort(known[1], kind="stable")
        self._known, self._owner = known[0][order], known[1][order]
        self._meant: dict[tuple[float, str], int] = {}
        self._captions, self._captioned = _captions(encoder, events)
        self._fulfils = np.array(fulfilling(events))

    @classmethod
    def fit(
        cls,
        encoder: TextEncoder,
        events: Sequence[Event],
        language: Language,
        mode: Mode = "calibrated",
        delta: float | None = None,
        splits: Sequence[Split] = ("train", "calibration"),
    ) -> "SemanticReward":
        """Fit on the events' captions and paraphrases; deterministic, well under a second once encoded.

        Args:
            encoder: where embeddings come from.
            events: the vocabulary.
            language: how people name the events; events without phrasings are fitted on their captions alone.
            mode: "calibrated" or "global".
            delta: threshold in (0, 1); None chooses it on the splits: by cross-validation for calibrated, by the
                best F1 for global.
            splits: the paraphrase sets to fit on. Held-out phrasings belong to evaluation.

        Raises:
            InstructionError: unknown mode, or delta out of range.
        """
        if mode not in MODES:
            raise InstructionError(f"reward: mode '{mode}' is unknown: one of {', '.join(MODES)}")
        if delta is not None and not 0 < delta < 1:
            raise InstructionError(f"reward: delta {delta} is out of range: give one between 0 and 1")
        vectors, captioned = _captions(encoder, events)
        texts: list[str] = []
        owners: list[int] = []
        none_of_them: list[str] = []
        for split in splits:
            more, meant = language.labelled(split, events)
            texts, owners = texts + more, owners + meant
            none_of_them += language.unrelated(split, events)
        none, nothing = len(events), np.zeros((0, vectors.shape[1]), np.float32)
        known = np.concatenate([vectors, encoder.encode(texts) if texts else nothing])
        owner = np.concatenate([captioned, np.array(owners, int)])
        reading = fit_reading(
            np.concatenate([known, encoder.encode(none_of_them) if none_of_them else nothing]),
            np.concatenate([owner, np.full(len(none_of_them), none)]),
            none + 1,
            fixed=len(captioned),
        )
        made = cls(encoder, events, language, mode, delta or reading.delta, reading, (known, owner))
        if mode == "global" and delta is None:
            truth = made._fulfils.T[owners] if owners else np.zeros((0, none), bool)
            made.delta = best_global(made.cosines(texts), truth) if texts else GLOBAL_DELTA
        return made

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of the texts, float32 [n_texts, d]."""
        return self.encoder.encode([_tidy(text) for text in texts])

    def cosines(self, texts: Sequence[str]) -> np.ndarray:
        """Cosine of each text with each event's closest caption, float32 [n_texts, n_events]."""
        return _closest(self.embed(texts), self._captions, self._captioned)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """The map's distribution over the events and "none of them", float32 [n_texts, n_events + 1]."""
        return self.reading.probabilities(self.embed(texts))

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """The score that the threshold is compared with, float32 [n_texts, n_events]; for ROC curves.

        In calibrated mode, the total probability of all events that the event fulfils: itself and more general
        ones.
        """
        if self.mode == "global":
            return self.cosines(texts)
        return self.probabilities(texts)[:, :-1] @ self._fulfils.T.astype(np.float32)

    def affinity(self, texts: Sequence[str], temperature: float | None = None) -> np.ndarray:
        """Soft nearest-event distribution, float32 [n_texts, n_events], rows sum to 1.

        A low-dimensional summary of the embedding, as input of the policy.

        Args:
            texts: the instructions, single goals.
            temperature: a higher temperature makes the rows flatter; None: that of `reading`.
        """
        inside = self.reading.probabilities(self.embed(texts), temperature)[:, :-1]
        return inside / np.maximum(inside.sum(1, keepdims=True), 1e-12)

    def table(self, texts: Sequence[str]) -> np.ndarray:
        """Does the event fulfil the instruction? bool [n_events, n_texts]."""
        if not len(texts):
            return np.zeros((len(self.events), 0), bool)
        if self.mode == "global":
            return np.ascontiguousarray((self.cosines(texts) >= self.delta).T)
        meanings = [self._column(index) for index in self._meanings(texts)]
        return np.stack(meanings, 1)

    def meaning(self, text: str) -> str | None:
        """Name of the event that the text asks for in calibrated mode, None when there is none."""
        index = int(self._meanings([text])[0])
        return self.events[index].name if index >= 0 else None

    def nearest(self, text: str, k: int = 3) -> list[tuple[str, float]]:
        """The k events whose captions lie closest, with their cosines, closest first."""
        cosines = self.cosines([text])[0]
        order = np.argsort(-cosines, kind="stable")[:k]
        return [(self.events[i].name, round(float(cosines[i]), 3)) for i in order]

    @cached_property
    def reader(self) -> "Reader":
        """Reads instructions in this vocabulary."""
        from hindsight_rl.agent.instructions.reader import Reader

        return Reader(self)

    def plain(self, event: str) -> str:
        """The plainest way to ask for an event."""
        known = self.language.phrases(event, "train")
        return known[0] if known else next(each.captions[0] for each in self.events if each.name == event)

    def check(self, text: str) -> "ParsedInstruction":
        """Understand an instruction, or raise an error that says why it cannot be followed.

        Raises:
            InstructionError: it is empty or too long, or it holds a clause that is not understood or cannot be
                followed. The message names the clause.
        """
        from hindsight_rl.agent.instructions.parser import parse

        parsed = parse(text, self)
        table = self.table(parsed.goals)
        for column, goal in enumerate(parsed.goals):
            if not table[:, column].any():
                raise InstructionError(f"instruction '{goal}': {self.why_nothing(goal)}")
        return parsed

    def why_nothing(self, goal: str) -> str:
        """Why a single goal has no meaning for the reward."""
        near = ", ".join(f"{name} {cosine:.2f}" for name, cosine in self.nearest(goal))
        vectors = self.embed([goal])
        probability = self.reading.probabilities(vectors)[0]
        first, second = np.argsort(-probability)[:2]
        known = _closest(vectors, self._known, self._owner)[0]
        none = len(self.events)
        if self.mode == "calibrated" and none not in (first, second) and known[first] >= self.reading.floor:
            either = f"{self.events[first].name} or {self.events[second].name}"
            return f"it may mean {either} (nearest by cosine: {near}): say which one"
        return f"no event of this environment resembles it (nearest by cosine: {near}): reword it closer to one"

    def _meanings(self, texts: Sequence[str]) -> np.ndarray:
        """Index of the event that each text asks for, -1 for none; int [n_texts]."""
        delta = self.delta if self.mode == "calibrated" else self.reading.delta
        new = [text for text in dict.fromkeys(texts) if (delta, text) not in self._meant]
        if new:
            vectors = self.embed(new)
            probability = self.reading.probabilities(vectors)
            near = _closest(vectors, self._known, self._owner)
            best, rows = probability[:, :-1].argmax(1), np.arange(len(new))
            sure = (probability.argmax(1) == best) & (probability[rows, best] >= delta)
            sure &= near[rows, best] >= self.reading.floor
            found = np.where(sure, best, -1)
            self._meant.update({(delta, text): int(index) for text, index in zip(new, found, strict=True)})
        return np.array([self._meant[delta, text] for text in texts], int)

    def _column(self, index: int) -> np.ndarray:
        return self._fulfils[:, index] if index >= 0 else np.zeros(len(self.events), bool)


def _tidy(text: str) -> str:
    """Drop text without meaning, so that it does not change the embedding."""
    return " ".join(text.split()).rstrip(" .!?;,").removeprefix("please ").removeprefix("Please ")


def _captions(encoder: TextEncoder, events: Sequence[Event]) -> tuple[np.ndarray, np.ndarray]:
    texts = [text for event in events for text in event.captions]
    return encoder.encode(texts), np.array([i for i, event in enumerate(events) for _ in event.captions])


def _closest(vectors: np.ndarray, known: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Highest cosine with any of an event's sentences, float32 [n, events]; `owner` ascends without gaps."""
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    return np.maximum.reduceat(vectors @ known.T, starts, axis=1)


def main(argv: list[str]) -> int:
    """`hindsight agent reward`."""
    from hindsight_rl.agent.reward.precision import run

    return run(argv)
