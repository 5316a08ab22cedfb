"""Film the policy while it follows any text, in a world that it has never seen.

    hindsight agent watch runs/oir "the instruction" --out film.gif

The agent tracks its progress with its own semantic reward, as in a trial. The film ends soon after the instruction is
fulfilled, at death, or after the maximum number of steps.
"""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from PIL import Image

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.evaluation.attempt import Attempt, attempt
from hindsight_rl.agent.evaluation.suite import EPSILON
from hindsight_rl.agent.instructions.read import described
from hindsight_rl.agent.policy.policy import Policy
from hindsight_rl.agent.training.trainer import load_policy
from hindsight_rl.agent.video.files import check_target, write_gif, write_mp4
from hindsight_rl.agent.video.renderer import Caption, EventLine, Painter
from hindsight_rl.atomic_files import check_output, write_output
from hindsight_rl.errors import HindsightError
from hindsight_rl.run import Run

TILE, MIN_TILE = 64, 16
CELLS = 9
"""A film is about this many cells wide."""


def frames(made: Attempt, policy: Policy, source: str, tile: int = TILE) -> list[Image.Image]:
    """Paint every step of an attempt.

    Args:
        source: the small print.
        tile: side of a map cell in pixels.
    """
    vocabulary = policy.env.events
    avoid = [name.replace("_", " ") for name in made.parsed.avoid]
    hits = np.concatenate([np.zeros_like(made.hits[:1]), made.hits])
    painter: Painter | None = None
    pictures = []
    lines: list[EventLine] = []
    reached = np.zeros(len(made.parsed.goals), bool)
    for step in range(len(made.events) + 1):
        if step:
            fresh = made.reached[step - 1] & ~reached
            fires = policy.reward.table([g for g, f in zip(made.parsed.goals, fresh, strict=True) if f])
            for event in np.flatnonzero(made.events[step - 1]):
                _add(lines, EventLine(step, vocabulary[event].captions[0], bool(fires[event].any())))
            reached = made.reached[step - 1]
        now = made.pursued[min(step, len(made.pursued) - 1)]
        done = made.fulfilled is not None and step >= made.fulfilled
        verdict, good = _verdict(made, step, len(made.events))
        goals = list(zip(_labels(made, hits[step]), reached.tolist(), strict=True))
        current, latest = None if done else int(now), _latest(lines, done)
        broken = made.violated is not None and step >= made.violated
        caption = Caption(made.parsed.text, goals, current, step, latest, verdict, good, source, avoid, broken)
        state = jax.tree.map(lambda leaf, i=step: leaf[i], made.states)
        picture = picture_of(made.env, state, tile)
        painter = painter or Painter(picture.shape[1::-1], tile, len(goals) + bool(avoid), made.parsed.text)
        pictures.append(painter.paint(picture, caption))
    return pictures


def _labels(made: Attempt, hits: np.ndarray) -> list[str]:
    """The goals; where one is asked for several times, also how often it was reached."""
    counted = zip(made.parsed.goals, made.parsed.times, hits.tolist(), strict=True)
    return [goal if times == 1 else f"{goal}, {min(have, times)} of {times}" for goal, times, have in counted]


def picture_of(env: Environment, state: Any, tile: int = TILE) -> np.ndarray:
    """The picture of a state in a film, uint8 [height, width, 3].

    Raises:
        HindsightError: the environment draws no pictures.
    """
    own = env.film_picture(state, tile)
    if own is not None:
        return own
    small = env.render(state)
    factor = max(1, round(CELLS * tile / small.shape[1]))
    return small.repeat(factor, axis=0).repeat(factor, axis=1)


def _add(lines: list[EventLine], new: EventLine) -> None:
    """Put an event first. An event that is repeated ("hit a cow") has a single line with a count."""
    for i, old in enumerate(lines[:3]):
        if old.text == new.text and not (old.counted or new.counted):
            new = dataclasses.replace(new, times=old.times + 1)
            del lines[i]
            break
    lines.insert(0, new)


def _latest(lines: list[EventLine], done: bool) -> list[EventLine]:
    """The newest lines for which there is room. When all goals are reached, the events that reached them come first."""
    return sorted(lines, key=lambda e: (not e.counted if done else False, -e.step, not e.counted))[:3]


def _verdict(made: Attempt, step: int, last: int) -> tuple[str, bool]:
    if made.fulfilled is not None and step >= made.fulfilled:
        return f"fulfilled after {made.fulfilled} steps", True
    if made.violated is not None and step >= made.violated:
        return f"did what is forbidden after {made.violated} steps", False
    if made.died is not None and step >= made.died:
        return f"died after {made.died} steps", False
    if step == last:
        return f"not fulfilled in {last} steps", False
    return "", False


def film(
    run: str | Path,
    text: str,
    out: str | Path,
    steps: int = 300,
    seed: int = 0,
    world_index: int | None = None,
    tile: int = TILE,
    fps: int = 10,
    epsilon: float = EPSILON,
    tries: int = 1,
    frame: str | Path | None = None,
    policy: Policy | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Film a run's policy following a text.

    Args:
        run: the run folder.
        text: the instruction.
        out: the file to write, `.gif` or `.mp4`.
        steps, seed, world_index, epsilon, tries: see :meth:`Policy.rollout`.
        tile: side of a map cell in pixels; the film is nine of them wide.
        fps: steps per second.
        frame: also write the last frame here, as PNG.
        policy: the run's policy, if it is already loaded.
        say: is called with each line about how the instruction is understood, before the film is made.

    Returns:
        `fulfilled` (by the agent's own reward), `steps` until then or until the end, `goals` (text and the step at
        which each was reached, or None), `died`, `violated` (something forbidden happened), `env`, `world_index`,
        `tries`, `file`.

    Raises:
        HindsightError: no run or checkpoint, an environment without pictures, an instruction that cannot be judged, no
            ffmpeg, or a file that cannot be written.
    """
    out = Path(out)
    check_target(out)
    if frame is not None:
        check_output(Path(frame), "--frame")
    if not 1 <= fps <= 50:
        raise HindsightError(f"--fps {fps}: from 1 to 50")
    if not MIN_TILE <= tile <= 160:
        raise HindsightError(f"--size {tile}: from {MIN_TILE} to 160 pixels per map cell")
    opened = Run.open(run, kind="agent")
    config = opened.read("config.json")
    policy = policy or load_policy(opened)
    kind = type(policy.env)
    if kind.render is Environment.render and kind.film_picture is Environment.film_picture:
        policy.env.render(None)  # raises the error that names what is missing
    for line in described(policy.reward.check(text)):
        say(line)
    made = attempt(policy, text, steps, seed, world_index, epsilon, tries)
    source = f"{config['method']}  ·  {policy.env.name}  ·  held-out world {made.world_index}"
    pictures = frames(made, policy, source, tile)
    write_output(out, lambda path: (write_mp4 if out.suffix.lower() == ".mp4" else write_gif)(pictures, path, fps))
    if frame is not None:
        last = pictures[made.fulfilled] if made.fulfilled else pictures[-1]
        write_output(Path(frame), lambda path: last.save(path, format="PNG", optimize=True))
    return {
        "fulfilled": made.success,
        "steps": made.steps,
        "goals": [{"text": goal, "step": step} for goal, step in made.goals],
        "died": made.died is not None,
        "violated": made.violated is not None,
        "env": config["env"],
        "world_index": made.world_index,
        "tries": made.tries,
        "file": str(out),
    }


@dataclass
class WatchConfig:
    """Film the policy while it follows any text, in a world that it has never seen."""

    run: Annotated[str, tyro.conf.Positional]
    """The run folder."""
    text: Annotated[str, tyro.conf.Positional]
    """The instruction, e.g. "open the door, then go into another room"."""
    out: str | None = None
    """The film, .gif or .mp4; by default RUN/films/<the words>.gif."""
    steps: int = 300
    """Maximum number of environment steps."""
    seed: int = 0
    """Seed of the actions and of the choice of the world."""
    world_index: int | None = None
    """Index of the held-out world, from 0 to 255. By default, the seed chooses it."""
    tries: int = 1
    """Maximum number of worlds to try until the instruction is fulfilled. The film shows the last world tried."""
    size: int = TILE
    """Pixels per map cell. Multiples of 16 are the sharpest."""
    fps: int = 10
    """Steps per second."""
    epsilon: float = EPSILON
    """Rate of random actions, as in evaluation."""
    frame: str | None = None
    """Also write a PNG of the frame in which the instruction is fulfilled, or else of the last frame."""


def main(argv: list[str]) -> int:
    """`hindsight agent watch`."""
    from hindsight_rl.agent.training.loop import compile_cache

    config = tyro.cli(WatchConfig, args=argv, prog="hindsight agent watch")
    words = re.sub(r"[^\w]+", "-", config.text.lower()).strip("-")[:60] or "film"
    out = Path(config.out) if config.out else Path(config.run) / "films" / f"{words}.gif"
    compile_cache()
    made = film(
        config.run,
        config.text,
        out,
        config.steps,
        config.seed,
        config.world_index,
        config.size,
        config.fps,
        config.epsilon,
        config.tries,
        config.frame,
        say=print,
    )
    how = "fulfilled" if made["fulfilled"] else "not fulfilled"
    end = " (did what is forbidden)" if made["violated"] else " (died)" if made["died"] else ""
    where = f"held-out world {made['world_index']} of {made['env']}"
    tried = f" (number {made['tries']} tried)" if made["tries"] > 1 else ""
    print(f"{how} after {made['steps']} steps{end}, {where}{tried}: {out}")
    return 0
