"""The events of Craftax-Classic and their captions.

The environment returns one bool per event, in the order of `CLASSIC_EVENTS`. Captions have no subject and never
mention the surroundings: "a zombie is nearby" lies closer to "kill a zombie" than the true event does.
Events 0-21 are the game's achievements in its own order; they fire every time they happen. The other events are not
achievements of the game.
"""

from hindsight_rl.agent.envs.events import Event

_ACHIEVEMENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # name, canonical instruction, captions
    ("collect_wood", "collect wood", ("collected wood from a tree", "chopped a tree and gained wood")),
    ("place_table", "place a table", ("placed a crafting table", "built a workbench")),
    ("eat_cow", "eat a cow", ("ate a cow", "killed a cow and ate its meat")),
    (
        "collect_sapling",
        "collect a sapling",
        ("collected a sapling from the grass", "found and picked up a sapling"),
    ),
    ("collect_drink", "drink water", ("drank water", "took a drink from the lake")),
    ("make_wood_pickaxe", "make a wood pickaxe", ("made a wood pickaxe", "crafted a wooden pickaxe")),
    ("make_wood_sword", "make a wood sword", ("made a wood sword", "crafted a wooden sword")),
    ("place_plant", "plant a sapling", ("planted a sapling", "placed a plant in the ground")),
    ("defeat_zombie", "defeat a zombie", ("defeated a zombie", "killed a zombie")),
    ("collect_stone", "collect stone", ("collected stone", "mined a stone with the pickaxe")),
    ("place_stone", "place a stone", ("placed a stone", "put down a block of stone")),
    ("eat_plant", "eat a plant", ("ate a plant", "ate the ripe plant that had grown")),
    ("defeat_skeleton", "defeat a skeleton", ("defeated a skeleton", "killed a skeleton")),
    ("make_stone_pickaxe", "make a stone pickaxe", ("made a stone pickaxe", "crafted a pickaxe of stone")),
    ("make_stone_sword", "make a stone sword", ("made a stone sword", "crafted a sword of stone")),
    ("wake_up", "wake up", ("woke up", "woke up from sleep")),
    ("place_furnace", "place a furnace", ("placed a furnace", "built a furnace from stone")),
    ("collect_coal", "collect coal", ("collected coal", "mined coal")),
    ("collect_iron", "collect iron", ("collected iron", "mined iron ore")),
    ("collect_diamond", "collect a diamond", ("collected a diamond", "mined a diamond")),
    ("make_iron_pickaxe", "make an iron pickaxe", ("made an iron pickaxe", "forged a pickaxe of iron")),
    ("make_iron_sword", "make an iron sword", ("made an iron sword", "forged a sword of iron")),
)

_OTHERS: tuple[Event, ...] = (
    Event(
        "drink_when_thirsty",
        ("drank water when thirsty", "quenched a strong thirst"),
        implies=("collect_drink",),
    ),
    Event("eat_when_hungry", ("ate when hungry", "satisfied a strong hunger")),
    Event("fall_asleep", ("fell asleep", "went to sleep")),
    Event("take_damage", ("took damage", "got hurt and lost health"), harmful=True),
    Event("recover_health", ("recovered health", "regained some health")),
    Event("hit_zombie", ("hit a zombie", "wounded a zombie")),
    Event("hit_cow", ("hit a cow", "wounded a cow")),
    Event("hit_skeleton", ("hit a skeleton", "wounded a skeleton")),
    Event("reach_tree", ("walked up to a tree", "reached a tree and faced it")),
    Event("reach_water", ("walked up to the water", "reached the edge of the water")),
    Event("reach_cow", ("walked up to a cow", "reached a cow and faced it")),
    Event("enter_tunnel", ("entered a tunnel in the mountain", "went into a cave")),
    Event("step_on_sand", ("stepped onto the sand", "walked onto the beach")),
    Event(
        "bridge_water",
        ("placed a stone onto the water", "bridged the water with a stone"),
        implies=("place_stone",),
    ),
    Event(
        "place_table_by_water",
        ("placed a crafting table next to water", "built a workbench at the shore"),
        implies=("place_table",),
    ),
    Event("find_coal", ("found coal", "caught sight of coal")),
    Event("find_iron", ("found iron", "caught sight of iron ore")),
    Event("find_diamond", ("found a diamond", "caught sight of a diamond")),
    Event("find_lava", ("found lava", "caught sight of lava")),
    Event("see_night_fall", ("saw the night fall", "lived until it got dark")),
    Event("return_to_table", ("returned to the crafting table", "came back to the workbench")),
    Event("die", ("died", "was killed and lost the game"), harmful=True),
)

CLASSIC_EVENTS: tuple[Event, ...] = (
    *(Event(name, captions, index) for index, (name, _, captions) in enumerate(_ACHIEVEMENTS)),
    *_OTHERS,
)
"""The 44 events of Craftax-Classic; the order is part of the interface with the environment."""

CANONICAL: tuple[str, ...] = tuple(instruction for _, instruction, _ in _ACHIEVEMENTS)
"""One plain instruction per achievement, in the game's order."""
