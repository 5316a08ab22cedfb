"""The example from prompts to a trained model: every step is done once, and a second call finds all of it there."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hindsight_rl.data.rows import read_dataset
from hindsight_rl.errors import HindsightError

SCRIPT = Path(__file__).parents[1] / "examples" / "hindsight_sft.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("hindsight_sft", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["hindsight_sft"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_prompts_become_rows_and_a_model_is_trained_on_them(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install 'hindsight-rl[lm]'")
    from tiny_lm import tiny_model

    made, out = example(), tmp_path / "run"
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"Write a line about the number {n} in your words.\n" for n in range(40)))
    settings = made.Settings(
        prompts=str(prompts), model=tiny_model(tmp_path / "tiny"), out=out, instructions=24, tests=8, tokens=16,
        updates=8, learning_rate=1e-2, at_once=8,
    )  # fmt: skip
    result = made.run(settings)
    assert result["relabeled"]["responses"] == 24 and result["prompts"]["train"] + result["prompts"]["test"] == 40
    assert len(read_dataset(out / "hindsight.jsonl").instructions) == result["relabeled"]["rows"] > 0
    assert result["before"]["instructions met"]["total"] == sum(result["instructions"].values()) == 8
    assert result["before"]["perplexity of the fixed text"] != result["after"]["perplexity of the fixed text"]
    assert result == json.loads((out / "result.json").read_text())
    # What a kill left of the responses is completed; everything else stays.
    responses = (out / "responses.jsonl").read_bytes()
    (out / "responses.jsonl").write_bytes(b"".join(responses.splitlines(keepends=True)[:16]) + b'{"key": "tr')
    again = made.run(settings)
    assert (out / "responses.jsonl").read_bytes() == responses
    assert {name: again[name] for name in ("relabeled", "before", "after")} == {
        name: result[name] for name in ("relabeled", "before", "after")
    }
    with pytest.raises(HindsightError, match=r"other settings \(tokens\); choose another --out"):
        made.run(made.replace(settings, tokens=17))
