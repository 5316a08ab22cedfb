"""Repetition of the request or of a phrase: which part, how often, with which changes."""

from __future__ import annotations

import re

from hindsight_rl.constraints.core import CORRECTED, CURRENT, checker_class, register
from hindsight_rl.constraints.corrected.correction import CORRECTIONS, Correction, corrected
from hindsight_rl.constraints.corrected.reading import plain_words, plain_words_of
from hindsight_rl.constraints.text.response import Text, as_text


def _spaced(raw: str) -> str:
    """The text with one space for each run of white space."""
    return " ".join(raw.split())


@corrected(
    "combination:two_responses",
    says="Give two different responses",
    change="Two that differ in case or punctuation only are not different.",
    response="It rains.\n******\nit rains!",
)
def two_responses(text: Text) -> bool:
    parts = [part for part in re.split(r"\*{6,}", text.raw) if part.strip()]
    return len(parts) == 2 and plain_words_of(parts[0]) != plain_words_of(parts[1])


@corrected(
    "combination:repeat_prompt",
    says="First repeat the request word for word without change, then give your answer",
    change="An answer has to follow; a letter in another case is a change, other white space is none.",
    kwargs={"prompt_to_repeat": "Name a sea."},
    response="Name a sea.",
)
def repeat_prompt(text: Text, prompt_to_repeat: str) -> bool:
    own, asked = _spaced(text.raw), _spaced(prompt_to_repeat)
    return own.startswith(asked) and any(map(str.isalnum, own[len(asked) :]))


_VERBATIM = "A letter in another case is a change, other white space is none."


@corrected(
    "copy:copy",
    says="Copy this instruction verbatim",
    change=_VERBATIM,
    kwargs={"prompt_to_repeat": "Name a sea."},
    response="NAME A SEA.",
)
def copied(text: Text, prompt_to_repeat: str) -> bool:
    return _spaced(text.raw) == _spaced(prompt_to_repeat)


@corrected(
    "copy:copying_simple",
    says="Repeat the request without change",
    change=_VERBATIM,
    kwargs={"prompt_to_repeat": "Name a sea."},
    response="NAME A SEA.",
)
def copying_simple(text: Text, prompt_to_repeat: str) -> bool:
    return _spaced(text.raw) == _spaced(prompt_to_repeat)


@corrected(
    "copy:copying_multiple",
    says="Repeat the request without change 2 times",
    change=_VERBATIM,
    kwargs={"prompt_to_repeat": "Name a sea.", "N": 2},
    response="Name a sea.\n******\nNAME A SEA.",
)
def copying_multiple(text: Text, prompt_to_repeat: str, N: int) -> bool:
    copies = re.split(r"(?<!\*)\*{6}(?!\*)", text.raw)
    return len(copies) == N and all(_spaced(copy) == _spaced(prompt_to_repeat) for copy in copies)


@corrected(
    "new:copy_span_idx",
    says="(and including) index 0 and 3",
    change="The character at the last index is part of the span.",
    kwargs={"prompt_to_repeat": "Name a sea.", "n_start": 0, "n_end": 3},
    response="Name",
    holds=True,
)
def copy_span(text: Text, prompt_to_repeat: str, n_start: int, n_end: int) -> bool:
    return _spaced(text.raw) == _spaced(prompt_to_repeat[n_start : n_end + 1])


_SPAN = Correction(
    "repeat:repeat_span",
    says="Copy the span of words that lies between (and including) index",
    change="Where the prompt says that the indices are word indices, the span is of words, the last one included.",
    kwargs={"prompt_to_repeat": "Name a warm sea.", "n_start": 1, "n_end": 2},
    response="a warm",
    holds=True,
    prompt="Name a warm sea. Copy the span of words that lies between (and including) index 1 and 2, the indices are "
    "word indices, split by whitespace!",
)
CORRECTIONS[_SPAN.id] = _SPAN
_Span = checker_class(_SPAN.id, version=CURRENT)


@register(_SPAN.id, version=CORRECTED)
class CorrectedSpan(_Span):  # type: ignore[valid-type,misc]
    """The characters of a request from one index to another; its words, where the prompt says so."""

    def check(self, response: str | Text, prompt: str | None = None) -> bool:
        start, end, request = (self.values[name] for name in ("n_start", "n_end", "prompt_to_repeat"))
        raw = as_text(response).raw
        if prompt is not None and "word indices" in prompt:
            return raw.split() == request.split()[start : end + 1]
        return _spaced(raw) == _spaced(request[start : end + 1])


@corrected(
    "repeat:repeat_change",
    says="change the first word of the repeated request",
    change="The first word has to be another one: a space more is no change.",
    kwargs={"prompt_to_repeat": "Name a sea."},
    response="Name  a sea.",
)
def repeat_change(text: Text, prompt_to_repeat: str) -> bool:
    own, asked = text.raw.split(), prompt_to_repeat.split()
    return own[1:] == asked[1:] and plain_words_of(" ".join(own[:1])) != plain_words_of(" ".join(asked[:1]))


@corrected(
    "copy:repeat_phrase",
    says="replacing only one word in the center of the phrase",
    change="The phrase is found by its words, without case and punctuation, not by its letters.",
    kwargs={"phrase": "the old sea", "small_n": 1},
    response="The calm sea.",
    holds=True,
)
def repeat_phrase(text: Text, phrase: str, small_n: int) -> bool:
    model, own = plain_words_of(phrase), plain_words(text)
    size = len(model)
    if size < 3:
        return False
    found = unchanged = at = 0
    while at + size <= len(own):
        if own[at] == model[0] and own[at + size - 1] == model[-1]:
            changed = sum(map(str.__ne__, own[at : at + size], model))
            found += changed == 1
            unchanged += changed == 0
            if changed <= 1:
                at += size
                continue
        at += 1
    return found == small_n and not unchanged
