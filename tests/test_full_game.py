"""The full game: its vocabulary and how it is read, its steps with keys in the state, and that it really trains."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from craftax.craftax.constants import Achievement, Action

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import Bank
from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.phrases import LANGUAGE
from hindsight_rl.agent.envs.environment import step_each
from hindsight_rl.agent.evaluation.suite import evaluate_instructions, evaluation_suite
from hindsight_rl.agent.keys import SWIFT, same_kinds, swift
from hindsight_rl.agent.policy.pqn import LearningRules
from hindsight_rl.agent.reward.semantic import SemanticReward
from hindsight_rl.agent.training.train import train
from hindsight_rl.agent.training.trainer import load_policy
from hindsight_rl.cli import main as cli
from hindsight_rl.run import Run
from test_train import tiny

ENVS = 4


@pytest.fixture(scope="module")
def env() -> Any:
    return make_env("craftax", "raw")


@pytest.fixture(scope="module")
def reward(real_encoder: Any, env: Any) -> SemanticReward:
    return SemanticReward.fit(real_encoder, env.events, env.language)


@pytest.mark.parametrize("env_name", ["classic-32", "craftax"])
def test_a_state_that_holds_a_key_goes_round_with_keys_of_another_kind(env_name: str) -> None:
    """Traced, not compiled, which takes minutes: what does not fit together fails while it is traced."""
    env = make_env(env_name, "raw")
    states = jax.eval_shape(lambda key: jax.vmap(env.generate)(jax.random.split(key, 3)), jax.random.key(0))
    bank = Bank(states, jax.ShapeDtypeStruct((3, env.observation_size), jnp.float32))  # type: ignore[arg-type]

    def roll(bank: Bank, key: jax.Array) -> Any:
        def one(carry: Any, key: jax.Array) -> Any:
            states, _ = carry
            step = step_each(env, jax.random.split(key, ENVS), states, jnp.zeros(ENVS, jnp.int32))
            return bank.renew(key, step.done, step.state, step.observation), step.events

        return jax.lax.scan(one, bank.take(jnp.zeros(ENVS, int)), jax.random.split(swift(key), 2))

    (after, _), events = jax.eval_shape(roll, bank, jax.random.key(0))
    assert events.shape == (2, ENVS, len(env.events))
    assert jax.tree.map(lambda x: x.dtype, after) == jax.tree.map(lambda x: x.dtype, states)


def test_keys_change_their_kind_and_not_their_bits() -> None:
    before = {"key": jax.random.key(1), "x": jnp.zeros(2)}
    after = same_kinds({"key": swift(jax.random.key(7)), "x": jnp.ones(2)}, before)
    assert after["key"].dtype == before["key"].dtype
    assert (jax.random.key_data(after["key"]) == jax.random.key_data(jax.random.key(7))).all() and (
        after["x"] == 1
    ).all()
    assert jax.random.key_impl(same_kinds(before, {"key": swift(before["key"]), "x": 0})["key"]) == SWIFT


def test_the_vocabulary_begins_with_the_games_achievements(env: Any) -> None:
    names = [event.name for event in env.events]
    assert names[: len(Achievement)] == [a.name.lower() for a in sorted(Achievement, key=lambda a: a.value)]
    assert len(set(names)) == len(names) and len(env.instructions) == len(Achievement)
    assert {e.name: e.implies for e in env.events if e.implies} == {
        f"eat_{prey}": (f"kill_{prey}",) for prey in ("cow", "bat", "snail")
    }


def test_every_given_instruction_is_read_as_what_it_asks_for(env: Any, reward: SemanticReward) -> None:
    read = {text: reward.meaning(text) for text in env.instructions}
    assert read == {text: event.name for text, event in zip(env.instructions, env.events, strict=False)}


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("climb down the ladder", "descend"),
        ("climb up the ladder", "ascend"),
        ("go down the ladder", "descend"),
        ("kill a bat", "kill_bat"),
        ("eat a bat", "eat_bat"),
        ("kill a cow", "kill_cow"),
        ("shoot an arrow", "fire_bow"),
        ("dance", None),
        ("build a house", None),
    ],
)
def test_what_people_say_is_read(reward: SemanticReward, text: str, event: str | None) -> None:
    assert reward.meaning(text) == event


def test_the_reward_keeps_its_distance(reward: SemanticReward) -> None:
    """An event of one sentence has none to be compared with: that once gave a floor of -1, which refuses nothing."""
    assert 0.2 < reward.reading.floor < 0.8
    alone = [dataclasses.replace(e, name=f"x_{e.name}", captions=e.captions[:1]) for e in reward.events]
    assert SemanticReward.fit(reward.encoder, alone, LANGUAGE).reading.floor > 0


def test_a_ladder_is_nothing_in_the_small_game_alone(env: Any) -> None:
    assert "climb the ladder" in LANGUAGE.unrelated("calibration", CLASSIC_EVENTS)
    assert "climb the ladder" not in LANGUAGE.unrelated("calibration", env.events)


def test_the_full_game_has_raw_observations_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["agent", "train", "--env", "craftax", "--observation", "compact", "--out", str(tmp_path / "run")]) == 2
    assert "--observation raw" in capsys.readouterr().err


@pytest.mark.agent
def test_the_full_game_trains(tmp_path: Path) -> None:
    learning = LearningRules(hindsight=4, windows_per_event=1, replay_windows=4, minibatch=64)
    config = tiny(
        tmp_path / "full", env="craftax", observation="raw", total_timesteps=4096, num_envs=16, num_steps=8,
        num_updates=4, num_worlds=8, trajectories=4, learning=learning,
    )  # fmt: skip
    run = Run.open(train(config))
    rows = run.lines("metrics.jsonl")
    assert rows[-1]["step"] == 4096 and all(np.isfinite(row["loss"]) for row in rows)
    assert sum(sum(row["events"].values()) for row in rows) > 0
    policy = load_policy(run)
    asked = evaluation_suite(policy)["canonical"]
    assert len(asked) == len(Achievement)
    for row in evaluate_instructions(policy, asked[:2], episodes=2, horizon=4, batch=4):
        assert row["trials"] == 2 and 0 <= row["success"] <= 1


@pytest.mark.slow
def test_what_is_killed_by_hand_is_eaten(env: Any) -> None:
    state = jax.jit(env.generate)(jax.random.key(0))
    ahead = state.player_position + jnp.array([-1, 0])
    level, kinds = state.player_level, {name: i for i, name in enumerate(("cow", "bat", "snail"))}
    step = jax.jit(env.step)
    for name, kind in kinds.items():
        mobs = state.passive_mobs
        mobs = mobs.replace(
            position=mobs.position.at[level, 0].set(ahead),
            health=mobs.health.at[level, 0].set(0.5),
            mask=mobs.mask.at[level, 0].set(True),
            type_id=mobs.type_id.at[level, 0].set(kind),
        )
        there = state.replace(
            passive_mobs=mobs,
            mob_map=state.mob_map.at[level, ahead[0], ahead[1]].set(True),
            player_direction=jnp.asarray(Action.UP.value),
        )
        happened = {
            env.events[i].name
            for i in np.flatnonzero(step(jax.random.key(1), there, jnp.int32(Action.DO.value)).events)
        }
        assert {f"eat_{name}", f"kill_{name}"} <= happened
        idle = {env.events[i].name for i in np.flatnonzero(step(jax.random.key(1), there, jnp.int32(0)).events)}
        assert not {f"eat_{name}", f"kill_{name}"} & idle
