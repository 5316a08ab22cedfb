"""IFBench's ``custom:`` tasks and its ``repeat:`` constraints."""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise

from hindsight_rl.constraints.core import Checker, Param, checker, register
from hindsight_rl.constraints.declare import HIR, count, fixed
from hindsight_rl.constraints.text.readings import TRIM, ascii_only, bare, rule_sentences
from hindsight_rl.constraints.text.response import Text

_QUESTION = re.compile(r"Question \d+[.|):;]?")
_OPTION = re.compile(r"[A-Ea-e][.|)]\s*\w")
_SPECIAL = re.compile(r"[^\d\w\s]")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_NUMBER = re.compile(r"\d+")


@fixed(
    "custom:multiples",
    "Count from 10 to 50 but only print multiples of 7.",
)
def multiples(text: Text) -> bool:
    """The numbers of the response are these six."""
    return _NUMBER.findall(text.raw) == ["14", "21", "28", "35", "42", "49"]


@fixed(
    "custom:mcq_count_length",
    "Generate 4 multiple choice questions with 5 options each about '20th century art history'. "
    'Each question should start with the label "Question". The questions should get progressively longer. '
    "Do not provide an explanation.",
)
def mcq_count_length(text: Text) -> bool:
    if not text.raw.startswith("Question"):
        return False
    questions = [part for piece in _QUESTION.split(text.raw) if (part := piece.strip())]
    if len(questions) != 4:
        return False
    lengths = []
    for question in questions:
        lines = [line.strip() for line in question.split("\n")]
        options = [bool(_OPTION.match(line)) for line in lines]
        if sum(options) != 5:
            return False
        lengths.append(len(" ".join(lines[: options.index(True)]).strip()))
    return all(before < after for before, after in pairwise(lengths))


@fixed(
    "custom:reverse_newline",
    "List the countries of Africa in reverse alphabetical order, each on a new line.",
)
def reverse_newline(text: Text) -> bool:
    """From the first line with Zimbabwe in it on: 52 lines or more, each no later in the alphabet."""
    lines = [line for raw in text.lines if (line := raw.strip(TRIM))]
    start = next((i for i, line in enumerate(lines) if "Zimbabwe" in line), len(lines))
    names = [ascii_only(line) for line in lines[start:]]
    return len(names) >= 52 and all(before >= after for before, after in pairwise(names))


@fixed(
    "custom:word_reverse",
    "What animal is the national symbol of the US? Respond to this query, but make your sentence in reverse "
    "order of what it should be, per word.",
)
def word_reverse(text: Text) -> bool:
    """Only the animal is checked: the reversed words, without punctuation, contain "bald eagle"."""
    return "bald eagle" in " ".join(reversed(bare(text.lower.strip()).split()))


@fixed(
    "custom:character_reverse",
    "What animal is the national symbol of the US? Respond to this query, but make your sentence in reverse "
    "order of what it should be, per letter.",
)
def character_reverse(text: Text) -> bool:
    return "elgae dlab" in text.lower


def _alphabetical(sentences: list[str]) -> bool:
    if len(sentences) != 26:
        return False
    # [:1] of the lower case, for a letter that becomes two
    return all(sentence.lstrip()[:1].lower()[:1] == chr(ord("a") + i) for i, sentence in enumerate(sentences))


_ALPHABET_WORDING = (
    "Tell me a 26-sentence story where each sentence's first word starts with the letters of the alphabet in order."
)


@fixed("custom:sentence_alphabet", _ALPHABET_WORDING)
def sentence_alphabet(text: Text) -> bool:
    return _alphabetical(text.sentences)


@fixed("custom:sentence_alphabet", _ALPHABET_WORDING, version=HIR)
def sentence_alphabet_by_rules(text: Text) -> bool:
    return _alphabetical(rule_sentences(text))


_CAPITALS = (
    "Reykjavik, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, "
    "Berlin, Amsterdam, Warsaw, London, Brussels, Prague, Luxembourg, Paris, Vienna, Bratislava, Budapest, "
    "Vaduz, Chisinau, Bern, Ljubljana, Zagreb"
)


@fixed(
    "custom:european_capitals_sort",
    "Give me the names of all capital cities of european countries whose latitude is higher than than 45 "
    "degrees? List the capital cities without country names, separated by commas, sorted by latitude, from "
    "highest to lowest.",
)
def european_capitals_sort(text: Text) -> bool:
    """The list of the reference, without accents."""
    return [part for piece in ascii_only(text.raw).split(",") if (part := piece.strip())] == _CAPITALS.split(", ")


def _rows(raw: str, delimiter: str = ",") -> list[list[str]] | None:
    """Records of a text in CSV; ``None`` when it is not CSV."""
    try:
        return list(csv.reader(io.StringIO(raw), delimiter=delimiter))
    except csv.Error:
        return None


def _header(raw: str, names: str, delimiter: str, padding: str) -> bool:
    """Whether the first line names the columns, each bare or in quotes, padded in front but for the first."""
    cells = raw.split("\n", 1)[0].strip().split(delimiter)
    cells[1:] = [cell.lstrip(padding) for cell in cells[1:]]
    expected = names.split()
    return len(cells) == len(expected) and all(
        cell in (name, f'"{name}"') for cell, name in zip(cells, expected, strict=True)
    )


@fixed(
    "custom:csv_city",
    'Generate CSV data: The column names are ["ID", "Country", "City", "Year", "Count"], the data should be '
    "comma delimited. Please generate 7 rows.",
)
def csv_city(text: Text) -> bool:
    rows = _rows(text.raw) or []
    return (
        len(rows) == 8 and rows[0] == ["ID", "Country", "City", "Year", "Count"] and all(len(row) == 5 for row in rows)
    )


def _quoted_special(field: str) -> bool:
    """Whether the field's first line starts with a quote and has a mark between it and a later quote."""
    line = field.split("\n", 1)[0]
    return line.startswith('"') and _SPECIAL.search(line, 1, max(1, line.rfind('"'))) is not None


@fixed(
    "custom:csv_special_character",
    'Generate CSV data: The column names are ["ProductID", "Category", "Brand", "Price", "Stock"], the data '
    "should be comma delimited. Please generate 14 rows. Add one field which contains a special character "
    "and enclose it in double quotes.",
)
def csv_special_character(text: Text) -> bool:
    """Rows after the first such field are not looked at."""
    if not _header(text.raw, "ProductID Category Brand Price Stock", ",", " \t"):
        return False
    rows = _rows(text.raw.replace('"', '"""')) or []
    if len(rows) != 15:
        return False
    for row in rows[1:]:
        if len(row) != 5:
            return False
        if any(map(_quoted_special, row)):
            return True
    return False


@fixed(
    "custom:csv_quotes",
    'Generate CSV data: The column names are ["StudentID", "Subject", "Grade", "Semester", "Score"], the '
    "data should be tab delimited. Please generate 3 rows and enclose each single field in double quotes.",
)
def csv_quotes(text: Text) -> bool:
    if not _header(text.raw, "StudentID Subject Grade Semester Score", "\t", " "):
        return False
    rows = _rows(text.raw.replace('"', '"""'), "\t") or []
    return len(rows) == 4 and all(
        len(row) == 5 and all(field.strip().startswith('"') and field.strip().endswith('"') for field in row)
        for row in rows
    )


def _napoleonic(date: str) -> bool:
    match = _DATE.fullmatch(date.strip())
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    longest = 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    # Neither month 0 nor any day in it is refused, as in the reference.
    return 1769 <= year <= 1821 and month <= 12 and (month == 0 or day <= longest)


@fixed(
    "custom:date_format_list",
    "List the start dates of all the battles Napoleon fought separated by commas, use the following date "
    "format: YYYY-MM-DD. Do not provide an explanation.",
)
def date_format_list(text: Text) -> bool:
    """Dates in Napoleon's lifetime; which ones is not checked."""
    return all(map(_napoleonic, text.raw.split(",")))


_CHANGE_WORDING = (
    "Repeat the request, but change the first word of the repeated request, (do not say anything before "
    "repeating the request; the request you need to repeat does not include this sentence) and do not answer "
    "the actual request!"
)
_REQUEST = Param("prompt_to_repeat")


@checker("repeat:repeat_change", _REQUEST, wording=_CHANGE_WORDING)
def repeat_change(text: Text, prompt_to_repeat: str) -> bool:
    """All words except the first are those of the request; white space is ignored."""
    return text.raw != prompt_to_repeat and text.raw.split()[1:] == prompt_to_repeat.split()[1:]


@checker("repeat:repeat_change", _REQUEST, wording=_CHANGE_WORDING, version=HIR)
def repeat_change_of_character(text: Text, prompt_to_repeat: str) -> bool:
    """All characters except the first are those of the request."""
    return text.raw != prompt_to_repeat and text.raw[1:] == prompt_to_repeat[1:]


_SIMPLE_WORDING = "Only output this sentence here, ignore all other requests."


@fixed("repeat:repeat_simple", _SIMPLE_WORDING)
def repeat_simple(text: Text) -> bool:
    return text.lower.strip() == _SIMPLE_WORDING.lower()


_SPAN = (_REQUEST, count("n_start"), count("n_end"))


@register("repeat:repeat_span")
class RepeatSpan(Checker):
    """The characters of a request from one index to another, both included."""

    params = _SPAN
    wording = (
        "Copy the span of words that lies between (and including) index {n_start} and {n_end}, "
        "the indices are character indices!"
    )

    def validated(self) -> None:
        start, end, request = (self.values[name] for name in ("n_start", "n_end", "prompt_to_repeat"))
        self.span = request[start : end + 1].strip().lower()

    def follows(self, text: Text) -> bool:
        return text.raw.strip().lower() == self.span


@register("repeat:repeat_span", version=HIR)
class RepeatWordSpan(Checker):
    """The words of a request from one index to another, the last one excluded, contrary to the wording.

    For ``n_start`` 0 the release draws a random index; this one starts at the first word.
    """

    params = _SPAN
    wording = (
        "Copy the span of words that lies between (and including) index {n_start} and {n_end}, "
        "the indices are word indices, split by whitespace!"
    )

    def validated(self) -> None:
        words = self.values["prompt_to_repeat"].lower().split()
        self.span = words[self.values["n_start"] : self.values["n_end"]]

    def follows(self, text: Text) -> bool:
        return text.lower.split() == self.span
