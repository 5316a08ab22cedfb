"""The instructions that a method is given at the start of training: `--initial-instructions`."""

from dataclasses import dataclass
from pathlib import Path

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.instructions.parser import MAX_TRAINED_GOALS
from hindsight_rl.agent.reward.semantic import InstructionError, SemanticReward
from hindsight_rl.errors import HindsightError

CANONICAL, NONE = "canonical", "none"


@dataclass(frozen=True)
class InitialInstruction:
    """One instruction.

    Attributes:
        goals: its single goals, in order.
        events: for each goal, the index of its event.
        times: how often each goal must be reached; () for once.
        avoid: indices of forbidden events.
    """

    text: str
    goals: tuple[str, ...]
    events: tuple[int, ...]
    ordered: bool
    times: tuple[int, ...] = ()
    avoid: tuple[int, ...] = ()

    @property
    def plain(self) -> bool:
        """Does it ask for one event, once, and forbid nothing?"""
        return len(self.events) == 1 and not self.avoid and set(self.times) <= {1}


def initial_instructions(source: str, env: Environment, reward: SemanticReward) -> list[InitialInstruction]:
    """The initial instructions.

    Args:
        source: `canonical` for the environment's own, `none`, or a text file with one instruction per line. Blank
            lines and lines that begin with `#` are skipped.
        env: the environment.
        reward: understands the instructions of a file.

    Raises:
        HindsightError: the file cannot be read, or the reward does not understand one of its lines.
    """
    if source == NONE:
        return []
    if source == CANONICAL:
        return [InitialInstruction(text, (text,), (i,), False) for i, text in enumerate(env.instructions)]
    try:
        lines = Path(source).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HindsightError(
            f"--initial-instructions {source}: cannot be read ({error}): give canonical, none or a text file with one "
            "instruction per line"
        ) from None
    found = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            made = _understood(line.strip(), f"{source}:{number}", env, reward)
            found[made.text] = made
    if not found:
        raise HindsightError(f"--initial-instructions {source}: no instruction in it: for no instructions give none")
    return list(found.values())


def _understood(text: str, where: str, env: Environment, reward: SemanticReward) -> InitialInstruction:
    try:
        parsed = reward.check(text)
    except InstructionError as error:
        raise HindsightError(f"{where}: {error}") from None
    if len(parsed.goals) > MAX_TRAINED_GOALS:
        raise HindsightError(f"{where}: {len(parsed.goals)} goals, in training at most {MAX_TRAINED_GOALS}: split it")
    index = {event.name: i for i, event in enumerate(env.events)}
    events = []
    for goal in parsed.goals:
        name = reward.meaning(goal)
        if name is None:
            raise HindsightError(f"{where}: '{goal}' asks for no event of this environment: reword it")
        if not env.events[index[name]].trained:
            raise HindsightError(f"{where}: '{goal}' asks for {name}, which is held out of training here: remove it")
        events.append(index[name])
    avoid = tuple(index[name] for name in parsed.avoid)
    return InitialInstruction(text, parsed.goals, tuple(events), parsed.ordered, parsed.times, avoid)
