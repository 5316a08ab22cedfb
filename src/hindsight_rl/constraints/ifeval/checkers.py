"""The 25 constraints of IFEval (Zhou et al. 2023, arXiv 2311.07911), under their public ids and kwargs.

Verdicts follow the public evaluator, quirks included, with these differences, all of them deliberate:

* Keywords, section markers and postscript markers are literal text, never regular expressions.
* ``keywords:letter_frequency`` counts the symbol that is given. The first release of the evaluator counted
  a random letter for symbols outside a-z ("#" and "!", keys 1122 and 1129).
* ``language:response_language`` and the two case constraints ask :mod:`.language`, which gives a text one
  answer.
* JSON nested too deeply for the parser is not JSON.

``version="hir"`` is the evaluator as released with HiR: Chinese means zh-cn only, and
``detectable_format:constrained_response`` also accepts five Chinese answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from hindsight_rl.constraints.core import Checker, Param, checker, register
from hindsight_rl.constraints.declare import bounded, nearest
from hindsight_rl.constraints.text.language import evident_language
from hindsight_rl.constraints.text.readings import is_word
from hindsight_rl.constraints.text.response import Text, as_text

LANGUAGES = {
    "en": "English",
    "es": "Spanish",
    "pt": "Portuguese",
    "ar": "Arabic",
    "hi": "Hindi",
    "fr": "French",
    "ru": "Russian",
    "de": "German",
    "ja": "Japanese",
    "it": "Italian",
    "bn": "Bengali",
    "uk": "Ukrainian",
    "th": "Thai",
    "ur": "Urdu",
    "ta": "Tamil",
    "te": "Telugu",
    "bg": "Bulgarian",
    "ko": "Korean",
    "pl": "Polish",
    "he": "Hebrew",
    "fa": "Persian",
    "vi": "Vietnamese",
    "ne": "Nepali",
    "sw": "Swahili",
    "kn": "Kannada",
    "mr": "Marathi",
    "gu": "Gujarati",
    "pa": "Punjabi",
    "ml": "Malayalam",
    "fi": "Finnish",
    "zh": "Chinese",
}
RELATIONS = ("less than", "at least")
ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
ANSWERS_HIR = (
    *ANSWERS,
    "我的答案是肯定的",
    "我的答案是否定的",
    "我的答案是可能",
    "我的答案是也许",
    "我的答案是不确定",
)

IDS = (
    "keywords:existence",
    "keywords:frequency",
    "keywords:forbidden_words",
    "keywords:letter_frequency",
    "language:response_language",
    "length_constraints:number_sentences",
    "length_constraints:number_paragraphs",
    "length_constraints:number_words",
    "length_constraints:nth_paragraph_first_word",
    "detectable_content:number_placeholders",
    "detectable_content:postscript",
    "detectable_format:number_bullet_lists",
    "detectable_format:constrained_response",
    "detectable_format:number_highlighted_sections",
    "detectable_format:multiple_sections",
    "detectable_format:json_format",
    "detectable_format:title",
    "combination:two_responses",
    "combination:repeat_prompt",
    "startend:end_checker",
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
    "punctuation:no_comma",
    "startend:quotation",
)


def _all_but(*kept: str) -> set[str]:
    return set(IDS) - set(kept)


def _symmetric(table: dict[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Every id conflicts with whatever conflicts with it; not with itself: ids repeat within a prompt."""
    pairs = {(a, b) for a, others in table.items() for b in others if a != b}
    pairs |= {(b, a) for a, b in pairs}
    return {id: frozenset(b for a, b in pairs if a == id) for id in IDS}


CONFLICTS = _symmetric(
    {
        "language:response_language": (
            "detectable_format:multiple_sections",
            "keywords:existence",
            "keywords:frequency",
            "keywords:forbidden_words",
            "startend:end_checker",
            "change_case:english_capital",
            "change_case:english_lowercase",
        ),
        "length_constraints:number_paragraphs": (
            "length_constraints:nth_paragraph_first_word",
            "length_constraints:number_sentences",
        ),
        "detectable_format:constrained_response": IDS,
        "detectable_format:json_format": _all_but("keywords:forbidden_words", "keywords:existence"),
        "detectable_format:multiple_sections": ("detectable_format:number_highlighted_sections",),
        "combination:two_responses": _all_but(
            "keywords:forbidden_words",
            "keywords:existence",
            "language:response_language",
            "detectable_format:title",
            "punctuation:no_comma",
        ),
        "combination:repeat_prompt": _all_but("keywords:existence", "detectable_format:title", "punctuation:no_comma"),
        "change_case:capital_word_frequency": (
            "change_case:english_lowercase",
            "change_case:english_capital",
        ),
        "change_case:english_lowercase": ("change_case:english_capital",),
        "startend:quotation": ("detectable_format:title",),
    }
)


def _ifeval(
    id: str,
    *params: Param,
    wording: str,
    achieved: Callable[..., dict[str, Any] | None] | None = None,
    vacuous: Callable[[Text], bool] | None = None,
) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    return checker(id, *params, wording=wording, conflicts=CONFLICTS[id], achieved=achieved, vacuous=vacuous)


def _relation(name: str) -> Param:
    return Param(name, str, choices=RELATIONS)


def _count(name: str) -> Param:
    return Param(name, int, low=0)


def related(relation: str, count: int, bound: int) -> bool:
    """Whether a count is "less than" or "at least" a bound."""
    return count < bound if relation == "less than" else count >= bound


# Letters that `re` takes for "i" and "s" when it ignores case, but lower-casing does not.
_ODD_CASE = re.compile("[İıſ]")


def occurrences(text: Text, word: str) -> int:
    """How often a literal word or phrase occurs, in any case, also inside other words."""
    word = word.strip()
    if word.isascii() and (text.raw.isascii() or not _ODD_CASE.search(text.raw)):
        return text.lower.count(word.lower())
    return len(re.findall(re.escape(word), text.raw, re.IGNORECASE))


def stands_alone(text: Text, word: str) -> bool:
    """Whether a literal word occurs, in any case, with a word boundary on both sides."""
    if not occurrences(text, word):
        return False
    return re.search(rf"\b{re.escape(word)}\b", text.raw, re.IGNORECASE) is not None


@register("keywords:existence", conflicts=CONFLICTS["keywords:existence"])
class KeywordsExistence(Checker):
    """Every keyword occurs, in any case, also inside other words."""

    params = (Param("keywords", list, low=1),)

    def describe(self) -> str:
        return f"Include keywords {sorted(self.values['keywords'])} in the response."

    def follows(self, text: Text) -> bool:
        return all(occurrences(text, word) for word in self.values["keywords"])

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        text = as_text(response)
        found = [word for word in self.values["keywords"] if word.strip() and occurrences(text, word)]
        return {"keywords": found} if found else None


@_ifeval(
    "keywords:frequency",
    _relation("relation"),
    Param("keyword", str),
    _count("frequency"),
    wording="In your response, the word {keyword} should appear {relation} {frequency} times.",
    achieved=bounded(lambda text, keyword, **_: occurrences(text, keyword), "frequency", "relation"),
)
def frequency(text: Text, relation: str, keyword: str, frequency: int) -> bool:
    return related(relation, occurrences(text, keyword), frequency)


@register("keywords:forbidden_words", conflicts=CONFLICTS["keywords:forbidden_words"])
class ForbiddenWords(Checker):
    """None of the words stands by itself, in any case."""

    params = (Param("forbidden_words", list, low=1),)

    def describe(self) -> str:
        return f"Do not include keywords {sorted(set(self.values['forbidden_words']))} in the response."

    def follows(self, text: Text) -> bool:
        return not any(stands_alone(text, word) for word in self.values["forbidden_words"])

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        text = as_text(response)
        avoided = [word for word in self.values["forbidden_words"] if not stands_alone(text, word)]
        return {"forbidden_words": avoided} if avoided else None


@register("keywords:letter_frequency", conflicts=CONFLICTS["keywords:letter_frequency"])
class LetterFrequency(Checker):
    """A single character, in any case, occurs less than or at least so many times."""

    params = (_relation("let_relation"), Param("letter", str), _count("let_frequency"))
    wording = "In your response, the letter {letter} should appear {let_relation} {let_frequency} times."

    def validated(self) -> None:
        letter = self.values["letter"].strip()
        if len(letter) != 1:
            raise ValueError(f"'letter' is {self.values['letter']!r}; it must be one character")
        self.values["letter"] = letter.lower()

    def follows(self, text: Text) -> bool:
        found = text.lower.count(self.values["letter"])
        return related(self.values["let_relation"], found, self.values["let_frequency"])

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        found = as_text(response).lower.count(self.values["letter"])
        return {"let_frequency": nearest(self.values["let_relation"], found, self.values["let_frequency"])}


@register("language:response_language", conflicts=CONFLICTS["language:response_language"])
class ResponseLanguage(Checker):
    """The language of the response; one without any letters passes, as in the public evaluator."""

    params = (Param("language", str, choices=tuple(LANGUAGES)),)

    def describe(self) -> str:
        name = LANGUAGES[self.values["language"]]
        return f"Your ENTIRE response should be in {name} language, no other language is allowed."

    def follows(self, text: Text) -> bool:
        found = text.language
        return not found or found.partition("-")[0] == self.values["language"]

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        found = evident_language(as_text(response).raw).partition("-")[0]
        return {"language": found} if found in LANGUAGES else None

    def vacuous(self, response: str | Text) -> bool:
        return not as_text(response).language


@register("language:response_language", version="hir", conflicts=CONFLICTS["language:response_language"])
class ResponseLanguageHir(ResponseLanguage):
    """As :class:`ResponseLanguage`; Chinese in traditional characters is not Chinese here."""

    def follows(self, text: Text) -> bool:
        found = text.language
        return not found or ("zh" if found == "zh-cn" else found) == self.values["language"]


@_ifeval(
    "length_constraints:number_sentences",
    _relation("relation"),
    _count("num_sentences"),
    wording="Your response should contain {relation} {num_sentences} sentences.",
    achieved=bounded(lambda text, **_: len(text.sentences), "num_sentences", "relation", least=2),
)
def number_sentences(text: Text, relation: str, num_sentences: int) -> bool:
    return related(relation, len(text.sentences), num_sentences)


def _divided(text: Text) -> int:
    """Paragraphs between ``***`` dividers; 0 when one in the middle is empty."""
    parts = re.split(r"\s?\*\*\*\s?", text.raw)
    blank = [not part.strip() for part in parts]
    if any(blank[1:-1]):
        return 0
    return len(parts) - blank[0] - (blank[-1] if len(parts) > 1 else 0)


@_ifeval(
    "length_constraints:number_paragraphs",
    _count("num_paragraphs"),
    wording="There should be {num_paragraphs} paragraphs. Paragraphs are separated with the markdown divider: ***",
    achieved=lambda text, **_: {"num_paragraphs": count} if (count := _divided(text)) > 1 else None,
)
def number_paragraphs(text: Text, num_paragraphs: int) -> bool:
    return num_paragraphs > 0 and _divided(text) == num_paragraphs


@_ifeval(
    "length_constraints:number_words",
    _relation("relation"),
    _count("num_words"),
    wording="Answer with {relation} {num_words} words.",
    achieved=bounded(lambda text, **_: len(text.words), "num_words", "relation", least=2),
)
def number_words(text: Text, relation: str, num_words: int) -> bool:
    return related(relation, len(text.words), num_words)


@register(
    "length_constraints:nth_paragraph_first_word",
    conflicts=CONFLICTS["length_constraints:nth_paragraph_first_word"],
)
class NthParagraphFirstWord(Checker):
    """So many paragraphs between blank lines, the n-th of which (from 1) starts with the word."""

    params = (
        Param("num_paragraphs", int, low=1),
        Param("nth_paragraph", int, low=1),
        Param("first_word", str),
    )
    wording = (
        "There should be {num_paragraphs} paragraphs. Paragraphs and only paragraphs are separated with each "
        "other by two new lines as if it was '\\n\\n' in python. "
        "Paragraph {nth_paragraph} must start with word {first_word}."
    )

    def validated(self) -> None:
        if self.values["nth_paragraph"] > self.values["num_paragraphs"]:
            raise ValueError("'nth_paragraph' must be at most 'num_paragraphs'")
        self.values["first_word"] = self.values["first_word"].lower()

    def follows(self, text: Text) -> bool:
        nth = self.values["nth_paragraph"]
        count, first = _paragraph(text, nth)
        return nth <= count == self.values["num_paragraphs"] and first == self.values["first_word"]

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        count, _ = _paragraph(as_text(response), 1)
        nth = min(self.values["nth_paragraph"], count)
        first = _paragraph(as_text(response), nth)[1] if count > 1 else None
        word = first is not None and is_word(first)
        return {"num_paragraphs": count, "nth_paragraph": nth, "first_word": first} if word else None


def _paragraph(text: Text, nth: int) -> tuple[int, str | None]:
    """How many paragraphs stand between blank lines, and the first word of the n-th piece; None if it has none."""
    paragraphs = text.raw.split("\n\n")
    count = sum(not part.isspace() for part in paragraphs if part)
    words = paragraphs[nth - 1].split(maxsplit=1) if nth <= len(paragraphs) else []
    if not words:
        return count, None
    first = re.split(r"[.,?!'\"]", words[0].lstrip("'").lstrip('"'), maxsplit=1)[0]
    return count, "".join(map(str.lower, first))


def _placeholders(text: Text) -> int:
    """Spans ``[...]`` within a line, counted from the left without overlap."""
    count = 0
    for line in text.lines:
        start = line.find("[")
        while start >= 0:
            end = line.find("]", start)
            if end < 0:
                break
            count += 1
            start = line.find("[", end)
    return count


@_ifeval(
    "detectable_content:number_placeholders",
    _count("num_placeholders"),
    wording="The response must contain at least {num_placeholders} placeholders "
    "represented by square brackets, such as [address].",
    achieved=bounded(lambda text, **_: _placeholders(text), "num_placeholders"),
)
def number_placeholders(text: Text, num_placeholders: int) -> bool:
    return _placeholders(text) >= num_placeholders


@register("detectable_content:postscript", conflicts=CONFLICTS["detectable_content:postscript"])
class Postscript(Checker):
    """The marker occurs, in any case; P.S. and P.P.S also with a space between."""

    params = (Param("postscript_marker", str),)
    wording = "At the end of your response, please explicitly add a postscript starting with {postscript_marker}"

    def validated(self) -> None:
        marker = self.values["postscript_marker"] = self.values["postscript_marker"].strip()
        forms = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
        self._form = re.compile(forms.get(marker, re.escape(marker.lower())))

    def follows(self, text: Text) -> bool:
        return self._form.search(text.lower) is not None

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        for marker in (self.values["postscript_marker"], "P.P.S", "P.S."):
            if self.at({"postscript_marker": marker}).follows(as_text(response)):
                return {"postscript_marker": marker}
        return None


# A bullet is consumed with its line, so that the "*" of a line after a lone "*" starts no new one.
_STAR_BULLET = re.compile(r"^[^\S\n]*\*[^*].*$", re.MULTILINE)
_DASH_BULLET = re.compile(r"^[^\S\n]*-.*$", re.MULTILINE)


def bullets(text: Text) -> int:
    """Lines that start with a single "*" or with "-"."""
    stars = len(_STAR_BULLET.findall(text.raw)) if "*" in text.raw else 0
    return stars + (len(_DASH_BULLET.findall(text.raw)) if "-" in text.raw else 0)


@_ifeval(
    "detectable_format:number_bullet_lists",
    _count("num_bullets"),
    wording="Your answer must contain exactly {num_bullets} bullet points. "
    "Use the markdown bullet points such as:\n* This is point 1. \n* This is point 2",
    achieved=lambda text, **_: {"num_bullets": bullets(text)},
)
def number_bullet_lists(text: Text, num_bullets: int) -> bool:
    return bullets(text) == num_bullets


@_ifeval(
    "detectable_format:constrained_response",
    wording=f"Answer with one of the following options: {ANSWERS}",
)
def constrained_response(text: Text) -> bool:
    return any(answer in text.raw for answer in ANSWERS)


@checker(
    "detectable_format:constrained_response",
    version="hir",
    wording=f"Answer with one of the following options: {ANSWERS_HIR}",
    conflicts=CONFLICTS["detectable_format:constrained_response"],
)
def constrained_response_hir(text: Text) -> bool:
    return any(answer in text.raw for answer in ANSWERS_HIR)


_HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
_DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")


def _highlights(text: Text) -> int:
    """``*spans*`` with something in them, plus ``**spans**``: bold text may count twice, as ever."""
    if "*" not in text.raw:
        return 0
    single = sum(bool(span.strip("*").strip()) for span in _HIGHLIGHT.findall(text.raw))
    return single + sum(bool(span[2:-2].strip()) for span in _DOUBLE_HIGHLIGHT.findall(text.raw))


@_ifeval(
    "detectable_format:number_highlighted_sections",
    _count("num_highlights"),
    wording="Highlight at least {num_highlights} sections in your answer with markdown, i.e. *highlighted section*.",
    achieved=bounded(lambda text, **_: _highlights(text), "num_highlights"),
)
def number_highlighted_sections(text: Text, num_highlights: int) -> bool:
    return _highlights(text) >= num_highlights


@register("detectable_format:multiple_sections", conflicts=CONFLICTS["detectable_format:multiple_sections"])
class MultipleSections(Checker):
    """The section word with a number behind it, at least so many times."""

    params = (Param("section_spliter", str), _count("num_sections"))
    wording = (
        "Your response must have {num_sections} sections. Mark the beginning of each section with "
        "{section_spliter} X, such as:\n{section_spliter} 1\n[content of section 1]\n"
        "{section_spliter} 2\n[content of section 2]"
    )

    def validated(self) -> None:
        marker = self.values["section_spliter"] = self.values["section_spliter"].strip()
        self._mark = re.compile(re.escape(marker) + r"\s?\d+")

    def follows(self, text: Text) -> bool:
        return len(self._mark.findall(text.raw)) >= self.values["num_sections"]

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        found = min(self.values["num_sections"], len(self._mark.findall(as_text(response).raw)))
        return {"num_sections": found} if found > 1 else None


@_ifeval(
    "detectable_format:json_format",
    wording="Entire output should be wrapped in JSON format. You can use markdown ticks such as ```.",
    # A bare number is JSON, too.
    vacuous=lambda text: not isinstance(_json(text), dict | list),
)
def json_format(text: Text) -> bool:
    return _json(text) is not _NOT_JSON


_NOT_JSON = object()


def _json(text: Text) -> Any:
    body = text.raw.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        body = body.removeprefix(fence)
    try:
        return json.loads(body.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return _NOT_JSON


@_ifeval(
    "detectable_format:title",
    wording="Your answer must contain a title, wrapped in double angular brackets, such as <<poem of joy>>.",
)
def title(text: Text) -> bool:
    # From a line's first "<<" to its last ">>", found without backtracking.
    for line in text.lines:
        start, end = line.find("<<"), line.rfind(">>")
        if start >= 0 and end >= start + 3 and line[start:end].lstrip("<").rstrip(">").strip():
            return True
    return False


@_ifeval(
    "combination:two_responses",
    wording="Give two different responses. Responses and only responses should be separated "
    "by 6 asterisk symbols: ******.",
)
def two_responses(text: Text) -> bool:
    parts = [part.strip() for part in text.raw.split("******")]
    if not all(parts[1:-1]):
        return False
    kept = [part for part in parts if part]
    return len(kept) == 2 and kept[0] != kept[1]


@_ifeval(
    "combination:repeat_prompt",
    Param("prompt_to_repeat", str),
    wording="First repeat the request word for word without change, then give your answer "
    "(1. do not say any words or characters before repeating the request; "
    "2. the request you need to repeat does not include this sentence)",
)
def repeat_prompt(text: Text, prompt_to_repeat: str) -> bool:
    return text.raw.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _achieved_end(text: Text, end_phrase: str) -> dict[str, Any] | None:
    """As many words of the last line as the phrase has, where they are words; not the whole response."""
    raw = text.raw.strip().strip('"').rstrip()
    lines = raw.splitlines()
    starts = [word.start() for word in re.finditer(r"\S+", lines[-1])] if lines else []
    phrase = lines[-1][starts[-max(1, len(end_phrase.split())) :][0] :] if starts else ""
    words = [word.strip("\"'\u201c\u201d\u2018\u2019.,;:!?()") for word in phrase.split()]
    said = all(map(is_word, words)) and (len(words) == 1 or len(set(map(str.lower, words))) > 1)
    return {"end_phrase": phrase} if words and said and phrase != raw else None


@_ifeval(
    "startend:end_checker",
    Param("end_phrase", str),
    wording="Finish your response with this exact phrase {end_phrase}. No other words should follow this phrase.",
    achieved=_achieved_end,
)
def end_checker(text: Text, end_phrase: str) -> bool:
    return text.raw.strip().strip('"').lower().endswith(end_phrase.strip().lower())


@_ifeval(
    "change_case:capital_word_frequency",
    _relation("capital_relation"),
    _count("capital_frequency"),
    wording="In your response, words with all capital letters should appear "
    "{capital_relation} {capital_frequency} times.",
    achieved=bounded(lambda text, **_: text.capitals, "capital_frequency", "capital_relation"),
)
def capital_word_frequency(text: Text, capital_relation: str, capital_frequency: int) -> bool:
    return related(capital_relation, text.capitals, capital_frequency)


@_ifeval(
    "change_case:english_capital",
    wording="Your entire response should be in English, and in all capital letters.",
    vacuous=lambda text: not text.language,
)
def english_capital(text: Text) -> bool:
    return text.raw.isupper() and text.language in ("en", "")


@_ifeval(
    "change_case:english_lowercase",
    wording="Your entire response should be in English, and in all lowercase letters. No capital letters are allowed.",
    vacuous=lambda text: not text.language,
)
def english_lowercase(text: Text) -> bool:
    return text.raw.islower() and text.language in ("en", "")


@_ifeval(
    "punctuation:no_comma",
    wording="In your entire response, refrain from the use of any commas.",
)
def no_comma(text: Text) -> bool:
    return "," not in text.raw


@_ifeval(
    "startend:quotation",
    wording="Wrap your entire response with double quotation marks.",
    vacuous=lambda text: not text.words,
)
def quotation(text: Text) -> bool:
    body = text.raw.strip()
    return len(body) > 1 and body[0] == body[-1] == '"'
