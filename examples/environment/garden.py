"""A garden of 6 x 6 cells with a key, a chest, a well, a bell and a flower: an environment for hindsight-rl."""

import jax
import jax.numpy as jnp
import numpy as np

from hindsight_rl import Environment, Event, Language, Step

SIZE = 6
MOVES = np.array([[-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]])  # up, down, left, right, use what is in this cell
KEY, CHEST, WELL, BELL, FLOWER = range(5)
COLOURS = np.array([[240, 200, 60], [150, 90, 40], [60, 130, 240], [220, 220, 230], [230, 90, 160]], np.uint8)


def phrasings(verbs: dict[str, str], thing: str) -> dict[str, tuple[str, ...]]:
    """`train` is spoken by the relabeler, `calibration` teaches the reward more words, `heldout` is for evaluation."""
    return {name: tuple(f"{verb} the {thing}" for verb in text.split(", ")) for name, text in verbs.items()}


class Garden(Environment):
    """The agent walks, and uses what is in its cell. The chest opens only with the key, which is spent by that."""

    name = "Garden"
    about = "a garden of 6 x 6 cells with a key, a chest, a well, a bell and a flower"
    events = (
        Event("take_key", ("took the key",)),
        Event("open_chest", ("opened the chest",)),
        Event("use_well", ("drank from the well",)),
        Event("ring_bell", ("rang the bell",)),
        Event("pick_flower", ("picked the flower",)),
    )
    instructions = ("take the key", "open the chest", "drink from the well", "ring the bell", "pick the flower")
    language = Language(
        {
            "take_key": phrasings({"train": "take, pick up, grab", "heldout": "get, fetch"}, "key"),
            "open_chest": phrasings(
                {"train": "open, unlock, lift the lid of", "heldout": "open up, get into"}, "chest"
            ),
            "use_well": phrasings(
                {"train": "drink from, sip from, get water from", "heldout": "drink at, visit"}, "well"
            ),
            "ring_bell": phrasings({"train": "ring, sound, strike", "heldout": "make noise with, toll"}, "bell"),
            "pick_flower": phrasings({"train": "pick, pluck, gather", "heldout": "cut, collect"}, "flower"),
        },
        {"train": ("write a poem", "fly to the moon", "play the guitar", "close the window", "eat an apple")},
    )
    n_actions, observation_size, horizon = 5, 5 * 4 + 5 + 1, 40
    settings = (
        ("acting.patience", 40), ("acting.mean_life", 200), ("num_envs", 32), ("num_worlds", 128), ("width", 64),
        ("depth", 1), ("rank", 16), ("learning_rate", 2e-3), ("total_timesteps", 65_536), ("num_evals", 1),
    )  # fmt: skip
    cache_key = "garden/1"  # change it whenever `generate` changes

    def generate(self, key):
        """All things and the agent in different cells."""
        cells = jax.random.permutation(key, SIZE * SIZE)[:6]
        places = jnp.stack(jnp.divmod(cells, SIZE), 1)
        return {"at": places[5], "things": places[:5], "has_key": jnp.bool_(False)}

    def observe(self, state):
        """For each thing: is it up, down, left, right of the agent, is it here? And does the agent have the key?"""
        away = state["things"] - state["at"]
        sides = jnp.stack([away[:, 0] < 0, away[:, 0] > 0, away[:, 1] < 0, away[:, 1] > 0])
        return jnp.concatenate([sides.ravel(), (away == 0).all(1), state["has_key"][None]]).astype(jnp.float32)

    def step(self, key, state, action):
        """One step; a key that was taken, and a flower that was picked, appear in another cell."""
        used = (action == 4) & (state["things"] == state["at"]).all(1)
        used = used & jnp.array([~state["has_key"], state["has_key"], True, True, True])
        at = jnp.clip(state["at"] + jnp.asarray(MOVES)[action], 0, SIZE - 1)
        elsewhere = jax.random.randint(key, (5, 2), 0, SIZE)
        again = used & jnp.array([thing in (KEY, FLOWER) for thing in range(5)])
        has_key = (state["has_key"] | used[KEY]) & ~used[CHEST]
        after = {"at": at, "things": jnp.where(again[:, None], elsewhere, state["things"]), "has_key": has_key}
        return Step(after, self.observe(after), used, used[CHEST].astype(jnp.float32), jnp.bool_(False))

    def render(self, state):
        """Grass, the things as coloured squares, the agent as a white dot."""
        picture = np.full((SIZE * 8, SIZE * 8, 3), (80, 150, 70), np.uint8)
        for (y, x), colour in zip(state["things"], COLOURS, strict=True):
            picture[y * 8 + 1 : y * 8 + 7, x * 8 + 1 : x * 8 + 7] = colour
        y, x = state["at"] * 8
        picture[y + 3 : y + 5, x + 3 : x + 5] = 255
        return picture
