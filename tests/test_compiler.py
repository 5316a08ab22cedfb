"""Training stops with a clear message where compiling for CPUs may never end."""

import jax
import jaxlib
import pytest

from hindsight_rl.agent.training.compiler import MEND
from hindsight_rl.cli import main


def attempt(monkeypatch, capsys, tmp_path, version, backend="cpu", flags=""):
    """What `hindsight agent train` prints; the run's folder is in use, so nothing is trained in any case."""
    (tmp_path / "used").write_text("")
    monkeypatch.setattr(jaxlib, "__version__", version)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert main(["agent", "train", "--out", str(tmp_path)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("version", ["0.11.2", "0.12.0.1", "1.0.0"])
def test_a_new_jaxlib_on_a_cpu_is_named_with_what_to_do(monkeypatch, capsys, tmp_path, version):
    said = attempt(monkeypatch, capsys, tmp_path, version)
    assert f"jaxlib {version}" in said and "pip install 'jax<0.11'" in said and MEND in said


@pytest.mark.parametrize(
    ("version", "backend", "flags"),
    [("0.10.2", "cpu", ""), ("0.11.2", "gpu", ""), ("0.11.2", "cpu", MEND.removeprefix("XLA_FLAGS="))],
)
def test_others_go_on(monkeypatch, capsys, tmp_path, version, backend, flags):
    said = attempt(monkeypatch, capsys, tmp_path, version, backend, flags)
    assert "jaxlib" not in said and "exists" in said
