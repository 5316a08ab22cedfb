"""What becomes of constraints that failed."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.constraints import constraint
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Achieving, Constraint, Instruction
from hindsight_rl.replay.replayer import ReplayConfig, Replayer
from hindsight_rl.replay.rewriting import Drop, Keep, Retarget, conflict, rewriter, sensible
from hindsight_rl.replay.rollout import Rejected, Rewrite, Rollout


@dataclass(frozen=True)
class Bare:
    """A constraint that can do no more than the protocol asks."""

    id: str
    verdict: bool = True
    depends: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    value: int = 0

    @property
    def kwargs(self) -> dict[str, Any]:
        return {"value": self.value}

    def describe(self) -> str:
        return f"do {self.id}"

    def check(self, response: str, prompt: str | None = None) -> bool:
        return self.verdict


@dataclass(frozen=True)
class Length:
    """Not a checker of this package: exactly so many words."""

    words: int
    id: str = "length"

    @property
    def kwargs(self) -> dict[str, Any]:
        return {"words": self.words}

    def describe(self) -> str:
        return f"{self.words} words"

    def check(self, response: str, prompt: str | None = None) -> bool:
        return len(response.split()) == self.words

    def achieved(self, response: str) -> dict[str, Any] | None:
        return {"words": len(response.split())}

    def at(self, kwargs: Mapping[str, Any]) -> "Length":
        return replace(self, **kwargs)


def rolled(*constraints: Constraint, response: str = "a b c", **more: Any) -> Rollout:
    asked = Instruction("Talk.", constraints, **more)
    return Rollout(asked, response, [each.check(response) for each in constraints])


def made(found: Rewrite | None) -> tuple:
    assert found is not None
    assert sorted((*found.kept, *found.changed, *found.dropped)) == list(
        range(len(found.kept + found.changed + found.dropped))
    )
    return found.kept, found.changed, found.dropped


def test_drop_keeps_what_holds_with_its_words_layout_and_key() -> None:
    failed, holds = Bare("f", False), Bare("h")
    rollout = rolled(failed, holds, layout="type4", key=7, texts=("fail!", "hold!"), meta={"x": 1}, soft=("Be kind.",))
    found = Drop().rewrite(rollout)
    assert made(found) == ((1,), (), (0,))
    asked = found.instruction
    assert (asked.prompt, asked.key, asked.texts) == ("Talk.\n\n- hold!\n- Be kind.", 7, ("hold!",))
    assert asked.meta == {"x": 1} and asked.layout == "type4"


@pytest.mark.parametrize(
    ("verdicts", "drop", "retarget"),
    [((True, True), False, False), ((False, False), False, False), ((True, False), True, True)],
)
def test_who_is_eligible(verdicts: tuple, drop: bool, retarget: bool) -> None:
    rollout = rolled(*(Bare("x", verdict) for verdict in verdicts))
    assert (Drop().eligible(rollout), Keep().eligible(rollout), Retarget().eligible(rollout)) == (drop, drop, retarget)


def test_retarget_uses_a_response_that_satisfied_nothing() -> None:
    rollout = rolled(Bare("x", False), Length(5))
    assert not Drop().eligible(rollout) and Retarget().eligible(rollout)
    found = Retarget().rewrite(rollout)
    assert made(found) == ((), (1,), (0,)) and found.instruction.prompt == "Talk. 3 words"
    assert isinstance(rollout.instruction.constraints[1], Achieving) and not isinstance(Bare("x"), Achieving)


def test_retarget_real_constraints_and_verification() -> None:
    asked = (
        constraint("length_constraints:number_words", {"relation": "at least", "num_words": 30}),
        constraint("punctuation:no_comma"),
        constraint("detectable_format:number_bullet_lists", {"num_bullets": 4}),
        constraint("detectable_format:json_format"),
    )
    rollout = rolled(
        *asked, response="The gull is white.\n* It eats fish\n* It is loud", texts=("30+", "no ,", "4 *", "{}")
    )
    found = Replayer(ReplayConfig(rewriter="retarget")).replay([rollout], 1, budget=1)
    (one,) = found.replays
    assert made(one.rewrite) == ((1,), (0, 2), (3,)) and found.kept == 0.75
    assert one.instruction.texts[0] == "Answer with at least 10 words." and one.instruction.texts[1] == "no ,"
    assert one.instruction.constraints[2].kwargs == {"num_bullets": 2}


def test_retarget_makes_no_duplicate() -> None:
    assert made(Retarget().rewrite(rolled(Length(3), Length(5), Length(6)))) == ((0,), (), (1, 2))


@pytest.mark.parametrize(
    ("old", "new", "fine"),
    [
        ({"n": 300}, {"n": 40}, True),
        ({"n": 300}, {"n": 30}, False),
        ({"n": 50}, {"n": 401}, False),
        ({"n": 3}, {"n": 0}, False),
        ({"n": 4}, {"n": 1}, True),
        ({"n": 1}, {"n": 4}, True),
        ({"n": 0}, {"n": 3}, True),
        ({"n": 0}, {"n": 9}, False),
        ({"w": "tea"}, {"w": "rum"}, True),
        ({"w": "tea"}, {"w": " "}, False),
        ({"w": "tea"}, {"w": "x" * 81}, False),
        ({"w": "tea"}, {"w": "a\nb"}, False),
        ({"w": ["a", "b"]}, {"w": ["b"]}, True),
        ({"w": ["a"]}, {"w": []}, False),
        ({"w": ["a"]}, {"w": ["a", "b"]}, False),
        ({"w": ["a", "b"]}, {"w": [""]}, False),
        ({"n": 5, "r": "at least"}, {"n": 4, "r": None}, True),
    ],
)
def test_bounds_of_new_values(old: dict, new: dict, fine: bool) -> None:
    assert sensible(old, new) is fine


def test_reach_is_a_setting() -> None:
    rollout = rolled(Length(100), Bare("x"))
    assert made(Retarget().rewrite(rollout))[1] == ()
    assert made(Retarget(reach=float("inf")).rewrite(rollout))[1] == (0,)


def test_what_presupposes_a_dropped_constraint_goes_with_it() -> None:
    table, size, tint = Bare("table", False), Bare("size", depends=("table",)), Bare("tint", depends=("size",))
    rollout = rolled(Bare("x"), tint, table, size)
    assert rollout.instruction.needs == ((), (3,), (), (2,))
    assert made(Drop().rewrite(rollout)) == ((0,), (), (1, 2, 3))
    plain = Drop(closed=False).rewrite(rollout)
    assert made(plain) == ((0, 1, 3), (), (2,))
    assert plain.instruction.needs == ((), (2,), ())  # renumbered; the need that is gone is forgotten
    assert Drop().rewrite(rolled(table, size)) is None
    assert made(Retarget().rewrite(rolled(Length(5), Bare("odd", depends=("length",))))) == ((1,), (0,), ())


def test_needs_may_be_given_and_are_checked() -> None:
    rollout = rolled(Bare("a", False), Bare("b"), Bare("c"), needs=((), (0,), ()))
    assert made(Drop().rewrite(rollout)) == ((2,), (), (0, 1))
    circle = rolled(Bare("a"), Bare("b"), Bare("c", False), needs=((1,), (0,), ()))
    assert made(Drop().rewrite(circle)) == ((0, 1), (), (2,))
    for wrong in (((),), ((), (2,)), ((), (-1,))):
        with pytest.raises(ValueError, match="needs"):
            rolled(Bare("a"), Bare("b"), needs=wrong)


@dataclass(frozen=True)
class Short(Length):
    """A length that cannot stand beside `up`."""

    conflicts: tuple[str, ...] = ("up",)


def test_conflicts_that_a_rewrite_makes_are_refused_with_a_reason() -> None:
    rollout = rolled(Bare("up"), Short(9))
    with pytest.raises(Rejected, match="length conflicts with up"):
        Retarget().rewrite(rollout)
    found = Replayer(ReplayConfig(rewriter="retarget")).replay([rollout], 1, budget=1)
    assert found.rejected == {"length conflicts with up": 1} and found.replays == []
    assert made(Retarget(refuse=False).rewrite(rollout)) == ((0,), (1,), ())


def test_what_was_asked_together_and_holds_together_is_no_conflict() -> None:
    rollout = rolled(Bare("up", conflicts=("down",)), Bare("down"), Bare("x", False))
    assert made(Drop().rewrite(rollout)) == ((0, 1), (), (2,))
    words = [constraint("keywords:existence", {"keywords": [word]}) for word in ("sea", "calm")]
    rollout = rolled(*words, Bare("x", False), response="a calm sea")
    assert made(Drop().rewrite(rollout)) == ((0, 1), (), (2,))


def test_two_of_an_id() -> None:
    def words(relation: str, count: int) -> Constraint:
        return constraint("length_constraints:number_words", {"relation": relation, "num_words": count})

    assert conflict([words("at least", 5), words("less than", 5)]) == (
        "two of length_constraints:number_words contradict each other"
    )
    assert conflict([words("at least", 5), words("less than", 6)]) is None
    assert conflict([words("at least", 5), words("at least", 9)]) is None
    alone = Bare("one", conflicts=("one",))
    assert conflict([alone, replace(alone, value=1)]) and conflict([alone, alone]) is None
    listed = [constraint("keywords:existence", {"keywords": [word]}) for word in ("sea", "sky")]
    assert conflict(listed) is None


def test_what_is_lent_holds_and_fits_beside_what_is_there() -> None:
    three, two = Length(3), Length(2)
    assert Drop().lend(three, "a b c", []) is three and Drop().lend(two, "a b c", []) is None
    assert Retarget().lend(two, "a b c", []) == three and Retarget().lend(three, "a b c", []) is three
    assert Retarget().lend(two, "a b c", [three]) is None  # it stands there already
    assert Retarget().lend(Bare("no", verdict=False), "a", []) is None
    against = Bare("one", conflicts=("other",))
    assert Drop().lend(against, "a", [Bare("other")]) is None
    assert Drop(refuse=False).lend(against, "a", [Bare("other")]) is against
    assert Keep().lend(two, "a b c", []) is two


def test_inline_constraints_cannot_be_dropped() -> None:
    rollout = rolled(Bare("a", False), Bare("b"), prompt="Talk.")
    assert rollout.instruction.inline
    assert not any(each.eligible(rollout) for each in (Drop(), Retarget(), Keep()))


def test_by_name() -> None:
    assert rewriter("drop") == Drop() and rewriter("retarget", reach=4) == Retarget(reach=4)
    assert [rewriter(name).name for name in ("drop", "retarget", "keep")] == ["drop", "retarget", "keep"]
    with pytest.raises(HindsightError, match="unknown rewriter 'hir': one of drop, retarget, keep"):
        rewriter("hir")
    with pytest.raises(HindsightError, match="rewriter 'drop' does not take reach; its settings: closed, refuse"):
        rewriter("drop", reach=3)


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "replay.md").read_text()
    code, said = (page.split(f"```{kind}\n", 1)[1].split("```", 1)[0] for kind in ("python", "text"))
    exec(code, {})
    assert capsys.readouterr().out == said


BABBLE = "- moon the rain gull bird, song song"
PLAIN = "The gull sat on the wall and it looked at the sea for most of the day. It was not hungry."


@pytest.mark.parametrize(
    ("id", "kwargs", "response", "becomes"),
    [
        # One of a thing that every text has says nothing.
        ("length_constraints:number_paragraphs", {"num_paragraphs": 3}, PLAIN, None),
        ("length_constraints:number_sentences", {"relation": "at least", "num_sentences": 4}, "One gull.", None),
        ("length_constraints:number_sentences", {"relation": "at least", "num_sentences": 4}, PLAIN, "2 sentences"),
        ("length_constraints:number_words", {"relation": "at least", "num_words": 3}, "Gull", None),
        ("count:unique_word_count", {"N": 3}, "Gull gull", None),
        ("muldimif:length:sentences", {"low": 3}, "One gull.", None),
        ("muldimif:length:words", {"low": 3, "high": 3}, "Gull", "exactly 1 word."),
        ("length_constraints:nth_paragraph_first_word",
         {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "tea"}, PLAIN, None),
        ("length_constraints:nth_paragraph_first_word",
         {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "tea"}, "A.\n\n- b", None),
        ("detectable_format:multiple_sections", {"section_spliter": "Part", "num_sections": 3}, "Part 1\nA", None),
        # One of a thing that a text may lack says something, in the singular.
        ("keywords:frequency", {"keyword": "gull", "relation": "at least", "frequency": 3}, "A gull.", " 1 time."),
        ("detectable_content:number_placeholders", {"num_placeholders": 3}, "[name] sat", "at least 1 placeholder "),
        ("detectable_format:number_bullet_lists", {"num_bullets": 3}, "* gull", "exactly 1 bullet point."),
        ("count:conjunctions", {"small_n": 3}, "gulls and terns", "at least 1 different coordinating conjunction "),
        # First and last words are words.
        ("first_word:first_word_answer", {"first_word": "tea"}, BABBLE, None),
        ("first_word:first_word_answer", {"first_word": "tea"}, "Gulls, too", None),
        ("first_word:first_word_answer", {"first_word": "tea"}, "Gulls sat", "the word Gulls."),
        ("first_word:first_word_sent", {"first_word": "tea"}, "Gulls sat", None),
        ("first_word:first_word_sent", {"first_word": "tea"}, "It sat. It ate.", "the word it."),
        ("last_word:last_word_answer", {"last_word": "tea"}, "I know that it's", None),
        ("last_word:last_word_answer", {"last_word": "tea"}, "It is 7.", None),
        ("last_word:last_word_answer", {"last_word": "tea"}, 'He said "gull."', "the word gull."),
        ("last_word:last_word_sent", {"last_word": "tea"}, "I saw a gull.", None),
        ("muldimif:content:start", {"start": "tea"}, BABBLE, None),
        # End phrases are words, not all the same, and not the whole response.
        ("startend:end_checker", {"end_phrase": "the end"}, BABBLE, None),
        ("startend:end_checker", {"end_phrase": "the end"}, "It is\n1. gulls", None),
        ("startend:end_checker", {"end_phrase": "the end"}, "It sat", None),
        ("startend:end_checker", {"end_phrase": "the end"}, "It sat on walls.", "phrase on walls."),
        # A language is told of a text that leaves no doubt.
        ("language:response_language", {"language": "hi"}, "gull moon", None),
        ("language:response_language", {"language": "hi"}, BABBLE * 8, None),
        ("language:response_language", {"language": "hi"}, PLAIN, "in English language"),
    ],
)  # fmt: skip
def test_degenerate_values_are_not_asked_for(id: str, kwargs: dict, response: str, becomes: str | None) -> None:
    asked = constraint(id, kwargs)
    assert not asked.check(response)
    found = Retarget(reach=99).retargeted(asked, response)
    assert (found is None) if becomes is None else (found is not None and becomes in found.describe()), found


@pytest.mark.parametrize(
    ("id", "vacuous", "evidence"),
    [
        ("detectable_format:sentence_hyphens", "One gull sat.", "One gull.-Two gulls."),
        ("words:last_first", "One gull sat.", "One gull sat. Sat it on a wall."),
        ("sentence:alliteration_increment", "One gull sat.", "One gull sat. Two tall terns."),
        ("ratio:sentence_type", "no end", "A gull. A tern. A wall?"),
        ("ratio:sentence_balance", "no end", "A gull. A tern! A wall?"),
        ("format:quote_unquote", "No quotes here.", 'He said "gull" aloud.'),
        ("format:sub-bullets", "No bullets.", "* gull\n - tern"),
        ("format:line_indent", "One line.", "One\n two"),
        ("keywords:palindrome", "A gull I saw.", "At noon we came."),
        ("detectable_format:json_format", "5", '{"gull": 5}'),
        ("count:count_unique", "Gull", "Gull and tern"),
        ("words:no_consecutive", "Gull", "Gull and tern"),
        ("words:paragraph_last_first", "Gull", "Gull saw gull"),
        ("startend:quotation", '""', '"gull"'),
    ],
)
def test_what_holds_for_want_of_evidence_is_no_success_to_learn_from(id: str, vacuous: str, evidence: str) -> None:
    asked = constraint(id, {})
    no = constraint("keywords:existence", {"keywords": ["unsayable"]})
    comma = constraint("punctuation:no_comma")
    for response, kept in ((vacuous, (1,)), (evidence, (0, 1))):
        assert asked.check(response)  # the verdict is the public one
        for each in (Drop(), Retarget()):
            assert made(each.rewrite(rolled(asked, comma, no, response=response)))[0] == kept, (each.name, response)
            assert (each.lend(asked, response, []) is None) == (response == vacuous)
    assert Drop().rewrite(rolled(asked, no, response=vacuous)) is None


AT_LEAST = {
    "length_constraints:number_words": ({"relation": "at least"}, "num_words"),
    "length_constraints:number_sentences": ({"relation": "at least"}, "num_sentences"),
    "keywords:frequency": ({"relation": "at least", "keyword": "the"}, "frequency"),
    "keywords:letter_frequency": ({"let_relation": "at least", "letter": "e"}, "let_frequency"),
    "letters:letter_counting": ({"relation": "at least"}, "N"),
    "count:unique_word_count": ({}, "N"),
    "count:pronouns": ({}, "N"),
    "muldimif:length:words": ({}, "low"),
}


@pytest.mark.parametrize("id", AT_LEAST)
def test_a_retargeted_lower_bound_is_what_the_response_has(id: str) -> None:
    others, bound = AT_LEAST[id]
    asked = constraint(id, {**others, bound: 400})
    found = Retarget(reach=float("inf")).retargeted(asked, PLAIN)
    assert found is not None
    assert not asked.at({bound: found.kwargs[bound] + 1}).check(PLAIN)  # so it is no lower than it has to be


def test_the_page_shows_every_kind_that_retarget_changes() -> None:
    root = Path(__file__).parents[1]
    script = subprocess.run(
        [sys.executable, "benchmarks/retargeted.py"], cwd=root, capture_output=True, text=True, check=True
    )
    page = (root / "docs/retargeted.md").read_text("utf-8")
    assert script.stdout.strip() in page
    assert page.count("\n| `") > 40


def test_a_rewritten_instruction_says_exactly_what_is_checked() -> None:
    asked = constraint(
        "keywords:word_count_different_numbers", {"keyword": "sea", "frequency": 1, "relation": "less than"}
    )
    response = "The sea, the sea and the sea."
    made = Retarget().rewrite(Rollout(Instruction("Describe it.", (asked,)), response, [False]))
    assert made is not None
    # The public description has no relation: "should appear 4 times" would be wrong.
    assert made.instruction.texts == ("In your response, the word sea should appear less than 4 times.",)
    assert made.instruction.constraints[0].check(response)


@pytest.mark.parametrize("ending", ['he said "good night."', "it is late)."])
def test_a_closing_phrase_that_cuts_a_quotation_or_brackets_is_not_asked_for(ending: str) -> None:
    asked = constraint("startend:end_checker", {"end_phrase": "the end is near"})
    response = f"The gull left (as always, and {ending}" if ")" in ending else f"The gull left, and {ending}"
    assert asked.achieved(response) is None
