"""Markdown and other markup: bullets, emphasis, sections, brackets, templates, lines of growing indentation."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import lines, sentence_kind, sentences_of, words, words_of
from hindsight_rl.constraints.declare import bounded
from hindsight_rl.constraints.text.readings import once, pieces
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.sentences import sentences as punkt_sentences

_BRACKETS = re.compile(r"\[([^\[\]\n]+)\](?!\()")
_TASK = re.compile(r"^[ \t]*[-*+] \[[ xX]\]", re.MULTILINE)


def _placeholders(text: Text) -> int:
    return sum(any(map(str.isalnum, inside)) for inside in _BRACKETS.findall(_TASK.sub("", text.raw)))


@corrected(
    "detectable_content:number_placeholders",
    says="represented by square brackets, such as [address]",
    change="Empty brackets, the text of a link and the box of a task list are no placeholders.",
    kwargs={"num_placeholders": 1},
    response="See [our page](https://example.com).",
    achieved=bounded(lambda text, **_: _placeholders(text), "num_placeholders"),
)
def number_placeholders(text: Text, num_placeholders: int) -> bool:
    return _placeholders(text) >= num_placeholders


_MARKERS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}


@corrected(
    "detectable_content:postscript",
    says="At the end of your response, please explicitly add a postscript starting with P.S.",
    change="The marker begins a line or follows a sentence, with text before it and after it.",
    kwargs={"postscript_marker": "P.S."},
    response="The marker P.S. is old.",
)
def postscript(text: Text, postscript_marker: str) -> bool:
    marker = _MARKERS.get(postscript_marker, re.escape(postscript_marker.lower()))
    start = r"(?:^|[.!?)\]\"'\u201d\u2026][*_ \t]*\s)[*_#>\" \t]*"
    for found in re.finditer(f"{start}({marker})", text.lower, re.MULTILINE):
        before, after = text.lower[: found.start(1)], text.lower[found.end() :]
        if any(map(str.isalnum, before)) and any(map(str.isalnum, after)):
            return True
    return False


_BULLET = re.compile(r"[ \t]*[-*+][ \t]+(?=.*\w)")
_STAR_BULLET = re.compile(r"[ \t]*\*[ \t]+(?=.*\w)")
_RULE = re.compile(r"[ \t]*([-*_])[ \t]*(?:\1[ \t]*){2,}\Z")


@once
def _bullets(text: Text) -> int:
    return sum(_BULLET.match(line) is not None and not _RULE.match(line) for line in text.lines)


@corrected(
    "detectable_format:number_bullet_lists",
    says="Use the markdown bullet points such as",
    change="A bullet is a mark, a space and text: rules (---), lines in emphasis and negative numbers are none.",
    kwargs={"num_bullets": 1},
    response="* one\n---",
    holds=True,
    achieved=lambda text, **_: {"num_bullets": _bullets(text)},
)
def number_bullet_lists(text: Text, num_bullets: int) -> bool:
    return _bullets(text) == num_bullets


_EMPHASIS = re.compile(r"(?<![*\\])(\*{1,3})(?![\s*])([^*\n]*)(?<!\s)\1(?!\*)")


@once
def _highlights(text: Text) -> int:
    return sum(any(map(str.isalnum, inside)) for _, inside in _EMPHASIS.findall(text.raw)) if "*" in text.raw else 0


@corrected(
    "detectable_format:number_highlighted_sections",
    says="Highlight at least 2 sections",
    change="***One*** section is one, not two; stars with a space inside them are no markup.",
    kwargs={"num_highlights": 2},
    response="This is ***one*** section.",
    achieved=bounded(lambda text, **_: _highlights(text), "num_highlights"),
)
def number_highlighted_sections(text: Text, num_highlights: int) -> bool:
    return _highlights(text) >= num_highlights


def _sections(text: Text, marker: str) -> int:
    found = re.findall(rf"^(?:[^\w\n]|_)*{re.escape(marker.strip())}\s?(\d+)", text.raw, re.MULTILINE)
    return len(set(found))


@corrected(
    "detectable_format:multiple_sections",
    says="Your response must have 2 sections. Mark the beginning of each section with Section X",
    change="Each mark stands where a line begins, with a number of its own.",
    kwargs={"section_spliter": "Section", "num_sections": 2},
    response="Section 1\nAs in Section 2.",
    achieved=lambda text, section_spliter, num_sections: (
        {"num_sections": found} if (found := min(num_sections, _sections(text, section_spliter))) > 1 else None
    ),
)
def multiple_sections(text: Text, section_spliter: str, num_sections: int) -> bool:
    return _sections(text, section_spliter) >= num_sections


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@corrected(
    "detectable_format:json_format",
    says="Entire output should be wrapped in JSON format",
    change="An object or an array: a bare number or word wraps nothing, and NaN is no JSON.",
    response="42",
)
def json_format(text: Text) -> bool:
    body = text.raw.strip()
    if body.startswith("```") and body.endswith("```"):
        body = re.sub(r"\A```[A-Za-z0-9]*", "", body[:-3])
    try:
        return isinstance(json.loads(body, parse_constant=_no_constant), dict | list)
    except (ValueError, RecursionError):
        return False


@corrected(
    "detectable_format:title",
    says="wrapped in double angular brackets, such as <<poem of joy>>",
    change="The title has a letter or a digit.",
    response="<<...>>",
)
def title(text: Text) -> bool:
    return any(any(map(str.isalnum, inside)) for inside in re.findall(r"<<([^<>\n]+)>>", text.raw))


@corrected(
    "format:sub-bullets",
    says="must include bullet points denoted by *",
    change="There has to be a bullet; a sub-bullet is a line, not any hyphen.",
    response="No bullets here.",
)
def sub_bullets(text: Text) -> bool:
    below: list[int] = []
    for line in text.lines:
        if _RULE.match(line):
            continue
        if _STAR_BULLET.match(line):
            below.append(0)
        elif below and re.match(r"[ \t]*-[ \t]+(?=.*\w)", line):
            below[-1] += 1
    return bool(below) and all(below)


@corrected(
    "format:no_bullets_bullets",
    says="at least two sentences ending in a period followed by at least two bullet points denoted by *",
    change="The sentences have to end in a period; blank lines and what follows the bullets do not matter.",
    response="Is it so? Really?\n* one\n* two",
)
def no_bullets_bullets(text: Text) -> bool:
    bullets = [at for at, line in enumerate(text.lines) if _STAR_BULLET.match(line) and not _RULE.match(line)]
    if len(bullets) < 2:
        return False
    before = sentences_of(punkt_sentences("\n".join(text.lines[: bullets[0]])))
    return sum(sentence_kind(sentence) == "." for sentence in before) >= 2


# A heading of Markdown or HTML, a line in bold, or the tag that opens a section.
_HEADING = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]+.*|<h[1-6][^>]*>.*|<section[^>]*>|\*\*[^*\n]+\*\*:?[ \t]*)\Z", re.IGNORECASE
)
_HEAD = re.compile(r"<head>.*?</head>", re.IGNORECASE | re.DOTALL)
_THESIS = re.compile(
    r"\s*(?:<(?!i>|em>)[a-z!/][^>]*>\s*)*<(i|em)>(?=[^<]*\w)[^<]*</\1>(?=.*\w)", re.IGNORECASE | re.DOTALL
)


@corrected(
    "format:thesis",
    says="Each section must begin with a thesis statement in italics",
    change="Every section, under each heading or the whole where there is none, begins with it.",
    response="# One\n<i>It rains.</i> So we wait.\n# Two\nNo thesis here.",
)
def thesis(text: Text) -> bool:
    sections: list[list[str]] = [[]]
    headed = False
    for line in _HEAD.sub("", text.raw).split("\n"):
        if _HEADING.match(line):
            headed = True
            sections.append([])
        else:
            sections[-1].append(line)
    bodies = ["\n".join(section) for section in (sections[1:] if headed else sections)]
    bodies = [body for body in bodies if any(map(str.isalnum, body))]
    return bool(bodies) and all(_THESIS.match(body) for body in bodies)


@corrected(
    "format:list",
    says="Answer with a list of items, instead of bullet points use -",
    change="Two items or more: text follows each separator.",
    kwargs={"sep": "-"},
    response="It rains --- so we wait.",
)
def listed(text: Text, sep: str) -> bool:
    parts = text.raw.split(sep)
    items = [part for part in parts[1:] if any(map(str.isalnum, part))]
    # A separator between the items leaves the first one before it.
    return len(items) + any(map(str.isalnum, parts[0])) >= 2 and len(items) >= 1 and _own(text, sep)


def _own(text: Text, sep: str) -> bool:
    """Whether the separator stands by itself, not within a run of its own characters or inside a word, twice."""
    before = r"(?<!\w)" if sep[:1].isalnum() else rf"(?<!{re.escape(sep[:1])})"
    after = r"(?!\w)" if sep[-1:].isalnum() else rf"(?!{re.escape(sep[-1:])})"
    return len(re.findall(before + re.escape(sep) + after, text.raw)) >= 2


@corrected(
    "detectable_format:square_brackets",
    says="Enclose every word in your response within square brackets",
    change="A mark may stand beside the brackets.",
    response="[It] [rains], [so] [we] [wait].",
    holds=True,
)
def square_brackets(text: Text) -> bool:
    found = [piece for piece in pieces(text) if any(map(str.isalnum, piece))]
    return bool(found) and all(re.fullmatch(r"[^\w\[\]]*\[[^\[\]]*\][^\w\[\]]*", piece) for piece in found)


_BIGRAM = re.compile(r"<<[ \t]*([^<>\n]*?)[ \t]*>>")


@corrected(
    "detectable_format:bigram_wrapping",
    says="Wrap every word bigram in double angular brackets",
    change="There has to be a bigram; a mark may stand beside the brackets.",
    response="<<I am>> <<at home>>.",
    holds=True,
)
def bigram_wrapping(text: Text) -> bool:
    inside = [words_of(found) for found in _BIGRAM.findall(text.raw)]
    rest = _BIGRAM.sub(" \0 ", text.raw)
    left = words_of(rest)
    last = rest.rpartition("\0")[2]
    return (
        bool(inside)
        and all(len(pair) == 2 for pair in inside)
        and len(left) <= 1
        and (not left or words_of(last) == left)
    )


@corrected(
    "format:newline",
    says="Write each word on a new line",
    change="Each line has one word: a line of two is not made up for by a line of spaces.",
    response="sea and\n \nsand",
)
def newline(text: Text) -> bool:
    return all(len(line.split()) == 1 for line in lines(text.raw)) and bool(words(text))


@corrected(
    "format:line_indent",
    says="incrementally indenting each new line",
    change="Stairs have two lines or more; blank lines are no lines, and a tab indents.",
    response="One line.",
)
def line_indent(text: Text) -> bool:
    kept = [line.expandtabs(4) for line in text.lines if line.strip()]
    indents = [len(line) - len(line.lstrip()) for line in kept]
    return len(indents) > 1 and all(before < after for before, after in pairwise(indents))


_TEMPLATE = re.compile(r"My Answer:(.*?)My Conclusion:(.*?)Future Outlook:(.*)\Z", re.DOTALL)


@corrected(
    "format:output_template",
    says="Use this exact template for your response: My Answer: [answer] My Conclusion: [conclusion] Future Outlook",
    change="The three parts in this order, each with text, and nothing before the first.",
    response="Future Outlook: fine. My Conclusion: rain. My Answer: wait.",
)
def output_template(text: Text) -> bool:
    found = _TEMPLATE.search(text.raw)
    return (
        found is not None
        and not any(map(str.isalnum, text.raw[: found.start()]))
        and all(any(map(str.isalnum, part)) for part in found.groups())
    )
