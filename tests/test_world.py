"""Craftax-Classic: observations, events against the game's own states, speed patches that change nothing."""

from typing import Any

import craftax.craftax_classic.game_logic as stock_logic
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from craftax.craftax_classic.constants import Achievement, Action, BlockType
from craftax.craftax_classic.renderer import render_craftax_symbolic

from hindsight_rl.agent.envs import make_env
from hindsight_rl.agent.envs.bank import load_bank
from hindsight_rl.agent.envs.craftax import compact as view
from hindsight_rl.agent.envs.craftax.captions import CLASSIC_EVENTS
from hindsight_rl.agent.envs.craftax.classic import CraftaxClassic
from hindsight_rl.agent.envs.events import event_index
from hindsight_rl.errors import HindsightError

pytestmark = pytest.mark.agent

INDEX = event_index(CLASSIC_EVENTS)
ENVS = 64


@pytest.fixture(scope="module")
def env() -> CraftaxClassic:
    return make_env("classic-32")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def stepper(env: CraftaxClassic) -> Any:
    return jax.jit(env.step)


@pytest.fixture(scope="module")
def walk(env: CraftaxClassic) -> Any:
    """64 environments under random actions for 300 steps: states before, after, actions, events."""
    bank = load_bank(env, "train", 128)

    @jax.jit
    def go(key: jax.Array) -> Any:
        states, _ = bank.take(jnp.arange(ENVS))

        def one(states: Any, key: jax.Array) -> Any:
            k_action, k_step, k_renew = jax.random.split(key, 3)
            action = jax.random.randint(k_action, (ENVS,), 0, env.n_actions)
            step = jax.vmap(env.step)(jax.random.split(k_step, ENVS), states, action)
            after, _ = bank.renew(k_renew, step.done, step.state, step.observation)
            return after, (states, action, step)

        return jax.lax.scan(one, states, jax.random.split(key, 300))[1]

    return jax.tree.map(np.asarray, jax.tree.map(_plain, go(jax.random.key(0))))


def _plain(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def placed(env: CraftaxClassic, block: BlockType, **inventory: int) -> Any:
    """A state on open grass, facing a block (the player looks up), with things in hand."""
    state = env.generate(jax.random.key(1))
    game = state.game
    y, x = (int(v) for v in game.player_position)
    ground = game.map.at[y - 3 : y + 4, x - 3 : x + 4].set(BlockType.GRASS.value)
    game = game.replace(
        map=ground.at[y - 1, x].set(block.value),
        player_direction=jnp.asarray(Action.UP.value),
        inventory=game.inventory.replace(**{k: jnp.asarray(v) for k, v in inventory.items()}),
    )
    return state.replace(game=game)


def did(env: CraftaxClassic, stepper: Any, state: Any, *actions: Action) -> tuple[Any, list[set[str]]]:
    """Play actions; the events of each step, wandering mobs' doings aside."""
    happened = []
    for action in actions:
        step = stepper(jax.random.key(7), state, jnp.asarray(action.value))
        state = step.state
        happened.append({CLASSIC_EVENTS[i].name for i in np.flatnonzero(step.events)})
    return state, happened


def test_the_vocabulary_begins_with_the_achievements_in_the_games_order() -> None:
    assert [e.name for e in CLASSIC_EVENTS[:22]] == [a.name.lower() for a in Achievement]
    assert len(CLASSIC_EVENTS) >= 40


def test_a_second_collect_wood_is_an_event_too(env: CraftaxClassic, stepper: Any) -> None:
    state = placed(env, BlockType.TREE)
    y, x = (int(v) for v in state.game.player_position)
    state, happened = did(env, stepper, state, Action.DO)
    assert "collect_wood" in happened[0]
    again = state.replace(game=state.game.replace(map=state.game.map.at[y - 1, x].set(BlockType.TREE.value)))
    state, happened = did(env, stepper, again, Action.DO)
    assert "collect_wood" in happened[0]
    assert bool(state.achieved[0]) and bool(state.game.achievements[0])


@pytest.mark.parametrize(
    ("block", "hands", "action", "event"),
    [
        (BlockType.GRASS, {"wood": 9}, Action.PLACE_TABLE, "place_table"),
        (BlockType.GRASS, {"stone": 9}, Action.PLACE_STONE, "place_stone"),
        (BlockType.WATER, {"stone": 9}, Action.PLACE_STONE, "bridge_water"),
        (BlockType.GRASS, {"sapling": 1}, Action.PLACE_PLANT, "place_plant"),
        (BlockType.WATER, {}, Action.DO, "collect_drink"),
        (BlockType.STONE, {"wood_pickaxe": 1}, Action.DO, "collect_stone"),
        (BlockType.COAL, {"wood_pickaxe": 1}, Action.DO, "collect_coal"),
        (BlockType.IRON, {"stone_pickaxe": 1}, Action.DO, "collect_iron"),
        (BlockType.DIAMOND, {"iron_pickaxe": 1}, Action.DO, "collect_diamond"),
        (BlockType.CRAFTING_TABLE, {"wood": 9}, Action.MAKE_WOOD_PICKAXE, "make_wood_pickaxe"),
        (BlockType.CRAFTING_TABLE, {"wood": 9}, Action.MAKE_WOOD_SWORD, "make_wood_sword"),
        (BlockType.CRAFTING_TABLE, {"wood": 9, "stone": 9}, Action.MAKE_STONE_PICKAXE, "make_stone_pickaxe"),
        (BlockType.RIPE_PLANT, {}, Action.DO, "eat_plant"),
    ],
)
def test_doing_fires_its_event(env: Any, stepper: Any, block: Any, hands: Any, action: Any, event: str) -> None:
    _, happened = did(env, stepper, placed(env, block, **hands), action)
    assert event in happened[0]
    _, happened = did(env, stepper, placed(env, BlockType.SAND), action)  # without the means: nothing
    assert event not in happened[0]


def test_a_drink_counts_as_thirsty_only_below_half(env: CraftaxClassic, stepper: Any) -> None:
    state = placed(env, BlockType.WATER)
    for drink, thirsty in ((2, True), (8, False)):
        low = state.replace(game=state.game.replace(player_drink=jnp.asarray(drink)))
        _, happened = did(env, stepper, low, Action.DO)
        assert "collect_drink" in happened[0] and ("drink_when_thirsty" in happened[0]) is thirsty


def test_a_table_by_the_water_and_the_return_to_it(env: CraftaxClassic, stepper: Any) -> None:
    state = placed(env, BlockType.GRASS, wood=9)
    y, x = (int(v) for v in state.game.player_position)
    _, happened = did(env, stepper, state, Action.PLACE_TABLE)
    assert "place_table_by_water" not in happened[0] and "return_to_table" not in happened[0]
    wet = state.replace(game=state.game.replace(map=state.game.map.at[y - 2, x].set(BlockType.WATER.value)))
    after, happened = did(env, stepper, wet, Action.PLACE_TABLE)
    assert "place_table_by_water" in happened[0]
    _, happened = did(env, stepper, after, Action.DOWN, Action.DOWN, Action.UP, Action.UP)
    assert ["return_to_table" in t for t in happened] == [False, False, False, True]


def test_coming_to_face_a_tree_fires_once(env: CraftaxClassic, stepper: Any) -> None:
    state = placed(env, BlockType.TREE)
    _, happened = did(env, stepper, state, Action.DOWN, Action.UP, Action.UP, Action.NOOP)
    assert sum("reach_tree" in t for t in happened) == 1


def test_events_follow_from_the_states(walk: Any) -> None:
    before, _, step = walk
    events, after = step.events, step.state
    alive = ~step.done
    new = after.game.achievements & ~before.game.achievements
    assert (events[..., :22] >= new).all()  # what is newly achieved has just happened
    wood = after.game.inventory.wood.astype(int) - before.game.inventory.wood
    np.testing.assert_array_equal((wood > 0) & alive, events[..., INDEX["collect_wood"]] & (wood > 0) & alive)
    hurt = after.game.player_health < before.game.player_health
    np.testing.assert_array_equal(events[..., INDEX["take_damage"]], hurt)
    slept = after.game.is_sleeping & ~before.game.is_sleeping
    np.testing.assert_array_equal(events[..., INDEX["fall_asleep"]], slept)
    np.testing.assert_array_equal(events[..., INDEX["die"]], after.game.player_health <= 0)
    implied = {e.name: e.implies for e in CLASSIC_EVENTS if e.implies}
    for name, general in implied.items():
        for other in general:
            assert (events[..., INDEX[other]] >= events[..., INDEX[name]]).all()
    seen = events.sum((0, 1))
    assert (seen > 0).sum() >= 20, "a random walk should meet most of the easy events"


def test_clearing_the_flags_does_not_change_the_game(env: CraftaxClassic) -> None:
    """The same step by the private module and by the installed one differ only by where new mobs appear."""
    state = placed(env, BlockType.TREE)
    none = env.params.replace(spawn_cow_chance=0.0, spawn_zombie_base_chance=0.0, spawn_zombie_night_chance=0.0,
                                spawn_skeleton_chance=0.0)  # fmt: skip
    step = jax.jit(lambda key, game, action: env._craftax_step(key, game, action, params=none)[0])
    stock = jax.jit(lambda key, game, action: stock_logic.craftax_step(key, game, action, none, env.static)[0])
    for seed in range(20):
        key, action = jax.random.key(seed), jnp.asarray(seed % env.n_actions)
        ours, theirs = step(key, state.game, action), stock(key, state.game, action)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_array_equal(np.asarray(_plain(a)), np.asarray(_plain(b)))
        state = state.replace(game=ours)


def test_new_mobs_appear_as_often_and_as_far_away_as_in_the_stock_game(env: CraftaxClassic) -> None:
    """Joint draws included: never two new mobs on one cell, which a shared random vector would give."""
    state = env.generate(jax.random.key(3)).game
    always = env.params.replace(spawn_cow_chance=1.0, spawn_zombie_base_chance=1.0, spawn_skeleton_chance=1.0)
    open_ground = jnp.where(
        jax.random.uniform(jax.random.key(0), state.map.shape) < 0.5, BlockType.GRASS.value, BlockType.PATH.value
    )
    empty = {
        kind: getattr(state, kind).replace(mask=jnp.zeros_like(getattr(state, kind).mask))
        for kind in ("zombies", "cows", "skeletons")
    }
    state = state.replace(map=open_ground, mob_map=jnp.zeros_like(state.mob_map), **empty)
    private = __import__("hindsight_rl.agent.envs.craftax.sampler", fromlist=["x"]).with_two_level_choice(
        "craftax.craftax_classic.game_logic"
    )
    keys = jax.random.split(jax.random.key(9), 4000)
    distances = {}
    for name, module in (("ours", private), ("stock", stock_logic)):
        after = jax.jit(jax.vmap(lambda k, m=module: m.spawn_mobs(state, k, always, env.static)))(keys)
        where = np.stack([np.asarray(getattr(after, k).position[:, 0]) for k in ("cows", "zombies", "skeletons")], 1)
        same = (where[:, :, None] == where[:, None]).all(-1).sum((1, 2)) - 3
        assert (same == 0).all(), f"{name}: two mobs on one cell"
        distances[name] = np.abs(where - np.asarray(state.player_position)).sum(-1)
    for kind in range(3):
        ours, stock = distances["ours"][:, kind], distances["stock"][:, kind]
        grid = np.arange(0, 15)
        gap = np.abs(
            np.searchsorted(np.sort(ours), grid, "right") - np.searchsorted(np.sort(stock), grid, "right")
        ) / len(keys)
        assert gap.max() < 1.95 * np.sqrt(2 / len(keys))  # Kolmogorov-Smirnov at p = .001


def test_raw_observation_is_the_games(env: CraftaxClassic) -> None:
    raw = make_env("classic-32", "raw")
    state = raw.generate(jax.random.key(2))
    seen = np.asarray(raw.observe(state))
    assert seen.shape == (1345,) and raw.observation_size == 1345
    np.testing.assert_allclose(seen, np.asarray(render_craftax_symbolic(state.game)), atol=1e-3)
    np.testing.assert_allclose(seen[1335:1339], 0.9, atol=1e-3)  # health, food, drink, energy in tenths


def test_the_compact_encoder_reads_nothing_but_the_raw_observation(env: CraftaxClassic) -> None:
    state = placed(env, BlockType.TREE, wood=3)
    raw = render_craftax_symbolic(state.game)
    np.testing.assert_array_equal(np.asarray(view.compact(raw)), np.asarray(env.observe(state)))
    assert view.compact(raw).shape == (view.COMPACT_SIZE,) == (env.observation_size,)
    assert float(view.faced_cell(raw)[view.TREE]) == 1.0


def test_the_nearest_of_a_kind_is_found() -> None:
    raw = np.zeros(view.RAW_SIZE, np.float32)
    cells = raw[: view.MAP_SIZE].reshape(view.ROWS, view.COLUMNS, view.CHANNELS)
    cells[:, :, view.GRASS] = 1
    cells[0, 0, view.COW] = 1  # seven away
    cells[3, 6, view.COW] = 1  # two to the right
    nearest = np.asarray(view.compact(jnp.asarray(raw)))[: len(view.SOUGHT) * 7].reshape(-1, 7)
    cow = nearest[list(view.SOUGHT).index(view.COW)]
    np.testing.assert_allclose(cow, [1, 0, 0, 0, 1, 0, 0.5])
    assert not nearest[list(view.SOUGHT).index(view.ZOMBIE)].any()


@pytest.mark.parametrize(("name", "observation"), [("classic-30", "compact"), ("nether", "raw"), ("classic", "pixels")])
def test_an_unknown_environment_is_an_error_that_names_the_known_ones(name: str, observation: str) -> None:
    with pytest.raises(HindsightError, match=r"classic-32|compact"):
        make_env(name, observation)
