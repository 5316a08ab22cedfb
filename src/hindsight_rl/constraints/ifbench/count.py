"""IFBench's ``count:`` and ``ratio:`` constraints."""

from __future__ import annotations

import re
from functools import lru_cache
from string import punctuation
from typing import Any

from hindsight_rl.constraints.core import Checker, Param, checker, register
from hindsight_rl.constraints.declare import HIR, Word, bounded, count, fixed
from hindsight_rl.constraints.text.lexicon import stop_words
from hindsight_rl.constraints.text.readings import TRIM, bare_text, once, pieces, rule_sentences
from hindsight_rl.constraints.text.response import Text, as_text
from hindsight_rl.constraints.text.tokens import tokens

_DIGITS = re.compile(r"\d+")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_CONJUNCTIONS = frozenset({"and", "but", "for", "nor", "or", "so", "yet"})


def _moved(found: int, low: int, high: int) -> dict[str, Any]:
    """The range, moved without a change of width until the count is at its edge."""
    shift = min(found - low, 0) + max(found - high, 0)
    return {"min_words": max(low + shift, min(found, 1)), "max_words": high + shift}


@checker(
    "count:word_count_range",
    count("min_words"),
    count("max_words"),
    wording="The response must contain between {min_words} and {max_words} words.",
    achieved=lambda text, min_words, max_words: _moved(len(text.words), min_words, max_words),
)
def word_count_range(text: Text, min_words: int, max_words: int) -> bool:
    """Runs of word characters, so "don't" counts two."""
    return min_words <= len(text.words) <= max_words


@once
def _unique_words(text: Text) -> int:
    return len({word.strip(TRIM) for word in text.lower.split()})


@checker(
    "count:unique_word_count",
    count("N"),
    wording="Use at least {N} unique words in the response.",
    achieved=bounded(lambda text, **_: _unique_words(text), "N", least=2),
)
def unique_word_count(text: Text, N: int) -> bool:
    """Distinct pieces between white space, in lower case, trimmed of punctuation."""
    return _unique_words(text) >= N


@once
def _conjunctions(text: Text) -> int:
    # Distinct as written: "and" and "And," are two, as in the reference.
    return len({piece for piece in pieces(text) if piece.strip(TRIM).lower() in _CONJUNCTIONS})


@checker(
    "count:conjunctions",
    count("small_n"),
    wording="Use at least {small_n} different coordinating conjunctions in the response.",
    achieved=bounded(lambda text, **_: _conjunctions(text), "small_n"),
)
def conjunctions(text: Text, small_n: int) -> bool:
    return _conjunctions(text) >= small_n


_NAMES = (
    "Emma, Liam, Sophia, Jackson, Olivia, Noah, Ava, Lucas, Isabella, Mason, Mia, Ethan, Charlotte, "
    "Alexander, Amelia, Benjamin, Harper, Leo, Zoe, Daniel, Chloe, Samuel, Lily, Matthew, Grace, Owen, "
    "Abigail, Gabriel, Ella, Jacob, Scarlett, Nathan, Victoria, Elijah, Layla, Nicholas, Audrey, David, "
    "Hannah, Christopher, Penelope, Thomas, Nora, Andrew, Aria, Joseph, Claire, Ryan, Stella, Jonathan"
)
_NAMES_WORDING = (
    "Mention at least {N} different person names in the response, from this list of person names: " + _NAMES + " ."
)
_NAME = re.compile(r"\b(?:" + _NAMES.replace(", ", "|") + r")\b")


@once
def _names(text: Text) -> int:
    return len(set(_NAME.findall(text.raw)))


@checker(
    "count:person_names",
    count("N"),
    wording=_NAMES_WORDING,
    achieved=bounded(lambda text, **_: _names(text), "N"),
)
def person_names(text: Text, N: int) -> bool:
    return _names(text) >= N


def _names_anywhere(text: Text, **_: Any) -> int:
    return sum(name in text.raw for name in _NAMES.split(", "))


@checker("count:person_names", count("N"), wording=_NAMES_WORDING, version=HIR, achieved=bounded(_names_anywhere, "N"))
def person_names_anywhere(text: Text, N: int) -> bool:
    """A name counts inside a longer word too."""
    return _names_anywhere(text) >= N


@once
def _numbers(text: Text) -> int:
    return len(_DIGITS.findall(bare_text(text)))


@checker(
    "count:numbers",
    count("N"),
    wording="Include exactly {N} numbers in the response.",
    achieved=lambda text, **_: {"N": _numbers(text)},
)
def numbers(text: Text, N: int) -> bool:
    """Runs of digits once ASCII punctuation is gone: "1,234.5" is one."""
    return _numbers(text) == N


@fixed(
    "count:punctuation",
    "Use every standard punctuation mark at least once, including semicolons, colons, and the interrobang (?!).",
)
def every_punctuation_mark(text: Text) -> bool:
    raw = text.raw
    # The marks of an interrobang written with two do not count a second time.
    for interrobang in ("?!", "!?"):
        if interrobang in raw:
            rest = raw.replace(interrobang, "", 1)
            break
    else:
        rest = raw
        if "‽" not in raw:
            return False
    return all(mark in rest for mark in ".,!?;:")


@register("count:words_japanese")
class WordsJapanese(Checker):
    """Every Nth piece between white space has a kana or kanji in it, or is punctuation or a number."""

    params = (count("N", low=1),)

    def describe(self) -> str:
        n = self.values["N"]
        ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
        return f"Every {n}{ending} word of your response must be in Japanese."

    def vacuous(self, response: str | Text) -> bool:
        return len(pieces(as_text(response))) < self.values["N"]

    def follows(self, text: Text) -> bool:
        n = self.values["N"]
        nth = (piece.strip(TRIM) for piece in pieces(text)[n - 1 :: n])
        return all(not word or word.isdigit() or _JAPANESE.search(word) for word in nth)


_PERSONAL_LIST = """
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself
she her hers herself it its itself they them their theirs themselves
"""
_OTHER_LIST = """
this that these those who whom whose which what whoever whomever whatever whichever
anybody anyone anything everybody everyone everything nobody nothing somebody someone something
each either neither both all some any none
"""
_PERSONAL = frozenset(_PERSONAL_LIST.split())
_PRONOUNS = _PERSONAL | frozenset(_OTHER_LIST.split())


@once
def _pronouns(text: Text) -> int:
    return sum(token in _PRONOUNS for token in tokens(text.raw.replace("/", " ").lower()))


@checker(
    "count:pronouns",
    count("N"),
    wording="The response should include at least {N} pronouns.",
    achieved=bounded(lambda text, **_: _pronouns(text), "N"),
)
def pronouns(text: Text, N: int) -> bool:
    return _pronouns(text) >= N


_WITHOUT_PUNCTUATION = str.maketrans("", "", punctuation)


@once
def _personal_pronouns(text: Text) -> int:
    words = text.raw.replace("/", " ").lower().translate(_WITHOUT_PUNCTUATION).split()
    return sum(word in _PERSONAL for word in words)


@checker(
    "count:pronouns",
    count("N"),
    wording="The response should include at least {N} pronouns.",
    version=HIR,
    achieved=bounded(lambda text, **_: _personal_pronouns(text), "N"),
)
def personal_pronouns(text: Text, N: int) -> bool:
    """Personal, possessive and reflexive ones only; "I'm" counts as none, "it's" as "its"."""
    return _personal_pronouns(text) >= N


@checker(
    "count:keywords_multiple",
    *(Word(f"keyword{i}") for i in range(1, 6)),
    wording=(
        "Include keyword {keyword1} once in your response, keyword {keyword2} twice in your response, "
        "keyword {keyword3} three times in your response, keyword {keyword4} five times in your response, "
        "and keyword {keyword5} seven times in your response."
    ),
)
def keywords_multiple(text: Text, **keywords: str) -> bool:
    times = (1, 2, 3, 5, 7)
    return all(text.lower.count(keywords[f"keyword{i}"].lower()) == n for i, n in enumerate(times, 1))


@once
def _stop_word_share(text: Text) -> float | None:
    """Percentage of stop words, ``None`` without words."""
    if not text.words:
        return None
    known = stop_words()
    return sum(word.lower() in known for word in text.words) / len(text.words) * 100


def _least_share(text: Text, percentage: float) -> dict[str, Any] | None:
    share = _stop_word_share(text)
    return None if share is None else {"percentage": max(percentage, -int(-share // 1))}


@checker(
    "ratio:stop_words",
    Param("percentage", float, low=0),
    wording=("Ensure that stop words constitute no more than {percentage:g}% of the total words in your response."),
    achieved=_least_share,
)
def stop_words_share(text: Text, percentage: float) -> bool:
    share = _stop_word_share(text)
    return share is not None and share <= percentage


def _ends(sentences: list[str], mark: str) -> int:
    return sum(sentence.endswith(mark) for sentence in sentences)


def _two_to_one(sentences: list[str]) -> bool:
    return _ends(sentences, ".") == 2 * _ends(sentences, "?")


def _balanced(sentences: list[str]) -> bool:
    return _ends(sentences, ".") == _ends(sentences, "?") == _ends(sentences, "!")


_TYPE_WORDING = "Maintain a 2:1 ratio of declarative to interrogative sentences."
_BALANCE_WORDING = "Ensure that the ratio of sentence types (declarative, interrogative, exclamatory) is balanced."


@fixed("ratio:sentence_type", _TYPE_WORDING, vacuous=lambda text: not _ends(text.sentences, "?"))
def sentence_type(text: Text) -> bool:
    return _two_to_one(text.sentences)


@fixed("ratio:sentence_type", _TYPE_WORDING, version=HIR, vacuous=lambda text: not _ends(rule_sentences(text), "?"))
def sentence_type_by_rules(text: Text) -> bool:
    return _two_to_one(rule_sentences(text))


@fixed("ratio:sentence_balance", _BALANCE_WORDING, vacuous=lambda text: not _ends(text.sentences, "?"))
def sentence_balance(text: Text) -> bool:
    return _balanced(text.sentences)


@fixed(
    "ratio:sentence_balance", _BALANCE_WORDING, version=HIR, vacuous=lambda text: not _ends(rule_sentences(text), "?")
)
def sentence_balance_by_rules(text: Text) -> bool:
    return _balanced(rule_sentences(text))


_EQUAL_WORDING = (
    "Respond with three sentences, all containing the same number of characters but using all different words."
)


def _three_of_a_length(sentences: list[str]) -> bool:
    """The description asks for different words, but neither release checks it."""
    return len(sentences) == 3 and len({len(sentence.strip()) for sentence in sentences}) == 1


@fixed("ratio:sentence_words", _EQUAL_WORDING)
def sentence_words(text: Text) -> bool:
    return _three_of_a_length(text.sentences)


@fixed("ratio:sentence_words", _EQUAL_WORDING, version=HIR)
def sentence_words_by_rules(text: Text) -> bool:
    return _three_of_a_length(rule_sentences(text))


def _trigrams(raw: str) -> set[str]:
    return {raw[i : i + 3] for i in range(len(raw) - 2)}


@once
def _text_trigrams(text: Text) -> set[str]:
    return _trigrams(text.raw)


_reference_trigrams = lru_cache(maxsize=64)(_trigrams)


def _shared(text: Text, reference_text: str) -> float | None:
    own = _text_trigrams(text)
    return len(own & _reference_trigrams(reference_text)) / len(own) * 100 if own else None


def _overlap_at(text: Text, reference_text: str, percentage: float) -> dict[str, Any] | None:
    shared = _shared(text, reference_text)
    return None if shared is None else {"percentage": percentage if abs(shared - percentage) <= 1 else round(shared)}


@checker(
    "ratio:overlap",
    Param("reference_text"),
    Param("percentage", float, low=0),
    wording="Maintain a trigram overlap of {percentage:g}% (±2%) with the provided reference text.",
    achieved=_overlap_at,
)
def overlap(text: Text, reference_text: str, percentage: float) -> bool:
    """Trigrams of characters: the share of the response's that the reference text has too."""
    shared = _shared(text, reference_text)
    return shared is not None and percentage - 2 <= shared <= percentage + 2
