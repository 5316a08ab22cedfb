"""Settings of acting: how long an instruction lasts, which one comes next, and how much the agent explores."""

from typing import Annotated

import tyro
from flax import struct

BY_CHANCE, INITIAL, NEW_EVENT, REPEATED_EVENT = range(4)
"""How an instruction was chosen: by its chance (the buffer's slots and rehearsal); from the initial ones
(`ActingRules.initial`); because its event has not happened in this life (`ActingRules.new_event_share`); because its
event has not happened since the last new one, and many others require it (`ActingRules.repeated_event_share`)."""


@struct.dataclass
class ActingRules:
    """How the agent acts and explores. Most numbers are traced: changing them does not recompile the program.

    Training has other defaults, see `TrainConfig.acting`; to change one, `dataclasses.replace(config.acting, ...)`.
    """

    patience: int = 128
    """Steps per goal before the agent gives up an instruction."""
    mean_life: int = 1500
    """Mean number of steps before an environment is reset. Death resets it earlier."""
    explore_after: int = 0
    """Random steps after a success, before the next instruction. The rarer the success, the more likely."""
    sticky: float = 0.0
    """Probability that a random action repeats the last random action."""
    candidates: int = struct.field(pytree_node=False, default=1)
    """Number of instructions drawn. The environment is given the one with the highest ratio of its value in this state
    to its average value."""
    initial: float = struct.field(pytree_node=False, default=0.0)
    """Share of instructions that are drawn uniformly from the initial ones."""
    new_event_share: float = struct.field(pytree_node=False, default=0.0)
    """Share of the other instructions that ask for an event which has not happened in this life. The higher the event's
    value, the more likely it is chosen."""
    repeated_event_share: float = struct.field(pytree_node=False, default=0.0)
    """Share of these that ask for a useful event instead: one that many other events require, and that has not happened
    since the last new event. After the first stone, for example, more wood and another table are useful."""
    waypoints: bool = struct.field(pytree_node=False, default=True)
    """Pursue the prerequisites of a goal before the goal itself."""
    reset_on_success: bool = False
    """Reset the environment after each success, as in the paper."""
    objective: Annotated[str, tyro.conf.Suppress] = struct.field(pytree_node=False, default="goal")
    """The reward, set by the method. `goal`: of the instruction's goals; `game`: the game's own; `novel`: of each
    suggested goal, once per life."""
