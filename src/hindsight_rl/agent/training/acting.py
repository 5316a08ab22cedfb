"""The settings of acting: how long an instruction lasts, which one comes next, how much is explored."""

from flax import struct

BY_CHANCE, INITIAL, UNDONE, AGAIN = range(4)
"""How an instruction was chosen: by its chance (the buffer's slots and rehearsal), as an initial one
(`ActingRules.initial`), because this life has not done it (`fresh`), because it has not done it lately (`again`)."""


@struct.dataclass
class ActingRules:
    """How environments act. Numbers that only scale something are traced, so changing them recompiles nothing."""

    patience: int = 128
    """Steps per goal before an instruction is given up."""
    mean_life: int = 1500
    """Mean steps before an environment is reset (death resets it sooner)."""
    explore_after: int = 0
    """Random steps after a success, before the next instruction; the rarer the success, the likelier."""
    sticky: float = 0.0
    """Probability that a random action repeats the last random action."""
    candidates: int = struct.field(pytree_node=False, default=1)
    """Instructions drawn. Of these, the one is given whose value here exceeds its average value by most, as a ratio."""
    initial: float = struct.field(pytree_node=False, default=0.0)
    """Share of instructions that are drawn evenly from the initial ones."""
    fresh: float = struct.field(pytree_node=False, default=0.0)
    """Share of the others that ask for an event that this life has not seen yet; the higher its value, the likelier."""
    again: float = struct.field(pytree_node=False, default=0.0)
    """Share of these that ask instead for an event that many others require, and that has not happened since the last
    new one: after a first stone, more wood and another table become useful."""
    waypoints: bool = struct.field(pytree_node=False, default=True)
    """Pursue the prerequisites of a goal first."""
    reset_on_success: bool = False
    """The paper's mode: a success resets the environment."""
    objective: str = struct.field(pytree_node=False, default="goal")
    """`goal`: the instruction's goals; `game`: the game's own reward; `novel`: each fitting goal once per life."""
