"""A garden of 6 x 6 cells with a key, a chest, a well, a bell and a flower: an environment for hindsight-rl."""

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl import Environment, Event, Language, Step

SIZE = 6
MOVES = np.array([[-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]])  # up, down, left, right, use what is in this cell
THINGS = {  # event: caption, thing, verbs for the relabeler, verbs that are held out for evaluation, colour
    "take_key": ("took the key", "key", "take, pick up, grab", "get, fetch", (240, 200, 60)),
    "open_chest": ("opened the chest", "chest", "open, unlock, lift the lid of", "open up, get into", (150, 90, 40)),
    "use_well": ("drank from the well", "well", "drink from, sip from", "drink at, visit", (60, 130, 240)),
    "ring_bell": ("rang the bell", "bell", "ring, sound, strike", "make noise with, toll", (220, 220, 230)),
    "pick_flower": ("picked the flower", "flower", "pick, pluck, gather", "cut, collect", (230, 90, 160)),
}
TRAIN, HELD_OUT = ([[f"{verb} the {row[1]}" for verb in row[k].split(", ")] for row in THINGS.values()] for k in (2, 3))


class Garden(Environment):
    """The agent walks, and uses what is in its cell. The chest opens only with the key, which is spent by that."""

    name = "Garden"
    events = tuple(Event(event, (row[0],)) for event, row in THINGS.items())
    instructions = tuple(phrasings[0] for phrasings in TRAIN)  # "take the key", "open the chest", ...
    language = Language(
        {event: {"train": tuple(t), "heldout": tuple(h)} for event, t, h in zip(THINGS, TRAIN, HELD_OUT, strict=True)},
        {"train": ("write a poem", "fly to the moon", "play the guitar", "close the window", "eat an apple")},
    )
    n_actions, observation_size, horizon = len(MOVES), 5 * 4 + 5 + 1, 40
    settings = (
        ("acting.patience", 40), ("acting.mean_life", 200), ("num_envs", 32), ("num_worlds", 128), ("width", 64),
        ("depth", 1), ("rank", 16), ("learning_rate", 2e-3), ("total_timesteps", 65_536), ("num_evals", 1),
    )  # fmt: skip

    def generate(self, key):
        places = jnp.stack(jnp.divmod(jax.random.permutation(key, SIZE * SIZE)[:6], SIZE), 1)  # no two are equal
        return {"at": places[5], "things": places[:5], "has_key": jnp.bool_(False)}

    def observe(self, state):
        away = state["things"] - state["at"]  # is each thing up, down, left, right of the agent, or here?
        sides = jnp.concatenate([away.ravel() < 0, away.ravel() > 0, (away == 0).all(1)])
        return jnp.append(sides, state["has_key"]).astype(jnp.float32)

    def step(self, key, state, action):
        used = (action == 4) & (state["things"] == state["at"]).all(1)
        used = used & jnp.array([~state["has_key"], state["has_key"], True, True, True])
        at = jnp.clip(state["at"] + jnp.asarray(MOVES)[action], 0, SIZE - 1)
        moves = (used & jnp.array([True, False, False, False, True]))[:, None]  # the key and the flower appear again
        things = jnp.where(moves, jax.random.randint(key, (5, 2), 0, SIZE), state["things"])
        after = {"at": at, "things": things, "has_key": (state["has_key"] | used[0]) & ~used[1]}
        return Step(after, self.observe(after), used, used[1].astype(jnp.float32), jnp.bool_(False))

    def render(self, state):
        picture = np.full((SIZE * 8, SIZE * 8, 3), (80, 150, 70), np.uint8)
        for (y, x), row in zip(state["things"], THINGS.values(), strict=True):
            picture[y * 8 + 1 : y * 8 + 7, x * 8 + 1 : x * 8 + 7] = row[4]
        y, x = state["at"] * 8
        picture[y + 3 : y + 5, x + 3 : x + 5] = 255
        return picture
