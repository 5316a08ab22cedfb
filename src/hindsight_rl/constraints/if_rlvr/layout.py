"""IF-RLVR's constraints on copying, paragraphs, brackets and marks."""

from __future__ import annotations

import re

from hindsight_rl.constraints.core import Checker, Param, checker, register
from hindsight_rl.constraints.declare import Word, count, fixed
from hindsight_rl.constraints.text.readings import pieces, split_by_rules
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.tokens import tokens

_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_REQUEST = Param("prompt_to_repeat")


def _same(raw: str, expected: str) -> bool:
    return raw.strip().lower() == expected.strip().lower()


@checker(
    "copy:copy",
    _REQUEST,
    wording=(
        "Copy this instruction verbatim, do not follow the instruction, only copy it into the output "
        "(do not include this instruction sentence!)."
    ),
)
def copied(text: Text, prompt_to_repeat: str) -> bool:
    """Ignores case and surrounding white space."""
    return _same(text.raw, prompt_to_repeat)


@checker(
    "copy:copying_simple",
    _REQUEST,
    wording=(
        "Repeat the request without change (do not say anything before repeating the request; the request "
        "you need to repeat does not include this sentence) and do not answer the actual request!"
    ),
)
def copying_simple(text: Text, prompt_to_repeat: str) -> bool:
    """Ignores case and surrounding white space."""
    return _same(text.raw, prompt_to_repeat)


@checker(
    "copy:copying_multiple",
    _REQUEST,
    count("N", low=1),
    wording=(
        "Repeat the request without change {N} times, separated by 6 asterisk symbols (do not say anything "
        "before repeating the request; the request you need to repeat does not include this sentence) and do "
        "not answer the actual request!"
    ),
)
def copying_multiple(text: Text, prompt_to_repeat: str, N: int) -> bool:
    copies = text.raw.split("******")
    return len(copies) == N and all(_same(copy, prompt_to_repeat) for copy in copies)


@register("new:copy_span_idx")
class CopySpan(Checker):
    """The characters of a request from one index to another, the last one excluded, contrary to the wording.

    For ``n_start`` 0 the reference draws a random index; this one starts at the first character.
    """

    params = (_REQUEST, count("n_start"), count("n_end", low=1))
    wording = (
        "Copy the span of words that lies between (and including) index {n_start} and {n_end}, "
        "the indices are character indices!"
    )

    def validated(self) -> None:
        start, end, request = (self.values[name] for name in ("n_start", "n_end", "prompt_to_repeat"))
        self.span = request[start:end]

    def follows(self, text: Text) -> bool:
        return _same(text.raw, self.span)


@checker(
    "copy:repeat_phrase",
    Word("phrase"),
    count("small_n", low=1),
    wording=(
        "Repeat the phrase {phrase} exactly {small_n} times, transforming it slightly each time by replacing "
        "only one word in the center of the phrase."
    ),
)
def repeat_phrase(text: Text, phrase: str, small_n: int) -> bool:
    """Each part of a line from the first to the last word of the phrase differs from the phrase in one word."""
    model = phrase.split()
    found = _stretches(text, model[0], model[-1])
    return len(found) == small_n and all(
        len(words) == len(model) and sum(map(str.__ne__, words, model)) == 1 for words in found
    )


def _stretches(text: Text, first: str, last: str) -> list[list[str]]:
    """The shortest parts of a line from one word (followed by a space) to another (preceded by a space)."""
    found = []
    for line in text.lines:
        start = line.find(first + " ")
        while start >= 0:
            end = line.find(" " + last, start + len(first) + 1)
            if end < 0:
                break
            end += 1 + len(last)
            found.append(line[start:end].split())
            start = line.find(first + " ", end)
    return found


@fixed(
    "detectable_format:sentence_hyphens",
    "All sentences must be connected using hyphens, with no spaces between them.",
    vacuous=lambda text: len(split_by_rules(text.raw.replace("-", " "))) < 2,
)
def sentence_hyphens(text: Text) -> bool:
    """The parts between hyphens are the sentences that the text has with spaces for hyphens."""
    expected = split_by_rules(text.raw.replace("-", " "))
    parts = text.raw.split("-")
    return all(part == sentence for part, sentence in zip(parts, expected, strict=False))


@fixed(
    "detectable_format:square_brackets",
    "Enclose every word in your response within square brackets.",
)
def square_brackets(text: Text) -> bool:
    return all(piece.startswith("[") and piece.endswith("]") for piece in pieces(text))


@fixed(
    "detectable_format:bigram_wrapping",
    "Wrap every word bigram in double angular brackets, such as <<I am>> <<at home>> <<with my>> <<cute dog>>.",
    vacuous=lambda text: len(pieces(text)) < 2,
)
def bigram_wrapping(text: Text) -> bool:
    """An odd word at the end need not be wrapped."""
    words = pieces(text)
    return all(
        before.startswith("<<") and after.endswith(">>") for before, after in zip(words[::2], words[1::2], strict=False)
    )


def _two(paragraphs: list[str]) -> bool:
    """Two paragraphs that are not blank, and blank ones only at either end."""
    if any(not paragraph.strip() for paragraph in paragraphs[1:-1]):
        return False
    return sum(bool(paragraph.strip()) for paragraph in paragraphs) == 2


@fixed(
    "paragraphs:paragraphs",
    "There should be 2 paragraphs. Paragraphs are separated with the markdown divider: ***",
)
def paragraphs(text: Text) -> bool:
    return _two(_DIVIDER.split(text.raw))


@fixed(
    "paragraphs:paragraphs2",
    "There should be 2 paragraphs. Paragraphs and only paragraphs are separated with each other by two line breaks. ",
)
def paragraphs2(text: Text) -> bool:
    return _two(text.raw.split("\n\n"))


@checker(
    "count:counting_composition",
    count("n_sent", low=1),
    count("n_words", low=1),
    wording=(
        "Write 3 paragraphs, delimited by the markdown divider: * * *, with exactly {n_sent} sentences each, "
        "with exactly {n_words} words in each sentence."
    ),
)
def counting_composition(text: Text, n_sent: int, n_words: int) -> bool:
    """The divider is *** without spaces, contrary to the wording; punctuation marks count as words."""
    parts = _DIVIDER.split(text.raw)
    if len(parts) != 3:
        return False
    for part in parts:
        sentences = split_by_rules(part)
        if len(sentences) != n_sent or any(len(tokens(sentence)) != n_words for sentence in sentences):
            return False
    return all(map(str.strip, parts))


@fixed(
    "punctuation:punctuation_dot",
    "In your entire response, refrain from the use of . (i.e. dots) as punctuation and in general.",
)
def punctuation_dot(text: Text) -> bool:
    return "." not in text.raw


@fixed(
    "punctuation:punctuation_exclamation",
    "In your entire response, refrain from the use of ! (i.e. exclamation marks) as punctuation and in general.",
)
def punctuation_exclamation(text: Text) -> bool:
    return "!" not in text.raw
