"""Marks of thoughts: what the rule for answers removes by itself, and what it warns of, at every door."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main
from hindsight_rl.constraints.rewards import compute_score, constraint_reward
from hindsight_rl.replay.marks import MARKS, MarkWatch, mark_in
from hindsight_rl.replay.verification import answer_of, verifying

HARMONY = (
    "<|channel|>analysis<|message|>Tea, rum, gin.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>Rum and gin.<|return|>"
)
ASKS = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}


@pytest.mark.parametrize(
    ("response", "mark", "answer"),
    [
        (HARMONY, None, "Rum and gin."),
        (" " + HARMONY, None, "Rum and gin."),
        ("<|start|>assistant" + HARMONY, None, "Rum and gin."),
        (HARMONY.removesuffix("<|return|>"), None, "Rum and gin."),
        (HARMONY.replace("final", "final <|constrain|>json"), None, "Rum and gin."),
        (HARMONY.partition("<|start|>")[0], None, ""),  # cut off within the thought
        ("<|channel|>analysis<|message|>Tea", None, ""),
        ("<|channel|>final", None, ""),
        ("<|channel|>final<|message|>One.<|end|><|start|>assistant<|channel|>final<|message|>Two.", None, "Two."),
        (HARMONY, "<|channel|>final<|message|>", "Rum and gin."),
        ("Write <|channel|>final<|message|> first.", None, "Write <|channel|>final<|message|> first."),
    ],
)
def test_of_a_harmony_transcript_the_final_message_is_judged(response: str, mark: str | None, answer: str) -> None:
    assert answer_of(response, mark) == answer and answer_of(answer) == answer


def test_every_mark_is_found_and_ordinary_text_holds_none() -> None:
    for mark in MARKS:
        assert mark_in(f"a thought, {mark} the answer") == mark
        assert mark_in(answer_of(f"a thought, {mark} the answer", mark)) is None
    assert mark_in("gin<|im_end|>") == "<|im_end|>" and mark_in("gin<｜end▁of▁sentence｜>") == "<｜end▁of▁sentence｜>"
    for text in ("<b>gin</b>", "1 < 2 > 1", "[THINKING]", "a <|b|> in the middle", "", "<<title>>"):
        assert mark_in(text) is None


def test_a_watch_warns_once_and_of_many_only() -> None:
    watch = MarkWatch()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for at in range(200):
            watch.add("a [/THINK] b" if at % 25 == 24 else "b")
        assert said == []  # 4 %
        for _ in range(40):
            watch.add("a [/THINK] b")
    assert (
        len(said) == 1 and "'[/THINK]' or the like" in str(said[0].message) and "answer_after" in str(said[0].message)
    )
    assert "without special tokens" in _warning("gin<|im_end|>")


def _warning(answer: str) -> str:
    watch = MarkWatch()
    watch.count(answer)
    return watch.warning("answer_after")


def _write(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("response", "option", "correct", "said"),
    [
        ("<think>a, b</think>c", [], 1, ""),
        (HARMONY, [], 1, ""),
        ("[THINK]a, b[/THINK]c", [], 0, "1 of 1 responses hold '[/THINK]' or the like, and what stands before it is"),
        ("[THINK]a, b[/THINK]c", ["--answer-after", "[/THINK]"], 1, ""),
        ("assistantanalysisa, bassistantfinalc", ["--answer-after", "assistantfinal"], 1, ""),
        ("c<|im_end|>", [], 1, "which is judged as text: decode responses without special tokens"),
        ("no mark", ["--answer-after", "[/THINK]"], 0, ""),
    ],
)
def test_score(
    response: str, option: list[str], correct: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = _write(tmp_path / "p.jsonl", {"key": 1, "prompt": "Drink.", **ASKS})
    responses = _write(tmp_path / "r.jsonl", {"key": 1, "response": response})
    assert main(["score", "ifeval", responses, "--prompts", prompts, "--json", *option]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["strict"]["prompt"]["correct"] == correct
    assert said in shown.err if said else not shown.err
    if said and not correct:
        assert "set --answer-after to '[/THINK]'" in shown.err


def test_rewards_and_verifiers_warn_once() -> None:
    thought = "[THINK]a, b[/THINK]c"
    columns = {name: [value[0:1] if name == "kwargs" else value] * 30 for name, value in ASKS.items()}
    reward = constraint_reward()
    with pytest.warns(UserWarning, match="20 of 20 responses hold") as said:
        assert reward(prompts=["Q"] * 30, completions=[thought] * 30, **columns) == [0.0] * 30
        reward(prompts=["Q"] * 30, completions=[thought] * 30, **columns)
    assert len(said) == 1
    after = constraint_reward(answer_after="[/THINK]")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert after(prompts=["Q"] * 30, completions=[thought] * 30, **columns) == [1.0] * 30
        scored = [compute_score("x", thought, ASKS, answer_after="[/THINK]")["score"] for _ in range(30)]
    assert scored == [1.0] * 30
    with pytest.warns(UserWarning, match="responses hold") as said:
        for _ in range(60):
            compute_score("x", thought, ASKS, mode="fraction")
    assert len(said) == 1
    verifier = verifying()
    with pytest.warns(UserWarning, match="responses hold"):
        for _ in range(30):
            verifier.answer(thought)


def test_relabel_warns_too(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Drink."}], **ASKS, "response": "[THINK]a, b[/THINK]c"}
    rows = _write(tmp_path / "r.jsonl", *({**row, "key": at} for at in range(30)))
    with pytest.warns(UserWarning, match=r"set answer_after to '\[/THINK\]'"):
        main(["relabel", rows, "--out", str(tmp_path / "out.jsonl")])
