"""The bridge to Gymnasium: missions are followed, refused with the reason, and judged by the environment's reward."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("xminigrid")

from xminigrid.core.constants import Colors, Tiles

from hindsight_rl import HindsightError
from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.minigrid.farama import FaramaGrid
from hindsight_rl.agent.envs.minigrid.xland import FORWARD, PICK_UP, TURN_LEFT, MiniGrid
from hindsight_rl.agent.evaluation.missions import evaluate_missions
from hindsight_rl.agent.policy.network import QNetwork
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.encoder import load_encoder


@pytest.fixture(scope="module")
def grid() -> MiniGrid:
    return make_env("MiniGrid-DoorKey-8x8")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def policy(grid: MiniGrid) -> Policy:
    """A policy with random parameters."""
    reward = SemanticReward.fit(load_encoder("default"), grid.events, grid.language)
    network = QNetwork(grid.n_actions, 16, 1, 4)
    width = len(grid.events) + reward.embed(["x"]).shape[1]
    params = network.init(jax.random.key(0), jnp.zeros((1, grid.observation_size)), jnp.zeros((1, width)))
    return Policy(network, params, grid, reward)


class Lamp:
    """An environment and its bridge: the mission of episode i is text i; action 0 is right."""

    texts = ("pick up the yellow key", "juggle", "go to a key, then go to a door")

    def __init__(self, size: int, pays: float = 1.0):
        self.size, self.pays, self.acts = size, pays, []

    def make(self) -> "Lamp":
        return self

    def reset(self, seed: int) -> Any:
        self.text, self.left = self.texts[seed], 3
        return None, {}

    def step(self, action: Any) -> Any:
        self.acts.append(action)
        self.left -= 1
        return None, self.pays * (self.left == 0), self.left == 0, False, {}

    def mission(self, env: Any, seen: Any) -> str:
        return self.text

    def observe(self, env: Any, seen: Any) -> np.ndarray:
        return np.zeros(self.size, np.float32)

    def act(self, action: int) -> Any:
        return f"action {action}"

    def close(self) -> None:
        self.closed = True


def test_missions_are_judged_by_the_environment_and_refusals_say_why(policy: Policy) -> None:
    lamp = Lamp(policy.env.observation_size)
    taken, nonsense, several = evaluate_missions(policy, lamp, episodes=3, epsilon=0.0)
    assert taken.success and taken.steps == 3 and taken.problem is None
    assert not nonsense.success and "juggle" in (nonsense.problem or "")
    assert "2 goals" in (several.problem or "") and several.steps == 0
    assert len(lamp.acts) == 3 and set(lamp.acts) <= {f"action {i}" for i in range(6)} and lamp.closed
    assert not evaluate_missions(policy, Lamp(policy.env.observation_size, pays=0.0), episodes=1)[0].success
    with pytest.raises(HindsightError, match=r"observation has shape \(4,\), the policy's has"):
        evaluate_missions(policy, Lamp(4), episodes=1)


def test_farama_grids_look_as_in_training(grid: MiniGrid) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("minigrid")
    bridge = FaramaGrid("MiniGrid-DoorKey-8x8-v0", grid)
    env = bridge.make()
    assert isinstance(env, gymnasium.Env)
    seen, _ = env.reset(seed=4)
    from minigrid.core.world_object import Key

    # An empty room with a key two cells ahead and one to the left of an agent that looks up.
    game = env.unwrapped
    for x in range(1, 7):
        for y in range(1, 7):
            game.grid.set(x, y, None)
    game.grid.set(3, 3, Key("yellow"))
    game.agent_pos, game.agent_dir = np.array([4, 5]), 3
    tiles = np.tile(np.array([Tiles.FLOOR, Colors.BLACK], np.uint8), (8, 8, 1))
    tiles[[0, -1]] = tiles[:, [0, -1]] = (Tiles.WALL, Colors.GREY)
    tiles[3, 3] = (Tiles.KEY, Colors.YELLOW)
    state = jax.jit(grid.generate)(jax.random.key(0)).replace(
        grid=jnp.asarray(tiles), position=jnp.array([5, 4], jnp.int32), direction=jnp.int32(0)
    )
    np.testing.assert_array_equal(bridge.observe(env, game.gen_obs()), jax.jit(grid.observe)(state))
    # Walk to the key and take it, in both.
    step = jax.jit(grid.step)
    for action in (FORWARD, FORWARD, TURN_LEFT, PICK_UP):
        seen, *_ = env.step(bridge.act(action))
        state = step(jax.random.key(0), state, jnp.int32(action)).state
    assert game.carrying is not None and tuple(np.asarray(state.pocket)) == (Tiles.KEY, Colors.YELLOW)
    np.testing.assert_array_equal(bridge.observe(env, seen), jax.jit(grid.observe)(state))
    assert bridge.mission(env, {"mission": "pick up the purple box"}) == "pick up the purple square"
    env.close()


def test_a_policy_plays_the_packages_own_missions(policy: Policy) -> None:
    pytest.importorskip("minigrid")
    grid = policy.env
    assert isinstance(grid, MiniGrid)
    played = evaluate_missions(policy, FaramaGrid("BabyAI-PickupLoc-v0", grid), episodes=6, steps=10)
    assert len(played) == 6 and all(each.text.startswith("pick up") for each in played)
    assert all(each.steps == 10 or each.success or each.problem for each in played)
