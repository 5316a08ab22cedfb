"""The page on which people rate relabels: one HTML file with a script, and without network requests.

It is a file and not a local server, because annotators sit at other machines: a file can be sent to them, opened from
disk or put on any web server, on a phone as well, and needs no installation. Nothing is lost: every answer goes into
the browser's own storage at once, under the id of the page and the annotator's name, and is there when the page is
opened again. Where the browser stores nothing, the page says so and warns before it is closed. Answers leave it as a
JSONL file, which can be imported again, in another browser too.
"""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from hindsight_rl.agent.envs.environment import Environment
from hindsight_rl.agent.envs.events import Event
from hindsight_rl.agent.evaluation.rating.study import Study
from hindsight_rl.agent.evaluation.rating.trajectories import Trajectory
from hindsight_rl.agent.video.film import picture_of
from hindsight_rl.report import html

TILE = 32
"""Pixels per map cell in a picture."""
COLOURS = 128


def render(study: Study, trajectories: Sequence[Trajectory], env: Environment) -> str:
    """The page as text. It does not say what grounding decided.

    Args:
        trajectories: of the items, in their order.
    """
    data = {
        "study": study.study,
        "items": [
            {"item": item.item, "text": item.text, **_shown(trajectory, env)}
            for item, trajectory in zip(study.items, trajectories, strict=True)
        ],
    }
    return html.fill("rate.html", title="Rate relabels", env=env.name, data=data, count=len(study.items))


def _shown(trajectory: Trajectory, env: Environment) -> dict[str, Any]:
    """A trajectory as the page shows it: number of steps, frames, and what happened."""
    steps = trajectory.frames() if _draws(env) else []
    return {
        "steps": len(trajectory.events),
        "frames": [
            {
                "step": step,
                "said": _captions(trajectory.events[step - 1], env.events) if step else [],
                "picture": _picture(picture_of(env, trajectory.states[step], TILE)),
            }
            for step in steps
        ],
        "events": event_lines(trajectory.events, env.events),
    }


def _draws(env: Environment) -> bool:
    kind = type(env)
    return kind.render is not Environment.render or kind.film_picture is not Environment.film_picture


def _captions(happened: np.ndarray, events: Sequence[Event]) -> list[str]:
    return [event.captions[0] for event, fires in zip(events, happened, strict=True) if fires]


def event_lines(happened: np.ndarray, events: Sequence[Event]) -> list[dict[str, Any]]:
    """What happened, one line per event, in the order of first occurrence: step (from 1), text, and when again.

    Args:
        happened: bool [T, n_events].
    """
    lines: list[dict[str, Any]] = []
    for event, column in zip(events, happened.T, strict=True):
        steps = [int(step) + 1 for step in np.flatnonzero(column)]
        if not steps:
            continue
        more = ", ".join(map(str, steps[1:6])) + (f" and {len(steps) - 6} more times" if len(steps) > 6 else "")
        lines.append({"step": steps[0], "text": event.captions[0], "again": more})
    return sorted(lines, key=lambda line: line["step"])


def _picture(picture: np.ndarray) -> str:
    """A PNG with few colours, as the address of an image."""
    few = Image.fromarray(picture).quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
