"""Reads the prompts to which constraints are added, and skips unsuitable ones.

A prompt is skipped if it cannot be read, is empty, too long, in another script or a duplicate, if it contains a
constraint already, or if it shares eight consecutive words with a benchmark's prompt. Skipped prompts are counted by
reason, with the place of the first one. A file that cannot be read at all is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

from hindsight_rl.data.chats import prompt_text
from hindsight_rl.data.stream import stream
from hindsight_rl.errors import HindsightError

FIELDS = ("task", "prompt", "instruction", "question", "messages", "conversations")
LONGEST = 2000  # characters
GRAM = 8  # words in a row that count as an overlap
_TOKEN = re.compile(r"\w+")
_LETTER = re.compile(r"[^\W\d_]")

_NUMBER = r"(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twenty|fifty|a hundred|one hundred)"
_UNIT = (
    r"(?:words?|sentences?|paragraphs?|lines?|letters?|characters?|bullets?|bullet points?|points|sections?|stanzas?)"
)
_MARKS = r"(?:commas?|full stops?|periods?|punctuation|exclamation marks?|capitals|capital letters|upper ?case)"
_LANGUAGE = (
    r"(?:Arabic|Chinese|Dutch|French|German|Greek|Hindi|Italian|Japanese|Korean|Latin|Mandarin|Polish|Portuguese"
    r"|Russian|Spanish|Swedish|Turkish|Ukrainian|Vietnamese)"
)
# A prompt that contains one of these may contradict an added constraint.
_ASKS = re.compile(
    rf"\b(?:at least|at most|(?:no )?(?:more|less|fewer) than|exactly|under|within|up to|(?:maxi|mini)mum of)"
    rf" {_NUMBER} (?:\w+ )?{_UNIT}\b"
    rf"|\b(?:in|about|around) (?!an? )(?!one line\b){_NUMBER} (?:\w+ )?{_UNIT}\b"
    rf"|\b{_NUMBER}-(?:word|sentence|paragraph|line|letter|section|stanza)\b"
    r"|\b(?:bullet (?:points?|list)|bulleted|all caps|upper ?case|lower ?case|capital letters|json|markdown|haiku"
    r"|placeholders?|postscript|word (?:limit|count)|without (?:using|the (?:word|letter))"
    r"|(?:do not|don't|never|avoid) (?:use|using|include|including|mention|mentioning)"
    r"|(?:start|begin|end)s? (?:your \w+ )?with the (?:word|phrase)|(?:use|include) the (?:words?|phrase|keywords?))\b"
    rf"|\bno {_MARKS}\b|\bwithout (?:any )?{_MARKS}\b|\bin (?:double )?(?:quotes|quotation marks)\b"
    r"|\b\d+ (?:words?|sentences?|paragraphs?|bullets?|stanzas?)\b"
    r"|\b(?:in|as) (?:a|one) (?:single )?(?:word|sentence)\b"
    rf"|\bmax\.? {_NUMBER} {_UNIT}\b"
    rf"|\b(?:start|begin|end|finish)s? (?:\w+ ){{0,2}}with [\"'\u201c\u2018]|\b(?:in|into) {_LANGUAGE}\b",
    re.IGNORECASE,
)


@dataclass
class Skipped:
    """Prompts that cannot be used. reasons: how many, by reason. first: the place of the first of each reason."""

    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        """Count a prompt."""
        self.reasons[reason] += 1
        self.first.setdefault(reason, where)

    def lines(self) -> list[str]:
        """One line for each reason."""
        return [f"{count:,} skipped: {why} (first at {self.first[why]})" for why, count in self.reasons.most_common()]


def read_prompts(source: str, against: Sequence[Path] = ()) -> tuple[list[str], Skipped]:
    """The usable prompts of a source, in order, and the skipped ones.

    source, against: see :class:`~hindsight_rl.data.compose.ComposeConfig`. Raises :class:`HindsightError` if the
    source cannot be read or has no usable prompt.
    """
    skipped = Skipped()
    benchmark: set[tuple[str, ...]] = set()
    for path in against:
        for where, text, problem in _texts(str(path)):
            if problem:  # an incomplete check would be useless
                raise HindsightError(f"{where}: {problem}")
            benchmark.update(_grams(text))
    kept: list[str] = []
    seen: set[bytes] = set()
    for where, text, problem in _texts(source):
        if why := problem or _unfit(text):
            skipped.add(why, where)
            continue
        same = blake2b(" ".join(_TOKEN.findall(text.lower())).encode("utf-8", "replace"), digest_size=12).digest()
        if same in seen:
            skipped.add("there already", where)
        elif benchmark and not benchmark.isdisjoint(_grams(text)):
            skipped.add(f"shares {GRAM} words in a row with a benchmark", where)
        else:
            kept.append(text.strip())
        seen.add(same)
    if not kept:
        why = "; ".join(skipped.lines()) or "it is empty"
        raise HindsightError(f"{source}: no prompt can be used: {why}")
    return kept, skipped


def _unfit(text: str) -> str:
    if not text.strip():
        return "empty"
    if len(text) > LONGEST:
        return f"longer than {LONGEST} characters"
    letters = _LETTER.findall(text)
    if not letters:
        return "no letters in it"
    if 2 * sum(letter.isascii() for letter in letters) < len(letters):
        return "in another script than Latin"
    if _ASKS.search(text):
        return "asks for a constraint itself"
    return ""


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = _TOKEN.findall(text.lower())
    return zip(*(words[at:] for at in range(GRAM)), strict=False)


def _texts(source: str) -> Iterator[tuple[str, str, str]]:
    """("file:line", prompt, "") of each row of a source; or, where it has none, ("file:line", "", what is wrong)."""
    if Path(source).suffix == ".txt":
        yield from _lines(Path(source))
        return
    path = str(files("hindsight_rl.data") / "tasks.jsonl") if source == "tasks" else source
    for found in stream(path):
        if found.row is None:
            yield found.where, "", found.problem
            continue
        try:
            yield found.where, _text(found.row, found.where), ""
        except HindsightError as error:
            yield found.where, "", str(error).removeprefix(f"{found.where}: ")


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", line.strip(), ""
    except (OSError, UnicodeDecodeError) as error:
        raise HindsightError(f"{path}: cannot be read: {error}") from None


def _text(row: Mapping[str, Any], where: str) -> str:
    for name in FIELDS:
        value = row.get(name)
        if (text := prompt_text(value, name, where)) is not None:
            return text
        if value is not None:
            raise HindsightError(f"{where}: {name!r} is {type(value).__name__}; it must be a string")
    raise HindsightError(f"{where}: no prompt in the row: give it one of {', '.join(FIELDS)}")
