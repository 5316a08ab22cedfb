"""The bank of worlds."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.envs import bank as bank_module
from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.evaluation.suite import EVAL_WORLDS
from hindsight_rl.cli import main
from hindsight_rl.encoder import default_cache_dir
from hindsight_rl.errors import HindsightError


@pytest.fixture(scope="module")
def env():
    return make_env("classic-32")


def maps(bank) -> np.ndarray:
    return np.asarray(bank.states.game.map).reshape(bank.size, -1)


def test_training_and_evaluation_share_no_world(env) -> None:
    train, held_out = maps(load_bank(env, "train", 128)), maps(load_bank(env, "eval", 128))
    assert len({m.tobytes() for m in train} & {m.tobytes() for m in held_out}) == 0
    assert len({m.tobytes() for m in train}) == 128


def unreachable(*given) -> None:
    raise AssertionError("the worlds are kept and must not be made again")


def test_a_bank_is_kept_and_a_torn_file_is_made_again(env, tmp_path: Path, monkeypatch) -> None:
    first = load_bank(env, "train", 4, cache=tmp_path)
    (file,) = (tmp_path / "worlds").glob("*.npz")
    with monkeypatch.context() as patched:
        patched.setattr(bank_module, "_generate", unreachable)
        again = load_bank(env, "train", 4, cache=tmp_path)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_array_equal(maps(first), maps(again))
    file.write_bytes(file.read_bytes()[:1000])
    np.testing.assert_array_equal(maps(load_bank(env, "train", 4, cache=tmp_path)), maps(first))


def test_a_bank_is_a_prefix_of_a_larger_one(env) -> None:
    np.testing.assert_array_equal(maps(load_bank(env, "train", 4)), maps(load_bank(env, "train", 128))[:4])


def test_only_what_is_over_is_renewed(env) -> None:
    bank = load_bank(env, "train", 128)
    states, observations = bank.take(jnp.arange(8))
    over = jnp.asarray([True, False] * 4)
    after, seen = jax.jit(bank.renew)(jax.random.key(0), over, states, observations)
    same = (np.asarray(after.game.map) == np.asarray(states.game.map)).all((1, 2))
    assert same[1::2].all() and not same[::2].all()
    np.testing.assert_allclose(np.asarray(seen), np.asarray(jax.vmap(env.observe)(after)), atol=1e-6)
    kept, _ = bank.renew(jax.random.key(0), jnp.zeros(8, bool), states, observations)
    np.testing.assert_array_equal(np.asarray(kept.game.map), np.asarray(states.game.map))


def test_renewal_draws_all_worlds_alike(env) -> None:
    bank = load_bank(env, "train", 4)
    index = {m.tobytes(): i for i, m in enumerate(maps(bank))}
    n = 512
    states, observations = bank.take(jnp.zeros(n, int))
    after, _ = jax.jit(bank.renew)(jax.random.key(1), jnp.ones(n, bool), states, observations)
    drawn = [index[m.tobytes()] for m in np.asarray(after.game.map).reshape(n, -1)]
    assert (np.abs(np.bincount(drawn, minlength=4) - n / 4) < 5 * np.sqrt(n * 3 / 16)).all()


def test_bad_requests_name_the_mend(env, tmp_path: Path) -> None:
    with pytest.raises(HindsightError, match="train, eval"):
        load_bank(env, "test", 4)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(HindsightError, match="HINDSIGHT_CACHE"):
        load_bank(env, "train", 4, cache=blocked)


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HINDSIGHT_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HINDSIGHT_CACHE", "~/c")
    assert default_cache_dir() == tmp_path / "c"
    monkeypatch.delenv("HINDSIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert default_cache_dir() == tmp_path / ".cache" / "hindsight-rl"


def test_the_command_keeps_the_worlds_that_training_and_evaluation_use(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HINDSIGHT_CACHE", str(tmp_path))
    assert main(["agent", "worlds", "--env", "MiniGrid-DoorKey-5x5", "--count", "4"]) == 0
    files = sorted(default_cache_dir().rglob("*.npz"))
    env = make_env("MiniGrid-DoorKey-5x5")
    assert [load_bank(env, split, n).size for split, n in (("train", 4), ("eval", EVAL_WORLDS))] == [4, EVAL_WORLDS]
    assert sorted(default_cache_dir().rglob("*.npz")) == files and len(files) == 2
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "examples" / "environment"))
    assert main(["agent", "worlds", "--env", "garden:Garden"]) == 2
    assert "no cache_key" in capsys.readouterr().err
