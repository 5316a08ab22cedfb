"""Examples of replays of each generation batch, and why candidates were rejected: the run's `replays.jsonl`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hindsight_rl.replay.item import ReplayItem
from hindsight_rl.replay.replayer import Replayed
from hindsight_rl.replay.rollout import Rollout
from hindsight_rl.run import Run

FILE = "replays.jsonl"
EXAMPLES = 4
"""Number of replays of a generation batch that are written."""


class Replays:
    """Writes a line for each generation batch; give it to ``HiRTrainer(on_replays=...)``.

    A line holds `step` (the first that trains on the batch), `candidates`, `rejected` (counts by reason) and `replays`:
    the first of them with the original and the rewritten prompt, the response, and the ids of the constraints that
    were kept, changed and dropped.

    Args:
        run: the run folder to write to.
        examples: number of replays per batch.
    """

    def __init__(self, run: Run, examples: int = EXAMPLES) -> None:
        self.run, self.examples = run, examples

    def __call__(self, step: int, rollouts: Sequence[Rollout], found: Replayed[str]) -> None:
        shown = [_row(each, rollouts) for each in found.replays[: self.examples]]
        row = {"step": step, "candidates": found.candidates, "rejected": found.rejected, "replays": shown}
        self.run.append(FILE, row)


def _row(item: ReplayItem[str], rollouts: Sequence[Rollout]) -> dict[str, Any]:
    assert item.source is not None and item.rewrite is not None
    rollout, rewrite = rollouts[item.source], item.rewrite
    ids = [each.id for each in rollout.instruction.constraints]
    parts = {"kept": rewrite.kept, "changed": rewrite.changed, "dropped": rewrite.dropped}
    return {
        "prompt": rollout.instruction.prompt,
        "rewritten": item.prompt,
        "response": item.completion,
        # A relabel made of other instructions' constraints keeps no constraint of its own instruction.
        **({name: [ids[at] for at in places] for name, places in parts.items()} if item.own else {"own": False}),
    }
