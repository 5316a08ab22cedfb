"""Reward functions in other trainers' conventions: signatures as documented, and TRL's trainer itself."""

import asyncio
import inspect
import json
import types
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.constraints.completions import message_text
from hindsight_rl.constraints.core import ConstraintError
from hindsight_rl.constraints.rewards import compute_score, constraint_reward, reward_func
from hindsight_rl.constraints.scorer import Scorer

IDS = ["keywords:existence", "punctuation:no_comma"]
KWARGS = [{"keywords": ["tea"]}, {}]
ROW = {"instruction_id_list": IDS, "kwargs": KWARGS}
LABEL = json.dumps([{"instruction_id": IDS, "kwargs": KWARGS}])
BOTH, ONE, NONE = "Some tea", "No drink", "Milk, please"


def columns(count: int) -> dict[str, list[Any]]:
    return {name: [value] * count for name, value in ROW.items()}


def test_trl_takes_text_and_conversations() -> None:
    reward = constraint_reward("fraction")
    texts = reward(prompts=["Q"] * 3, completions=[BOTH, ONE, NONE], completion_ids=[[1]] * 3, **columns(3))
    assert texts == [1.0, 0.5, 0.0]
    talk = [[{"role": "assistant", "content": text}] for text in (BOTH, ONE, NONE)]
    asked = [[{"role": "user", "content": "Q"}]] * 3
    assert constraint_reward("all")(prompts=asked, completions=talk, **columns(3)) == [1.0, 0.0, 0.0]


def test_trl_finds_a_name_and_gets_its_metrics() -> None:
    assert constraint_reward().__name__ == "constraint_reward"
    assert constraint_reward("fraction").__name__ == "constraint_fraction_reward"
    seen: dict[str, float] = {}
    constraint_reward()(
        prompts=["Q"] * 2,
        completions=[BOTH, ONE],
        log_metric=seen.__setitem__,
        trainer_state=None,
        **columns(2),
    )
    assert seen == {"constraints/all": 0.5, "constraints/fraction": 0.75}


def test_loose_answer_and_prompt() -> None:
    row = {"instruction_id_list": ["combination:repeat_prompt"], "kwargs": [{"prompt_to_repeat": "Hi there"}]}
    given = {name: [value] for name, value in row.items()}
    response = "Sure:\nHi there, friend"
    assert constraint_reward()(prompts=["x"], completions=[response], **given) == [0.0]
    assert constraint_reward(check="loose")(prompts=["x"], completions=[response], **given) == [1.0]
    cut = constraint_reward(answer=lambda text: text.rpartition("</think>")[2])
    assert cut(prompts=["x"], completions=["tea, tea</think>tea"], **columns(1)) == [1.0]


def test_what_no_program_checks_is_refused_or_skipped() -> None:
    soft = [["Length", "Words", "At most 2 words"], ["Format", "Text", "Write in full sentences"]]
    with pytest.raises(ConstraintError, match=r"row 0 of the batch: no program checks .Write in full sentences"):
        constraint_reward()(prompts=["Q"], completions=["tea"], constraints=[soft])
    skip = constraint_reward(unchecked="skip")
    assert skip(prompts=["Q"] * 2, completions=["tea", "a b c"], constraints=[soft] * 2) == [1.0, 0.0]
    assert skip(prompts=["Q"], completions=["tea"], constraints=[soft[1:]]) == [None]


def test_errors_name_the_row_and_the_choice() -> None:
    with pytest.raises(ConstraintError, match="row 1 of the batch: unknown constraint id 'no:such'"):
        constraint_reward()(
            prompts=["Q"] * 2,
            completions=["a"] * 2,
            instruction_id_list=[IDS, ["no:such"]],
            kwargs=[KWARGS, [{}]],
        )
    with pytest.raises(ConstraintError, match="mode is 'most'; it must be one of 'all', 'fraction'"):
        constraint_reward("most")  # type: ignore[arg-type]
    with pytest.raises(ConstraintError, match="convention is 'ppo'"):
        constraint_reward(convention="ppo")  # type: ignore[arg-type]


def test_verl() -> None:
    assert list(inspect.signature(compute_score).parameters)[:4] == [
        "data_source",
        "solution_str",
        "ground_truth",
        "extra_info",
    ]
    # verl passes these by keyword, with more of its own, and reward_kwargs from the configuration
    result = compute_score(
        data_source="if",
        solution_str=ONE,
        ground_truth=LABEL,
        extra_info={"index": 0},
        mode="fraction",
        reward_router_address="http://router",
    )
    assert result == {"score": 0.5, "acc": 0.0, "fraction": 0.5, "verdicts": "01"}
    made = constraint_reward("all", convention="verl")
    assert made(data_source="if", solution_str=BOTH, ground_truth=ROW)["score"] == 1.0
    with pytest.raises(ConstraintError, match="data source 'if': "):
        compute_score("if", ONE, "nothing")


def test_verl_hands_the_prompt_to_those_who_read_it() -> None:
    row = {"instruction_id_list": ["copy:copy"], "kwargs": [{"prompt_to_repeat": "Say tea"}]}
    assert compute_score("if", "Say tea", row, {"prompt": [{"role": "user", "content": "Say tea"}]})["score"] == 1.0


def test_openrlhf() -> None:
    assert list(inspect.signature(reward_func).parameters)[:3] == ["queries", "prompts", "labels"]
    prompt = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"
    queries = [f"<s>{prompt}{text}<|im_end|><|endoftext|>" for text in (BOTH, ONE)]
    result = reward_func(queries, [prompt] * 2, [LABEL] * 2)
    assert [float(value) for value in result["rewards"]] == [1.0, 0.0]
    assert [float(value) for value in result["scores"]] == [1.0, 0.0]
    assert [float(value) for value in result["extra_logs"]["constraint_fraction"]] == [1.0, 0.5]
    with pytest.raises(ConstraintError, match="the query does not hold its prompt"):
        reward_func(["else"], [prompt], [LABEL])


def test_verifiers_method_on_a_task() -> None:
    """verifiers 0.4: a marked method, bound through the class, called with what it names."""

    class Task:
        follows = constraint_reward("fraction", convention="verifiers")

    method = Task().follows
    available = {
        "task": types.SimpleNamespace(idx=3, prompt="Q", **ROW),
        "trace": types.SimpleNamespace(last_reply=ONE),
    }
    wanted = list(inspect.signature(method).parameters)
    assert wanted == ["task", "trace"]
    assert asyncio.run(method(**{name: available[name] for name in wanted})) == 0.5


def test_rubric_function() -> None:
    """Earlier verifiers: arguments by name from prompt, completion, answer, info."""
    rubric = constraint_reward(convention="rubric")
    assert set(inspect.signature(rubric).parameters) <= {
        "prompt",
        "completion",
        "answer",
        "info",
        "state",
        "task",
    }
    talk = [{"role": "assistant", "content": BOTH}]
    assert asyncio.run(rubric(prompt=[], completion=talk, answer=LABEL, info={})) == 1.0
    assert asyncio.run(rubric(prompt=[], completion=talk, answer="", info=ROW)) == 1.0


def test_verl_names_a_keyword_that_it_does_not_know() -> None:
    with pytest.raises(ConstraintError, match=r"unknown keyword 'mod' \(did you mean mode\?\); known: mode, check"):
        compute_score("if", ONE, ROW, mod="fraction")  # type: ignore[call-arg]
    made = constraint_reward(convention="verl")
    with pytest.raises(ConstraintError, match=r"unknown keyword 'answer_befor' .did you mean answer_after"):
        made(data_source="if", solution_str=ONE, ground_truth=ROW, answer_befor="x")
    assert compute_score("if", "No drink</s> tea", ROW, answer_after="</s>")["score"] == 1.0
    with pytest.raises(ConstraintError, match="mode is 'most'"):
        compute_score("if", ONE, ROW, mode="most")  # type: ignore[arg-type]


def test_verl_reads_extra_info_as_text() -> None:
    row = {"instruction_id_list": ["copy:copy"], "kwargs": [{"prompt_to_repeat": "Say tea"}]}
    assert compute_score("if", "Say tea", row, json.dumps({"prompt": "Say tea"}))["score"] == 1.0


@pytest.mark.parametrize("other", [{}, {"ground_truth": ["42", LABEL]}, {"ground_truth": [None, LABEL]}])
def test_trl_rows_of_another_task_have_no_reward(other: dict[str, list[Any]]) -> None:
    reward = constraint_reward("all")
    mixed = {"instruction_id_list": [None, IDS], "kwargs": [None, KWARGS], **other}
    assert reward(prompts=["1+1?", "Q"], completions=["2", BOTH], **mixed) == [None, 1.0]
    alone = {"ground_truth": [None, LABEL]}
    assert reward(prompts=["1+1?", "Q"], completions=["2", BOTH], **alone) == [None, 1.0]
    # Truth in the shape of open-instruct beside empty columns is ours.
    both = {"instruction_id_list": [None, None], "ground_truth": ["42", LABEL]}
    assert reward(prompts=["1+1?", "Q"], completions=["2", BOTH], **both) == [None, 1.0]


def test_trl_without_any_column_of_ours_is_an_error() -> None:
    with pytest.raises(ConstraintError, match="row 0 of the batch: no constraints in the row"):
        constraint_reward()(prompts=["Q"], completions=["a"], answer=["2"])
    with pytest.raises(ConstraintError, match="row 0 of the batch: 42 holds no constraints"):
        constraint_reward()(prompts=["Q"], completions=["a"], ground_truth=["42"])
    with pytest.raises(ConstraintError, match="no column 'bare' in the data"):
        constraint_reward(prompt_column="bare")(prompts=["Q"], completions=["a"], **columns(1))


@pytest.mark.parametrize(
    "shape", [[BOTH], [[BOTH]], 3, {"text": BOTH}, [{"generated": BOTH}], [{"role": "assistant", "content": [BOTH]}]]
)
def test_a_completion_of_an_unknown_shape_is_an_error(shape: Any) -> None:
    with pytest.raises(
        ConstraintError, match=r"row 0 of the batch: the completion is .*; it must be a text, a list of"
    ):
        constraint_reward()(prompts=["Q"], completions=[shape], **columns(1))


@pytest.mark.parametrize(
    ("shape", "reward"),
    [
        (BOTH, 1.0),
        ({"role": "assistant", "content": BOTH}, 1.0),
        ([{"content": BOTH}], 1.0),
        ([{"role": "assistant", "content": [{"type": "text", "text": BOTH}]}], 1.0),
        ([{"role": "assistant", "content": None, "tool_calls": []}], 0.0),
        ([], 0.0),
        (None, 0.0),
    ],
)
def test_known_shapes_of_completions(shape: Any, reward: float) -> None:
    assert constraint_reward()(prompts=["Q"], completions=[shape], **columns(1)) == [reward]


ENDS = ["<｜end▁of▁sentence｜>", "<|eot|>", "<|return|>", "<|im_end|>", "</s>", "<eos><pad><pad>", "<|eom_id|>\n", ""]
LAST = {
    "instruction_id_list": ["startend:end_checker", "keywords:existence"],
    "kwargs": [{"end_phrase": "tea"}, {"keywords": ["tea"]}],
}


@pytest.mark.parametrize("end", ENDS)
def test_openrlhf_takes_end_marks_off(end: str) -> None:
    prompt = "<|user|>Q<|assistant|>"
    query = f"<s>{prompt}Some <|tea|> tea{end}"
    assert [float(one) for one in reward_func([query], [prompt], [json.dumps(LAST)])["rewards"]] == [1.0]


def test_openrlhf_takes_end_marks_from_an_argument_or_a_tokenizer() -> None:
    tokenizer = types.SimpleNamespace(
        eos_token="[FIN]", pad_token="[NIL]", all_special_tokens=["[FIN]", "[NIL]"], added_tokens_decoder={}
    )
    labels = [json.dumps(LAST)]
    for ends in (["[FIN]"], "[FIN]", tokenizer):
        reward = constraint_reward(convention="openrlhf", ends=ends)
        assert [float(one) for one in reward(["Q tea[FIN][NIL][NIL]"], ["Q "], labels)["rewards"]] == [1.0]
    assert float(reward_func(["Q tea[FIN]"], ["Q "], labels)["rewards"][0]) == 0.0
    with pytest.raises(ConstraintError, match=r"ends is .*; it must be a list of texts, or a tokenizer"):
        constraint_reward(convention="openrlhf", ends=[3])
    with pytest.raises(ConstraintError, match="ends is for the convention openrlhf"):
        constraint_reward(ends=["</s>"])


def test_a_rubric_reads_info_as_text() -> None:
    rubric = constraint_reward(convention="rubric")
    talk = [{"role": "assistant", "content": BOTH}]
    assert asyncio.run(rubric(completion=talk, answer="", info=json.dumps(ROW))) == 1.0


def test_message_text() -> None:
    assert message_text(None) == ""
    assert message_text([]) == ""
    assert message_text([{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}]) == "ab"
    talk = [{"role": "assistant", "content": "first"}, {"role": "tool", "content": "x"}]
    assert message_text(talk) == "first"
    assert message_text([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "user") == "u"


def test_a_thousand_verdicts_a_second() -> None:
    import time

    scorer = Scorer("fraction")
    start = time.process_time()
    for index in range(1000):
        scorer.verdicts(ROW, f"Some tea {index}", "Q", "row")
    assert time.process_time() - start < 1.0  # 2,000 verdicts; about 0.05 s on one core


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of a few thousand weights with a byte tokenizer, as files."""
    pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")
    import tokenizers
    import transformers

    folder = tmp_path_factory.mktemp("tiny")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = {word: index for index, word in enumerate(["<pad>", "<eos>", *alphabet])}
    plain = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=words, merges=[]))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>")
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}\n{% endfor %}"
    tokenizer.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
        eos_token_id=1,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("conversational", [False, True])
def test_trl_trains_on_it(tiny_model: Path, tmp_path: Path, conversational: bool) -> None:
    import datasets
    import trl

    prompt: Any = [{"role": "user", "content": "Say tea"}] if conversational else "Say tea"
    # "e" at least once: now and then true of random bytes, so that rewards differ within a group
    ids = ["keywords:letter_frequency", "punctuation:no_comma"]
    kwargs = [{"letter": "e", "let_frequency": 1, "let_relation": "at least"}, {"letter": None}]
    rows = [{"prompt": prompt, "instruction_id_list": ids, "kwargs": kwargs}] * 4
    trainer = trl.GRPOTrainer(
        model=str(tiny_model),
        reward_funcs=[constraint_reward("all"), constraint_reward("fraction")],
        args=trl.GRPOConfig(
            output_dir=str(tmp_path),
            per_device_train_batch_size=8,
            num_generations=8,
            max_completion_length=24,
            max_steps=2,
            logging_steps=1,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            bf16=False,
            seed=0,
        ),
        train_dataset=datasets.Dataset.from_list(rows),
    )
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "rewards/constraint_reward/mean" in entry]
    assert len(logs) == 2
    for entry in logs:
        assert 0 <= entry["rewards/constraint_reward/mean"] <= entry["rewards/constraint_fraction_reward/mean"] <= 1
        assert "constraints/fraction" in entry
    assert any(entry["reward_std"] > 0 for entry in logs)
