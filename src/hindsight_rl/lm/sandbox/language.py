"""The sandbox's language: 16 words, bullets, and the demands that can be made of a response.

An instruction reads ``all capitals ; include jump ; end pink ; 2 bullets``. A response is a few words; some of them
open a bullet on a new line. Everything is checked on the decoded text, as for a real model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zlib import crc32

from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.layouts import Layout

WITHOUT_E = ("dog", "gold", "jump", "moon", "pink", "star", "walk", "wind")
WORDS = tuple(sorted((*WITHOUT_E, "blue", "eagle", "fire", "green", "horse", "leaf", "river", "stone")))
MOST_WORDS, MOST_BULLETS = 6, 3
LONGEST = MOST_WORDS + MOST_BULLETS + 1  # tokens of a response, its end included
BULLET = "-"
PAD, BEGIN, ANSWER, END = "<pad>", "<begin>", "<answer>", "<end>"
SPECIAL = (PAD, BEGIN, ANSWER, END)
"""The first tokens of the vocabulary of every task."""
VOCABULARY = (
    *(*SPECIAL, ";", BULLET),
    *WORDS,
    *(word.upper() for word in WORDS),
    *("include", "words", "start", "end", "avoid", "all", "capitals", "sorted", "bullets", "no", "e"),
    *("bullet", "after"),
    *(str(number) for number in range(1, 10)),
)
TOKEN = {word: token for token, word in enumerate(VOCABULARY)}


@dataclass(frozen=True, slots=True)
class Reading:
    """A response, parsed for the checks: its words in lower case and as written, and the first word of each bullet."""

    words: tuple[str, ...]
    written: tuple[str, ...]
    bullets: tuple[str | None, ...]


@lru_cache(4096)
def read(response: str) -> Reading:
    """The reading of a text; a bullet is a line that begins with `-`."""
    written: list[str] = []
    bullets: list[str | None] = []
    for line in response.split("\n"):
        pieces = line.split()
        if pieces and pieces[0] == BULLET:
            pieces = pieces[1:]
            bullets.append(pieces[0].lower() if pieces else None)
        written += pieces
    return Reading(tuple(word.lower() for word in written), tuple(written), tuple(bullets))


Values = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of demand.

    wording: with the names of the kwargs in braces. holds: the check. achieved: from the kwargs asked for to kwargs
    that this response meets; None if there are none worth asking for. repeats: how often an instruction may have it.
    needs: the kind that it presupposes. usual: one of the nine usual kinds; the others occur only in instructions
    whose constraints depend on each other.
    """

    wording: str
    holds: Callable[[Reading, Values], bool]
    achieved: Callable[[Reading, Values], Values | None] = lambda r, v: None
    repeats: int = 1
    needs: str | None = None
    usual: bool = True


def _draw(choices: Sequence[str], *seed: object) -> str:
    """One of the choices: the same for the same seed, uniform over seeds."""
    return choices[crc32(repr(seed).encode()) % len(choices)]


def _present(r: Reading, v: Values) -> Values | None:
    known = sorted(set(r.words) & set(WORDS))
    return {"word": _draw(known, r.words, v)} if known else None


def _absent(r: Reading, v: Values) -> Values | None:
    left = sorted(set(WORDS) - set(r.words))
    return {"word": _draw(left, r.words, v)} if left and r.words else None


def _edge(place: int) -> Callable[[Reading, Values], Values | None]:
    return lambda r, v: {"word": r.words[place]} if r.words and r.words[place] in WORDS else None


def _count(most: int, of: Callable[[Reading], int]) -> Callable[[Reading, Values], Values | None]:
    return lambda r, v: {"count": of(r)} if 1 <= of(r) <= most else None


def _opening(r: Reading, v: Values) -> Values | None:
    word = r.bullets[v["index"] - 1] if len(r.bullets) >= v["index"] else None
    return {"index": v["index"], "word": word} if word in WORDS else None


def _following(r: Reading, v: Values) -> Values | None:
    next_words = [b for a, b in zip(r.words, r.words[1:], strict=False) if a == v["word"] and b in WORDS]
    return {"word": v["word"], "next": next_words[0]} if next_words else None


KINDS: dict[str, Kind] = {
    "include": Kind("include {word}", lambda r, v: v["word"] in r.words, _present, repeats=2),
    "words": Kind("{count} words", lambda r, v: len(r.words) == v["count"], _count(9, lambda r: len(r.words))),
    "start": Kind("start {word}", lambda r, v: r.words[:1] == (v["word"],), _edge(0)),
    "end": Kind("end {word}", lambda r, v: r.words[-1:] == (v["word"],), _edge(-1)),
    "avoid": Kind("avoid {word}", lambda r, v: bool(r.words) and v["word"] not in r.words, _absent, repeats=2),
    "capitals": Kind("all capitals", lambda r, v: bool(r.words) and all(word.isupper() for word in r.written)),
    "sorted": Kind("sorted", lambda r, v: bool(r.words) and list(r.words) == sorted(r.words)),
    "bullets": Kind("{count} bullets", lambda r, v: len(r.bullets) == v["count"], _count(9, lambda r: len(r.bullets))),
    "no_e": Kind("no e", lambda r, v: bool(r.words) and not any("e" in word for word in r.words)),
    "bullet": Kind(
        "bullet {index} {word}",
        lambda r, v: len(r.bullets) >= v["index"] and r.bullets[v["index"] - 1] == v["word"],
        _opening,
        repeats=2,
        needs="bullets",
        usual=False,
    ),
    "after": Kind(
        "after {word} {next}",
        lambda r, v: any(pair == (v["word"], v["next"]) for pair in zip(r.words, r.words[1:], strict=False)),
        _following,
        repeats=2,
        needs="include",
        usual=False,
    ),
}


@dataclass(frozen=True)
class Demand:
    """A constraint of the sandbox. Satisfies :class:`hindsight_rl.replay.instruction.Constraint`."""

    kind: str
    kwargs: Values = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise HindsightError(f"unknown kind of demand '{self.kind}': one of {', '.join(KINDS)}")

    @property
    def id(self) -> str:
        """`sandbox:` followed by the kind."""
        return f"sandbox:{self.kind}"

    def presupposes(self, other: Demand) -> bool:
        """Whether this constraint makes no sense without the other one. Examples: a bullet's word without bullets; the
        word after another word, without that other word."""
        same_word = self.kwargs.get("word") == other.kwargs.get("word")
        return KINDS[self.kind].needs == other.kind and (other.kind != "include" or same_word)

    def describe(self) -> str:
        """The demand in the words of the prompt."""
        return KINDS[self.kind].wording.format_map(self.kwargs)

    def check(self, response: str, prompt: str | None = None) -> bool:
        """Whether the response meets it; an empty response meets none."""
        return KINDS[self.kind].holds(read(response), self.kwargs)

    def achieved(self, response: str) -> Values | None:
        """Kwargs at which the response meets this kind of demand, or None."""
        return KINDS[self.kind].achieved(read(response), self.kwargs)

    def at(self, kwargs: Mapping[str, Any]) -> Demand:
        """The same kind of demand with other kwargs."""
        return Demand(self.kind, dict(kwargs))


def joined(task: str, texts: Sequence[str]) -> str:
    """The layout of the sandbox's prompts."""
    return " ; ".join(texts)


def _numbered(task: str, texts: Sequence[str]) -> str:
    # The language has no word for ten: constraints after the ninth get no number.
    return " ".join(f"{number} {text}" if number < 10 else text for number, text in enumerate(texts, 1))


def _bulleted(task: str, texts: Sequence[str]) -> str:
    return " ".join(f"{BULLET} {text}" for text in texts)


def _bare(task: str, texts: Sequence[str]) -> str:
    return " ".join(texts)


LAYOUTS: dict[str, Layout] = {"list": joined, "numbered": _numbered, "bullets": _bulleted, "bare": _bare}
"""The layouts of HiR's data that the sandbox's words allow: sentences in a row (types 1 and 2; the usual layout here),
numbered rules (3), bullets (4), and only the demands (6). Type 5 puts the demands before the task; here is no task."""


def instruct(demands: Sequence[Demand], key: int | None = None) -> Instruction:
    """The instruction with these demands; the demands that others presuppose are stored by index."""
    needs = tuple(tuple(i for i, other in enumerate(demands) if each.presupposes(other)) for each in demands)
    return Instruction("", tuple(demands), key=key, layout=joined, needs=needs)


def laid_out(instruction: Instruction, layout: str = "list", order: Sequence[int] | None = None) -> Instruction:
    """The same demands in a layout of :data:`LAYOUTS`, or in another order (indices of the constraints)."""
    indices = range(len(instruction.constraints)) if order is None else order
    return Instruction("", tuple(instruction.constraints[index] for index in indices), layout=LAYOUTS[layout])


def prompt_tokens(asked: Instruction | str) -> list[int]:
    """Tokens of an instruction's prompt, or of a prompt."""
    prompt = asked if isinstance(asked, str) else asked.prompt
    return [TOKEN[BEGIN], *(TOKEN[word] for word in prompt.split())]


def response_tokens(response: str) -> list[int]:
    """Tokens of a response, its end included."""
    return [*(TOKEN[word] for word in response.split()), TOKEN[END]]


def decode(tokens: Sequence[int]) -> tuple[str, bool]:
    """The text of generated tokens up to the end token, and whether there was an end token."""
    words: list[str] = []
    for token in tokens:
        if token == TOKEN[END]:
            return render(words), True
        words.append(VOCABULARY[token])
    return render(words), False


def render(words: Sequence[str]) -> str:
    """Text of a response: each bullet opens a line."""
    return " ".join(words).replace(f" {BULLET}", f"\n{BULLET}")
