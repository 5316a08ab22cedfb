"""Reads MulDimIF texts on language: the case of letters, Chinese."""

from __future__ import annotations

import re

from hindsight_rl.constraints.muldimif.demand import Made, NotCheckable
from hindsight_rl.constraints.muldimif.prose import scope

# What stands for the whole response in a demand about capitals; other nouns name a part of it.
_PART_IN_CAPITALS = re.compile(
    r"\b(?:names? of (?:these|the)|(?:drink|player|technique|team|each) (?:name|technique)s?\b|titles? of"
    r"|section titles?|titles, authors|usernames|\burl\b|article's title|names? (?:is|are) presented"
    r"|each name\b|names and descriptions|technique's name|the names\b|word in the name)"
)


def english(text: str) -> Made:
    """The case of letters."""
    lower = text.lower()
    if re.search(r"lower-? ?case|small letters", lower):
        case = "lowercase"
    elif re.search(r"upper-? ?case|all caps|all capital|fully capitalized|entirely in capital", lower):
        case = "uppercase"
    elif re.search(r"capital", lower):
        case = "capitalized"
    else:
        raise NotCheckable("names no case of letters")
    part = ""
    if re.search(r"\bheadings?\b", lower):
        part = "heading"
    elif re.search(r"\bjson keys\b", lower):
        part = "key"
    elif re.search(r"\btable entries\b|\bin the table\b", lower):
        part = "cell"
    elif _PART_IN_CAPITALS.search(lower):
        raise NotCheckable("is about a part of the response that a program cannot find")
    elif not re.search(r"\beach \w+ and\b", lower):
        part = scope(text)
    return "language:case", {"case": case, **({"scope": part} if part else {})}


def chinese(text: str) -> Made:
    """Chinese, in one of its scripts."""
    if re.search(r"traditional|繁體|繁体", text, re.IGNORECASE):
        return "language:chinese", {"script": "traditional"}
    if re.search(r"simplified|简体|簡體", text, re.IGNORECASE):
        return "language:chinese", {"script": "simplified"}
    return "language:chinese", {}
