"""CrafText: its sentences and its checker, from the installed package, or from a stand-in."""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.evaluation import craftext as module
from hindsight_rl.agent.evaluation import suite
from hindsight_rl.agent.evaluation.craftext import Scenario, evaluate_craftext, load
from hindsight_rl.agent.evaluation.strict import evaluate_strict
from hindsight_rl.agent.evaluation.suite import EVAL_WORLDS
from hindsight_rl.agent.evaluation.trials import Outcome
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.cli import main
from hindsight_rl.errors import HindsightError

pytestmark = pytest.mark.agent

SOURCE = """
from jax import numpy as jnp
from types import SimpleNamespace as S

def target(required, forbidden=()):
    mask = [1 if i in required else -1 if i in forbidden else 0 for i in range(22)]
    return S(achievements=S(achievement_mask=jnp.array(mask)))

easy = {
    "WOOD_NO_DRINK": {
        "instruction": "Collect wood but do not drink.",
        "instruction_paraphrases": ["Gather logs, no drinks."],
        "arguments": target([0], [4]),
    },
}
medium = explode()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with the layout of craftext and one scenario of its own."""
    folder = tmp_path / "craftext" / "dataset" / "scenarious" / "jax_conditional_achievements"
    folder.mkdir(parents=True)
    (tmp_path / "craftext" / "__init__.py").write_text("")
    (folder / "instructions.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "craftext"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_one_set_is_read_and_nothing_of_the_others_is_run(package):
    first, second = load("easy")
    assert (first.text, second.text) == ("Collect wood but do not drink.", "Gather logs, no drinks.")
    assert (first.paraphrase, second.paraphrase) == (False, True)
    assert first.required == {0} and first.forbidden == {4} and first.name == "WOOD_NO_DRINK"


def test_errors_say_what_to_install(package, monkeypatch):
    with pytest.raises(HindsightError, match="no set 'hard': one of easy, other_parameters, paraphrased"):
        load("hard")
    with pytest.raises(HindsightError, match=r"test\.py: FileNotFoundError .*another version"):
        load("paraphrased")
    (package / "instructions.py").write_text("hard = {}")
    with pytest.raises(HindsightError, match="KeyError 'easy'"):
        load("easy")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(HindsightError, match=r"pip install --no-deps craftext==0\.2\.2"):
        load("easy")


@pytest.fixture(scope="module")
def policy(real_reward) -> Policy:
    env = make_env("classic-32")
    network = QNetwork(env.n_actions, width=8, depth=1, rank=4)
    policy = Policy(network, None, env, real_reward)
    condition = jnp.zeros((1, policy.conditions(["x"]).shape[1]))
    policy.params = network.init(jax.random.key(0), jnp.zeros((1, env.observation_size)), condition)
    return policy


def scenario(text: str, required: set[int], forbidden: set[int] = frozenset(), paraphrase: bool = False) -> Scenario:
    mask = jnp.asarray([1 if i in required else -1 if i in forbidden else 0 for i in range(22)])
    return Scenario("S", text, paraphrase, frozenset(required), frozenset(forbidden), {"mask": mask})


def test_the_checker_judges_and_what_is_refused_counts_as_failed(policy, monkeypatch):
    def judge(before: Any, after: Any, action: jax.Array, target: Any) -> jax.Array:
        return (target["mask"][0] == 1) & (after.game.timestep > before.game.timestep)

    monkeypatch.setattr(module, "_judge", lambda: judge)
    monkeypatch.setattr(module, "ENV", "classic-32")
    found = {
        "easy": [
            scenario("drink", {0}),  # not what it asks for: the checker alone decides
            scenario("gather the third moon", {0}, paraphrase=True),
            scenario("make an iron sword without drinking", {21}, {4}),
        ]
    }
    monkeypatch.setattr(module, "load", found.__getitem__)
    result = evaluate_craftext(policy, ("easy",), episodes=2, batch=4)
    easy = result["easy"]
    assert easy["sentences"] == 3 and easy["refused"] == pytest.approx(1 / 3, abs=1e-4)
    assert easy["success"] == pytest.approx(1 / 3, abs=1e-4) and easy["success_of_understood"] == 0.5
    assert easy["success_with_negation"] == 0.0 and result["mean"]["easy"] == easy["success"]
    assert easy["scenarios"] == [{"name": "S", "sentences": 3, "refused": 1, "success": easy["success"]}]
    assert "moon" not in str(result) and "jax_build_line" in result["unsupported"]


def test_more_trials_than_worlds_are_spread_over_all_worlds(policy, monkeypatch):
    tried = []

    def nothing_happens(network, params, env, bank, tasks, worlds, *rest):
        tried.append(np.asarray(worlds))
        n = len(worlds)
        return Outcome(np.zeros(n, bool), np.zeros(n, int), np.zeros((n, len(env.events)), bool), np.zeros(n, bool))

    monkeypatch.setattr(suite, "run_trials", nothing_happens)
    monkeypatch.setattr(module, "ENV", "classic-32")
    monkeypatch.setattr(module, "_judge", lambda: None)
    monkeypatch.setattr(module, "load", lambda name: [scenario("drink", {0})])
    for episodes in (2, EVAL_WORLDS, EVAL_WORLDS + 44):
        tried.clear()
        evaluate_craftext(policy, ("easy",), episodes=episodes, batch=100)
        worlds = np.concatenate(tried)[:episodes]
        assert len(set(worlds.tolist())) == min(episodes, EVAL_WORLDS), episodes
    assert np.bincount(worlds).max() == 2 and len(tried) == 3


@pytest.mark.parametrize("bench", ["craftext", "strict"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scale", "nan"], "--scale nan: a finite number above 0"),
        (["--scale", "inf"], "--scale inf"),
        (["--scale", "0"], "--scale 0.0"),
        (["--scale", "-1"], "--scale -1.0"),
        (["--parts", "canonical"], "--parts: --bench {bench} has no parts"),
    ],
)
def test_options_that_a_bench_cannot_follow_are_refused(tmp_path, capsys, bench, options, said):
    assert main(["agent", "eval", str(tmp_path), "--bench", bench, *options]) == 2
    assert said.format(bench=bench) in capsys.readouterr().err


def test_another_game_is_an_error(policy):
    class Other:
        name = "MiniGrid"
        strict_compositions = ()

    stranger = Policy(policy.network, policy.params, Other(), policy.reward)  # type: ignore[arg-type]
    with pytest.raises(HindsightError, match="about Craftax-Classic"):
        evaluate_craftext(stranger)
    with pytest.raises(HindsightError, match="has no instructions with counts"):
        evaluate_strict(stranger)


def test_the_installed_package_gives_scenarios_with_their_truth():
    pytest.importorskip("craftext")
    scenarios = load("easy")
    assert len(scenarios) > 50 and all(each.required and each.text for each in scenarios)
    mask = np.asarray(scenarios[0].target.achievements.achievement_mask)
    assert set(np.flatnonzero(mask == 1)) == scenarios[0].required
    assert any(each.forbidden for each in scenarios)


def test_the_installed_checker_judges_states_of_the_game():
    pytest.importorskip("craftext")
    env, scenarios = make_env("classic-32"), [each for each in load("easy") if each.forbidden][:2]
    state = jax.vmap(env.generate)(jax.random.split(jax.random.key(0), 2))
    target = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(each.target for each in scenarios))
    done = np.zeros((2, 22), bool)
    for row, each in zip(done, scenarios, strict=True):
        row[list(each.required)] = True
    for achieved, verdict in ((np.zeros_like(done), False), (done, True), (np.ones_like(done), False)):
        after = state.replace(game=state.game.replace(achievements=jnp.asarray(achieved)))
        judged = jax.jit(jax.vmap(module._judge()))(state, after, jnp.zeros(2, jnp.int32), target)
        assert judged.tolist() == [verdict] * 2


def test_counts_and_prohibitions_are_compared_with_the_same_without(policy, monkeypatch):
    env = policy.env
    chosen = [each for each in env.strict_compositions if each.text in ("drink twice", "wake up but do not drink")]
    assert len(env.strict_compositions) == 30 and sum(bool(each.avoid) for each in env.strict_compositions) == 20
    for each in env.strict_compositions:  # all are understood as they are meant
        parsed = policy.reward.check(each.text)
        assert parsed.events == each.events and set(parsed.avoid) == set(each.avoid)
        assert parsed.times == (each.times or (1,) * len(each.events))
    monkeypatch.setattr(type(env), "strict_compositions", tuple(chosen))
    result = evaluate_strict(policy, episodes=2, batch=4)
    assert set(result["mean"]) == {"forbidding", "forbidding_plain", "counting", "counting_plain", "violated"}
    assert [pair["kind"] for pair in result["pairs"]] == ["forbidding", "counting"]
