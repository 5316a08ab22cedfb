"""The on-task filter: answers that are not about their task are not replayed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hindsight_rl.constraints.core import constraint
from hindsight_rl.data.relabel.config import RelabelConfig
from hindsight_rl.data.relabel.judging import Judging
from hindsight_rl.data.relabel.sources import Unit
from hindsight_rl.data.responses import Response
from hindsight_rl.encoder import load_encoder
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.config import ReplayConfig
from hindsight_rl.replay.instruction import Instruction
from hindsight_rl.replay.on_task import OnTask
from hindsight_rl.replay.replayer import Replayer
from hindsight_rl.replay.rollout import Rollout

TASK = "Write a slogan for a bakery."
ASKED = Instruction(
    TASK, (constraint("length_constraints:number_words", {"relation": "less than", "num_words": 3}),
           constraint("punctuation:no_comma", {}))
)  # fmt: skip
GOOD, BAD = "Warm bread from our bakery every morning.", "#5 of them is the best"


def rollouts(*answers: str) -> list[Rollout]:
    return [Rollout(ASKED, each, [False, True], group=i, entropy=0.0) for i, each in enumerate(answers)]


def test_by_default_every_answer_is_replayed_and_no_encoder_is_needed() -> None:
    def never(texts: Sequence[str]) -> np.ndarray:
        raise AssertionError(texts)

    found = Replayer(ReplayConfig(), encode=never).replay(rollouts(GOOD, BAD), step=1)
    assert {each.completion for each in found.replays} == {GOOD, BAD} and not found.rejected


def test_an_answer_to_something_else_is_rejected_and_counted(real_encoder: object) -> None:
    found = Replayer(ReplayConfig(on_task=0.3)).replay(rollouts(GOOD, BAD), step=1)
    assert [each.completion for each in found.replays] == [GOOD]
    assert found.rejected == {"not about the task": 1} and found.candidates == 2


def test_texts_are_compared_by_the_given_encoder() -> None:
    vectors = {TASK: [1.0, 0.0], GOOD: [0.6, 0.8], BAD: [0.59, np.sqrt(1 - 0.59**2)]}
    replayer = Replayer(ReplayConfig(on_task=0.6), encode=lambda texts: np.array([vectors[each] for each in texts]))
    assert [each.completion for each in replayer.replay(rollouts(GOOD, BAD), step=1).replays] == [GOOD]


def test_an_instruction_without_a_task_has_nothing_to_compare_with() -> None:
    assert OnTask(0.9, lambda texts: np.eye(2))(" ", "anything")
    assert not OnTask(0.9, lambda texts: np.eye(2))("a task", "anything")


@pytest.mark.parametrize("least", [1.5, -2.0])
def test_a_threshold_that_is_no_cosine_is_an_error(least: float) -> None:
    with pytest.raises(HindsightError, match=r"on_task is .*between -1 and 1"):
        ReplayConfig(on_task=least)


def test_responses_do_not_fill_the_cache(tmp_path: object, real_encoder: object) -> None:
    encoder = load_encoder(cache_dir=str(tmp_path))
    first = encoder.encode(["an answer that occurs once"], keep=False)
    assert not encoder.holds_any()
    np.testing.assert_allclose(encoder.encode(["an answer that occurs once"]), first, rtol=1e-6)
    assert encoder.holds_any()


def test_trl_and_relabeling_have_the_setting(real_encoder: object, tmp_path: Path) -> None:
    trl = pytest.importorskip("hindsight_rl.lm.trl.config")
    assert trl.HiRConfig(output_dir=str(tmp_path), on_task=0.3, bf16=False).replay_config().on_task == 0.3
    unit = Unit("row 1", ASKED, (Response(GOOD), Response(BAD)))
    good, bad = Judging(RelabelConfig("rows.jsonl", rewriter="drop", on_task=0.3)).judge(unit)
    assert good.hindsight is not None and bad.hindsight is None and bad.reason == "not about the task"
