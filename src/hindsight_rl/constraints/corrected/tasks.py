"""IFBench's and IFEval's fixed tasks: options, capitals, dates, CSV, a story of 26 sentences."""

from __future__ import annotations

import csv
import io
import re
from datetime import date

from hindsight_rl.constraints.corrected.correction import corrected
from hindsight_rl.constraints.corrected.reading import plain_words_of, sentences
from hindsight_rl.constraints.ifeval.format import ANSWERS
from hindsight_rl.constraints.text.readings import TRIM, ascii_only
from hindsight_rl.constraints.text.response import Text


@corrected(
    "detectable_format:constrained_response",
    says="Answer with one of the following options",
    change="One of them, not two.",
    response="My answer is yes. My answer is no.",
)
def constrained_response(text: Text) -> bool:
    return sum(answer in text.raw for answer in ANSWERS) == 1


@corrected(
    "format:options",
    says="one of the following options: orange, apple",
    change="The options are split at \u201cor\u201d as a word, not inside a word.",
    kwargs={"options": "orange, apple"},
    response="apple",
    holds=True,
)
def options(text: Text, options: str) -> bool:
    separator = r"/" if "/" in options else r"\bor\b" if re.search(r"\bor\b", options) else ","
    given = [option.strip(TRIM + "\u201c\u201d\n").lower() for option in re.split(separator, options)]
    return text.raw.strip(TRIM + "\u201c\u201d\n").lower() in given


# As the reference lists them, and Kyiv (50.45 degrees), which it forgets, between Brussels and Prague.
_CAPITALS = (
    "Reykjavik, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, Berlin, "
    "Amsterdam, Warsaw, London, Brussels, Kyiv, Prague, Luxembourg, Paris, Vienna, Bratislava, Budapest, Vaduz, "
    "Chisinau, Bern, Ljubljana, Zagreb"
)


@corrected(
    "custom:european_capitals_sort",
    says="all capital cities of european countries whose latitude is higher than than 45 degrees",
    change="Kyiv belongs to them; a full stop behind the list does not matter.",
    response=_CAPITALS,
    holds=True,
)
def european_capitals_sort(text: Text) -> bool:
    listed = ascii_only(text.raw).strip().rstrip(".").replace("Kiev", "Kyiv").replace("Luxembourg City", "Luxembourg")
    return [part.strip() for part in listed.split(",")] == _CAPITALS.split(", ")


@corrected(
    "custom:date_format_list",
    says="use the following date format: YYYY-MM-DD",
    change="Each is a day of the calendar.",
    response="1800-00-45",
)
def date_format_list(text: Text) -> bool:
    return all(_day_of_napoleon(part.strip()) for part in text.raw.strip().rstrip(".").split(","))


def _day_of_napoleon(written: str) -> bool:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written) is None:
        return False
    try:
        return 1769 <= date.fromisoformat(written).year <= 1821
    except ValueError:
        return False


@corrected(
    "custom:csv_special_character",
    says="Please generate 14 rows",
    change="Every row has the five fields, also those after the field with the special character.",
    response="ProductID,Category,Brand,Price,Stock\n"
    + '1,a,"b & c",2,3\n'
    + "\n".join(f"{row},a,b,2,3" for row in range(2, 14))
    + "\n14,a",
)
def csv_special_character(text: Text) -> bool:
    raw = text.raw.strip()
    try:
        rows = list(csv.reader(io.StringIO(raw), skipinitialspace=True))
    except csv.Error:
        return False
    names = ["ProductID", "Category", "Brand", "Price", "Stock"]
    if len(rows) != 15 or [name.strip() for name in rows[0]] != names or any(len(row) != 5 for row in rows):
        return False
    body = raw.split("\n", 1)[1]
    return any(re.search(r"[^\w\s]", quoted) for quoted in re.findall(r'(?:^|,)[ \t]*"([^"\n]*)"', body, re.MULTILINE))


@corrected(
    "custom:sentence_alphabet",
    says="each sentence's first word starts with the letters of the alphabet in order",
    change="A quotation mark before the first word is no part of it.",
    response=" ".join(f"\u201c{chr(65 + at)}bc it is.\u201d" for at in range(26)),
    holds=True,
)
def sentence_alphabet(text: Text) -> bool:
    firsts = [plain_words_of(sentence)[:1] for sentence in sentences(text)]
    return len(firsts) == 26 and all(
        first and first[0].startswith(chr(ord("a") + at)) for at, first in enumerate(firsts)
    )
