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


def _but_not(text: str, event: str, *avoid: str) -> Composition:
    return Composition(text, (event,), False, avoid=avoid)


def _often(text: str, event: str, times: int) -> Composition:
    return Composition(text, (event,), False, times=(times,))


STRICT = (
    _but_not("collect wood but do not drink", "collect_wood", "collect_drink"),
    _but_not("collect wood but do not collect a sapling", "collect_wood", "collect_sapling"),
    _but_not("collect wood but do not place a table", "collect_wood", "place_table"),
    _but_not("collect a sapling but do not eat a cow", "collect_sapling", "eat_cow"),
    _but_not("collect a sapling but do not plant it", "collect_sapling", "place_plant"),
    _but_not("drink water but do not collect wood", "collect_drink", "collect_wood"),
    _but_not("drink water but do not eat a cow", "collect_drink", "eat_cow"),
    _but_not("eat a cow but do not drink", "eat_cow", "collect_drink"),
    _but_not("eat a cow but do not collect a sapling", "eat_cow", "collect_sapling"),
    _but_not("place a table but do not make a wood pickaxe", "place_table", "make_wood_pickaxe"),
    _but_not("place a table but do not collect a sapling", "place_table", "collect_sapling"),
    _but_not("make a wood pickaxe but do not make a wood sword", "make_wood_pickaxe", "make_wood_sword"),
    _but_not("make a wood sword but do not make a wood pickaxe", "make_wood_sword", "make_wood_pickaxe"),
    _but_not("make a wood sword but do not drink", "make_wood_sword", "collect_drink"),
    _but_not("plant a sapling but do not collect wood", "place_plant", "collect_wood"),
    _but_not("plant a sapling but do not eat a cow", "place_plant", "eat_cow"),
    _but_not("wake up but do not drink", "wake_up", "collect_drink"),
    _but_not("collect stone but do not make a wood sword", "collect_stone", "make_wood_sword"),
    _but_not("collect stone but do not place a stone", "collect_stone", "place_stone"),
    _but_not("defeat a zombie but do not place a table", "defeat_zombie", "place_table"),
    _often("collect 2 wood", "collect_wood", 2),
    _often("collect 3 wood", "collect_wood", 3),
    _often("collect 4 wood", "collect_wood", 4),
    _often("drink twice", "collect_drink", 2),
    _often("drink water 4 times", "collect_drink", 4),
    _often("collect two saplings", "collect_sapling", 2),
    _often("collect 3 saplings", "collect_sapling", 3),
    _often("eat two cows", "eat_cow", 2),
    _often("plant two saplings", "place_plant", 2),
    _often("collect 3 stones", "collect_stone", 3),
)
"""Twenty instructions that forbid something, ten that count. Each is compared with the same one without."""
