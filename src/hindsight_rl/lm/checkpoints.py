"""Model folders and checkpoints: which are complete, and which one of a run to evaluate or to resume from.

Reads only headers and ends of files, no weights, and imports no model library.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from hindsight_rl.errors import HindsightError

_NAME = re.compile(r"checkpoint-(\d+)")
# Weights that other engines write in their own formats (FSDP, DeepSpeed): not checked.
_SHARDED = ("pytorch_model_fsdp*", "global_step*", "distcp*")


def torn(folder: Path) -> str | None:
    """Why a folder holds no complete model, in a few words; None if it holds one."""
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        return "no config.json"
    for index in folder.glob("*.index.json"):
        try:
            parts = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            return f"{index.name} is damaged"
        for part in sorted(parts):
            if not (folder / part).is_file():
                return f"no {part}"
    weights = [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin"), *folder.glob("adapter_model.bin")]
    for file in weights:
        if not (_whole_safetensors(file) if file.suffix == ".safetensors" else zipfile.is_zipfile(file)):
            return f"{file.name} is damaged"
    if not weights and not any(any(folder.glob(name)) for name in _SHARDED):
        return "no weights"
    return None


def torn_checkpoint(folder: Path) -> str | None:
    """Why training cannot resume from a checkpoint, in a few words; None if it can."""
    if (why := torn(folder)) is not None:
        return why
    try:
        json.loads((folder / "trainer_state.json").read_text("utf-8"))["global_step"]
    except (OSError, ValueError, KeyError, TypeError):
        return "trainer_state.json is missing or damaged"
    for file in (*folder.glob("*.pt"), *folder.glob("*.pth")):
        if not zipfile.is_zipfile(file):
            return f"{file.name} is damaged"
    return None


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a trainer's folder, newest first."""
    found = [(int(name[1]), each) for each in folder.glob("checkpoint-*") if (name := _NAME.fullmatch(each.name))]
    return [each for _, each in sorted(found, reverse=True)]


def model_of(given: str) -> str:
    """The model to load. For a run folder this is its `model`, or else its newest complete checkpoint.

    given: an id on the hub, or the folder of a model, of an adapter, or of a run of ``hindsight lm train``.

    Raises:
        HindsightError: a run without a complete model, or a folder without a model.
    """
    folder = Path(given)
    if not folder.is_dir():
        return given
    if (folder / "adapter_config.json").is_file() or not _is_run(folder):
        if (why := torn(folder)) is not None:
            raise HindsightError(
                f"{given}: cannot be loaded: {why}; give an id on the hub, or the folder of a model or of a run"
            )
        return given
    if (kind := _kind(folder)) not in (None, "lm-trl"):
        raise HindsightError(f"{given} is a run of kind '{kind}', which has no model that this command can evaluate")
    tried = []
    for each in (folder / "model", *checkpoints(folder / "trainer")):
        if not each.is_dir():
            continue
        if (why := torn(each)) is None:
            return str(each)
        tried.append(f"{each.relative_to(folder)}: {why}")
    raise HindsightError(
        f"{given} is a run without a complete model or checkpoint"
        + (f" ({'; '.join(tried)})" if tried else "")
        + f"; continue with hindsight lm train --out {given} --resume"
    )


def _is_run(folder: Path) -> bool:
    return _kind(folder) is not None or (folder / "model").is_dir() or (folder / "trainer").is_dir()


def _kind(folder: Path) -> str | None:
    """The command that made a run folder, from its config.json; None for the folder of a model."""
    try:
        found = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return str(found["kind"]) if isinstance(found, dict) and "kind" in found else None


def _whole_safetensors(file: Path) -> bool:
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            header = int.from_bytes(opened.read(8), "little")
            if header > size:
                return False
            entries = json.loads(opened.read(header))
        ends = [each["data_offsets"][1] for name, each in entries.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return False
    return 8 + header + max(ends, default=0) == size
