"""The part of HiR in verl that needs no verl: settings, refusals, rows out of instructions and back, replays."""

import json

import numpy as np
import pytest

from hindsight_rl.constraints.core import constraint
from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.verl.rows import Hindsight, Settings, check_algorithm, to_row
from hindsight_rl.replay.instruction import Instruction

# "gold moon" meets the first two, "gold" the first, "silver moon" the second; nothing here meets the last.
WANTED = (
    constraint("keywords:existence", {"keywords": ["gold"]}),
    constraint("length_constraints:number_words", {"relation": "at least", "num_words": 2}),
    constraint("detectable_content:postscript", {"postscript_marker": "P.S."}),
)
END = 0


class Bytes:
    """A tokenizer of bytes; token 0 ends a response."""

    all_special_ids = (END,)

    def apply_chat_template(self, messages, **_):
        return self.encode("".join(f"<{each['role']}>{each['content']}" for each in messages) + "<assistant>")

    def encode(self, text):
        return list(text.encode())

    def decode(self, ids, **_):
        return bytes(each for each in ids if each != END).decode()


def asked(layout="type4", **more):
    return Instruction("Write a line.", WANTED, layout=layout, key="k", **more)


def rollout(response, uid="a", instruction=None, ended=True, **more):
    """A row as verl's agent loop and reward function leave it."""
    made = to_row(instruction or asked(), 0)
    tokens = Bytes().encode(response) + ([END] if ended else [])
    verdicts = "".join("01"[each.check(response)] for each in WANTED)
    row = {
        **made,
        "uid": uid,
        "raw_prompt": made["prompt"],
        "prompts": Bytes().apply_chat_template(made["prompt"]),
        "responses": tokens,
        "response_mask": [1] * len(tokens),
        "extra_fields": {"reward_extra_info": {"verdicts": verdicts}},
    }
    return {**row, **more}


def hindsight(length=500, **settings):
    return Hindsight(Settings(**settings), Bytes(), length)


def replays(rows, entropies=None, step=1, **settings):
    return hindsight(**settings).replays(rows, entropies or [0.0] * len(rows), step)


# -- settings and what is refused


def test_a_setting_is_read_and_an_unknown_one_named():
    assert Settings.of({"rewriter": "retarget", "lambda_start": 1.0}).rewriter == "retarget"
    with pytest.raises(HindsightError, match=r"sampler_kwargs\.rewritter is unknown"):
        Settings.of({"rewritter": "drop"})
    for bad in (
        {"old_logps": "new"},
        {"replays_per_prompt": -1},
        {"relabels": 0},
        {"strategy": "best"},
        {"scope": "world"},
    ):
        with pytest.raises(HindsightError, match=str(next(iter(bad.values())))):
            Settings(**bad)


ALGORITHM = {
    "adv_estimator": "reinforce_plus_plus",
    "rollout_correction": {"bypass_mode": False, "rollout_is": None, "rollout_rs": None},
    "filter_groups": {"enable": False},
}


def test_reinforce_plus_plus_is_accepted():
    check_algorithm(ALGORITHM, Settings())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"adv_estimator": "grpo"}, "group of one"),
        ({"adv_estimator": "rloo"}, "adv_estimator=rloo"),
        ({"adv_estimator": "gae"}, "adv_estimator=gae"),
        ({"rollout_correction": {"bypass_mode": True}}, "bypass_mode=true"),
        ({"rollout_correction": {"rollout_is": "token"}}, "rollout_is=token"),
        ({"rollout_correction": {"rollout_rs": "seq_mean_k3"}}, "rollout_rs=seq_mean_k3"),
        ({"filter_groups": {"enable": True}}, "filter_groups"),
    ],
)
def test_what_replays_cannot_go_with_is_refused_with_the_reason(changed, said):
    with pytest.raises(HindsightError, match=said):
        check_algorithm({**ALGORITHM, **changed}, Settings())


def test_grpo_is_accepted_by_who_asks_for_singletons():
    check_algorithm({**ALGORITHM, "adv_estimator": "grpo"}, Settings(grpo_singletons=True))


# -- rows


@pytest.mark.parametrize("layout", ["type1", "type3", "type5"])
def test_an_instruction_survives_the_row(layout):
    before = asked(layout, earlier=({"role": "system", "content": "Be brief."},), soft=("Be kind.",))
    row = to_row(before, 3, generate=6)
    assert row["__rollout_n__"] == 6 and row["extra_info"]["index"] == 3
    after = hindsight().instruction({**row, "uid": "a", "raw_prompt": row["prompt"]})
    for name in ("task", "constraints", "prompt", "texts", "soft", "layout", "earlier"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.keep([True, False, True]).prompt == before.keep([True, False, True]).prompt


def test_the_row_says_what_is_missing_or_wrong():
    row = rollout("gold")
    for change, said in (
        ({"extra_fields": {"reward_extra_info": {"score": 0.0}}}, "compute_score"),
        ({"extra_fields": {"reward_extra_info": {"verdicts": "10"}}}, "'10' for 3 constraints"),
        ({"extra_info": {**row["extra_info"], "texts": ["one"]}}, "1 extra_info.texts for 3"),
        ({"raw_prompt": [{"role": "assistant", "content": "Hm."}]}, "last message"),
        ({"prompts": [1, 2, 3]}, "apply_chat_template_kwargs"),
    ):
        with pytest.raises(HindsightError, match=said):
            replays([{**row, **change}])


# -- replays


def test_a_replay_has_what_holds_in_the_prompts_own_layout():
    made, metrics = replays([rollout("gold moon")])
    assert [each.source for each in made] == [0]
    text = bytes(made[0].prompt).decode()
    first, second = (each.describe() for each in WANTED[:2])
    assert text == f"<user>Write a line.\n\n- {first}\n- {second}<assistant>"
    assert metrics["hir/replays"] == 1 and metrics["hir/unfilled"] == 1
    assert metrics["hir/lambda"] == pytest.approx(2.1) and metrics["hir/kept"] == pytest.approx(2 / 3)


def test_never_replayed_are_nothing_everything_the_cut_and_several_turns():
    rows = [
        rollout("none"),
        rollout("gold moon P.S. more"),
        rollout("gold", ended=False),
        rollout("gold", response_mask=[1, 1, 0, 1, 1]),
        rollout("gold moon"),
    ]
    made, metrics = replays(rows, replays_per_prompt=5)
    assert [each.source for each in made] == [4]
    assert metrics["hir/incomplete"] == pytest.approx(2 / 5)


def test_nothing_answered_is_never_replayed():
    blank = rollout("", extra_fields={"reward_extra_info": {"verdicts": "110"}})
    thought = rollout("<think>gold moon", extra_fields={"reward_extra_info": {"verdicts": "110"}})
    assert replays([blank, thought])[0] == []
    assert replays([rollout("hm FINAL gold moon"), rollout("gold moon")], answer_after="FINAL")[0][0].source == 0


def test_the_budget_is_of_the_batch_and_goes_to_the_highest_scores():
    rows = [rollout("gold", "a"), rollout("silver moon", "a"), rollout("gold moon", "b"), rollout("gold", "b")]
    made, _ = replays(rows, [0.9, 0.1, 0.0, 0.5], replays_per_prompt=1)
    # entropy + 2.1 * share that holds: 1.6, 0.8, 1.4, 1.2
    assert [each.source for each in made] == [0, 2]
    assert replays(rows, replays_per_prompt=0)[0] == []
    grouped, _ = replays(rows, [0.9, 0.8, 0.0, 0.0], replays_per_prompt=1, scope="group")
    assert sorted(each.source for each in grouped) == [0, 2]


def test_relabels_are_passed_on():
    rows = [rollout("gold", "a"), rollout("gold moon", "b")]
    made, metrics = replays(rows, relabels=6, replays_per_prompt=9)
    # Another instruction is made of the same two constraints in another order; of one alone there is no other.
    assert sorted(each.source for each in made) == [0, 1, 1] and metrics["hir/rejected"] == 9


def test_inline_constraints_are_trained_on_but_not_replayed():
    inline = to_row(asked(), 0)
    inline["extra_info"] = {"index": 0}
    row = rollout("gold moon", extra_info=inline["extra_info"])
    assert replays([row])[0] == []


def test_a_prompt_that_does_not_fit_is_not_replayed():
    row = rollout("gold moon")
    long = len(row["prompts"])
    assert len(replays([row], length=long)[0]) == 1
    made, metrics = replays([row], length=40)
    assert made == [] and metrics["hir/rejected"] == 1


def test_columns_from_a_columnar_file_are_read():
    row = rollout("gold moon")
    extra = {**row["extra_info"], "texts": np.array(row["extra_info"]["texts"], dtype=object), "soft": None}
    assert len(replays([{**row, "extra_info": extra}])[0]) == 1


def test_the_reward_function_reads_the_row_and_its_verdicts_are_read_back():
    from hindsight_rl.constraints.rewards import compute_score

    row = rollout("gold moon")
    truth = row["reward_model"]["ground_truth"]
    assert json.loads(truth)["kwargs"][0] == {"keywords": ["gold"]}
    found = compute_score(row["data_source"], "gold moon", truth, row["extra_info"])
    assert found["verdicts"] == "110" and found["score"] == 0.0


def test_replays_are_verified_by_the_version_asked_for():
    row = rollout("gold")
    found = [hindsight(**given).instruction(row).constraints[0].version for given in ({}, {"checkers": "corrected"})]
    assert found == ["current", "corrected"]
    with pytest.raises(HindsightError, match="checkers is 'corected': one of current, hir, corrected"):
        Settings(checkers="corected")
