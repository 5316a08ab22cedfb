"""IFEval's ``detectable_format:`` constraints: bullets, highlights, sections, JSON, a title, fixed answers."""

from __future__ import annotations

import json
import re
from typing import Any

from hindsight_rl.constraints.core import Checker, Param, checker, register
from hindsight_rl.constraints.declare import bounded, count
from hindsight_rl.constraints.ifeval.conflicts import CONFLICTS
from hindsight_rl.constraints.ifeval.declare import ifeval
from hindsight_rl.constraints.text.response import Text, as_text

ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
ANSWERS_HIR = (
    *ANSWERS,
    "我的答案是肯定的",
    "我的答案是否定的",
    "我的答案是可能",
    "我的答案是也许",
    "我的答案是不确定",
)


# A bullet is consumed with its line, so that the "*" of a line after a lone "*" starts no new one.
_STAR_BULLET = re.compile(r"^[^\S\n]*\*[^*].*$", re.MULTILINE)
_DASH_BULLET = re.compile(r"^[^\S\n]*-.*$", re.MULTILINE)


def bullets(text: Text) -> int:
    """Lines that start with a single "*" or with "-"."""
    stars = len(_STAR_BULLET.findall(text.raw)) if "*" in text.raw else 0
    return stars + (len(_DASH_BULLET.findall(text.raw)) if "-" in text.raw else 0)


@ifeval(
    "detectable_format:number_bullet_lists",
    count("num_bullets"),
    wording="Your answer must contain exactly {num_bullets} bullet points. "
    "Use the markdown bullet points such as:\n* This is point 1. \n* This is point 2",
    achieved=lambda text, **_: {"num_bullets": bullets(text)},
)
def number_bullet_lists(text: Text, num_bullets: int) -> bool:
    return bullets(text) == num_bullets


@ifeval(
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
    """Non-empty ``*spans*`` plus ``**spans**``: bold text may count twice, as in the public evaluator."""
    if "*" not in text.raw:
        return 0
    single = sum(bool(span.strip("*").strip()) for span in _HIGHLIGHT.findall(text.raw))
    return single + sum(bool(span[2:-2].strip()) for span in _DOUBLE_HIGHLIGHT.findall(text.raw))


@ifeval(
    "detectable_format:number_highlighted_sections",
    count("num_highlights"),
    wording="Highlight at least {num_highlights} sections in your answer with markdown, i.e. *highlighted section*.",
    achieved=bounded(lambda text, **_: _highlights(text), "num_highlights"),
)
def number_highlighted_sections(text: Text, num_highlights: int) -> bool:
    return _highlights(text) >= num_highlights


@register("detectable_format:multiple_sections", conflicts=CONFLICTS["detectable_format:multiple_sections"])
class MultipleSections(Checker):
    """The section word followed by a number, at least the given number of times."""

    params = (Param("section_spliter", str), count("num_sections"))
    wording = (
        "Your response must have {num_sections} sections. Mark the beginning of each section with "
        "{section_spliter} X, such as:\n{section_spliter} 1\n[content of section 1]\n"
        "{section_spliter} 2\n[content of section 2]"
    )
    restatement = wording.replace("must have", "must have at least")

    def validated(self) -> None:
        marker = self.values["section_spliter"] = self.values["section_spliter"].strip()
        self._mark = re.compile(re.escape(marker) + r"\s?\d+")

    def follows(self, text: Text) -> bool:
        return len(self._mark.findall(text.raw)) >= self.values["num_sections"]

    def achieved(self, response: str | Text) -> dict[str, Any] | None:
        found = min(self.values["num_sections"], len(self._mark.findall(as_text(response).raw)))
        return {"num_sections": found} if found > 1 else None


@ifeval(
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


@ifeval(
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
