"""The vocabulary of constraint prose: numbers and their bounds, "each ...", quoted words."""

from __future__ import annotations

import re

_NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
        sixteen seventeen eighteen nineteen twenty""".split()  # noqa: SIM905
    )
} | {"single": 1, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100}
_HAN_NUMBERS = {han: number for number, han in enumerate("〇一二三四五六七八九十")} | {"两": 2, "兩": 2}
NUMBER = r"(?<![\w.])(\d[\d,]*|" + "|".join(_NUMBER_WORDS) + r")(?![\w])"
BETWEEN = r"(?:\s+(?:complete|full|distinct|different|separate|unique|short|heading|main|more)){0,2}\s+"
_HIGH = (
    r"at most|no more than|not more than|not have more than|maximum|max|not (?:to )?exceed|does not exceed"
    r"|not exceeding|not surpass|exceeding|limit(?:ed|ing)?|limitation|no longer than|no greater than|up to|"
    r"fewer than|less than|within|under|cannot exceed"
)
_LOW = r"at least|at minimum|minimum|no fewer than|no less than|not less than|not fewer than|more than|over"
_EXACT = r"exactly|only|precisely|just|must be|equal to"
# The qualifier next before the number decides; "not have more than" has to be tried before "more than".
_QUALIFIER = re.compile(rf"\b(?:(?P<high>{_HIGH})|(?P<exact>{_EXACT})|(?P<low>{_LOW}))\b")
_REACH = 48
QUOTED = re.compile(
    r"(?<!\w)'(?P<a>[^\n]+?)'(?!\w)|\"(?P<b>[^\"\n]+)\"|“(?P<c>[^”\n]+)”|‘(?P<d>[^’\n]+)’(?!\w)|「(?P<e>[^」\n]+)」"
)


def number(word: str) -> int:
    """The value of a match of :data:`NUMBER`."""
    word = word.lower().replace(",", "")
    return _NUMBER_WORDS[word] if word in _NUMBER_WORDS else int(word)


def bounds(text: str, noun: str) -> tuple[int | None, int | None] | None:
    """(low, high) of the count that a text sets for a noun (a pattern), ``None`` when it sets none."""
    lower = text.lower()
    range_ = re.search(rf"{NUMBER}\s*(?:to|and|-|–|~)\s*{NUMBER}{BETWEEN}(?:{noun})", lower)
    if range_ and not re.search(r"\brows?\b|\bcolumns?\b", range_[0].split("and")[0]):
        low, high = number(range_[1]), number(range_[2])
        return min(low, high), max(low, high)
    found = re.search(rf"{NUMBER}{BETWEEN}(?:{noun})\b", lower)
    if not found:
        # "a row limit of 5", "limit the number of rows to 5", "column limit of three"
        found = re.search(
            rf"\b(?:{noun})\b[^.,;]{{0,24}}?\b(?:limit|limited|exceed|most|to|of)\b[^.,;]{{0,8}}?{NUMBER}",
            lower,
        )
        return (None, number(found[1])) if found else _han_bounds(text)
    count = number(found[1])
    before = lower[max(0, found.start() - _REACH) : found.start()]
    if re.match(r"\s*(?:or (?:more|above)|at least|minimum)\b", lower[found.end() :]):
        return count, None
    if re.match(r"\s*(?:or (?:fewer|less)|at most|maximum|max)\b", lower[found.end() :]):
        return None, count
    qualifiers = list(_QUALIFIER.finditer(before))
    last = qualifiers[-1] if qualifiers else None
    if last is None or last["exact"]:
        return count, count
    if last["low"]:
        return count + (last["low"] in ("more than", "over")), None
    return None, count - (last["high"] in ("fewer than", "less than", "under"))


def _han_bounds(text: str) -> tuple[int | None, int | None] | None:
    digits = r"(\d+|[〇一二三四五六七八九十两兩]+)"
    measure = r"\s*(?:个|個)?(?:句|段|字|词|詞|单词|單詞|行|列|级|級)"
    range_ = re.search(rf"{digits}\s*(?:到|至|-|~)\s*{digits}{measure}", text)
    if range_:
        return _han_number(range_[1]), _han_number(range_[2])
    found = re.search(
        rf"(至少|最少|不少于|不少於|至多|最多|不超过|不超過|不多于|不多於)?[^\d\w]*\D{{0,6}}?{digits}{measure}",
        text,
    )
    if not found:
        return None
    count = _han_number(found[2])
    if not found[1]:
        return count, count
    return (count, None) if found[1] in ("至少", "最少", "不少于", "不少於") else (None, count)


def _han_number(digits: str) -> int:
    if digits.isdecimal():
        return int(digits)
    tens, ten, ones = digits.rpartition("十")
    return (_HAN_NUMBERS.get(tens, 1) if ten else 0) * 10 + _HAN_NUMBERS.get(ones, 0)


_EACH = re.compile(
    r"\b(?:each|every)\s+(?P<noun>[\w'-]+(?:\s+[\w'-]+){0,5}?)"
    r"(?=\s*(?:[.,;:]|$|\b(?:must|should|is|are|has|have|had|needs?|ends?|ending|concludes?|includes?|contains?"
    r"|containing|consists?|being|be|in|to|that|does|within|for|of|on|from|by|with|and|limited|described)\b))",
    re.IGNORECASE,
)
_PURPOSE = re.compile(
    r"(?<=\w)(?:, (?:ensuring|maintaining|as)\b"
    r"| to (?:ensure|provide|highlight|maintain|emphasi[sz]e|give|offer|show)\b)",
    re.IGNORECASE,
)
_NOT_A_PART = {
    "word",
    "words",
    "letter",
    "letters",
    "one",
    "other",
    "time",
    "case",
    "answer",
    "response",
    "term's",
}


def scope(text: str, cells: bool = True) -> str:
    """The noun of "each noun" that a text's demand holds for, "" for the whole response."""
    # "..., to ensure a thorough explanation of each section": a purpose is no part of the demand
    for found in _EACH.finditer(_PURPOSE.split(text)[0]):
        noun = re.sub(r"'s\b", "", found["noun"].lower())
        if noun.split()[0] in _NOT_A_PART or noun.endswith("ing"):
            continue
        in_table = re.match(r"\s+(?:in|of) (?:the|any|a) tables?", text[found.end() :].lower())
        if noun in ("entry", "item", "table entry") and (in_table or noun.startswith("table")):
            return "cell" if cells else "row"
        return noun
    return ""


def quoted(text: str) -> list[str]:
    """The quoted words of a text, without repeats, in order."""
    found = []
    for match in QUOTED.finditer(text):
        word = next(group for group in match.groups() if group).strip()
        # American punctuation puts the sentence's own stop inside the quotes
        if word[-1:] in ".," and "." not in word[:-1]:
            word = word[:-1]
        if word and word not in found:
            found.append(word)
    return found
