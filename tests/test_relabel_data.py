"""Hindsight data out of responses: every row passes its checkers, every public shape is read, bad rows are counted,
a call goes on where another was stopped, and TRL's trainers read the files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.cli import main as cli
from hindsight_rl.constraints.core import constraint
from hindsight_rl.constraints.verdicts import verdicts
from hindsight_rl.data.compose import ComposeConfig, compose
from hindsight_rl.data.compose.formats import if_multi, nemo_gym, verl
from hindsight_rl.data.relabel import RelabelConfig, relabel
from hindsight_rl.data.rows import read_dataset
from hindsight_rl.data.stream import stream
from hindsight_rl.errors import HindsightError
from hindsight_rl.replay.instruction import Instruction
from patience import HUNG

WORDS = "Answer with at least 8 words."
COMMA = "Do not use commas."
ASKED = {
    "key": "a",
    "question": "Name a bird.",
    "criteria": [WORDS, COMMA],
    "q_type": "type1",
    "instruction_id_list": ["length_constraints:number_words", "punctuation:no_comma"],
    "kwargs": [{"relation": "at least", "num_words": 8}, {}],
}
PROMPT = f"Name a bird. {WORDS} {COMMA}"
BOTH = "A gull flies over the grey and windy sea."
SHORT = "A gull flies over it."
NEITHER = "A gull, perhaps."


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def relabelled(tmp_path: Path, *rows: object, **settings: Any) -> list[dict[str, Any]]:
    given = write(tmp_path / "given.jsonl", *rows)
    relabel(RelabelConfig(str(given), **{"out": tmp_path / "out.jsonl", "overwrite": True, **settings}))
    return lines(tmp_path / "out.jsonl")


def counts_of(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "out.jsonl.counts.json").read_text())


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Composed rows, each with its witness, others' witnesses, which meet some of it, and nothing at all."""
    made = compose(ComposeConfig(rows=120, test_rows=0, length="short", numbers=(1, 2, 3))).train
    said = [each.witness for each in made]
    return [
        {**if_multi(each), "responses": [said[at], said[at - 1], said[at - 2], "", f"<think>so</think>{said[at - 3]}"]}
        for at, each in enumerate(made)
    ]


def judged(path: Path, of: str) -> Iterator[tuple[dict[str, Any], Instruction, bool]]:
    """Each row with what it asks for and whether its response meets that."""
    loaded = read_dataset(path, judged="reject", inline="keep", bad="reject")
    for row, asked in zip(lines(path), loaded.instructions, strict=True):
        chat = row.get("messages") or row.get("prompt") or row["conversations"]
        said = [
            one.get("content", one.get("value"))
            for one in chat
            if one.get("role", one.get("from")) in ("user", "human")
        ]
        assert asked.prompt == said[-1]
        last = (row.get(of) or chat)[-1]
        yield row, asked, all(verdicts(asked.constraints, last.get("content", last.get("value")), asked.prompt))


@pytest.mark.parametrize("rewriter", ["drop", "retarget"])
@pytest.mark.parametrize(
    ("format", "of"), [("sft", "messages"), ("sharegpt", "conversations"), ("dpo", "chosen"), ("kto", "completion")]
)
def test_every_row_passes_the_checkers(
    rows: list[dict[str, Any]], tmp_path: Path, format: Any, of: str, rewriter: Any
) -> None:
    relabelled(tmp_path, *rows, format=format, rewriter=rewriter)
    found = list(judged(tmp_path / "out.jsonl", of))
    assert len(found) > 200
    for row, asked, met in found:
        assert met == row.get("label", True), (row, asked)
    if format == "dpo":
        assert not any(met for _, _, met in judged(tmp_path / "out.jsonl", "rejected"))
    sources = {row["source"] for row, _, _ in found}
    assert sources == ({"success", "hindsight", "failure"} if format == "kto" else {"success", "hindsight"})
    told = counts_of(tmp_path)
    assert told["responses"] == 600 and sum(told["written"].values()) == len(found) and told["finished"]
    assert told["rejected"]["blank"] == 120


def test_what_each_format_looks_like(tmp_path: Path) -> None:
    row = {**ASKED, "responses": [BOTH, SHORT, NEITHER]}
    asked = {"role": "user", "content": PROMPT}
    made = relabelled(tmp_path, row)
    assert [each["source"] for each in made] == ["success", "hindsight", "hindsight"]
    assert made[0]["messages"] == [asked, {"role": "assistant", "content": BOTH}]
    assert made[1]["messages"][1]["content"] == SHORT and "5 words" in made[1]["messages"][0]["content"]
    assert made[1]["messages"][0]["content"].endswith(COMMA)
    assert json.loads(made[1]["ground_truth"])["kwargs"][0] == {"relation": "at least", "num_words": 5}
    (_, second) = relabelled(tmp_path, row, rewriter="drop", columns="prompt-completion")
    assert second["prompt"] == [{"role": "user", "content": f"Name a bird. {COMMA}"}]
    assert second["completion"] == [{"role": "assistant", "content": SHORT}]
    assert counts_of(tmp_path)["rejected"] == {"no constraint holds": 1}
    first, *_ = relabelled(tmp_path, row, format="sharegpt")
    assert first["conversations"] == [{"from": "human", "value": PROMPT}, {"from": "gpt", "value": BOTH}]
    wanted = relabelled(tmp_path, row, format="kto", rewriter="drop")
    assert [(each["completion"][0]["content"], each["label"]) for each in wanted] == [
        (BOTH, True), (SHORT, True), (SHORT, False), (NEITHER, False)
    ]  # fmt: skip
    assert wanted[2]["prompt"] == [asked] and wanted[1]["prompt"] != [asked]
    pairs = relabelled(tmp_path, row, format="dpo", rewriter="drop")
    assert [(each["prompt"][0]["content"], each["chosen"][0]["content"], each["rejected"][0]["content"])
            for each in pairs] == [
        (PROMPT, BOTH, SHORT), (PROMPT, BOTH, NEITHER),
        (f"Name a bird. {COMMA}", BOTH, NEITHER), (f"Name a bird. {COMMA}", SHORT, NEITHER),
    ]  # fmt: skip
    only = relabelled(tmp_path, row, rewriter="drop", successes=False)
    assert [each["source"] for each in only] == ["hindsight"]


def test_responses_to_one_prompt_are_paired_across_rows_within_the_window(tmp_path: Path) -> None:
    def row(prompt: str, response: str) -> dict[str, Any]:
        return {**ASKED, "question": prompt, "response": response}

    far = [row("Name a bird.", BOTH), *(row(f"Name bird {n}.", SHORT) for n in range(9)), row("Name a bird.", SHORT)]
    assert len(relabelled(tmp_path, *far, format="dpo", rewriter="drop")) == 1
    assert counts_of(tmp_path)["prompts beyond the window"] == 0
    assert relabelled(tmp_path, *far, format="dpo", rewriter="drop", window=3) == []
    assert counts_of(tmp_path)["prompts beyond the window"] == 1


def batch(key: str, *texts: str, reason: str = "stop") -> dict[str, Any]:
    choices = [
        {"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        for at, text in enumerate(texts)
    ]
    body = {"object": "chat.completion", "choices": choices}
    return {"id": "x", "custom_id": key, "response": {"status_code": 200, "body": body}, "error": None}


SHAPES: dict[str, dict[str, Any]] = {
    "response": {**ASKED, "response": BOTH},
    "completion as a chat": {**ASKED, "completion": [{"role": "assistant", "content": BOTH}]},
    "messages": {
        **{name: ASKED[name] for name in ("instruction_id_list", "kwargs")},
        "messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": BOTH}],
    },
    "sharegpt": {
        **{name: ASKED[name] for name in ("instruction_id_list", "kwargs")},
        "conversations": [{"from": "human", "value": PROMPT}, {"from": "gpt", "value": BOTH}],
    },
    "lm-eval": {
        "doc_id": 0,
        "doc": {"prompt": PROMPT, **{name: ASKED[name] for name in ("key", "instruction_id_list", "kwargs")}},
        "resps": [[BOTH]],
        "filtered_resps": [BOTH],
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_with_responses_of_every_shape(tmp_path: Path, shape: str) -> None:
    (made,) = relabelled(tmp_path, SHAPES[shape])
    assert [one["content"] for one in made["messages"]] == [PROMPT, BOTH] and made["source"] == "success"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": PROMPT, "response": BOTH},
        {"key": "a", "response": BOTH},
        batch("a", BOTH),
        {**batch("a"), "response": {"body": {"choices": [{"text": BOTH, "finish_reason": "stop"}]}}},
        {
            **batch("a"),
            "response": {"body": {"output": [{"type": "message", "content": [{"type": "output_text", "text": BOTH}]}]}},
        },
    ],
)
def test_prompts_and_responses_apart(tmp_path: Path, row: dict[str, Any]) -> None:
    prompts = write(tmp_path / "prompts.jsonl", {**ASKED, "prompt": PROMPT})
    (made,) = relabelled(tmp_path, row, prompts=str(prompts))
    assert [one["content"] for one in made["messages"]] == [PROMPT, BOTH]


def test_a_prompt_of_several_instructions_is_told_apart_by_its_key(tmp_path: Path) -> None:
    rows = [
        {"id": at, "prompt": PROMPT, "criteria": [f"Include {word}."], "instruction_id_list": ["keywords:existence"],
         "kwargs": [{"keywords": [word]}]}
        for at, word in ((1, "tern"), (2, "gull"))
    ]  # fmt: skip
    prompts = write(tmp_path / "prompts.jsonl", *rows)
    named = {"id": 2, "prompt": PROMPT, "response": "a gull"}
    (made,) = relabelled(tmp_path, named, prompts=str(prompts))
    assert made["source"] == "success" and "gull" in made["messages"][0]["content"]
    with pytest.raises(HindsightError, match="its prompt stands for several instructions; give its custom_id or key"):
        relabelled(tmp_path, {"prompt": PROMPT, "response": "a gull"}, prompts=str(prompts))


def test_composed_rows_of_every_schema_keep_task_and_constraints_apart(tmp_path: Path) -> None:
    from pyarrow import Table, parquet

    made = compose(ComposeConfig(rows=20, test_rows=0, length="short", numbers=(2,))).train
    want = [(each.prompt, each.task, each.texts) for each in made]
    parquet.write_table(Table.from_pylist([verl(each) for each in made]), tmp_path / "rows.parquet")
    found = read_dataset(tmp_path / "rows.parquet").instructions
    assert [(each.prompt, each.task, each.texts) for each in found] == want
    assert [[one.id for one in each.constraints] for each in found] == [list(each.ids) for each in made]
    path = write(tmp_path / "gym.jsonl", *map(nemo_gym, made))
    gym = read_dataset(path).instructions
    assert [each.prompt for each in gym] == [each.prompt for each in made]
    assert [[one.kwargs for one in each.constraints] for each in gym] == [list(each.kwargs) for each in made]


def test_nothing_is_had_from_what_is_blank_thought_or_cut_off(tmp_path: Path) -> None:
    prompts = write(tmp_path / "prompts.jsonl", {**ASKED, "prompt": PROMPT})
    rows = [batch("a", BOTH, reason="length"), batch("a", "", "<think>a gull"), batch("a", f"<think>x</think>{SHORT}")]
    (made,) = relabelled(tmp_path, *rows, prompts=str(prompts))
    assert made["messages"][1]["content"] == f"<think>x</think>{SHORT}"
    assert counts_of(tmp_path)["rejected"] == {"cut off": 1, "blank": 1, "thought without an answer": 1}
    (made,) = relabelled(tmp_path, {**ASKED, "response": f"hm. Answer: {SHORT}"}, answer_after="Answer:")
    assert "5 words" in made["messages"][0]["content"]


def test_bad_rows_are_counted_with_their_places_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[object] = [
        "{no json",
        [1],
        {**ASKED, "response": BOTH},
        ASKED,
        {"prompt": "Name a bird.", "response": BOTH},
        {**ASKED, "instruction_id_list": ["no:such", "punctuation:no_comma"], "response": BOTH},
        {**ASKED, "response": 7},
        {**ASKED, "key": "b", "response": BOTH},
        {"prompt": "Be kind and use no commas.", "soft": ["Be kind."], "response": BOTH,
         "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
    ]  # fmt: skip
    path = write(tmp_path / "given.jsonl", *rows)
    assert cli(["relabel", str(path), "--out", str(tmp_path / "out.jsonl")]) == 0
    told = counts_of(tmp_path)
    assert told["bad rows"]["by reason"] == {
        "not JSON": 1,
        "list instead of an object": 1,
        "no response in the row": 1,
        "no constraints in the row": 1,
        "unknown constraint id": 1,
        "no readable response": 1,
        "needs a judge": 1,
    }
    assert told["bad rows"]["first"][0] == f"{path}:1: not JSON"
    assert told["rejected"] == {"the same row again": 1} and told["written"] == {"success": 1}
    said = capsys.readouterr().out
    assert "bad rows: 7" in said and f"at {path}:1: not JSON" in said
    assert len(relabelled(tmp_path, rows[-1], judged="keep")) == 1


def test_what_cannot_be_read_at_all_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out.jsonl")]
    assert cli(["relabel", str(tmp_path / "none.jsonl"), *out]) == 2
    assert "cannot be read" in capsys.readouterr().err
    path = write(tmp_path / "given.jsonl", batch("a", BOTH))
    assert cli(["relabel", str(path), *out]) == 2
    assert f"{path}:1: a batch output contains no prompts; give their file with --prompts" in capsys.readouterr().err
    write(path, {"text": "A gull."})
    assert cli(["relabel", str(path), *out]) == 2
    assert "no response can be used (1 bad rows;" in capsys.readouterr().err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["given.jsonl"]
    write(path, {"prompt": PROMPT, "response": BOTH})
    prompts = write(tmp_path / "prompts.jsonl", {**ASKED, "prompt": PROMPT})
    assert cli(["relabel", str(path), *out, "--prompts", str(prompts)]) == 0  # nothing stands in its way
    good = (tmp_path / "out.jsonl").read_bytes()
    assert cli(["relabel", str(write(path, batch("a", BOTH))), *out, "--overwrite"]) == 2
    assert (tmp_path / "out.jsonl").read_bytes() == good != b""
    for setting in (
        {"format": "orpo"},
        {"pairs": 0},
        {"reach": 0.5},
        {"format": "kto", "columns": "prompt-completion"},
    ):
        with pytest.raises(HindsightError):
            RelabelConfig("rows.jsonl", **setting)  # type: ignore[arg-type]


def test_a_second_call_goes_on(rows: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = relabelled(tmp_path, *rows)
    path, out = write(tmp_path / "given.jsonl", *rows[:50]), tmp_path / "part.jsonl"
    relabel(RelabelConfig(str(path), out=out, limit=30))
    out.rename(f"{out}.part")
    with Path(f"{out}.part").open("ab") as file:
        file.write(b'{"messages": [{"ro')  # as a kill may leave it
    relabel(RelabelConfig(str(path), out=out))
    write(path, *rows)  # more responses have come
    assert cli(["relabel", str(path), "--out", str(out)]) == 0
    assert "resumed after 50 rows" in capsys.readouterr().out
    assert lines(out) == whole
    for args in (["--format", "kto"], ["--rewriter", "drop"]):
        assert cli(["relabel", str(path), "--out", str(out), *args]) == 2
        assert f"was made with other settings ({args[0][2:]})" in capsys.readouterr().err
    write(path, *rows[1:])
    with pytest.raises(HindsightError, match=r"other settings \(begins\)"):
        relabel(RelabelConfig(str(path), out=out))
    write(out, "mine")
    (tmp_path / "part.jsonl.counts.json").unlink()
    with pytest.raises(HindsightError, match="is there already"):
        relabel(RelabelConfig(str(path), out=out))


@pytest.mark.parametrize("format", ["sft", "dpo"])
def test_after_a_kill_the_next_call_goes_on_and_ends_alike(
    rows: list[dict[str, Any]], tmp_path: Path, format: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [
        {**row, "responses": [f"{said} {n}" if said else "" for said in row["responses"]]}
        for n in range(12)
        for row in rows
    ]
    whole = relabelled(tmp_path, *many, format=format, window=700)
    out = tmp_path / "killed.jsonl"
    command = ["relabel", str(tmp_path / "given.jsonl"), "--format", format, "--window", "700", "--out", str(out)]
    started = subprocess.Popen([sys.executable, "-m", "hindsight_rl.cli", *command], stderr=subprocess.DEVNULL)
    until = time.monotonic() + HUNG
    beside = Path(f"{out}.counts.json")
    while started.poll() is None and time.monotonic() < until and not beside.exists():
        time.sleep(0.005)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    assert not out.exists()  # it has its name once it is whole
    told = json.loads(beside.read_text())
    part = Path(f"{out}.part").read_bytes()[: told["bytes"]]
    left = [json.loads(line) for line in part.splitlines()]
    assert not told["finished"] and 0 < len(left) < len(whole) and left == whole[: len(left)]
    assert cli(command) == 0
    assert f"resumed after {told['units']:,} " in capsys.readouterr().out
    assert lines(out) == whole and not Path(f"{out}.part").exists()


def test_a_stream_holds_one_row_at_a_time(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *({"n": n} for n in range(5)))
    found = stream(path)
    assert [next(found).row, next(found).where] == [{"n": 0}, f"{path}:2"]
    (tmp_path / "rows.json").write_text('[{"n": 1}]')
    assert [each.row for each in stream(tmp_path / "rows.json")] == [{"n": 1}]


def test_public_responses(shared_data: Path, tmp_path: Path) -> None:
    for bench, fewest in (("ifeval", 390), ("ifbench", 110)):
        folder, out = shared_data / bench, tmp_path / f"{bench}.jsonl"
        counts = relabel(
            RelabelConfig(str(folder / "responses_qwen25_7b.jsonl"), str(folder / "prompts.jsonl"), out=out)
        )
        assert counts.responses > 290 and counts.written.total() >= fewest and not counts.bad.total
        assert all(met for _, _, met in judged(out, "messages"))


@pytest.mark.slow
def test_trl_reads_the_files(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")
    import torch
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

    from tiny_lm import WORDS as VOCABULARY
    from tiny_lm import tiny_model

    torch.set_num_threads(1)
    model = tiny_model(tmp_path / "tiny")
    asked = [[VOCABULARY[n % 8], VOCABULARY[(n + 3) % 8]] for n in range(8)]
    rows = []
    for words in asked:
        checks = [constraint("keywords:existence", {"keywords": [word]}) for word in words]
        rows.append(
            {
                "question": "Write a line .",
                "criteria": [each.describe() for each in checks],
                "instruction_id_list": [each.id for each in checks],
                "kwargs": [each.kwargs for each in checks],
                "responses": [" ".join(words), words[0], words[1]],
            }
        )
    given = {"per_device_train_batch_size": 2, "max_steps": 1, "report_to": [], "save_strategy": "no", "use_cpu": True}
    given |= {"bf16": False, "disable_tqdm": True, "gradient_checkpointing": False, "logging_steps": 1}
    for name, columns, made, trainer in (
        ("sft", "messages", SFTConfig, SFTTrainer),
        ("sft", "prompt-completion", SFTConfig, SFTTrainer),
        ("dpo", "messages", DPOConfig, DPOTrainer),
        ("kto", "messages", KTOConfig, KTOTrainer),
    ):
        relabelled(tmp_path, *rows, format=name, columns=columns, rewriter="drop")
        data = load_dataset("json", data_files=str(tmp_path / "out.jsonl"), split="train", cache_dir=tmp_path / "cache")
        ready = trainer(model, args=made(output_dir=str(tmp_path / "run"), **given), train_dataset=data)
        ready.train()
        (loss,) = [entry["loss"] for entry in ready.state.log_history if "loss" in entry]
        assert loss > 0, name


def test_responses_with_a_chat_as_prompt_meet_their_prompts(tmp_path: Path) -> None:
    prompts = write(tmp_path / "prompts.jsonl", ASKED | {"prompt": PROMPT})
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    made = relabelled(tmp_path, {"prompt": chat, "response": SHORT}, prompts=str(prompts))
    assert len(made) == 1
