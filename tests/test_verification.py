"""What of a response is judged, the same for training, scoring, evaluation and replay."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl import cli
from hindsight_rl.constraints import both, constraint
from hindsight_rl.constraints.rewards import compute_score, constraint_reward
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.replayer import ReplayConfig, Replayer, Rollout
from hindsight_rl.replay.rewriting import Drop, Keep, Retarget
from hindsight_rl.replay.verification import Verifier, answer_of, verify_batch, verifying

COMMA = constraint("punctuation:no_comma")
SHORT = constraint("length_constraints:number_words", {"relation": "less than", "num_words": 15})
LONG = constraint("length_constraints:number_words", {"relation": "at least", "num_words": 20})
TEA = constraint("keywords:existence", {"keywords": ["tea"]})
# Reads the paragraphs of the raw text, so that blanks before the answer count.
FIRST = constraint(
    "length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "tea"}
)


@pytest.mark.parametrize(
    ("response", "mark", "answer"),
    [
        (" Tea.\n", None, "Tea."),
        ("", None, ""),
        (" \n\t", None, ""),
        ("<think>rum, rum</think>\n\nTea.", None, "Tea."),
        ("<think>a</think> b <think>c</think> d", None, "b  d"),
        ("<think>a <think>b</think> c</think> d", None, "d"),
        ("opened by the template</think> Tea.", None, "Tea."),
        ("<think>never ends, tea", None, ""),
        ("Tea. <think>never ends", None, ""),
        ("<think>a</think> <think>b", None, ""),
        ("so: FINAL tea FINAL rum ", "FINAL", "rum"),
        ("no mark", "FINAL", ""),
        ("a thought </think>\n Tea.", "</think>", "Tea."),
        ("a thought without end", "</think>", ""),
        ("a < b </thinks>", None, "a < b </thinks>"),
    ],
)
def test_answers(response: str, mark: str | None, answer: str) -> None:
    assert answer_of(response, mark) == answer
    assert answer_of(answer) == answer


def test_an_answer_is_found_in_linear_time() -> None:
    began = time.process_time()
    for text in ("<think>" * 200_000, "</think>" * 200_000, "<think></think>" * 200_000):
        assert answer_of(text) == ""
    assert time.process_time() - began < 5


def replayed(response: str, *constraints: Any, rewriter: Any = None, verdict: Any = None, **settings: Any) -> list[Any]:
    asked = Instruction("Drink.", constraints)
    found = verify_batch([(asked, response)])[0] if verdict is None else verdict
    replayer = Replayer(ReplayConfig(), rewriter=rewriter or Retarget(), **settings)
    return replayer.replay([Rollout(asked, response, found)], step=1, budget=4).replays


@pytest.mark.parametrize("response", ["", " \n", "<think>rum</think>\n", "<think>a short thought, tea", "rum</think> "])
def test_nothing_answered_fulfils_nothing_and_is_never_replayed(response: str) -> None:
    assert verify_batch([(Instruction("Drink.", (COMMA, SHORT)), response)]) == [[False, False]]
    assert both([COMMA, SHORT], response) == ([False, False], [False, False])
    for rewriter in (Drop(), Retarget(), Keep()):
        # Even where whoever made the verdict took the blank for an answer.
        assert replayed(response, COMMA, SHORT, LONG, rewriter=rewriter, verdict=[True, True, False]) == []


def test_a_replay_is_made_of_the_answer_alone() -> None:
    (one,) = replayed("<think>tea, rum, gin</think>\nrum gin", COMMA, TEA, LONG, rewriter=Drop())
    assert one.instruction.constraints == (COMMA,)
    (one,) = replayed("<think>tea</think> one two three four", LONG, rewriter=Retarget(reach=99))
    assert one.instruction.constraints[0].kwargs["num_words"] == 4


def test_training_and_scoring_see_the_same_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    response = "<think>hm</think>\n\nTea is hot.\n\nRum is not."
    row = {"key": 1, "prompt": "Drink.", "instruction_id_list": [FIRST.id], "kwargs": [FIRST.kwargs]}
    truth = json.dumps({"instruction_id_list": [FIRST.id], "kwargs": [FIRST.kwargs]})
    assert verify_batch([(Instruction("Drink.", (FIRST,)), response)]) == [[True]]
    reward = constraint_reward("all")
    columns = {"instruction_id_list": [[FIRST.id]], "kwargs": [[FIRST.kwargs]]}
    assert reward(prompts=["Drink."], completions=[response], **columns) == [1.0]
    assert compute_score("x", response, truth)["score"] == 1.0
    assert compute_score("x", response, truth, answer_after="FINAL")["score"] == 0.0
    prompts, responses = tmp_path / "prompts.jsonl", tmp_path / "responses.jsonl"
    prompts.write_text(json.dumps(row) + "\n")
    responses.write_text(json.dumps({"prompt": "Drink.", "response": response}) + "\n")
    assert cli.main(["score", "ifeval", str(responses), "--prompts", str(prompts), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strict"]["prompt"]["correct"] == 1


class Yes:
    """Finds everything fulfilled, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def verify_batch(self, pairs: Any) -> list[list[bool]]:
        self.shown += [response for _, response in pairs]
        return [[True] * len(asked.constraints) for asked, _ in pairs]


def test_an_explicit_verifier_wins_over_the_rewriters_own() -> None:
    yes, asked = Yes(), Instruction("Drink.", (TEA, COMMA))
    assert isinstance(yes, Verifier) and verifying(yes).verify_batch([(asked, " rum, "), (asked, " ")]) == [
        [True, True],
        [False, False],
    ]
    assert yes.shown == ["rum,"]  # the answer, and no blank
    assert len(replayed("rum", TEA, COMMA, rewriter=Keep())) == 1
    assert replayed("rum", TEA, COMMA, rewriter=Keep(), verifier=lambda asked, response: [False, True]) == []
    assert len(replayed("rum", TEA, COMMA, rewriter=Keep(), verifier=yes)) == 1


def test_verdicts_that_are_not_aligned_are_an_error() -> None:
    verifier = verifying(lambda asked, response: [True])
    with pytest.raises(HindsightError, match=r"k: 1 verdicts for 2 constraints; correct `verify`"):
        verifier.verify_batch([(Instruction("Drink.", (TEA, COMMA), key="k"), "tea")])
