"""The MulDimIF categories (content, format, language, length) as constraints with typed kwargs.

MulDimIF words its constraints in prose; :mod:`.parse` reads that prose into these. The ids are this
project's own. Every constraint takes ``text``, the dataset's wording, which is then its description.
``scope`` narrows a demand to "each sentence", "each entry", ... (see :func:`.structure.units`): then every
such part has to satisfy it, and a response without any such part does not.

What is counted. Words: what stands between white space and holds a letter or a digit; in Chinese, each
character. Sentences: :attr:`Text.sentences`; in Chinese, the ends 。！？. Paragraphs: blocks between blank
lines, headings aside. Keywords match whole words in any case, and their plural in -s or -es.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Any, ClassVar

from hindsight_rl.constraints.core import Param, register
from hindsight_rl.constraints.muldimif import format as _format  # noqa: F401  (declares the format ids)
from hindsight_rl.constraints.muldimif.base import (
    SCOPE,
    TEXT,
    MulDimIF,
    bounds_in_words,
    bounds_params,
    listed,
    moved,
    within,
)
from hindsight_rl.constraints.text import structure
from hindsight_rl.constraints.text.readings import is_word
from hindsight_rl.constraints.text.response import Text, as_text
from hindsight_rl.constraints.text.words import marks, without_last_marks

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_CHINESE_END = re.compile(r"[。！？!?]+")
_DECORATION = "*_`~\"'”’)]}」』》 \t\r\n"
_OPENING = "#*_>`~\"'“‘([- \t\r\n"
_WIDE = {".": ".。．", "?": "?？", "!": "!！", ";": ";；", ":": ":：", ",": ",，"}
MARKS = tuple(_WIDE)


def count_words(raw: str) -> int:
    """Words between white space that hold a letter or digit; each Han character counts as one."""
    han = 0
    if not raw.isascii():
        raw, han = HAN.subn(" ", raw)
    return han + sum(1 for word in raw.split() if word.strip(string.punctuation))


def count_sentences(text: Text) -> int:
    """Sentences; in a response with Han characters, by Chinese ends too."""
    if text.raw.isascii() or not HAN.search(text.raw):
        return len(text.sentences)
    return sum(1 for part in _CHINESE_END.split(text.raw) if any(map(str.isalnum, part)))


class _Length(MulDimIF):
    params = (*bounds_params("", 0), SCOPE, TEXT)
    pairs = (("low", "high"),)
    noun: ClassVar[str]

    def sentence(self) -> str:
        bounds = bounds_in_words(self.values["low"], self.values["high"])
        return f"{self.subject} must contain {bounds} {self.noun}."

    def count(self, text: Text) -> int:
        raise NotImplementedError

    def follows(self, text: Text) -> bool:
        low, high, scope = self.values["low"], self.values["high"], self.values["scope"]
        if not scope:
            return within(self.count(text), low, high)
        parts = structure.units(text, scope)
        return bool(parts) and all(within(self.count(Text(part)), low, high) for part in parts)

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        text, scope = as_text(response), self.values["scope"]
        parts = [Text(part) for part in structure.units(text, scope)] if scope else [text]
        counts = [self.count(part) for part in parts]
        if not counts:
            return None
        low, high = moved(self.values["low"], self.values["high"], min(counts), max(counts))
        # Every text has one of these.
        return None if high is None and low == 1 != self.values["low"] else {"low": low, "high": high}


@register("muldimif:length:words")
class Words(_Length):
    """The number of words lies within the bounds."""

    noun = "words"

    def count(self, text: Text) -> int:
        return count_words(text.raw)


@register("muldimif:length:sentences")
class Sentences(_Length):
    """The number of sentences lies within the bounds."""

    noun = "sentences"

    def count(self, text: Text) -> int:
        return count_sentences(text)


@register("muldimif:length:paragraphs")
class Paragraphs(_Length):
    """The number of paragraphs lies within the bounds."""

    noun = "paragraphs"

    def count(self, text: Text) -> int:
        return len(structure.paragraphs(text))


def keyword_pattern(keyword: str) -> re.Pattern[str]:
    """Matches the keyword as whole words in any case, also in its plural; in Chinese, anywhere."""
    body = r"\s+".join(re.escape(part) for part in keyword.split())
    if HAN.search(keyword):
        return re.compile(body, re.IGNORECASE)
    inside = r"\w" if keyword.isascii() else rf"[\w{marks()}]"
    before = rf"(?<!{inside})" if re.match(r"\w", keyword) else ""
    after = rf"(?:e?s)?(?!{inside})" if re.search(r"\w$", without_last_marks(keyword)) else ""
    return re.compile(before + body + after, re.IGNORECASE)


@register("muldimif:content:keywords")
class Keywords(MulDimIF):
    """Each keyword (or any, with ``any``) occurs at least ``times`` times, and no forbidden one does."""

    params = (
        Param("keywords", list, low=1, required=False),
        Param("forbidden", list, low=1, required=False),
        Param("times", int, low=1, required=False, default=1),
        Param("any", bool, required=False, default=False),
        SCOPE,
        TEXT,
    )

    def validated(self) -> None:
        super().validated()
        if not self.values["keywords"] and not self.values["forbidden"]:
            raise ValueError("needs 'keywords' or 'forbidden'")
        if not all(word.strip() for name in ("keywords", "forbidden") for word in self.values[name] or ()):
            raise ValueError("an empty keyword")
        self._wanted = [keyword_pattern(word) for word in self.values["keywords"] or ()]
        self._unwanted = [keyword_pattern(word) for word in self.values["forbidden"] or ()]

    def sentence(self) -> str:
        parts = []
        times = self.values["times"]
        if self.values["keywords"]:
            often = f" at least {times} times" if times > 1 else ""
            last = "or" if self.values["any"] else "and"
            parts.append(f"include {listed(self.values['keywords'], last)}{often}")
        if self.values["forbidden"]:
            parts.append(f"not include {listed(self.values['forbidden'], 'or')}")
        return f"{self.subject} must {' and '.join(parts)}."

    def _holds(self, part: str) -> bool:
        if any(pattern.search(part) for pattern in self._unwanted):
            return False
        times = self.values["times"]
        enough = any if self.values["any"] else all
        found = (
            pattern.search(part) is not None if times == 1 else _at_least(pattern, part, times)
            for pattern in self._wanted
        )
        return not self._wanted or enough(found)

    def follows(self, text: Text) -> bool:
        parts = structure.units(text, self.values["scope"]) or [""]
        return all(self._holds(part) for part in parts)

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        """The keywords that occur, as often as all of those do, and the forbidden ones that do not."""
        parts = structure.units(as_text(response), self.values["scope"]) or [""]

        def least(word: str) -> int:
            return min(len(keyword_pattern(word).findall(part)) for part in parts)

        found = {word: times for word in self.values["keywords"] or () if (times := least(word))}
        avoided = [
            word
            for word in self.values["forbidden"] or ()
            if not any(keyword_pattern(word).search(part) for part in parts)
        ]
        if not found and not avoided:
            return None
        times = min([self.values["times"], *found.values()])
        changed = {"keywords": list(found) or None, "forbidden": avoided or None}
        return changed | ({"times": times} if times != self.values["times"] else {})


def _at_least(pattern: re.Pattern[str], part: str, times: int) -> bool:
    return any(seen >= times for seen, _ in enumerate(pattern.finditer(part), 1))


@register("muldimif:content:start")
class Start(MulDimIF):
    """The response (or each part) starts with the given words, in any case, decoration aside."""

    params = (Param("start", str), SCOPE, TEXT)

    def sentence(self) -> str:
        return f"{self.subject} must start with '{self.values['start']}'."

    def follows(self, text: Text) -> bool:
        start = self.values["start"].casefold()
        parts = structure.units(text, self.values["scope"]) or [""]
        # first with its decoration, because the requested start may have one too
        return all(
            head.casefold().startswith(start) or head.lstrip(_OPENING).casefold().startswith(start)
            for head in (part.lstrip()[: 4 * len(start) + 64] for part in parts)
        )

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        """The first words of the first line, as many as the constraint has; only for the whole response."""
        lines = as_text(response).raw.lstrip().splitlines()
        if self.values["scope"] or not lines:
            return None
        ends = [word.end() for word in re.finditer(r"\S+", lines[0])]
        words = lines[0][: ends[: max(1, len(self.values["start"].split()))][-1]].rstrip(".,;:!?\"'")
        return {"start": words} if is_word(words) else None


@register("muldimif:content:ending")
class Ending(MulDimIF):
    """The last character, closing quotes and decoration aside, is one of the marks (full-width ones too)."""

    params = (Param("marks", list, low=1), SCOPE, TEXT)

    def validated(self) -> None:
        super().validated()
        _check_marks(self.values["marks"])
        self._ends = tuple("".join(_WIDE[mark] for mark in self.values["marks"]))

    def sentence(self) -> str:
        return f"{self.subject} must end with {listed(self.values['marks'], 'or')}."

    def follows(self, text: Text) -> bool:
        parts = structure.units(text, self.values["scope"])
        return bool(parts) and all(part.rstrip(_DECORATION).endswith(self._ends) for part in parts)

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        last = {part.rstrip(_DECORATION)[-1:] for part in structure.units(as_text(response), self.values["scope"])}
        marks = [mark for mark, wide in _WIDE.items() if any(end and end in wide for end in last)]
        known = all(any(end and end in wide for wide in _WIDE.values()) for end in last)
        return {"marks": marks} if marks and known else None


@register("muldimif:content:forbidden_marks")
class ForbiddenMarks(MulDimIF):
    """None of the marks (nor its full-width form) stands in the response."""

    params = (Param("marks", list, low=1), TEXT)

    def validated(self) -> None:
        super().validated()
        _check_marks(self.values["marks"])
        self._characters = "".join(_WIDE[mark] for mark in self.values["marks"])

    def sentence(self) -> str:
        return f"The response must not use {listed(self.values['marks'], 'or')}."

    def follows(self, text: Text) -> bool:
        return not any(character in text.raw for character in self._characters)

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        raw = as_text(response).raw
        avoided = [mark for mark in self.values["marks"] if not any(each in raw for each in _WIDE[mark])]
        return {"marks": avoided} if avoided else None


def _check_marks(marks: Sequence[str]) -> None:
    for mark in marks:
        if mark not in _WIDE:
            raise ValueError(f"the mark {mark!r} is not one of " + ", ".join(map(repr, MARKS)))


@register("muldimif:language:case", conflicts=("muldimif:language:chinese",))
class Case(MulDimIF):
    """Every word starts with a capital, or all letters are capital, or all are small."""

    params = (
        Param("case", str, choices=("capitalized", "uppercase", "lowercase")),
        SCOPE,
        TEXT,
    )

    def sentence(self) -> str:
        how = {
            "capitalized": "start every word with a capital letter",
            "uppercase": "be in capital letters only",
            "lowercase": "be in small letters only",
        }[self.values["case"]]
        return f"{self.subject} must {how}."

    def follows(self, text: Text) -> bool:
        parts = structure.units(text, self.values["scope"])
        holds = {"capitalized": _capitalized, "uppercase": _upper, "lowercase": _lower}[self.values["case"]]
        return bool(parts) and all(holds(part) for part in parts)

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        text = as_text(response)
        if self.vacuous(text):
            return None
        cases = (self.values["case"], "uppercase", "lowercase", "capitalized")
        return next(({"case": case} for case in cases if self.at({"case": case}).follows(text)), None)

    def vacuous(self, response: str | Text) -> bool:
        return not any(map(str.isalpha, as_text(response).raw))


def _capitalized(part: str) -> bool:
    if part.istitle():
        return True
    for word in part.split():
        if word[0].isupper():
            continue
        first = next((character for character in word if character.isalnum()), "")
        if first.islower():
            return False
    return True


def _upper(part: str) -> bool:
    return part.isupper() or not any(map(str.islower, part))


def _lower(part: str) -> bool:
    return part.islower() or not any(map(str.isupper, part))


@register("muldimif:language:chinese", conflicts=("muldimif:language:case",))
class Chinese(MulDimIF):
    """Most letters are Han, and characters of the other script (if one is asked for) are the rare exception.

    The script of a character is decided by the older national charsets: one in GB 2312 but not in Big5 is simplified
    only, one in Big5 but not in GB 2312 traditional only.
    """

    params = (
        Param("script", str, choices=("simplified", "traditional", "any"), required=False, default="any"),
        TEXT,
    )

    def sentence(self) -> str:
        script = self.values["script"]
        return f"The response must be in {'' if script == 'any' else script.title() + ' '}Chinese."

    def follows(self, text: Text) -> bool:
        han = "".join(HAN.findall(text.raw))
        others = sum(1 for word in HAN.sub(" ", text.raw).split() if any(map(str.isalpha, word)))
        if not han or others > len(han):
            return False
        if self.values["script"] == "any":
            return True
        in_gb = han.encode("gb2312", "ignore").decode("gb2312")
        both = len(in_gb.encode("big5", "ignore")) // 2
        simplified, traditional = len(in_gb) - both, len(han.encode("big5", "ignore")) // 2 - both
        if self.values["script"] == "traditional":
            simplified, traditional = traditional, simplified
        return traditional * 10 <= simplified
