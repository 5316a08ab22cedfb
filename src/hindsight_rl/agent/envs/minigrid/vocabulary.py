"""The events of a family of grids, and how people name them.

Events and phrasings are made from a small grammar: verb x colour x thing. There are three disjoint sets of verbs:
`train`, `calibration` and `heldout`; see `instructions/language.py`.
"""

from dataclasses import dataclass

from hindsight_rl.agent.envs.environment import Composition
from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.envs.minigrid.families import Family
from hindsight_rl.agent.instructions.language import Language

Texts = dict[str, tuple[str, ...]]

_PICK_UP: Texts = {
    "train": (
        "pick up {a}", "take {a}", "grab {a}", "get {a}", "lift {a}", "collect {a}", "go and get {a}", "go pick up {a}",
    ),
    "calibration": ("fetch {a}", "obtain {a}", "take {a} with you", "go grab {a}"),
    "heldout": ("get hold of {a}", "gather up {a}", "lift {a} off the floor", "go and collect {a}"),
}  # fmt: skip
_GO_TO: Texts = {
    "train": (
        "go to {a}", "walk up to {a}", "move next to {a}", "reach {a}", "approach {a}", "walk to {a}",
        "stand in front of {a}", "go up to {a}",
    ),
    "calibration": ("step up to {a}", "head to {a}", "make your way to {a}"),
    "heldout": ("get near {a}", "walk over to {a}", "move up to {a}"),
}  # fmt: skip
_PUT_DOWN: Texts = {
    "train": ("put down {a}", "drop {a}", "put {a} on the floor", "set {a} down", "lay {a} down", "let go of {a}"),
    "calibration": ("place {a} on the ground", "leave {a} on the floor", "release {a}"),
    "heldout": ("lay {a} on the floor", "put {a} back down", "drop {a} on the ground"),
}
_OPEN: Texts = {
    "train": (
        "open {a}", "unlock {a}", "open up {a}", "go and open {a}", "get {a} open", "push {a} open", "go open {a}",
    ),
    "calibration": ("unlock and open {a}", "make {a} open", "pull {a} open"),
    "heldout": ("go and unlock {a}", "swing {a} open", "go to {a} and open it"),
}  # fmt: skip
_CLOSE: Texts = {
    "train": ("close {a}", "shut {a}", "push {a} shut", "go and close {a}", "close {a} again", "pull {a} shut"),
    "calibration": ("go close {a}", "get {a} closed", "make {a} shut"),
    "heldout": ("go and shut {a}", "shut {a} again", "swing {a} shut"),
}
_ENTER: Texts = {
    "train": (
        "go into another room", "enter another room", "go through the door", "walk into the next room",
        "enter the other room", "pass through the door", "go to the next room", "step through the doorway",
    ),
    "calibration": ("move to a different room", "walk through the doorway", "get into the other room"),
    "heldout": ("cross into the next room", "leave this room through the door", "move into the neighbouring room"),
}  # fmt: skip
_GOAL: Texts = {
    "train": (
        "reach the green goal square", "go to the green goal square", "step on the goal", "walk onto the green square",
        "get to the goal", "reach the goal", "move to the goal tile", "stand on the goal",
    ),
    "calibration": ("go to the goal", "step onto the green tile", "finish on the goal square"),
    "heldout": ("get yourself to the goal", "arrive at the green goal", "end up on the goal tile"),
}  # fmt: skip
_NEXT: Texts = {
    "train": (
        "put the {a} next to the {b}", "place the {a} beside the {b}", "put the {b} next to the {a}",
        "place the {b} beside the {a}", "bring the {a} to the {b}", "set the {a} down next to the {b}",
        "move the {b} next to the {a}",
    ),
    "calibration": (
        "drop the {a} beside the {b}", "leave the {b} next to the {a}", "bring the {a} and the {b} together",
    ),
    "heldout": ("lay the {a} beside the {b}", "put the {b} right by the {a}", "place the {a} close to the {b}"),
}  # fmt: skip
_NOTHING: Texts = {
    "train": (
        "write a poem", "fly to the moon", "buy a hat at the market", "play the guitar", "solve this equation",
        "paint the wall blue", "ride a bicycle", "read a book", "call your mother", "bake a cake", "juggle", "dance",
        "what is the capital of France", "water the lawn", "wash the car", "drink some water", "eat an apple",
        "turn off the light", "break the window", "climb the ladder",
    ),
    "calibration": (
        "tell me a joke", "learn Spanish", "drive the car home", "brush your teeth", "watch television", "catch a fish",
        "vote in the election", "tame a wolf", "build a house", "feed the dog",
    ),
    "heldout": (
        "sing a song", "translate this sentence", "sail a ship", "do the laundry", "throw a party", "shear a sheep",
        "book a flight to Tokyo", "repair the roof", "hello there", "dig a hole",
    ),
}  # fmt: skip


# A family has those of which it has all events.
_COMPOSITIONS = (
    Composition("pick up the yellow key, then open the yellow door", ("pick_up_yellow_key", "open_yellow_door"), True),
    Composition("open the yellow door, then go into another room", ("open_yellow_door", "enter_room"), True),
    Composition("open the yellow door, then close a door", ("open_yellow_door", "close_door"), True),
    Composition("put down the key and go to a door", ("put_down_key", "go_to_door"), False),
    Composition("open the yellow door, then reach the green goal square", ("open_yellow_door", "reach_goal"), True),
    Composition("pick up the blue key, then open the blue door", ("pick_up_blue_key", "open_blue_door"), True),
    Composition("pick up the grey key and go to a door", ("pick_up_grey_key", "go_to_door"), False),
    Composition("pick up the blue ball, then open the green door", ("pick_up_blue_ball", "open_green_door"), True),
    Composition("open the red door, then pick up the red square", ("open_red_door", "pick_up_red_square"), True),
    Composition("pick up the green ball and go to a pyramid", ("pick_up_green_ball", "go_to_pyramid"), False),
    Composition("go to a square, then pick up the red pyramid", ("go_to_square", "pick_up_red_pyramid"), True),
    Composition(
        "put the ball next to the square, then go into another room", ("put_ball_next_to_square", "enter_room"), True
    ),
    Composition("put down the ball, then pick up the green hexagon", ("put_down_ball", "pick_up_green_hexagon"), True),
)


@dataclass(frozen=True)
class Vocabulary:
    """Events, one plain instruction for each of the first of them, the language, and compositions for evaluation."""

    events: tuple[Event, ...]
    instructions: tuple[str, ...]
    language: Language
    compositions: tuple[Composition, ...]


@dataclass(frozen=True)
class _Entry:
    event: Event
    instruction: str
    phrasings: Texts


def vocabulary(family: Family) -> Vocabulary:
    """The vocabulary of a family. Events that no instruction in training may ask for come last."""
    entries = _entries(family)
    entries.sort(key=lambda entry: entry.event.held_out)
    events = tuple(entry.event for entry in entries)
    trained = sum(not event.held_out for event in events)
    language = Language({entry.event.name: entry.phrasings for entry in entries}, _NOTHING)
    names = {event.name for event in events}
    composed = tuple(each for each in _COMPOSITIONS if names.issuperset(each.events))
    return Vocabulary(events, tuple(entry.instruction for entry in entries[:trained]), language, composed)


def _entries(family: Family) -> list[_Entry]:
    things = list(dict.fromkeys(thing for _, thing in family.pairs))
    colours = {thing: [c for c, t in family.pairs if t == thing] for thing in things}
    made: list[_Entry] = []

    def add(name: str, verb: Texts, a: str, captions: tuple[str, ...], **more: object) -> None:
        phrasings = {split: tuple(text.format(a=a) for text in texts) for split, texts in verb.items()}
        made.append(_Entry(Event(name, captions, **more), phrasings["train"][0], phrasings))  # type: ignore[arg-type]

    for thing in things:
        several = len(colours[thing]) > 1
        for colour in colours[thing]:
            one = f"the {colour} {thing}"
            add(
                f"pick_up_{colour}_{thing}", _PICK_UP, one, (f"picked up {one}", f"took {one} from the floor"),
                implies=(f"pick_up_{thing}",) if several else (), held_out=(colour, thing) in family.held_out,
            )  # fmt: skip
        if several:
            any_ = f"a {thing} of any colour"
            add(f"pick_up_{thing}", _PICK_UP, any_, (f"picked up {any_}", f"took {any_}"))
        add(f"put_down_{thing}", _PUT_DOWN, f"the {thing}", (f"put down the {thing}", f"dropped the {thing}"))
        add(f"go_to_{thing}", _GO_TO, f"a {thing}", (f"walked up to a {thing}", f"stood in front of a {thing}"))
    for colour in family.doors:
        one = f"the {colour} door"
        add(f"open_{colour}_door", _OPEN, one, (f"opened {one}", f"got {one} open"))
    if family.doors:
        a = "a door"
        add("close_door", _CLOSE, a, ("closed a door", "shut a door"))
        add("go_to_door", _GO_TO, a, ("walked up to a door", "stood in front of a door"))
        add("enter_room", _ENTER, "", ("entered another room", "went through the door into another room"))
    if family.has_goal:
        add("reach_goal", _GOAL, "", ("reached the green goal square", "stepped on the goal"))
    if family.put_next:
        for i, a in enumerate(things):
            for b in things[i + 1 :]:
                captions = (f"put the {a} next to the {b}", f"placed the {b} beside the {a}")
                phrasings = {split: tuple(t.format(a=a, b=b) for t in texts) for split, texts in _NEXT.items()}
                made.append(_Entry(Event(f"put_{a}_next_to_{b}", captions), phrasings["train"][0], phrasings))
    return made
