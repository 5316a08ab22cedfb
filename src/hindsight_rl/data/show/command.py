"""`hindsight show FILE`: summarize a file of training rows, as tables or as one HTML page.

hindsight show train.jsonl --out train.html --against ifeval_prompts.jsonl
"""

from __future__ import annotations

import json

import tyro

from hindsight_rl.data.show import page, terminal
from hindsight_rl.data.show.config import ShowConfig
from hindsight_rl.data.show.survey import survey


def main(argv: list[str]) -> int:
    """Run the command; returns the exit code. Raises :class:`HindsightError` on bad input."""
    config = tyro.cli(ShowConfig, args=argv, prog="hindsight show", description=(__doc__ or "").splitlines()[0])
    found = survey(config)
    if config.json:
        print(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        terminal.show(found)
    if config.out is not None:
        page.write(found, config.out)
        if not config.json:
            print(f"\npage: {config.out}")
    return 0
