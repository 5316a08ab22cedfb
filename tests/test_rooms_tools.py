"""The houses as tools: an episode by calls of tools, and HiR in TRL with `environment_factory`."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")

import tokenizers
import torch
import transformers

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm.rooms.instructions import read_instruction
from hindsight_rl.lm.rooms.replays import SameObservations
from hindsight_rl.lm.rooms.tools import Rooms, transcript
from hindsight_rl.lm.trl import HiRTrainer
from hindsight_rl.replay.rollout import Rollout
from test_trl import Watched, config, logged, rows_of

HOUSE = "Doors: hall and kitchen. The coin is in the kitchen. The lamp is in the hall. You are in the hall."
ASKED = [
    read_instruction(f"{HOUSE} Bring the coin to the hall. Enter the kitchen."),
    read_instruction(f"{HOUSE} Hold the lamp at the end. Stop in the kitchen. Use at most 1 moves."),
]


def call(name: str, **arguments: str) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "function": {"name": name, "arguments": arguments}}]}  # fmt: skip


def answer(name: str, text: str) -> dict[str, str]:
    return {"role": "tool", "name": name, "content": text}


def test_an_episode_by_tools_has_the_transcript_of_its_calls() -> None:
    rooms, messages = Rooms(), []
    rooms.reset(prompt=[{"role": "user", "content": ASKED[1].prompt}], instruction=1)
    for name, arguments in (
        ("take", {"thing": "lamp"}),
        ("go", {"room": "kitchen"}),
        ("check", {}),
        ("open", {"container": "box"}),
        ("put", {"place": "floor"}),
        ("close", {"container": "box"}),
    ):
        messages += [call(name, **arguments), answer(name, getattr(rooms, name)(**arguments))]
    messages += [
        call("fly"),
        answer("fly", "{'error': 'Tool fly not found.'}"),
        {"role": "assistant", "content": "Done."},
    ]
    assert transcript(messages) == (
        "take lamp: hall, ok\ngo kitchen: kitchen, coin\ncheck goals: kitchen, 2\nopen box: kitchen, no\n"
        "put floor: kitchen, ok\nclose box: kitchen, no"
    )
    assert SameObservations().verify_batch([(ASKED[1], transcript(messages))]) == [[False, True, False]]
    rooms.reset(prompt=ASKED[0].prompt)  # the next episode begins anew
    assert rooms.take("lamp") == "hall, ok" and transcript("a text") == "a text" and transcript([]) == ""
    with pytest.raises(HindsightError, match="does not begin with a house"):
        rooms.reset(prompt="Write a line.")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of bytes with the chat template of a model that calls tools."""
    folder = tmp_path_factory.mktemp("bytes")
    special = ["<|endoftext|>", "<|im_end|>", "<|im_start|>"]
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    plain = tokenizers.Tokenizer(
        tokenizers.models.BPE({name: at for at, name in enumerate([*special, *alphabet])}, merges=[])
    )
    plain.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = tokenizers.decoders.ByteLevel()
    plain.add_special_tokens(special)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<|endoftext|>", eos_token="<|im_end|>"
    )
    tokenizer.chat_template = files("trl").joinpath("chat_templates", "qwen3.jinja").read_text()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=len(special) + len(alphabet), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=1, num_key_value_heads=1, head_dim=16, max_position_embeddings=8192, pad_token_id=0,
            eos_token_id=1, bos_token_id=None,
        )
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


SCRIPT = (
    '<tool_call>\n{"name": "take", "arguments": {"thing": "lamp"}}\n</tool_call>',
    '<tool_call>\n{"name": "go", "arguments": {"room": "kitchen"}}\n</tool_call>',
    '<tool_call>\n{"name": "put", "arguments": {"place": "floor"}}\n</tool_call>',
    "Done.",
)


def scripted(trainer: Any) -> None:
    """Every rollout carries the lamp to the kitchen; the second of a pair keeps it in the hand."""
    tokenizer = trainer.processing_class

    def generate(prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        made = []
        for at, ids in enumerate(prompt_ids):
            turn = tokenizer.decode(ids).count("<tool_response>")
            skip = turn == 2 and len(prompt_ids) > 1 and at % 2 == 1
            made.append([*tokenizer(SCRIPT[3 if skip else turn])["input_ids"], tokenizer.eos_token_id])
        return made, None

    trainer._generate_single_turn = generate


def test_failed_episodes_are_replayed_under_what_they_achieved(model: str, tmp_path: Path) -> None:
    seen: list[Rollout] = []
    settings = {"num_generations": 2, "per_device_train_batch_size": 4, "steps_per_generation": 1,
                "gradient_accumulation_steps": 1, "max_steps": 1, "max_completion_length": 700,
                "rewriter": "retarget", "max_tool_calling_iterations": 10}  # fmt: skip
    trainer = HiRTrainer(
        model,
        config(tmp_path, **settings),
        ASKED,
        environment_factory=Rooms,
        transcript=transcript,
        verify=SameObservations(),
        on_replays=lambda step, rollouts, found: seen.extend(rollouts),
    )
    scripted(trainer)
    watched = Watched(trainer)
    trainer.train()
    whole = "take lamp: hall, ok\ngo kitchen: kitchen, coin\nput floor: kitchen, ok"
    assert [each.response for each in seen] == [whole, whole.rpartition("\n")[0]] * 2
    assert all("kitchen, coin" in each.observed and "<tool_call>" not in each.observed for each in seen)
    assert logged(trainer)[0]["hir/replays"] > 0
    rows = [row for batch in watched.batches for row in rows_of([batch]) if row[1]]
    texts = [trainer.processing_class.decode(prompt) for prompt, _, _ in rows]
    assert all("# Tools" in text and "Go through a door" in text for text in texts)
    originals, replays = ([row for row in rows if row[2] == advantage] for advantage in (0.0, 1.0))
    asked = [trainer.processing_class.decode(prompt) for prompt, _, _ in replays]
    assert len(replays) == logged(trainer)[0]["hir/replays"]
    assert any("Bring the lamp to the kitchen. Enter the kitchen." in text for text in asked)
    assert any("Use at most 2 moves." in text for text in asked)
    assert all(completion in [each[1] for each in originals] for _, completion, _ in replays)
    for batch in watched.batches:
        for row, ids in enumerate(batch["completion_ids"]):
            own = (batch["tool_mask"][row] * batch["completion_mask"][row]).bool()
            assert "<tool_response>" not in trainer.processing_class.decode(ids[own])
