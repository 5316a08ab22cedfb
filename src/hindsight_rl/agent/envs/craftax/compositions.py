"""What is said about Craftax: instructions with two or three goals for evaluation, and the scene for a prompt."""

from hindsight_rl.agent.envs.environment import Composition

SCENE = "You watch an agent in a world where it crafts, gathers and survives."

COMPOSITIONS = (
    Composition("collect wood, then place a table", ("collect_wood", "place_table"), True),
    Composition("collect wood and collect a sapling", ("collect_wood", "collect_sapling"), False),
    Composition("drink water and eat a cow", ("collect_drink", "eat_cow"), False),
    Composition("get a sapling and then plant the sapling", ("collect_sapling", "place_plant"), True),
    Composition("gather wood and drink water", ("collect_wood", "collect_drink"), False),
    Composition("first collect a sapling, then drink some water", ("collect_sapling", "collect_drink"), True),
    Composition("wake up and then collect wood", ("wake_up", "collect_wood"), True),
    Composition("drink water and collect a sapling", ("collect_drink", "collect_sapling"), False),
    Composition("place a table, then make a wood pickaxe", ("place_table", "make_wood_pickaxe"), True),
    Composition("place a table, then make a wood sword", ("place_table", "make_wood_sword"), True),
    Composition("place a table and collect a sapling", ("place_table", "collect_sapling"), False),
    Composition("defeat a zombie and drink water", ("defeat_zombie", "collect_drink"), False),
    Composition(
        "collect wood, place a table, then make a wood pickaxe",
        ("collect_wood", "place_table", "make_wood_pickaxe"),
        True,
    ),
    Composition(
        "collect wood, drink water and collect a sapling", ("collect_wood", "collect_drink", "collect_sapling"), False
    ),
    Composition(
        "collect a sapling, then plant a sapling, then drink water",
        ("collect_sapling", "place_plant", "collect_drink"),
        True,
    ),
    Composition("make a wood pickaxe, then collect stone", ("make_wood_pickaxe", "collect_stone"), True),
)
