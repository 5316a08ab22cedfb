"""The methods that can be compared. All use one learner; they differ in their instructions and rewards."""

from dataclasses import dataclass
from typing import Any

from hindsight_rl.errors import HindsightError

Settings = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Method:
    """What distinguishes a method.

    Attributes:
        about: one line.
        buffer: instructions come from the instruction buffer, which relabeling fills. Otherwise they are drawn
            uniformly from the environment's initial ones.
        hindsight: goals other than the pursued one are learned from every transition.
        relabel: trajectories are relabeled.
        true_reward: the reward is the goal's true event instead of the semantic reward.
        objective: `goal`, `game` or `novel` (see `ActingRules`).
        settings: dotted names and values of the settings that belong to the method; a setting given by the user
            takes precedence.
    """

    about: str
    buffer: bool = False
    hindsight: bool = False
    relabel: bool = False
    true_reward: bool = False
    objective: str = "goal"
    settings: Settings = ()

    @property
    def conditioned(self) -> bool:
        """Does the policy see the instruction?"""
        return self.objective == "goal"

    @property
    def unused(self) -> tuple[str, ...]:
        """Dotted names of the settings that have no effect with this method; a group stands for all that are in it."""
        found: tuple[str, ...] = ()
        for used, names in ((self.buffer, OF_BUFFER), (self.hindsight, OF_HINDSIGHT), (self.relabel, OF_RELABELING)):
            found += () if used else names
        return found


OF_BUFFER = (
    "buffer", "acting.candidates", "acting.initial", "acting.new_event_share", "acting.repeated_event_share",
    "acting.explore_after",
)  # fmt: skip
OF_HINDSIGHT = ("learning.hindsight", "learning.replay_windows", "acting.waypoints")
OF_RELABELING = ("relabels", "composed", "relabeler", "grounding", "llm", "noise")

# Close to the paper's method, with few of our additions. What the paper does not say (how the buffer evicts,
# hyperparameters of the learner) is as in `oir`.
PAPER: Settings = (
    ("reward_mode", "global"),
    ("buffer.capacity", 10),
    ("acting.initial", 0.0),  # all instructions come from the buffer, as soon as it holds one
    ("acting.new_event_share", 0.0),
    ("acting.candidates", 1),
    ("acting.reset_on_success", True),
    ("acting.waypoints", False),
    ("acting.explore_after", 0),
    ("buffer.rehearsal", 0.0),
    ("buffer.favour_rare", 0.0),
    ("favour_rare", 0.0),
    ("learning.replay_windows", 0),
)

METHODS: dict[str, Method] = {
    "oir": Method("relabeling, hindsight replay and the instruction buffer", True, True, True),
    "none": Method("plain PQN on the semantic reward of its own instruction"),
    "oir-paper": Method("close to the paper's method; some of our additions stay", True, True, True, settings=PAPER),
    "oir-no-buffer": Method("relabeling and hindsight replay without the buffer", hindsight=True, relabel=True),
    "her": Method("hindsight replay over the given instructions alone", hindsight=True),
    "buffer": Method("the instruction buffer without hindsight replay", buffer=True, relabel=True),
    "ellm": Method("ELLM's rules: any suggested goal, each once per life, instruction unseen", objective="novel"),
    "oracle": Method("oir with the true event of each instruction as its reward", True, True, True, True),
    "game": Method("plain PQN on the game's own reward, instruction unseen: the reference line", objective="game"),
}


def method(name: str) -> Method:
    """The method of that name.

    Raises:
        HindsightError: there is none.
    """
    if name not in METHODS:
        raise HindsightError(f"unknown method '{name}': one of {', '.join(METHODS)}")
    return METHODS[name]
