"""IFBench's ``format:`` constraints."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from itertools import islice, pairwise
from string import digits, punctuation

from hindsight_rl.constraints.core import Checker, Param, checker, register
from hindsight_rl.constraints.declare import HIR, fixed
from hindsight_rl.constraints.text.lexicon import is_emoji
from hindsight_rl.constraints.text.readings import TRIM, bare, bare_text, pieces, rule_sentences, split_by_rules
from hindsight_rl.constraints.text.response import Text
from hindsight_rl.constraints.text.sentences import splitter

_BRACKET = re.compile(r"[()\[\]{}]")
_CLOSES = {")": "(", "]": "[", "}": "{"}
_QUOTE = re.compile("[\"']")
_LETTERED = re.compile(r"\W*[aA]\W*[bB]\W*[cC]")


def _emoji_ends(parts: list[str]) -> bool:
    stripped = [bare(part).strip() for part in parts]
    for i, part in enumerate(stripped):
        if not part:
            return False
        # The last two characters: a variation selector may follow the emoji.
        if is_emoji(part[-1]) or is_emoji(part[-2:-1] or part):
            continue
        # A splitter puts an emoji after the full stop into the next sentence.
        following = stripped[i + 1][:1] if i + 1 < len(stripped) else ""
        if not following or not is_emoji(following):
            return False
    return True


_EMOJI_WORDING = "Please use an emoji at the end of every sentence."


@fixed("format:emoji", _EMOJI_WORDING)
def emoji(text: Text) -> bool:
    return _emoji_ends(text.sentences)


@fixed("format:emoji", _EMOJI_WORDING, version=HIR)
def emoji_by_rules(text: Text) -> bool:
    return _emoji_ends(rule_sentences(text))


@fixed(
    "format:parentheses",
    "Nest parentheses (and [brackets {and braces}]) at least 5 levels deep.",
)
def parentheses(text: Text) -> bool:
    """Brackets nested five levels deep; a bracket that does not match restarts the count."""
    opened: list[str] = []
    deepest = 0
    for match in _BRACKET.finditer(text.raw):
        bracket = match.group()
        if bracket not in _CLOSES:
            opened.append(bracket)
            deepest = max(deepest, len(opened))
        elif opened and opened[-1] == _CLOSES[bracket]:
            opened.pop()
            if deepest >= 5:
                return True
        else:
            opened, deepest = [], 0
    return False


def nested_quotes(text: str) -> bool:
    """Whether straight quotes are nested three levels deep and closed in order."""
    opened: list[str] = []
    deepest = 0
    for match in _QUOTE.finditer(text):
        quote = match.group()
        if opened and quote == opened[-1]:
            opened.pop()
            if deepest - len(opened) >= 3:
                return True
        else:
            opened.append(quote)
            deepest = max(deepest, len(opened))
    return False


@fixed(
    "format:quotes",
    "Include quotes within quotes within quotes, at least 3 levels deep, alternating between double quotes "
    "and single quotes.",
)
def quotes(text: Text) -> bool:
    """Straight quotes, three of them closed in turn; an apostrophe counts as a single quote."""
    return nested_quotes(text.raw)


@register("format:options")
class Options(Checker):
    """The response is one of the options.

    Lettered options ("a) ...") must match exactly; for others, case and punctuation are ignored.
    """

    params = (Param("options"),)
    wording = "Answer with one of the following options: {options}. Do not give any explanation."

    def validated(self) -> None:
        given = self.values["options"]
        separator = "/" if "/" in given else "or" if "or" in given else ","
        self.lettered = _LETTERED.match(given) is not None
        self.options = [option.strip() for option in given.split(separator)]
        self.relaxed = {option.strip(TRIM).lower() for option in self.options}

    def follows(self, text: Text) -> bool:
        if self.lettered:
            return text.raw in self.options
        return text.raw.strip(TRIM).lower() in self.relaxed


@fixed("format:newline", "Write each word on a new line.", vacuous=lambda text: len(bare_text(text).split()) < 2)
def newline(text: Text) -> bool:
    """As many lines as words, without ASCII punctuation."""
    lines = bare_text(text).strip().split("\n")
    return sum(line != "" for line in lines) == len(bare_text(text).split())


@fixed(
    "format:line_indent",
    "Create stairs by incrementally indenting each new line.",
    vacuous=lambda text: sum(bool(line.strip()) for line in text.lines) < 2,
)
def line_indent(text: Text) -> bool:
    """More spaces before each line than before the last one, once blank lines are dropped."""
    indents = [len(line) - len(line.lstrip(" ")) for line in _without_blank_lines(text.lines)]
    return all(before < after for before, after in pairwise(indents))


def _without_blank_lines(lines: list[str]) -> list[str]:
    """Drops blank lines as the reference does, which leaves some.

    It removes from the list that it walks through: the line after a removed one is passed over, and what is
    removed is the first line that reads the same. This gives that result in linear time.
    """
    dropped: set[int] = set()
    passed: defaultdict[str, deque[int]] = defaultdict(deque)
    skip = False
    for i, line in enumerate(lines):
        blank = not line.strip()
        if blank:
            passed[line].append(i)
        if skip:
            skip = False
        elif blank:
            dropped.add(passed[line].popleft())
            skip = True
    return [line for i, line in enumerate(lines) if i not in dropped]


_MARKS_BUT_QUOTE = digits + punctuation.replace('"', "")
_EXPLAIN_WORDING = "Every quoted phrase must be followed by an unquoted explanation."


def _explained(raw: str, wordless: bool) -> bool:
    """No two quotation marks side by side, none at the end. wordless: the verdict without a word."""
    joined = "".join(raw.replace("'\"'", "").split())
    if '""' in joined:
        return False
    rest = joined.strip(_MARKS_BUT_QUOTE)
    return not rest.endswith('"') if rest else wordless


def _unquoted(text: Text) -> bool:
    return not any(mark in text.raw for mark in '"\u201c\u201d')


@fixed("format:quote_unquote", _EXPLAIN_WORDING, vacuous=_unquoted)
def quote_unquote(text: Text) -> bool:
    """Straight quotation marks only."""
    return _explained(text.raw, wordless=True)


@fixed("format:quote_unquote", _EXPLAIN_WORDING, version=HIR, vacuous=_unquoted)
def quote_unquote_curly(text: Text) -> bool:
    """Curly quotation marks too."""
    return _explained(text.raw.replace("“", '"').replace("”", '"'), wordless=False)


@checker(
    "format:list",
    Param("sep"),
    wording="Answer with a list of items, instead of bullet points use {sep}.",
)
def listed(text: Text, sep: str) -> bool:
    """The separator occurs twice, anywhere."""
    return text.raw.count(sep) >= 2


@fixed(
    "format:thesis",
    "Each section must begin with a thesis statement in italics, use HTML to indicate the italics.",
)
def thesis(text: Text) -> bool:
    """One statement in italics, not blank, with text after it."""
    raw = text.raw
    start = raw.find("<i>")
    start = start if start >= 0 else raw.find("<em>")
    if start < 0:
        return False
    end = raw.find("</i>", start)
    end = end if end >= 0 else raw.find("</em>", start)
    # Three and four characters, the lengths of the tags <i> and </i>, also where the tag is <em>.
    return end >= 0 and bool(raw[start + 3 : end].strip()) and bool(raw[end + 4 :].strip())


@fixed(
    "format:sub-bullets",
    "Your response must include bullet points denoted by * and at least one sub-bullet point denoted by - "
    "for each bullet point.",
    vacuous=lambda text: "*" not in text.raw,
)
def sub_bullets(text: Text) -> bool:
    """A hyphen after each asterisk and before the next one."""
    return all("-" in bullet for bullet in text.raw.split("*")[1:])


_BULLETS_WORDING = (
    "Your answer must contain at least two sentences ending in a period followed by at least two bullet "
    "points denoted by *."
)


def _at_most_two(line: str) -> int:
    """How many sentences, without splitting more than two off."""
    return sum(1 for _ in islice(splitter().spans(line), 2))


def _prose_then_bullets(text: Text, by_rules: bool) -> bool:
    counted = bullets = 0
    prose = True
    for line in text.lines:
        line = line.strip()
        if line.startswith("*"):
            if counted < 2:
                return False
            prose = False
            bullets += 1
        elif prose:
            # A blank line ends the prose. Two sentences are enough, more need not be counted.
            prose = bool(line)
            if counted < 2:
                counted += len(split_by_rules(line)) if by_rules else _at_most_two(line)
        else:
            return False
    return bullets >= 2


@fixed("format:no_bullets_bullets", _BULLETS_WORDING)
def no_bullets_bullets(text: Text) -> bool:
    """Lines of prose, at most one blank line, lines of bullets, and nothing else."""
    return _prose_then_bullets(text, by_rules=False)


@fixed("format:no_bullets_bullets", _BULLETS_WORDING, version=HIR)
def no_bullets_bullets_by_rules(text: Text) -> bool:
    return _prose_then_bullets(text, by_rules=True)


_TITLE_WORDING = "Write the entire response in title case (capitalize the first letter of every major word)."


def _letterless(text: Text) -> bool:
    return not any(map(str.isalpha, text.raw))


@fixed("format:title_case", _TITLE_WORDING, vacuous=_letterless)
def title_case(text: Text) -> bool:
    """No word begins with a small letter, unless it has both cases after it ("iPhone")."""
    for word in text.tokens:
        first, rest = word[:1], word[1:]
        if first.isalpha() and first.islower() and (not rest or rest.isupper() or rest.islower()):
            return False
    return True


@fixed("format:title_case", _TITLE_WORDING, version=HIR, vacuous=_letterless)
def title_case_of_long_words(text: Text) -> bool:
    """As the current one, but without words of one letter."""
    return not any(word[:1].islower() and (word[1:].isupper() or word[1:].islower()) for word in text.tokens)


@fixed(
    "format:output_template",
    "Use this exact template for your response: My Answer: [answer] My Conclusion: [conclusion] "
    "Future Outlook: [outlook]",
)
def output_template(text: Text) -> bool:
    return all(part in text.raw for part in ("My Answer:", "My Conclusion:", "Future Outlook:"))


@fixed(
    "format:no_whitespace",
    "The output should not contain any whitespace.",
)
def no_whitespace(text: Text) -> bool:
    return not text.raw or pieces(text) == [text.raw]
