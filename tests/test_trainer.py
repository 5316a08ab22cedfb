"""The agent from Python: training with an environment and an encoder of one's own, and asking the policy."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hindsight_rl import Environment, Event, HindsightError, Policy, Step, TrainConfig, Trainer, load_policy
from hindsight_rl.agent.policy.pqn import LearningRules
from hindsight_rl.run import Run

pytestmark = pytest.mark.agent

CELLS = 6
LEFT, RIGHT, ACT = range(3)


class State(NamedTuple):
    at: jax.Array
    key_at: jax.Array
    door_at: jax.Array
    has_key: jax.Array


class Corridor(Environment):
    """Six cells in a row, a key in one and a door in another; the door opens only for who has the key, once."""

    name = "corridor"
    events = (Event("take_key", ("picked up the key",)), Event("open_door", ("opened the door",)))
    instructions = ("pick up the key", "open the door")
    n_actions = 3
    observation_size = 7

    def generate(self, key: jax.Array) -> State:
        at, key_at, door_at = jax.random.permutation(key, CELLS)[:3]
        return State(at, key_at, door_at, jnp.bool_(False))

    def observe(self, state: State) -> jax.Array:
        seen = [
            x
            for place in (state.key_at, state.door_at)
            for x in (place > state.at, place == state.at, place < state.at)
        ]
        return jnp.stack([*seen, state.has_key]).astype(jnp.float32)

    def step(self, key: jax.Array, state: State, action: jax.Array) -> Step:
        move = jnp.where(action == RIGHT, 1, jnp.where(action == LEFT, -1, 0))
        acts = action == ACT
        taken = acts & (state.at == state.key_at) & ~state.has_key
        opened = acts & (state.at == state.door_at) & state.has_key
        at = jnp.clip(state.at + move, 0, CELLS - 1)
        key_at = jnp.where(opened, jax.random.randint(key, (), 0, CELLS), state.key_at)  # the next one
        after = state._replace(at=at, key_at=key_at, has_key=(state.has_key | taken) & ~opened)
        events = jnp.stack([taken, opened])
        return Step(after, self.observe(after), events, opened.astype(jnp.float32), jnp.bool_(False))


class Drawn(Corridor):
    """The same, with pictures."""

    def render(self, state: State) -> np.ndarray:
        picture = np.zeros((1, CELLS, 3), np.uint8)
        picture[0, int(state.at)] = 255
        return picture


class Words:
    """Sentences as their words, the endings of verbs aside: enough for a corridor."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        stems = {"picked": "pick", "opened": "open", "take": "pick", "grab": "pick"}
        known = ["pick", "up", "key", "open", "door", "the"]
        rows = np.full((len(texts), len(known) + 1), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                word = stems.get(word, word)
                row[known.index(word) if word in known else -1] += 0.1 if word in ("the", "up") else 1.0
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def small(out: Path, **changes: Any) -> TrainConfig:
    """Seconds of training."""
    config = TrainConfig(
        out=str(out), total_timesteps=16_384, num_envs=32, num_updates=8, num_worlds=64, width=64, rank=8, depth=1,
        num_evals=1, num_checkpoints=1, final_eval=False, learning_rate=2e-3,
        learning=LearningRules(minibatch=128, hindsight=4),
    )  # fmt: skip
    return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Policy]:
    out = tmp_path_factory.mktemp("runs") / "corridor"
    trainer = Trainer(small(out, final_eval=True), env=Drawn(), encoder=Words())
    return trainer, trainer.fit()


def test_the_policy_does_what_it_is_asked_for(trained: Any) -> None:
    _, policy = trained
    made = [policy.rollout("pick up the key, then open the door", steps=60, world_index=i) for i in range(10)]
    assert sum(attempt.success for attempt in made) >= 9
    attempt = next(attempt for attempt in made if attempt.success)
    (first, took), (second, opened) = attempt.goals
    assert (first, second) == ("pick up the key", "open the door") and took < opened == attempt.steps
    assert [caption for step, caption in attempt.captions if step <= opened] == ["picked up the key", "opened the door"]


def test_the_frames_are_the_environments_own(trained: Any) -> None:
    _, policy = trained
    attempt = policy.rollout("open the door", steps=30)
    assert len(attempt.frames) == len(attempt.events) + 1
    at = [int(frame[0, :, 0].argmax()) for frame in attempt.frames]
    assert at == np.asarray(attempt.states.at).tolist()
    with pytest.raises(HindsightError, match="environment 'corridor' draws no pictures"):
        dataclasses.replace(attempt, env=Corridor()).frames  # noqa: B018


def test_the_run_folder_is_that_of_any_run(trained: Any) -> None:
    trainer, policy = trained
    run = Run.open(trainer.path, kind="agent")
    assert run.read("config.json")["env"] == "corridor"
    assert set(run.lines("metrics.jsonl")[-1]["success"]) == {"take_key", "open_door"}
    result = run.read("eval.json")
    assert [row["text"] for row in result["canonical"]] == list(Corridor.instructions)
    assert result["mean"]["canonical"] > 0.8 and result["composed"] == []
    again = load_policy(trainer.path, env=Drawn(), encoder=Words())
    one, two = (p.rollout("open the door", steps=20, seed=3) for p in (policy, again))
    np.testing.assert_array_equal(one.events, two.events)
    with pytest.raises(HindsightError, match="unknown environment 'corridor'"):
        load_policy(trainer.path)


class Twisted(Corridor):
    """Its events do not have the shape of its vocabulary."""

    events = (*Corridor.events, Event("sing", ("sang a song",)))


class Unhashable(Corridor):
    """Says that it is equal to others, but not what of it is."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


class Wordless(Corridor):
    """Nothing can be asked of it."""

    instructions = ()


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        (Twisted(), r"Step.events has shape \(2,\), expected \(3,\)"),
        (Unhashable(), "cannot be hashed"),
        (Wordless(), "0 instructions for 2 events"),
    ],
)
def test_an_environment_that_does_not_fit_is_an_error_before_anything_is_made(
    env: Any, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(HindsightError, match=f"environment 'corridor'.*{reason}"):
        Trainer(small(tmp_path / "run"), env=env, encoder=Words()).fit()
    assert not (tmp_path / "run").exists()


def test_names_stand_for_objects(tmp_path: Path) -> None:
    trainer = Trainer(small(tmp_path / "run"), env="nether", encoder="default")
    assert (trainer.config.env, trainer.config.encoder) == ("nether", "default")
    with pytest.raises(HindsightError, match="unknown environment 'nether'"):
        trainer.fit()
