"""How each constraint is read into a draft: IFEval's and IF-RLVR's in one table, IFBench's in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hindsight_rl.constraints.core import Checker
from hindsight_rl.data.compose.draft import Draft, Pattern, settle

Kwargs = dict[str, Any]
Reader = Callable[[Draft, Kwargs], None]


def gather(constraints: Sequence[Checker]) -> Draft:
    """The draft of constraints; raises :class:`Infeasible` where they cannot hold together."""
    draft = Draft()
    for each in constraints:
        (READERS.get(each.id) or IFBENCH[each.id])(draft, each.values)
    return settle(draft)


def _flag(name: str) -> Reader:
    return lambda draft, kwargs: setattr(draft, name, True)


def _pieces(text: str, kwarg: str = "", line: bool = False, keep: bool = False) -> Reader:
    """The pattern, as often as the kwarg says."""
    return lambda draft, kwargs: draft.patterns.extend([Pattern(text, line, keep)] * (kwargs[kwarg] if kwarg else 1))


def _only(name: str, *kwargs: str) -> Reader:
    """The value of a kwarg, or of several, as the only possible one."""

    def read(draft: Draft, given: Kwargs) -> None:
        value = given[kwargs[0]] if len(kwargs) == 1 else tuple(given[kwarg] for kwarg in kwargs)
        draft.only(name, value)

    return read


def _once(*keywords: str) -> Reader:
    def read(draft: Draft, given: Kwargs) -> None:
        for times, keyword in enumerate(keywords, 1):
            draft.counted(given[keyword]).exactly(times)

    return read


def _existence(draft: Draft, kwargs: Kwargs) -> None:
    for word in kwargs["keywords"]:
        draft.counted(word).at_least(1)


def _forbid(draft: Draft, kwargs: Kwargs) -> None:
    draft.forbidden |= {word.lower() for word in kwargs["forbidden_words"]}


def _nth(draft: Draft, kwargs: Kwargs) -> None:
    draft.blocks.exactly(kwargs["num_paragraphs"])
    draft.at("block_first", kwargs["nth_paragraph"], kwargs["first_word"])


def _place(exact: bool) -> Reader:
    """A word in a sentence. exact: in the case in which it is given."""

    def read(draft: Draft, kwargs: Kwargs) -> None:
        place = (kwargs["n"], kwargs["m"])
        draft.at("places", place, kwargs["keyword"])
        if exact:
            draft.exact.add(place)

    return read


def _copies(draft: Draft, kwargs: Kwargs) -> None:
    draft.only("whole", " ****** ".join([kwargs["prompt_to_repeat"]] * kwargs.get("N", 1)))


READERS: dict[str, Reader] = {
    # IFEval
    "keywords:existence": _existence,
    "keywords:frequency": lambda d, k: d.counted(k["keyword"]).related(k["relation"], k["frequency"]),
    "keywords:forbidden_words": _forbid,
    "keywords:letter_frequency": lambda d, k: d.lettered(k["letter"]).related(k["let_relation"], k["let_frequency"]),
    "language:response_language": _only("language", "language"),
    "length_constraints:number_sentences": lambda d, k: d.sentences.related(k["relation"], k["num_sentences"]),
    "length_constraints:number_paragraphs": lambda d, k: d.starred.exactly(k["num_paragraphs"]),
    "length_constraints:number_words": lambda d, k: d.words.related(k["relation"], k["num_words"]),
    "length_constraints:nth_paragraph_first_word": _nth,
    "detectable_content:number_placeholders": _pieces("[_]", "num_placeholders"),
    "detectable_content:postscript": _only("postscript", "postscript_marker"),
    "detectable_format:number_bullet_lists": lambda d, k: d.bullets.exactly(k["num_bullets"]),
    "detectable_format:constrained_response": lambda d, k: d.only("whole", "My answer is yes."),
    "detectable_format:number_highlighted_sections": _pieces("*_*", "num_highlights"),
    "detectable_format:multiple_sections": _only("section", "section_spliter", "num_sections"),
    "detectable_format:json_format": _flag("json"),
    "detectable_format:title": _pieces("<<_>>"),
    "combination:two_responses": _flag("twice"),
    "combination:repeat_prompt": _only("repeated", "prompt_to_repeat"),
    "startend:end_checker": _only("end", "end_phrase"),
    "change_case:capital_word_frequency": lambda d, k: d.capitals.related(
        k["capital_relation"], k["capital_frequency"]
    ),
    "change_case:english_capital": lambda d, k: d.only("case", "upper"),
    "change_case:english_lowercase": lambda d, k: d.only("case", "lower"),
    "punctuation:no_comma": _flag("no_comma"),
    "startend:quotation": _flag("quoted"),
    # IF-RLVR
    "copy:copy": _copies,
    "copy:copying_simple": _copies,
    "copy:copying_multiple": _copies,
    "new:copy_span_idx": lambda d, k: d.only("whole", k["prompt_to_repeat"][k["n_start"] : k["n_end"]]),
    "copy:repeat_phrase": _only("phrase", "phrase", "small_n"),
    "detectable_format:sentence_hyphens": _flag("hyphens"),
    "detectable_format:square_brackets": _flag("bracketed"),
    "detectable_format:bigram_wrapping": _flag("bigrams"),
    "keywords:no_adjacent_consecutive": _flag("apart"),
    "keywords:word_once": _once("keyword"),
    "keywords:word_count_different_numbers": lambda d, k: d.counted(k["keyword"]).related(
        k["relation"], k["frequency"]
    ),
    "keywords:exclude_word_harder": lambda d, k: d.forbidden.add(k["keyword"].lower()),
    "keywords:palindrome": _flag("palindrome"),
    "keywords:keyword_specific_position": _place(exact=True),
    "keywords:start_end": _flag("framed"),
    "paragraphs:paragraphs": lambda d, k: d.starred.exactly(2),
    "paragraphs:paragraphs2": lambda d, k: d.blocks.exactly(2),
    "first_word:first_word_sent": _only("first_each", "first_word"),
    "first_word:first_word_answer": _only("first", "first_word"),
    "last_word:last_word_sent": _only("last_each", "last_word"),
    "last_word:last_word_answer": _only("last", "last_word"),
    "count:lowercase_counting": lambda d, k: d.lowercase.at_most(k["N"]),
    "letters:letter_counting": lambda d, k: d.letters.related(k["relation"], k["N"]),
    "letters:letter_counting2": lambda d, k: d.lettered(k["letter"]).related(k["let_relation"], k["let_frequency"]),
    "count:counting_composition": _only("composition", "n_sent", "n_words"),
    "count:count_unique": _flag("unique"),
    "count:count_increment_word": _once("keyword1", "keyword2"),
    "punctuation:punctuation_dot": _flag("no_dot"),
    "punctuation:punctuation_exclamation": _flag("no_shout"),
}


# Words with few vowels and with prime lengths come first, so that other constraints can be satisfied too.
_CONJUNCTIONS = ("and", "for", "or", "nor", "so", "but", "yet")
_PRONOUNS = ("he", "she", "we", "her", "me")
_NAMES = ("Ava", "Grace", "David", "Mia", "Ethan", "Lucas", "Mason", "Chloe", "Leo", "Zoe")
_PALINDROMES = ("level", "radar", "civic", "refer", "kayak", "rotor", "madam", "tenet", "solos", "stats")


def _of(stock: tuple[str, ...], kwarg: str, keep: bool = False) -> Reader:
    """The given number of words of a stock, in its order."""

    def read(draft: Draft, kwargs: Kwargs) -> None:
        draft.patterns += [Pattern(stock[at % len(stock)], keep=keep) for at in range(kwargs[kwarg])]

    return read


def _shape(name: str) -> Reader:
    return lambda draft, kwargs: setattr(draft, "shapes", draft.shapes | {name})


def _distinct(draft: Draft, kwargs: Kwargs) -> None:
    draft.distinct = True
    draft.words.at_least(kwargs["N"])


def _seldom(draft: Draft, kwargs: Kwargs) -> None:
    draft.distinct = True
    draft.only("repeats", kwargs["small_n"])


def _multiple(draft: Draft, kwargs: Kwargs) -> None:
    for at, times in enumerate((1, 2, 3, 5, 7), 1):
        draft.counted(kwargs[f"keyword{at}"]).exactly(times)


def _every_mark(draft: Draft, kwargs: Kwargs) -> None:
    draft.every_mark = True
    draft.patterns += [Pattern("_,"), Pattern("_;"), Pattern("_:")]


def _word_range(draft: Draft, kwargs: Kwargs) -> None:
    draft.words.at_least(kwargs["min_words"])
    draft.words.at_most(kwargs["max_words"])


def _list(draft: Draft, kwargs: Kwargs) -> None:
    draft.patterns += [Pattern(f"{kwargs['sep']} _", line=True)] * 2


def _template(draft: Draft, kwargs: Kwargs) -> None:
    for part in ("My Answer:", "My Conclusion:", "Future Outlook:"):
        draft.patterns.append(Pattern(f"{part} _", line=True))


def _vowels(draft: Draft, kwargs: Kwargs) -> None:
    draft.few_vowels = draft.one_line = True


def _whole(text: str) -> Reader:
    return lambda draft, kwargs: draft.only("whole", text)


def _japanese(draft: Draft, kwargs: Kwargs) -> None:
    draft.only("whole", " ".join([*["rain"] * (kwargs["N"] - 1), "雨"] * 3))


def _changed(draft: Draft, kwargs: Kwargs) -> None:
    first, _, rest = kwargs["prompt_to_repeat"].partition(" ")
    draft.only("whole", f"{'Tell' if first != 'Tell' else 'Say'} {rest}")


IFBENCH: dict[str, Reader] = {
    "count:word_count_range": _word_range,
    "count:unique_word_count": _distinct,
    "count:conjunctions": _of(_CONJUNCTIONS, "small_n"),
    "count:person_names": _of(_NAMES, "N", keep=True),
    "count:numbers": lambda d, k: d.numbers.exactly(k["N"]),
    "count:punctuation": _every_mark,
    "count:words_japanese": _japanese,
    "count:pronouns": _of(_PRONOUNS, "N"),
    "count:keywords_multiple": _multiple,
    "ratio:stop_words": _shape("content"),
    "ratio:sentence_type": lambda d, k: d.only("endings", (".", ".", "?")),
    "ratio:sentence_balance": lambda d, k: d.only("endings", (".", "?", "!")),
    "ratio:sentence_words": _whole("It rains. We slept. No winds."),
    "words:alphabet": _whole("Young zebras always bring cheer."),
    "words:vowel": _vowels,
    "words:consonants": _shape("cluster"),
    "words:palindrome": lambda d, k: d.patterns.extend(Pattern(word) for word in _PALINDROMES),
    "words:prime_lengths": _shape("prime"),
    "words:start_verb": lambda d, k: d.only("first", "think"),
    "words:repeats": _seldom,
    "words:odd_even_syllables": _whole("cat water dog paper"),
    "words:last_first": _flag("chained"),
    "words:paragraph_last_first": _flag("ringed"),
    "words:no_consecutive": _flag("differ"),
    "words:keywords_specific_position": _place(exact=False),
    "words:words_position": _only("second", "keyword"),
    "sentence:keyword": lambda d, k: d.at("within", k["N"], k["word"]),
    "sentence:increment": _only("growth", "small_n"),
    "sentence:alliteration_increment": _whole("Rain fell. Big boats sank."),
    "format:emoji": _flag("emoji"),
    "format:parentheses": _pieces("((([{_}])))"),
    "format:quotes": _pieces('"_ \'_ "_" _\' _" _'),
    "format:newline": _whole("It\nrains\ntoday"),
    "format:line_indent": _whole("It\n  rains\n     today"),
    "format:quote_unquote": _pieces('"_" _'),
    "format:list": _list,
    "format:thesis": _pieces("<i>_ _</i> _"),
    "format:sub-bullets": _flag("sub_bullets"),
    "format:no_bullets_bullets": _flag("bulleted_end"),
    "format:title_case": lambda d, k: d.lowercase.at_most(0),
    "format:output_template": _template,
    "format:no_whitespace": _whole("Rain,snow."),
    "repeat:repeat_change": _changed,
    "repeat:repeat_simple": _whole("Only output this sentence here, ignore all other requests."),
    "repeat:repeat_span": lambda d, k: d.only("whole", k["prompt_to_repeat"][k["n_start"] : k["n_end"] + 1]),
}
